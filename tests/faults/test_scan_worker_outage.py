"""Scan workers whose broker freezes and dies, and whose clones hang: nothing fails for it, nothing is left running."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from producers.jobs import cancel
from stratum_lab.contract.events import ScanJob
from stratum_lab.errors import BrokerUnavailable
from stratum_lab.kafka import broker
from stratum_lab.kafka.backends.base import port_taken
from stratum_lab.settings import Settings
from tests.support.kafka import lend_jars, own_broker, settings_at
from tests.support.scans import environment, job, jobs_of, pings, small_folders, states_of, submit_jobs, wait_final
from tests.support.trial import Processes, soak, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

WORKER = [sys.executable, "-m", "stratum_lab.cli", "worker", "scan"]
JOBS = int(soak(16, 60))
FROZEN_S = soak(8, 60)


def started(settings: Settings) -> broker.Up:
    """Start the broker of this home, also on the data of the one before."""
    return broker.up(settings, lambda _: None)


def ended(settings: Settings) -> int:
    """How many jobs are final; a broker that has just started may not say yet."""
    try:
        return sum(s.final for s in states_of(settings))
    except BrokerUnavailable:
        return 0


def test_a_broker_that_freezes_and_one_that_is_killed_fail_no_scan(kafka_jars: Path, tmp_path: Path) -> None:
    home = own_broker(tmp_path / "broker", "apache")
    lend_jars(kafka_jars, home)
    up = started(home)
    try:
        settings = settings_at(up.state.bootstrap, tmp_path / "home")
        jobs = jobs_of(small_folders(tmp_path / "sources", JOBS))
        submit_jobs(settings, jobs)
        with Processes(environment(settings), settings.home / "logs") as running:
            running.start("scan", WORKER)
            wait_until("a few jobs ended", lambda: ended(settings) >= 3, 120)
            assert up.state.pid is not None
            os.kill(up.state.pid, signal.SIGSTOP)
            time.sleep(FROZEN_S)
            os.kill(up.state.pid, signal.SIGCONT)
            wait_until("half of the jobs ended", lambda: ended(settings) >= JOBS // 2, 180)
            os.kill(up.state.pid, signal.SIGKILL)
            wait_until("its port is free", lambda: not port_taken(home.broker.host, home.broker.port), 30)
            up = started(home)
            wait_until("every job ended", lambda: ended(settings) == JOBS, 240)
            assert running.ends == {}, running.log_text("scan")
            running.stop("scan", signal.SIGTERM)
        assert {p.scan_id for p in pings(settings)} == {j.scan_id for j in jobs}
        assert {p.scan_status for p in pings(settings)} == {"success"}
    finally:
        broker.down(home, lambda _: None)


@pytest.fixture
def silent_host() -> Iterator[str]:
    """Address of a Git host that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"https://127.0.0.1:{server.getsockname()[1]}/o/r"


def clones_of(one: ScanJob) -> list[psutil.Process]:
    """Programs that run with this source in their command line, without what became of them afterwards."""
    return [
        p
        for p in psutil.process_iter(["cmdline", "status"])
        if p.info["status"] != psutil.STATUS_ZOMBIE and one.source in " ".join(p.info["cmdline"] or [])
    ]


def test_a_clone_that_hangs_ends_in_a_failed_ping_at_its_time_limit(
    kafka_settings: Settings, tmp_path: Path, silent_host: str
) -> None:
    hung = job(silent_host, limits={"timeout_seconds": 3})
    (fine,) = jobs_of(small_folders(tmp_path / "sources", 1))
    submit_jobs(kafka_settings, [hung, fine])
    with Processes(environment(kafka_settings), kafka_settings.home / "logs") as running:
        running.start("scan", WORKER)
        states = {s.job_id: s for s in wait_final(kafka_settings, [hung, fine])}
    assert (states[hung.job_id].status, states[hung.job_id].reason) == ("failed", "timeout")
    assert states[fine.job_id].status == "success"
    assert clones_of(hung) == []


def test_a_clone_that_hangs_is_stopped_by_a_cancellation(kafka_settings: Settings, silent_host: str) -> None:
    hung = job(silent_host)
    submit_jobs(kafka_settings, [hung])
    with Processes(environment(kafka_settings), kafka_settings.home / "logs") as running:
        running.start("scan", WORKER)
        wait_until("the clone hangs", lambda: bool(clones_of(hung)), 60)
        cancel(kafka_settings, list(states_of(kafka_settings)), "not wanted")
        wait_until("the clone is gone", lambda: not clones_of(hung), 30)
        wait_until("its ping is there", lambda: bool(pings(kafka_settings)), 30)
    assert [(s.state, s.status) for s in states_of(kafka_settings)] == [("cancelled", "failed")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_ends_takes_its_clones_with_it_and_leaves_the_job(
    kafka_settings: Settings, silent_host: str, number: signal.Signals
) -> None:
    hung = job(silent_host)
    submit_jobs(kafka_settings, [hung])
    with Processes(environment(kafka_settings), kafka_settings.home / "logs") as running:
        running.start("scan", WORKER)
        wait_until("the clone hangs", lambda: bool(clones_of(hung)), 60)
        wait_until("it is said to run", lambda: [s.state for s in states_of(kafka_settings)] == ["running"], 30)
        running.stop("scan", number, grace_s=30.0)
        wait_until("the clone is gone", lambda: not clones_of(hung), 10)
        if number == signal.SIGTERM:
            assert "scan_worker_stopped" in running.log_text("scan")
            assert list(kafka_settings.scratch_dir.iterdir()) == []
    assert pings(kafka_settings) == []
    assert [s.state for s in states_of(kafka_settings)] == ["running"]
