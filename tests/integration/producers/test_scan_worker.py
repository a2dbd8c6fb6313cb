"""The scan worker against a broker, with a scanner that needs no source."""

from __future__ import annotations

import functools
import threading
from typing import Any

import pytest

from producers.jobs import cancel
from producers.scan_worker_attempt import Request, Scanned
from producers.scan_worker_loop import group_of
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import DeadLetter, Ping, RepoIdentity, ScanStatus, StructuralGraph
from stratum_lab.contract.topics import (
    DEAD_LETTERS,
    SCAN_GRAPHS,
    SCAN_IDENTITIES,
    SCAN_JOBS,
    SCAN_STATUS,
    full_name,
)
from stratum_lab.errors import DestinationFull
from stratum_lab.kafka.consumer import Consumer
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import watermarks
from stratum_lab.kafka.topics import committed
from stratum_lab.ping.validate import problems
from stratum_lab.settings import Settings
from tests.support.kafka import wait_for
from tests.support.scans import (
    Recorder,
    job,
    messages,
    pings,
    scanned,
    states_of,
    status,
    submit_jobs,
    wait_final,
    with_jobs,
    worker,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(kafka_settings: Settings) -> Settings:
    return with_jobs(kafka_settings)


def all_committed(settings: Settings) -> bool:
    full = full_name(settings.kafka.topic_prefix, SCAN_JOBS)
    at = committed(settings, group_of(settings), [SCAN_JOBS])
    return all(at.get((full, p), 0) == end for p, (_, end) in watermarks(settings, full).items() if end)


def wait_committed(settings: Settings) -> None:
    wait_for(lambda: all_committed(settings), "every job is committed", 30)


def test_every_job_gets_one_valid_ping_a_graph_an_identity_and_its_states(settings: Settings) -> None:
    jobs = [job(f"https://example.org/o/r{n}") for n in range(12)]
    with worker(settings, Recorder()):
        submit_jobs(settings, jobs)
        states = wait_final(settings, jobs)
        wait_committed(settings)
    found = pings(settings)
    assert sorted(p.scan_id for p in found) == sorted(j.scan_id for j in jobs)
    assert [p for ping in found for p in problems(ping)] == []
    assert {s.status for s in states} == {"success"}
    graphs = messages(settings, SCAN_GRAPHS, "StructuralGraph")
    assert {g.repo_id for g in graphs if isinstance(g, StructuralGraph)} == {j.repo_id for j in jobs}
    identities = [m for m in messages(settings, SCAN_IDENTITIES, "RepoIdentity") if isinstance(m, RepoIdentity)]
    assert {(i.repo_id, i.repo_hash) for i in identities} == {(j.repo_id, found[0].repo_hash) for j in jobs}
    seen: dict[str, list[str]] = {}
    for message in messages(settings, SCAN_STATUS, "ScanStatus"):
        assert isinstance(message, ScanStatus)
        seen.setdefault(message.job_id, []).append(message.state)
    assert seen == {j.job_id: ["queued", "running", "done"] for j in jobs}
    done = next(m for m in messages(settings, SCAN_STATUS, "ScanStatus") if isinstance(m, ScanStatus) and m.repo_hash)
    assert (done.providers, done.models, done.frameworks) == (["openai"], ["gpt-4o"], ["crewai"])
    assert (done.risk_score, done.repo_hash, done.schema_id) == (found[0].risk_score, found[0].repo_hash, 3)


def test_a_message_that_is_no_job_becomes_one_dead_letter_and_the_next_job_is_done(settings: Settings) -> None:
    good, other = job("https://example.org/o/good"), job("https://example.org/o/other")
    topic = full_name(settings.kafka.topic_prefix, SCAN_JOBS)
    encoded = Codec().encode(other)
    with Producer(settings) as producer:
        producer.send_raw(topic, good.repo_id, b"\x00garbage", (), partition=0)
        producer.send_raw(topic, good.repo_id, encoded.value, encoded.headers, partition=0)
        producer.send_raw(topic, None, None, (), partition=0)
        good_bytes = Codec().encode(good)
        producer.send_raw(topic, good.repo_id, good_bytes.value, good_bytes.headers, partition=0)
    with worker(settings, Recorder()):
        wait_final(settings, [good])
        wait_committed(settings)
    letters = [m for m in messages(settings, DEAD_LETTERS, "DeadLetter") if isinstance(m, DeadLetter)]
    assert sorted((m.stage, m.reason, m.offset) for m in letters) == [
        ("scan", "empty", 2),
        ("scan", "unknown_schema", 0),
        ("scan", "wrong_key", 1),
    ]
    assert [p.scan_id for p in pings(settings)] == [good.scan_id]


def test_an_invalid_ping_goes_to_dead_letters_and_a_failed_one_is_emitted_instead(settings: Settings) -> None:
    one = job()

    def broken(request: Request) -> Scanned:
        return scanned(request, risk_score=99)

    with worker(settings, broken):
        submit_jobs(settings, [one])
        (state,) = wait_final(settings, [one])
    (ping,) = pings(settings)
    assert (ping.scan_id, ping.scan_status, ping.risk_score) == (one.scan_id, "failed", None)
    assert problems(ping) == []
    assert (state.status, state.reason) == ("failed", "invalid_ping")
    (letter,) = messages(settings, DEAD_LETTERS, "DeadLetter")
    assert isinstance(letter, DeadLetter)
    assert (letter.stage, letter.reason) == ("scan", "invalid_ping")
    assert "M18" in str(letter.detail) or "risk_score" in str(letter.detail)


def test_a_defect_in_the_scanner_costs_one_failed_ping_and_the_worker_goes_on(settings: Settings) -> None:
    bad, good = job("https://example.org/o/bad"), job("https://example.org/o/good")

    def sometimes(request: Request) -> Scanned:
        if request.job.scan_id == bad.scan_id:
            raise ZeroDivisionError("a defect")
        return scanned(request)

    with worker(settings, sometimes):
        submit_jobs(settings, [bad, good])
        states = {s.job_id: s for s in wait_final(settings, [bad, good])}
        wait_committed(settings)
    assert (states[bad.job_id].status, states[bad.job_id].reason) == ("failed", "internal_error")
    assert states[good.job_id].status == "success"
    assert {p.scan_id: p.scan_status for p in pings(settings)} == {bad.scan_id: "failed", good.scan_id: "success"}


def test_a_waiting_job_that_is_cancelled_is_not_scanned(settings: Settings) -> None:
    one, two = job("https://example.org/o/one"), job("https://example.org/o/two")
    submit_jobs(settings, [one, two])
    cancel(settings, [s for s in states_of(settings) if s.job_id == one.job_id], "not wanted")
    recorder = Recorder()
    with worker(settings, recorder):
        states = {s.job_id: s for s in wait_final(settings, [one, two])}
        wait_committed(settings)
    assert recorder.asked == [two.scan_id]
    assert (states[one.job_id].state, states[one.job_id].reason) == ("cancelled", "not wanted")
    assert [p.scan_id for p in pings(settings)] == [two.scan_id]


def test_a_running_attempt_that_is_cancelled_ends_with_a_failed_ping(settings: Settings) -> None:
    one = job()
    recorder = Recorder()
    recorder.gate.clear()
    with worker(settings, recorder):
        submit_jobs(settings, [one])
        wait_for(lambda: bool(recorder.asked), "the attempt runs", 30)
        cancel(settings, list(states_of(settings)), "not wanted")
        wait_for(lambda: bool(pings(settings)), "the ping is there", 30)
        wait_committed(settings)
    (ping,) = pings(settings)
    assert (ping.scan_id, ping.scan_status) == (one.scan_id, "failed")
    (state,) = states_of(settings)
    assert (state.state, state.status, state.reason) == ("cancelled", "failed", "not wanted")


def test_an_attempt_cancelled_while_its_worker_was_dead_still_gets_its_ping(settings: Settings) -> None:
    one = job()
    submit_jobs(settings, [one])
    with Producer(settings) as producer:
        producer.send(SCAN_STATUS, one.repo_id, status(one, "running", worker="died"))
    cancel(settings, list(states_of(settings)), "not wanted")
    recorder = Recorder()
    with worker(settings, recorder):
        wait_for(lambda: bool(pings(settings)), "the ping is there", 30)
        wait_committed(settings)
    assert recorder.asked == []
    assert [(p.scan_id, p.scan_status) for p in pings(settings)] == [(one.scan_id, "failed")]


def test_a_second_scan_of_a_repository_is_compared_with_the_first_and_waits_for_it(settings: Settings) -> None:
    first, second = job(), job()
    recorder = Recorder()
    with worker(settings, recorder):
        submit_jobs(settings, [first, second])
        wait_final(settings, [first, second])
    assert recorder.asked == [first.scan_id, second.scan_id]
    assert recorder.most == 1
    by_scan = {p.scan_id: p for p in pings(settings)}
    assert by_scan[first.scan_id].rescan is None
    rescan = by_scan[second.scan_id].rescan
    assert rescan is not None
    assert rescan.pre_scan_id == first.scan_id


def test_a_job_read_again_after_its_result_is_there_is_skipped(settings: Settings) -> None:
    one = job()
    recorder = Recorder()
    with worker(settings, recorder):
        submit_jobs(settings, [one])
        wait_final(settings, [one])
        submit_jobs(settings, [one])
        wait_committed(settings)
    assert recorder.asked == [one.scan_id]
    assert len(pings(settings)) == 1


def test_a_job_whose_status_is_there_without_its_ping_is_scanned_again(settings: Settings) -> None:
    one = job()
    with Producer(settings) as producer:
        producer.send(SCAN_STATUS, one.repo_id, status(one, "done", status="success", repo_hash="a" * 16))
    recorder = Recorder()
    with worker(settings, recorder):
        submit_jobs(settings, [one])
        wait_committed(settings)
    assert recorder.asked == [one.scan_id]
    assert [p.scan_id for p in pings(settings)] == [one.scan_id]


def test_a_full_disk_is_waited_out_and_fails_nothing(settings: Settings) -> None:
    one = job()
    tries: list[str] = []

    def full_once(request: Request) -> Scanned:
        tries.append(request.job.scan_id)
        if len(tries) == 1:
            raise DestinationFull("no room")
        return scanned(request)

    with worker(settings, full_once):
        submit_jobs(settings, [one])
        (state,) = wait_final(settings, [one])
    assert tries == [one.scan_id, one.scan_id]
    assert state.status == "success"
    assert [p.scan_status for p in pings(settings)] == ["success"]


def test_attempts_at_once_are_bounded_and_the_bound_is_reached(settings: Settings) -> None:
    settings = with_jobs(settings, attempts=3)
    jobs = [job(f"https://example.org/o/r{n}") for n in range(9)]
    recorder = Recorder()
    recorder.gate.clear()
    with worker(settings, recorder):
        submit_jobs(settings, jobs)
        wait_for(lambda: len(recorder.now) == 3, "three attempts run", 30)
        recorder.gate.set()
        wait_final(settings, jobs)
    assert recorder.most == 3


def test_a_stopped_worker_leaves_unfinished_jobs_to_the_next_one(settings: Settings) -> None:
    settings = with_jobs(settings, stop_grace_s=0.0)
    jobs = [job(f"https://example.org/o/r{n}") for n in range(5)]
    first, second = Recorder(), Recorder()
    first.gate.clear()
    with worker(settings, first):
        submit_jobs(settings, jobs)
        wait_for(lambda: len(first.now) == 2, "two attempts run", 30)
    assert pings(settings) == []
    with worker(settings, second):
        wait_final(settings, jobs)
        wait_committed(settings)
    assert sorted(p.scan_id for p in pings(settings)) == sorted(j.scan_id for j in jobs)


def test_a_stopped_worker_lets_running_attempts_end_within_the_grace(settings: Settings) -> None:
    settings = with_jobs(settings, stop_grace_s=20.0)
    jobs = [job(f"https://example.org/o/r{n}") for n in range(2)]
    recorder = Recorder()
    recorder.gate.clear()
    with worker(settings, recorder) as stop:
        submit_jobs(settings, jobs)
        wait_for(lambda: len(recorder.now) == 2, "two attempts run", 30)
        stop.set()
        threading.Timer(0.3, recorder.gate.set).start()
    assert sorted(p.scan_id for p in pings(settings)) == sorted(j.scan_id for j in jobs)
    assert all_committed(settings)


def test_an_attempt_longer_than_the_group_waits_for_a_silent_member_keeps_its_partitions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience_s = 6.0
    patient = functools.partial(Consumer, max_poll_interval_s=patience_s)
    monkeypatch.setattr("producers.scan_worker_loop.Consumer", patient)
    jobs = [job(f"https://example.org/o/r{n}") for n in range(30)]  # more than are taken, so it also has to hold
    recorder = Recorder()
    recorder.gate.clear()
    with worker(settings, recorder):
        submit_jobs(settings, jobs)
        wait_for(lambda: len(recorder.now) == 2, "two attempts run", 30)
        threading.Timer(1.5 * patience_s, recorder.gate.set).start()
        wait_final(settings, jobs)
    assert sorted(recorder.asked) == sorted(j.scan_id for j in jobs)


def test_a_second_worker_joins_while_attempts_run_and_every_job_ends_once_or_twice_with_one_id(
    settings: Settings,
) -> None:
    jobs = [job(f"https://example.org/o/r{n}") for n in range(16)]
    first, second = Recorder(), Recorder()
    first.gate.clear()
    with worker(settings, first):
        submit_jobs(settings, jobs)
        wait_for(lambda: len(first.now) == 2, "two attempts run", 30)
        with worker(settings, second):
            wait_for(lambda: bool(second.asked), "the second worker has jobs", 30)
            first.gate.set()
            wait_final(settings, jobs)
            wait_committed(settings)
    assert {p.scan_id for p in pings(settings)} == {j.scan_id for j in jobs}
    assert {s.status for s in states_of(settings)} == {"success"}


def test_every_job_folder_is_gone_and_leftovers_of_dead_workers_are_swept(settings: Settings) -> None:
    dead = settings.scratch_dir / "gone-1-ab" / "7"
    dead.mkdir(parents=True)
    (dead / "left").write_text("x")
    one = job()
    recorder = Recorder()
    with worker(settings, recorder):
        wait_for(lambda: not dead.parent.exists(), "leftovers are swept", 30)
        submit_jobs(settings, [one])
        wait_final(settings, [one])
    assert not recorder.folders[0].exists()
    assert list(settings.scratch_dir.iterdir()) == []


def test_a_job_without_a_static_part_is_left_to_the_coordinator(settings: Settings) -> None:
    runs: dict[str, Any] = {"what": "runs", "run_first": 1, "run_last": 5}
    one, two = job("https://example.org/o/one", **runs), job("https://example.org/o/two")
    recorder = Recorder()
    with worker(settings, recorder):
        submit_jobs(settings, [one, two])
        wait_final(settings, [two])
        wait_committed(settings)
    assert recorder.asked == [two.scan_id]
    assert {s.job_id: s.state for s in states_of(settings)}[one.job_id] == "queued"
    assert all(isinstance(p, Ping) for p in pings(settings))
