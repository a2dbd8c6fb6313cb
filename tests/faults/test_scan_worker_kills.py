"""SIGKILL at scan workers in the middle of a list of jobs: every job ends in a ping, none is lost or has two ids."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from producers.scan_worker_loop import group_of
from stratum_lab.contract.topics import SCAN_JOBS, full_name
from stratum_lab.kafka.reader import watermarks
from stratum_lab.kafka.topics import committed
from stratum_lab.ping.validate import problems
from stratum_lab.settings import Settings
from tests.support.scans import environment, jobs_of, pings, small_folders, states_of, submit_jobs
from tests.support.trial import Processes, soak, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

JOBS, KILLS = int(soak(16, 100)), int(soak(3, 20))
WORKER = [sys.executable, "-m", "stratum_lab.cli", "worker", "scan"]
CHILD = "stratum_lab.ping.child"


def ended(settings: Settings) -> int:
    """How many jobs are final."""
    return sum(s.final for s in states_of(settings))


def children_of(settings: Settings) -> list[psutil.Process]:
    """Scanning processes of this trial's sources."""
    out = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if CHILD in line and str(settings.home.parent) in line:
            out.append(process)
    return out


def all_committed(settings: Settings) -> bool:
    full = full_name(settings.kafka.topic_prefix, SCAN_JOBS)
    at = committed(settings, group_of(settings), [SCAN_JOBS])
    return all(at.get((full, p), 0) == end for p, (_, end) in watermarks(settings, full).items() if end)


def test_killed_workers_lose_no_job_and_repeat_it_with_the_same_scan_id(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    settings, rng = kafka_settings, random.Random(20)
    jobs = jobs_of(small_folders(tmp_path / "sources", JOBS))
    submit_jobs(settings, jobs)
    with Processes(environment(settings), settings.home / "logs") as running:
        workers = ("one", "two")
        for name in workers:
            running.start(name, WORKER)
        for kill in range(KILLS):
            reached = kill * JOBS // (KILLS + 1)
            wait_until(f"{reached} jobs ended", lambda at=reached: ended(settings) >= at, 300)
            time.sleep(rng.uniform(0.0, 1.5))  # any phase of an attempt is hit
            running.kill(rng.choice(workers))
        wait_until("every job ended", lambda: ended(settings) == JOBS, 600)
        wait_until("every job is committed", lambda: all_committed(settings), 60)
        for name in workers:
            running.stop(name)
    wait_until("no scanning process is left", lambda: not children_of(settings), 10)
    found = pings(settings)
    by_scan = Counter(p.scan_id for p in found)
    print(f"{JOBS} jobs, {KILLS} kills: {len(found)} pings, {len(found) - len(by_scan)} repeated")
    assert set(by_scan) == {j.scan_id for j in jobs}
    assert [p for ping in found for p in problems(ping)] == []
    assert {(s.job_id, s.scan_id, s.state, s.status) for s in states_of(settings)} == {
        (j.job_id, j.scan_id, "done", "success") for j in jobs
    }
    # A repeated attempt says the same about the repository.
    content = {p.scan_id: p.repo_hash for p in found}
    assert len(set(content.values())) == JOBS
    assert all(p.repo_hash == content[p.scan_id] and p.rescan is None for p in found)


@pytest.mark.parametrize("point", ["scan.results_sent:2", "scan.status_sent:3", "scan.before_commit:1"])
def test_a_worker_that_dies_between_two_steps_leaves_everything_to_the_next_one(
    kafka_settings: Settings, tmp_path: Path, point: str
) -> None:
    settings = kafka_settings
    jobs = jobs_of(small_folders(tmp_path / "sources", 4))
    submit_jobs(settings, jobs)
    with Processes(environment(settings, STRATUM_FAULTS=point), settings.home / "logs") as running:
        running.start("first", WORKER)
        wait_until("the first worker died", lambda: running.ends.get("first", 0) > 0, 90)
        running.stop("first")
    with Processes(environment(settings), settings.home / "logs") as running:
        running.start("second", WORKER)
        wait_until("every job ended", lambda: ended(settings) == len(jobs), 120)
        wait_until("every job is committed", lambda: all_committed(settings), 60)
        running.stop("second")
    assert {p.scan_id for p in pings(settings)} == {j.scan_id for j in jobs}
    assert {s.status for s in states_of(settings)} == {"success"}
