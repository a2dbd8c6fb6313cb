"""Stream workers killed, added and stopped while input arrives: the final records are those of a cold fold."""

from __future__ import annotations

import random
import signal
import time

import pytest

from stratum_lab.settings import Settings
from tests.support.trial import WORKER, Load, processes, soak, trial_settings, verify

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
