"""Submitting, cancelling and retrying jobs against a broker, and following their states."""

from __future__ import annotations

import pytest

from producers.job_state_log import StatusFollower, read_states
from producers.jobs import Request, Submitted, cancel, retry, submit, the_job
from stratum_lab.campaign.sources import Listed, parse_list
from stratum_lab.contract.events import ScanJob, ScanLimits, ScanStatus
from stratum_lab.contract.topics import SCAN_JOBS, SCAN_STATUS, full_name
from stratum_lab.errors import UsageError
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import read_topic
from stratum_lab.settings import Settings
from tests.support.scans import job, messages, status, submit_jobs

pytestmark = pytest.mark.integration


def entries(*names: str) -> list[Listed]:
    return parse_list([f"https://example.org/o/{name}" for name in names], "list")


def submitted(settings: Settings, found: list[Listed], request: Request) -> Submitted:
    done = Submitted()
    submit(settings, read_states(settings), found, request, done)
    return done


def jobs_in_log(settings: Settings) -> list[ScanJob]:
    return [m for m in messages(settings, SCAN_JOBS, "ScanJob") if isinstance(m, ScanJob)]


def test_every_source_becomes_a_job_and_a_queued_status_under_one_key(kafka_settings: Settings) -> None:
    request = Request("both", (2, 4), "c1", ScanLimits(timeout_seconds=9))
    done = submitted(kafka_settings, entries("a", "b"), request)
    jobs = jobs_in_log(kafka_settings)
    assert {j.job_id: j for j in jobs} == {j.job_id: j for j in done.jobs}
    assert {(j.what, j.run_first, j.run_last, j.campaign_id, j.attempt) for j in jobs} == {("both", 2, 4, "c1", 1)}
    assert {j.limits.timeout_seconds for j in jobs} == {9}
    statuses = [m for m in messages(kafka_settings, SCAN_STATUS, "ScanStatus") if isinstance(m, ScanStatus)]
    assert sorted((s.job_id, s.scan_id, s.state) for s in statuses) == sorted(
        (j.job_id, j.scan_id, "queued") for j in jobs
    )
    keys = {m.key for m in read_topic(kafka_settings, SCAN_JOBS)}
    assert keys == {j.repo_id.encode() for j in jobs}


def test_a_source_that_waits_already_is_named_and_left_out_unless_forced(kafka_settings: Settings) -> None:
    (first,) = submitted(kafka_settings, entries("a"), Request()).jobs
    again = submitted(kafka_settings, entries("a", "b"), Request())
    assert [(e.source.display_name, s.job_id) for e, s in again.already] == [("o/a", first.job_id)]
    assert [j.display_name for j in again.jobs] == ["o/b"]
    assert len(submitted(kafka_settings, entries("a"), Request(force=True)).jobs) == 1


def test_a_source_whose_job_is_done_is_scanned_again(kafka_settings: Settings) -> None:
    (first,) = submitted(kafka_settings, entries("a"), Request()).jobs
    with Producer(kafka_settings) as producer:
        producer.send(SCAN_STATUS, first.repo_id, status(first, "done", status="success"))
    (second,) = submitted(kafka_settings, entries("a"), Request()).jobs
    assert (second.repo_id, second.job_id == first.job_id) == (first.repo_id, False)


def test_scan_ids_that_were_drawn_before_are_not_drawn_again(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = submitted(kafka_settings, entries("a"), Request()).jobs
    drawn = iter([first.scan_id, "0" * 8, "0" * 8, "1" * 8])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(drawn) if size == 4 else "ab" * size)
    found = submitted(kafka_settings, entries("b", "c"), Request()).jobs
    assert [j.scan_id for j in found] == ["0" * 8, "1" * 8]


@pytest.mark.parametrize(
    ("request_", "said"), [(Request("runs"), "--runs"), (Request("static", (1, 2)), "--what runs")]
)
def test_a_request_that_makes_no_sense_submits_nothing(kafka_settings: Settings, request_: Request, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        submitted(kafka_settings, entries("a"), request_)
    assert said in str(caught.value)
    assert jobs_in_log(kafka_settings) == []


def test_a_cancelled_job_says_why_and_can_be_tried_again_as_it_was(kafka_settings: Settings) -> None:
    request = Request("both", (1, 3), "c1", ScanLimits(files=7))
    (first,) = submitted(kafka_settings, entries("a"), request).jobs
    cancel(kafka_settings, list(read_states(kafka_settings)), "not wanted")
    states = read_states(kafka_settings)
    cancelled = the_job(states, first.job_id[:6])
    assert (cancelled.state, cancelled.reason) == ("cancelled", "not wanted")
    (again,) = retry(kafka_settings, states, [cancelled])
    assert (again.job_id, again.attempt) == (first.job_id, 2)
    assert again.scan_id != first.scan_id
    assert (again.what, again.run_last, again.limits.files, again.campaign_id) == ("both", 3, 7, "c1")
    latest = read_states(kafka_settings).latest(first.job_id)
    assert latest is not None
    assert (latest.attempt, latest.state) == (2, "queued")


def test_a_job_that_the_topic_no_longer_holds_is_made_again_from_its_status(kafka_settings: Settings) -> None:
    old = job("https://example.org/o/old", campaign_id="c9")
    with Producer(kafka_settings) as producer:
        producer.send(SCAN_STATUS, old.repo_id, status(old, "done", status="failed", campaign_id="c9"))
    states = read_states(kafka_settings)
    (again,) = retry(kafka_settings, states, list(states))
    assert (again.job_id, again.attempt, again.source, again.campaign_id) == (old.job_id, 2, old.source, "c9")


def test_an_id_that_names_no_job_or_several_is_refused(kafka_settings: Settings) -> None:
    submit_jobs(kafka_settings, [job(), job()])
    states = read_states(kafka_settings)
    with pytest.raises(UsageError, match="0 jobs"):
        the_job(states, "ffffffffffff")
    with pytest.raises(UsageError, match="2 jobs"):
        the_job(states, job().repo_id)


def test_a_follower_knows_everything_that_was_there_when_it_was_asked(kafka_settings: Settings) -> None:
    jobs = [job(f"https://example.org/o/r{n}") for n in range(30)]
    submit_jobs(kafka_settings, jobs[:20])
    with StatusFollower(kafka_settings) as follower:
        follower.catch_up(30)
        with follower.changed:
            assert len(follower.states) == 20
        submit_jobs(kafka_settings, jobs[20:])
        follower.catch_up(30)
        with follower.changed:
            assert len(follower.states) == 30


def test_a_status_that_cannot_be_read_hides_no_other(kafka_settings: Settings) -> None:
    one = job()
    topic = full_name(kafka_settings.kafka.topic_prefix, SCAN_STATUS)
    with Producer(kafka_settings) as producer:
        for partition in range(kafka_settings.kafka.partitions):
            producer.send_raw(topic, "x", b"garbage", (), partition=partition)
    submit_jobs(kafka_settings, [one])
    assert [s.job_id for s in read_states(kafka_settings)] == [one.job_id]
