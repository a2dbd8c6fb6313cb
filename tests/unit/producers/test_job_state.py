"""Folding `scan.status`: whatever the order of the news, a state only moves forward."""

from __future__ import annotations

import itertools

import pytest

from producers.job_state import HISTORY, JobStates, counts
from stratum_lab.contract.events import ScanStatus
from tests.support.scans import job, status


def folded(*statuses: ScanStatus) -> JobStates:
    states = JobStates()
    for s in statuses:
        states.add(s, log_ms=1)
    return states


def test_a_job_goes_from_queued_to_done_in_whatever_order_the_news_come() -> None:
    one = job()
    news = [
        status(one, "queued"),
        status(one, "running", worker="w"),
        status(one, "done", status="partial", risk_score=4, finding_rules=[]),
    ]
    for order in itertools.permutations(news):
        state = folded(*order).latest(one.job_id)
        assert state is not None
        assert (state.state, state.label, state.risk_score, state.began) == ("done", "partial", 4, True)


@pytest.mark.parametrize("late_first", [True, False])
def test_a_result_outranks_a_cancellation_that_came_too_late(late_first: bool) -> None:
    one = job()
    news = [status(one, "cancelled"), status(one, "done", status="success")]
    states = folded(*(reversed(news) if late_first else news))
    assert [s.state for s in states] == ["done"]


def test_the_first_of_two_results_of_one_scan_counts() -> None:
    one = job()
    states = folded(
        status(one, "done", status="success", risk_score=1, finding_rules=["A"]),
        status(one, "done", status="failed"),
    )
    assert [s.status for s in states] == ["success"]


def test_a_cancelled_attempt_that_had_begun_keeps_its_ping() -> None:
    one = job()
    state = folded(
        status(one, "running"),
        status(one, "cancelled", reason="not wanted"),
        status(one, "cancelled", status="failed", reason="cancelled"),
    ).latest(one.job_id)
    assert state is not None
    assert (state.state, state.status, state.began) == ("cancelled", "failed", True)


def test_a_further_attempt_stands_for_the_job() -> None:
    one = job()
    again = one.model_copy(update={"attempt": 2, "scan_id": "00000002"})
    states = folded(status(one, "done", status="failed"), status(again, "queued"))
    (state,) = states
    assert (state.attempt, state.state) == (2, "queued")
    assert [a.attempt for a in states.attempts(one.job_id)] == [1, 2]
    assert states.scan_ids == {one.scan_id, again.scan_id}


def test_the_open_job_of_a_repository_is_found_among_its_ended_ones() -> None:
    first, second = job(), job()
    states = folded(status(first, "done", status="success"), status(second, "queued"), status(first, "running"))
    found = states.open_job(first.repo_id)
    assert found is not None
    assert found.job_id == second.job_id
    assert folded(status(first, "done", status="success")).open_job(first.repo_id) is None


def measured(of_scan: str, score: int) -> ScanStatus:
    return status(job(scan_id=of_scan), "done", status="success", risk_score=score, finding_rules=["B", "A"])


def test_a_rescan_is_compared_with_the_last_measured_scan_before_it() -> None:
    failed = status(job(scan_id="0000000f"), "done", status="failed")
    states = folded(measured("00000001", 10), measured("00000002", 20), failed)
    repo = job().repo_id
    previous = states.previous(repo, "00000003")
    assert previous is not None
    assert (previous.scan_id, previous.risk_score, previous.finding_rules) == ("00000002", 20, frozenset("AB"))


def test_a_repeated_scan_sees_what_it_saw_the_first_time() -> None:
    states = folded(measured("00000001", 10), measured("00000002", 20), measured("00000003", 30))
    repo = job().repo_id
    previous = states.previous(repo, "00000002")
    assert previous is not None
    assert previous.scan_id == "00000001"
    assert states.previous(repo, "00000001") is None


def test_the_history_of_a_repository_is_bounded() -> None:
    states = folded(*(measured(f"{n:08x}", n) for n in range(HISTORY * 3)))
    previous = states.previous(job().repo_id, "ffffffff")
    assert previous is not None
    assert previous.risk_score == HISTORY * 3 - 1


def test_jobs_are_found_by_the_ids_a_person_sees() -> None:
    one, two = job("https://example.org/o/one"), job("https://example.org/o/two")
    states = folded(status(one, "queued"), status(two, "queued"))
    for wanted in (one.job_id, one.job_id[:12], one.scan_id, one.repo_id):
        assert states.find(wanted) == [one.job_id]
    assert states.find("zzzz") == []


def test_counts_name_every_state_and_how_jobs_ended() -> None:
    news = [status(job(), "queued"), status(job(), "done", status="empty"), status(job(), "cancelled")]
    found = counts(folded(*news))
    assert list(found) == ["queued", "running", "success", "partial", "empty", "failed", "cancelled"]
    assert {k: v for k, v in found.items() if v} == {"queued": 1, "empty": 1, "cancelled": 1}
