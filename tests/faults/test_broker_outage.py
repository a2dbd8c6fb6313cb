"""A broker that freezes, dies and comes back: the final records are those of a cold fold."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from stratum_lab.kafka import broker
from stratum_lab.settings import Settings
from tests.support.kafka import lend_jars, own_broker, settings_at
from tests.support.trial import WORKER, Load, processes, soak, trial_settings, verify

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SECONDS = soak(20, 60)
FROZEN_S = soak(10, 60)


def started(settings: Settings) -> broker.Up:
    """Start the broker of this home, also on the data of the one before."""
    return broker.up(settings, lambda _: None)


def test_a_broker_that_freezes_and_one_that_is_killed_change_nothing(kafka_jars: Path, tmp_path: Path) -> None:
    home = own_broker(tmp_path / "broker", "apache")
    lend_jars(kafka_jars, home)
    up = started(home)
    try:
        settings = trial_settings(settings_at(up.state.bootstrap, tmp_path / "home"))
        load = Load.drawn(random.Random(31), repos=15, batches=20, size=20)
        with processes(settings) as running:
            running.start("a", WORKER)
            running.start("b", WORKER)
            producing = load.in_background(settings, SECONDS)
            time.sleep(SECONDS / 4)
            assert up.state.pid is not None
            os.kill(up.state.pid, signal.SIGSTOP)
            time.sleep(FROZEN_S)
            os.kill(up.state.pid, signal.SIGCONT)
            time.sleep(SECONDS / 4)
            os.kill(up.state.pid, signal.SIGKILL)
            up = started(home)
            producing.join()
            print(f"outage: {verify(settings, running, timeout_s=120)}")
    finally:
        broker.down(home, lambda _: None)
