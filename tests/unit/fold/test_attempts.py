"""Which attempt counts, which tier counts, and how a folder of many attempts keeps them apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stratum_lab.errors import IntegrityError
from stratum_lab.fold import (
    AttemptState,
    Folder,
    RunFacts,
    choose_runs,
    derive_record,
    dump_attempt,
    fold_batch,
    is_complete,
    load_attempt,
)
from stratum_lab.fold import folder as folder_module
from tests.support.fold import REPO, batches_of, event, events_of, facts_of, finished_of, runs_of, state_of

LINES = events_of([event("agent.task_start", f"n{n}") for n in range(10)])


def attempt(run: int, number: int, status: str = "SUCCESS") -> RunFacts:
    return facts_of(LINES, run_number=run, attempt=number, status=status)


def chosen(*facts: RunFacts, incomplete: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    return [(f.run_number, f.attempt) for f in choose_runs(facts, lambda f: f.attempt not in incomplete)]


def test_the_highest_finished_complete_attempt_counts() -> None:
    assert chosen(attempt(1, 1), attempt(1, 3), attempt(1, 2)) == [(1, 3)]
    assert chosen(attempt(1, 1), attempt(1, 2), incomplete=(2,)) == [(1, 1)]
    assert chosen(attempt(1, 1), attempt(1, 2, "INFRA_ERROR")) == [(1, 1)]
    assert chosen(attempt(1, 1, "INFRA_ERROR")) == []
    assert chosen(attempt(1, 1, "MODEL_FAILURE"), attempt(10, 1), attempt(2, 1)) == [(1, 1), (2, 1), (10, 1)]


def test_facts_survive_a_trip_through_json() -> None:
    facts = facts_of(LINES, frameworks_matched=["b", "a"], duration_seconds=1.5, model_name="m", repo_full_name="o/n")
    assert RunFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
    assert (facts.frameworks, facts.tiers, facts.duration) == (("a", "b"), ((1, 1, 10),), 1.5)


def test_an_attempt_is_complete_when_its_last_event_is_folded() -> None:
    assert not is_complete(None, facts_of(LINES))
    assert is_complete(None, facts_of(0))
    assert not is_complete(state_of(LINES[:9]), facts_of(LINES))
    assert is_complete(state_of(LINES), facts_of(LINES))
    assert is_complete(state_of(LINES), facts_of(9))  # a late event does no harm


def total(state: AttemptState, facts: RunFacts) -> int:
    record = derive_record(REPO, [(facts, state)], None)
    assert record is not None
    count: int = record["execution_metadata"]["total_events"]
    return count


def test_the_tier_that_the_marker_names_counts_and_another_one_where_it_has_no_events() -> None:
    state = AttemptState()
    for batch in (*batches_of(LINES[:4], tier=1), *batches_of(LINES[4:], tier=2, first_seq=5)):
        fold_batch(state, batch)
    assert [total(state, facts_of(LINES, tier=t)) for t in (1, 2, 0)] == [4, 6, 6]
    assert total(state_of(LINES, tier=0), facts_of(LINES, tier=1)) == 10
    assert total(AttemptState(), facts_of(0)) == 0


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"[1,2]", b"[99,0,[]]", b'[1,5,[[1,["a"]]]]', b"[1,5,7]"])
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="snapshot"):
        load_attempt(data)


def test_a_batch_ahead_of_its_run_changes_nothing() -> None:
    state = state_of(LINES[:3])
    before = dump_attempt(state)
    (ahead,) = batches_of(LINES[5:], first_seq=6)
    assert fold_batch(state, ahead) == (0, 0, (4, 5))
    assert dump_attempt(state) == before


def test_holes_are_closed_by_late_batches_and_reported_until_then() -> None:
    one, two, three = batches_of(LINES, cuts=(3, 6))
    folder = Folder()
    folder.finished(finished_of(LINES))
    for batch in (three, three, one):
        folder.batch(batch)
    (result,) = folder.results()
    assert (result.record, result.topology, result.runs) == (None, None, [])
    assert result.incomplete == [(1, 1, True, ((4, 6),))]
    folder.batch(two)
    (result,) = folder.results()
    assert result.incomplete == [] and result.problems == []
    assert result.record == derive_record(REPO, [(facts_of(LINES), state_of(LINES))], None)
    assert result.topology is not None and result.topology.repo_id == REPO


def test_runs_without_a_marker_stay_open() -> None:
    folder = Folder()
    for batch in batches_of(LINES):
        folder.batch(batch)
    (result,) = folder.results()
    assert (result.record, result.incomplete) == (None, [(1, 1, False, ())])


def test_a_superseded_attempt_does_not_count() -> None:
    folder = Folder()
    for number, events in ((1, LINES[:4]), (2, LINES)):
        folder.finished(finished_of(events, attempt=number))
        for batch in batches_of(events, attempt=number):
            folder.batch(batch)
    folder.finished(finished_of(99, attempt=3))  # finished, but its events never came
    (result,) = folder.results()
    assert [(f.run_number, f.attempt) for f in result.runs] == [(1, 2)]
    assert result.record is not None and result.record["execution_metadata"]["total_events"] == 10


def test_what_waits_for_a_hole_is_bounded_and_the_loss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_PENDING_EVENTS", 4)
    folder = Folder()
    _, two, three = batches_of(LINES, cuts=(3, 6))
    folder.batch(two)
    folder.batch(three)
    (result,) = folder.results()
    assert result.problems == ["run 1 attempt 1: 4 events after a hole were dropped"]


def test_a_late_lower_run_becomes_the_first_run() -> None:
    lines: list[list[dict[str, Any]]] = [[event("delegation.initiated", "a", target=t)] for t in ("b", "c")]
    one, two = runs_of(*lines)
    only = derive_record(REPO, [two], None)
    both = derive_record(REPO, [two, one], None)
    assert only is not None and both is not None
    assert only["edge_validation"]["activation_rates"]["e1"]["target"] == "c"
    assert both["edge_validation"]["activation_rates"]["e1"]["target"] == "b"
