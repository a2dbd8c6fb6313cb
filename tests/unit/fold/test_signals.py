"""Tools, state, outputs and baselines (2.8, 2.9, D3), worked out by hand."""

from __future__ import annotations

from typing import Any

from tests.support.fold import (
    baseline,
    event,
    node,
    record,
    signals,
)

A, B, C = "crewai:A:a.py:1", "crewai:B:a.py:2", "crewai:C:a.py:3"
TOOL, OTHER = node("crewai:search:t.py:1", "capability"), node("crewai:write:t.py:9", "capability")


def test_tool_outcomes_are_disjoint_failures_and_timeouts() -> None:
    rec = record(
        [
            event("tool.invoked", A, target=TOOL),
            event("tool.completed", A, target=TOOL, status="success"),
            event("tool.completed", A, target=TOOL, status="timeout"),
            event("tool.completed", A, target=TOOL, status="error", error_type="timeout"),
            event("tool.completed", A, target=TOOL, status="failed", error_type="api_error"),
            event("tool.call_failure", A, status="timeout"),
            event("tool.invoked", A, target=TOOL, status="error"),
            event("tool.invoked", A, target=TOOL, status="ok"),
        ]
    )
    assert signals(rec, "STRAT-EA-001") == (5, "tool_call_failure, api_timeout")
    assert baseline(rec, "tool_call_failure_rate")["observed_baseline"] == round(5 / 7, 4)
    assert [t["error_type"] for t in rec["error_propagation"]] == ["timeout"]


def test_tools_that_the_first_run_did_not_use_are_unexpected_by_event() -> None:
    use, other = event("tool.invoked", A, target=TOOL), event("tool.invoked", A, target=OTHER)
    assert signals(record([use], [use, other, other], [other]), "STRAT-AB-001") == (3, "unexpected_tool_usage")
    assert signals(record([use, other]), "STRAT-AB-001") == (0, "")


def test_two_outputs_of_one_run_diverge_once_there_is_a_second_run() -> None:
    ends = [event("agent.task_end", A, output_hash=h) for h in ("aa", "bb", "cc", "")]
    assert signals(record(ends), "STRAT-AB-001") == (0, "")
    assert signals(record(ends, [event("patcher.status")]), "STRAT-AB-001") == (1, "output_divergence")
    calls = [[event("llm.call_end", A, output_hash=h)] for h in ("aa", "bb")]
    assert signals(record(*calls), "STRAT-AB-001") == (1, "output_divergence")
    assert signals(record(calls[0], calls[0], [event("llm.call_end", A, output_hash=None)]), "STRAT-AB-001")[0] == 0


def test_state_conflicts_count_keys_not_writes() -> None:
    def write(who: str, key: str) -> dict[str, Any]:
        return event("state.access", who, accessor_node=who, state_key=key, access_type="write")

    read = event("state.access", B, accessor_node=B, state_key="plan", access_type="read")
    rec = record(
        [write(A, "plan"), write(B, "plan"), write(C, "plan"), write(A, "log"), write(A, "log"), write(A, "one"), read]
    )
    assert signals(rec, "STRAT-OC-002") == (3, "concurrent_state_writes, state_overwrite")  # plan; plan and log
    assert baseline(rec, "concurrent_state_write_rate")["observed_baseline"] == round(1 / 6, 4)
    assert signals(record([write(A, "plan")], [write(B, "plan")]), "STRAT-OC-002")[0] == 0  # per run


def test_model_calls_are_counted_from_both_ends() -> None:
    start, end = event("llm.call_start", "m"), event("llm.call_end", "m")
    values = {(3, 2): 2.0, (1, 0): 0.0, (0, 1): 1.0, (2, 2): 2.0}
    for (starts, ends), expected in values.items():
        got = baseline(record([start] * starts + [end] * ends), "total_llm_calls_per_run")
        assert got["observed_baseline"] == expected


def test_schema_mismatches_are_a_share_of_ends() -> None:
    rec = record(
        [
            event("agent.task_end", A, schema_mismatch=True),
            event("llm.call_end", "m", validation_error="bad"),
            event("llm.call_end", "m", schema_mismatch=False),
            event("tool.completed", A, schema_mismatch=True),
        ]
    )
    assert baseline(rec, "schema_mismatch_rate")["observed_baseline"] == round(2 / 3, 4)


def test_baselines_are_mean_population_deviation_and_unrounded_threshold() -> None:
    start, end = event("llm.call_start", "m"), event("llm.call_end", "m")
    got = baseline(record(*([start, end] * n for n in (1, 2, 4))), "total_llm_calls_per_run")
    mean, spread = 7 / 3, (42 / 27) ** 0.5
    assert got == {
        "metric": "total_llm_calls_per_run",
        "finding_id": "STRAT-AB-001",
        "observed_baseline": round(mean, 4),
        "observed_stddev": round(spread, 4),
        "suggested_threshold": round(mean + 2 * spread, 4),
        "confidence": "medium",
        "sample_size": 3,
    }
