"""Seeds, paths, stop mechanisms and swallowed errors (2.7, D5, D14), worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from stratum_lab.fold.record.errors import MAX_PREDICTED
from stratum_lab.fold.state import MAX_SEEDS
from tests.support.fold import (
    baseline,
    event,
    node,
    record,
    signals,
    stats,
)

A, B, C = "crewai:A:a.py:1", "crewai:B:a.py:2", "crewai:C:a.py:3"


def trace_of(*lines: dict[str, Any], n: int = 0) -> dict[str, Any]:
    trace: dict[str, Any] = record(list(lines))["error_propagation"][n]
    return trace


def test_a_path_holds_each_later_node_at_its_first_error() -> None:
    trace = trace_of(
        event("agent.task_start", B, parent_node_id=A),
        event("agent.task_start", C, parent_node_id=B),
        event("error.occurred", node(A, name="Ann"), error_type="Boom"),
        event("agent.task_end", C, status="failed"),
        event("error.propagated", A),
        event("tool.completed", B, status="error"),
        event("error.occurred"),
        event("agent.task_end", C, status="error"),
    )
    assert trace == {
        "error_source_node": "Ann",
        "error_type": "Boom",
        "structural_predicted_path": [A, B, C],
        "actual_observed_path": [A, C, B],
        "propagation_stopped_by": B,
        "stop_mechanism": "end_of_chain",
        "downstream_impact": {
            "nodes_affected": 2,
            "cascade_depth": 2,
            "downstream_errors": 5,
            "downstream_tasks_failed": 2,
        },
        "swallowed": False,
    }


def test_only_the_first_seed_of_a_node_counts_and_failed_never_seeds() -> None:
    rec = record(
        [
            event("agent.task_end", A, status="failed"),
            event("error.occurred", A, error_type="First"),
            event("error.propagated", A, error_type="Second"),
            event("error.occurred", error_type="Nameless"),
            event("error.occurred", error_type="Nameless"),
            event("execution.end", A, status="error"),
            event("llm.call_end", B, status="error"),
            event("tool.call_failure", B),
        ]
    )
    assert [t["error_type"] for t in rec["error_propagation"]] == ["First", "Nameless", "Nameless"]


def test_a_seed_without_a_node_has_no_predicted_path_and_may_have_no_path_at_all() -> None:
    alone = trace_of(event("error.occurred"))
    assert (alone["structural_predicted_path"], alone["actual_observed_path"]) == ([], [])
    assert (alone["propagation_stopped_by"], alone["stop_mechanism"]) == ("unknown", "no_propagation")
    assert (alone["error_source_node"], alone["error_type"]) == ("unknown", "unknown")
    followed = trace_of(event("error.occurred"), event("agent.task_end", A, status="error"))
    assert (followed["actual_observed_path"], followed["downstream_impact"]["cascade_depth"]) == ([A], 0)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"error_type": "T", "error": "E"}, "T"),
        ({"error_type": "", "error": "E"}, "E"),
        ({"error_type": None, "error": {"code": 1}}, {"code": 1}),
        ({}, "unknown"),
    ],
)
def test_the_error_type_falls_back_to_the_error_as_it_stands(payload: dict[str, Any], expected: Any) -> None:
    assert trace_of(event("error.occurred", A, **payload))["error_type"] == expected


GUARD, REVIEW = "crewai:Guardian:g.py:1", "crewai:Code REVIEWer:g.py:2"
ERR, OK, BAD = event("error.occurred", A), {"status": "success"}, {"status": "error"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([ERR, event("agent.task_end", A, **OK)], "retry_succeeded"),
        ([event("agent.task_end", A, **OK), ERR], "end_of_chain"),
        ([ERR, event("agent.task_end", B, **OK)], "end_of_chain"),
        ([ERR, event("agent.task_end", B, **BAD), event("agent.task_end", B, **OK)], "retry_succeeded"),
        ([ERR, event("agent.task_end", GUARD, **BAD)], "error_boundary"),
        ([ERR, event("agent.task_end", GUARD, **BAD), event("agent.task_end", GUARD, **OK)], "error_boundary"),
        ([ERR, event("agent.task_end", GUARD, **OK), event("error.occurred", GUARD)], "retry_succeeded"),
        ([ERR, event("file.read", REVIEW), event("error.occurred", REVIEW)], "error_boundary"),
        ([event("error.occurred", GUARD)], "end_of_chain"),
        ([event("error.occurred", GUARD), event("agent.task_end", GUARD, **OK)], "retry_succeeded"),
        ([ERR, event("error.occurred", node_id=GUARD)], "end_of_chain"),
    ],
)
def test_the_stop_mechanism_follows_the_last_node_of_the_path(lines: list[dict[str, Any]], expected: str) -> None:
    assert trace_of(*lines)["stop_mechanism"] == expected


def test_an_error_is_swallowed_when_only_successes_follow() -> None:
    rec = record([ERR, event("agent.task_end", B, **OK)])
    assert rec["error_propagation"][0]["swallowed"] is True
    assert signals(rec, "STRAT-SI-001") == (1, "error_swallowed")
    assert baseline(rec, "error_swallow_rate")["observed_baseline"] == 1.0
    rec = record([ERR, event("error.occurred", B), event("agent.task_end", B, success=True)])
    assert [t["swallowed"] for t in rec["error_propagation"]] == [False, True]
    assert baseline(rec, "error_swallow_rate")["observed_baseline"] == 0.5
    rec = record([event("agent.task_end", A, **BAD), event("agent.task_end", B, **OK)])
    assert baseline(rec, "error_swallow_rate")["observed_baseline"] == 0.0  # no error.occurred


def test_error_handling_in_place_is_its_own_evidence() -> None:
    rec = record(
        [event("error.occurred", A, error_handling="caught_silent"), event("error.context", error_handling="raised")]
    )
    assert signals(rec, "STRAT-SI-001") == (1, "silent_error_handling")  # D5


def test_late_streams_say_success_instead_of_status() -> None:
    s = stats(
        event("agent.task_end", A, success=False), event("agent.task_end", A, success=True), event("agent.task_end", A)
    )
    assert (s.failed, s.succeeded, len(s.seeds)) == (1, 1, 1)  # D14
    assert stats(event("agent.task_end", A, success=False, status="success")).succeeded == 1


def test_paths_are_bounded_while_their_errors_still_count() -> None:
    lines = [event("error.occurred", A), *(event("agent.task_end", f"n{n}", status="failed") for n in range(1005))]
    lines += [event("delegation.initiated", A, target=f"t{n}") for n in range(1005)]
    rec = record(lines)
    (trace,) = rec["error_propagation"]
    assert (len(trace["actual_observed_path"]), trace["downstream_impact"]["downstream_errors"]) == (1001, 1005)
    assert len(trace["structural_predicted_path"]) == MAX_PREDICTED
    assert stats(*lines).errors_off_path == 5


def test_seeds_are_bounded_then_counted() -> None:
    s = stats(*(event("error.occurred", f"n{n}") for n in range(MAX_SEEDS + 5)), event("error.occurred", "n0"))
    assert (len(s.seeds), s.seeds_dropped, s.errorish) == (MAX_SEEDS, 5, MAX_SEEDS + 6)
