"""Stream workers killed, added and stopped while input arrives: the final records are those of a cold fold."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from stratum_lab.settings import Settings
from tests.support.kafka import settings_at
from tests.support.trial import (
    SESSION_S,
    WORKER,
    Load,
    processes,
    soak,
    some_folded,
    trial_settings,
    verify,
    wait_until,
)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SECONDS = soak(16, 60)
REPOS, BATCHES, SIZE = 25, int(soak(25, 60)), 20


def seeds(short: int, long: int) -> list[int]:
    """Seeds of a trial; a failed one can be run again by its id."""
    return list(range(1, int(soak(short, long)) + 1))


def drawn(seed: int) -> tuple[random.Random, Load]:
    """The random source of a trial and its input."""
    rng = random.Random(seed)
    return rng, Load.drawn(rng, repos=REPOS, batches=BATCHES, size=SIZE)


@pytest.mark.parametrize("seed", seeds(1, 5))
def test_a_worker_killed_three_times_loses_and_doubles_nothing(kafka_settings: Settings, seed: int) -> None:
    settings = trial_settings(kafka_settings)
    rng, load = drawn(seed)
    with processes(settings) as running:
        running.start("a", WORKER)
        producing = load.in_background(settings, SECONDS)
        for _ in range(3):
            time.sleep(SECONDS / 4 * rng.uniform(0.7, 1.3))
            running.kill("a")
        producing.join()
        print(f"kill, seed {seed}: {verify(settings, running)}")


@pytest.mark.parametrize("seed", seeds(1, 5))
def test_rebalances_lose_and_double_nothing(kafka_settings: Settings, seed: int) -> None:
    settings = trial_settings(kafka_settings)
    rng, load = drawn(100 + seed)
    with processes(settings) as running:
        running.start("a", WORKER)
        producing = load.in_background(settings, SECONDS)
        steps = [
            lambda: running.start("b", WORKER),
            lambda: running.stop("a", signal.SIGTERM),
            lambda: running.start("a", WORKER),
            lambda: running.stop("b", signal.SIGKILL),
        ]
        for step in steps:
            time.sleep(SECONDS / 5 * rng.uniform(0.7, 1.3))
            step()
        producing.join()
        print(f"rebalance, seed {seed}: {verify(settings, running)}")


@pytest.mark.parametrize("seed", seeds(1, 3))
def test_a_storm_of_kills_loses_and_doubles_nothing(kafka_settings: Settings, seed: int) -> None:
    settings = trial_settings(kafka_settings)
    rng, load = drawn(200 + seed)
    names = ["a", "b", "c"]
    with processes(settings) as running:
        for name in names:
            running.start(name, WORKER)
        producing = load.in_background(settings, SECONDS)
        end = time.monotonic() + soak(25, 70)
        while time.monotonic() < end:
            time.sleep(rng.uniform(3, 9))
            name = rng.choice(names)
            if rng.random() < 0.5:
                running.kill(name)
            else:
                running.stop(name, signal.SIGTERM)
                running.start(name, WORKER)
        producing.join()
        print(f"storm, seed {seed}: {verify(settings, running, timeout_s=150)}")


def test_a_worker_that_stood_still_while_another_took_over_changes_nothing(kafka_settings: Settings) -> None:
    settings = trial_settings(kafka_settings)
    _, load = drawn(301)
    with processes(settings) as running:
        running.start("a", WORKER)
        producing = load.in_background(settings, SECONDS)
        wait_until("the first worker has committed", lambda: some_folded(settings), 40)
        running.start("b", WORKER)
        running.send_signal("a", signal.SIGSTOP)
        wait_until("the second worker took over", lambda: "partitions recovered" in running.log_text("b"), 60)
        time.sleep(SESSION_S)
        running.send_signal("a", signal.SIGCONT)
        producing.join()
        print(f"zombie: {verify(settings, running)}")
        assert "stood still" in running.log_text("a")


def test_a_worker_without_partitions_takes_over_when_the_other_is_killed(kafka: str, tmp_path: Path) -> None:
    settings = trial_settings(settings_at(kafka, tmp_path / "home", partitions=1))
    _, load = drawn(302)
    with processes(settings) as running:
        for name in ("a", "b", "c"):
            running.start(name, WORKER)
        producing = load.in_background(settings, SECONDS / 2)
        wait_until("somebody has committed", lambda: some_folded(settings), 60)
        busy = [n for n in running.names() if '"partitions": [0]' in running.log_text(n)]
        running.stop(busy[-1])
        producing.join()
        print(f"standby: {verify(settings, running)}")
