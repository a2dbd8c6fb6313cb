"""Run-time edges (2.2), endpoint fallbacks (D10 - D13), activation and emergence over several runs (2.4 - 2.6)."""

from __future__ import annotations

from typing import Any

import pytest

from stratum_lab.fold import derive_record
from tests.support.fold import (
    REPO,
    event,
    events_of,
    facts_of,
    node,
    record,
    state_of,
    stats,
)

A, B, C = "crewai:A:a.py:1", "crewai:B:a.py:2", "crewai:C:a.py:3"
TOOL = node("crewai:search:t.py:1", "capability")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (event("agent.task_start", B, parent_node_id=A), [(A, B, "delegates_to")]),
        (event("agent.task_start", B, input_source=A), [(A, B, "reads_from")]),
        (event("llm.call_end", "m", active_node_stack=[A, B]), [(B, "m", "calls")]),
        (event("llm.call_end", "m", active_node_stack=[]), []),
        (event("tool.invoked", A, tool_node_id="t", target=TOOL), [(A, "t", "uses")]),
        (event("tool.invoked", A, target=TOOL), [(A, TOOL["node_id"], "uses")]),
        (event("tool.invoked", TOOL, agent_node_id=A), [(A, TOOL["node_id"], "uses")]),
        (event("tool.invoked", A, agent_node_id=B), []),
        (
            event("state.access", A, accessor_node=B, node_id=C, state_key="k", access_type="write"),
            [(B, "k", "writes_to")],
        ),
        (event("state.access", A, node_id=C, state_key="k", access_type="read"), [(C, "k", "reads_from")]),
        (event("state.access", A, state_key="k"), [(A, "k", "reads_from")]),
        (event("delegation.initiated", A, target=B), [(A, B, "delegates_to")]),
        (event("delegation.initiated", A, target_node_id=B), []),
        (event("routing.decision", "x", source_node=A, selected_target=B, target_node=C), [(A, B, "delegates_to")]),
        (event("routing.decision", "x", source_node=A, target_node=C), [(A, C, "delegates_to")]),
        (event("routing.decision", A, source_node=A, selected_target="__end__"), []),
        (event("edge.traversed", A, target=B), [(A, B, "delegates_to")]),
        (event("edge.traversed", A), []),
        (event("file.read", A, target=B), []),
    ],
    ids=lambda value: value["event_type"] if isinstance(value, dict) else "",
)
def test_events_yield_the_edges_of_the_table(line: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert list(stats(line).edges) == expected


def test_edges_without_an_end_are_counted() -> None:
    s = stats(
        event("agent.task_start", None, parent_node_id=A),
        event("tool.invoked", None, target=TOOL),
        event("state.access", A),
        event("llm.call_end", "m", active_node_stack=[None]),
        event("routing.decision", A, selected_target=B),
        event("routing.decision", A, selected_target="__end__"),
    )
    assert (s.missing, s.edges) == (5, {})


def test_null_nodes_and_payloads_are_absent() -> None:
    s = stats({"event_type": "agent.task_end", "source_node": None, "target_node": None, "payload": None})
    assert (s.events, s.seen, s.task_ends, s.errorish) == (1, {}, 1, 0)


def test_edges_are_numbered_by_the_first_run_and_counted_by_runs() -> None:
    hop = [event("delegation.initiated", A, target=B)]
    back = [event("delegation.initiated", B, target=A)]
    rec = record([*hop, *back], hop, [*hop, *hop], [event("delegation.initiated", A, target=C)])
    rates = rec["edge_validation"]["activation_rates"]
    assert rates["e1"] == {
        "traversal_count": 3,
        "activation_rate": 0.75,
        "never_activated": False,
        "source": A,
        "target": B,
        "edge_type": "delegates_to",
    }
    assert (rates["e2"]["traversal_count"], rates["e2"]["activation_rate"]) == (1, 0.25)
    assert rec["edge_validation"]["dead_edges"] == []
    assert rec["node_activation"] == {
        "always_active": [A],
        "conditional": [B, C],
        "never_active": [],
        "structural_prediction_match_rate": 1.0,
    }
    assert rec["emergent_edges"] == [
        {
            "source": A,
            "target": C,
            "edge_type": "delegates_to",
            "observed_in_runs": 1,
            "observation_rate": 0.25,
            "classification": "intermittent",
        }
    ]


def test_the_same_pair_with_another_type_is_neither_structural_nor_emergent() -> None:
    rec = record([event("delegation.initiated", A, target=B)], [event("agent.task_start", B, input_source=A)])
    assert rec["emergent_edges"] == []
    assert rec["edge_validation"]["structural_edges_total"] == 1


def test_emergent_edges_come_most_widespread_first_then_by_appearance() -> None:
    late = [event("delegation.initiated", A, target=n) for n in (C, B)]
    rec = record([event("patcher.status")], late, [late[1]], late[:1])
    assert [(e["target"], e["observed_in_runs"]) for e in rec["emergent_edges"]] == [(C, 2), (B, 2)]


def test_runs_are_in_numeric_order_whatever_order_they_come_in() -> None:
    lines = [event("patcher.status")]
    given = [(facts_of(events_of(lines), run_number=n, status=f"S{n}"), state_of(events_of(lines))) for n in (10, 2, 1)]
    rec = derive_record(REPO, given, None)
    assert rec is not None and rec["execution_metadata"]["statuses"] == ["S1", "S2", "S10"]


def test_no_counted_run_gives_no_record() -> None:
    assert derive_record(REPO, [], None) is None
