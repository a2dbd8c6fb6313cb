"""Delegation depth, gates and latencies (2.8, 2.9, D4, D15, D16), worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from stratum_lab.fold import counted_stats, dump_attempt, load_attempt
from tests.support.fold import (
    baseline,
    event,
    events_of,
    facts_of,
    node,
    record,
    signals,
    state_of,
    stats,
)

A, B, C = "crewai:A:a.py:1", "crewai:B:a.py:2", "crewai:C:a.py:3"
CHAT = "autogen:chat:c.py:1"


def turn(agent: str, n: int, latency: float | None = None) -> list[dict[str, Any]]:
    """One speaker turn of a group chat, as our patcher tells it."""
    begun = f"evt_{1000 + n:016x}"
    extra = {} if latency is None else {"latency_ms": latency}
    return [
        event("routing.decision", CHAT, source_node=CHAT, selected_target=agent, routing_type="speaker_selection"),
        event("delegation.initiated", CHAT, target=agent, event_id=begun, delegation_type="speaker_selection"),
        event("agent.task_start", agent, parent_node_id=CHAT),
        event("agent.task_end", agent, status="success"),
        event("delegation.completed", CHAT, target=agent, parent_event_id=begun, **extra),
    ]


def test_four_turns_of_three_agents_have_depth_one() -> None:
    lines = [line for n, agent in enumerate((A, B, C, A)) for line in turn(agent, n)]
    rec = record(lines)
    assert baseline(rec, "max_delegation_depth")["observed_baseline"] == 1.0
    assert [e["target"] for e in rec["edge_validation"]["activation_rates"].values()] == [A, B, C]
    assert signals(rec, "STRAT-DC-001") == (1, "no_human_gate_activation")


def test_without_delegation_events_task_starts_alone_make_depth() -> None:
    chain = [event("agent.task_start", n, parent_node_id=A) for n in (B, C, B)]
    rec = record(chain)
    assert baseline(rec, "max_delegation_depth")["observed_baseline"] == 3.0
    assert signals(rec, "STRAT-DC-001") == (2, "no_human_gate_activation, delegation_depth_>=3")
    ended = [line for start in chain for line in (start, event("agent.task_end", B), event("agent.task_end", B))]
    assert baseline(record(ended), "max_delegation_depth")["observed_baseline"] == 1.0


def test_a_task_end_lowers_the_depth_even_when_its_start_did_not_raise_it() -> None:
    s = stats(
        event("delegation.initiated", A, target=B),
        event("agent.task_end", C),
        event("delegation.initiated", A, target=B),
    )
    assert (s.depth, s.max_depth) == (1, 1)


def test_the_end_of_a_task_begun_under_a_delegation_does_not_lower_the_depth() -> None:
    s = stats(
        event("delegation.initiated", A, target=B),
        event("agent.task_start", B, parent_node_id=A),
        event("delegation.initiated", B, target=C),
        event("delegation.completed", A, target=B),
        event("agent.task_end", B),
    )
    assert (s.depth, s.max_depth) == (1, 2)


@pytest.mark.parametrize(("name", "gated"), [("Guardrail", 1), ("Reviewer", 1), ("human_input", 1), ("Ann", 0)])
def test_a_gate_is_told_by_the_name_of_a_source_node(name: str, gated: int) -> None:
    hop = event("delegation.initiated", A, target=B)
    act = event("file.read", node("x", name=name))
    assert signals(record([hop, act]), "STRAT-DC-001")[0] == 1 - gated
    assert signals(record([act]), "STRAT-DC-001")[0] == 0  # D4: no delegation, nothing to gate


def test_an_unhandled_error_of_a_gate_and_a_gate_as_target_do_not_gate() -> None:
    hop = event("delegation.initiated", A, target=node("y", name="Guard"))
    assert signals(record([hop, event("error.occurred", node("x", name="Guard"))]), "STRAT-DC-001")[0] == 1
    assert signals(record([hop, event("error.propagated", node("x", name="Guard"))]), "STRAT-DC-001")[0] == 0


def test_delegation_latency_is_sent_or_measured_from_the_parent() -> None:
    lines = [
        event("delegation.initiated", A, target=B, event_id="evt_a", timestamp_ns=1_000_000_000),
        event("delegation.completed", A, target=B, parent_event_id="evt_a", timestamp_ns=1_250_000_000),
        event("delegation.completed", A, target=B, parent_event_id="evt_b"),
        event("delegation.completed", A, target=B, latency_ms=float("nan")),
        event("delegation.completed", A, target=B, latency_ms=True),
    ]
    assert baseline(record(lines), "delegation_latency_p95_ms")["observed_baseline"] == 250.0
    backwards = [lines[0], event("delegation.completed", parent_event_id="evt_a", timestamp_ns=0)]
    assert baseline(record(backwards), "delegation_latency_p95_ms")["observed_baseline"] == 0.0
    many = [event("delegation.completed", A, target=B, latency_ms=n) for n in range(40, 0, -1)]
    entry = baseline(record(many), "delegation_latency_p95_ms")
    assert (entry["observed_baseline"], entry["sample_size"]) == (39.0, 1)  # index min(38, 39)


def test_a_run_without_delegation_has_no_latency() -> None:
    metrics = [b["metric"] for b in record([event("delegation.initiated", A, target=B)])["monitoring_baselines"]]
    assert "delegation_latency_p95_ms" not in metrics and len(metrics) == 6
    mixed = record([event("delegation.completed", latency_ms=10)], [event("patcher.status")])
    assert baseline(mixed, "delegation_latency_p95_ms")["sample_size"] == 1


def test_a_snapshot_keeps_everything_a_long_chat_needs() -> None:
    lines = [line for n, agent in enumerate((A, B)) for line in turn(agent, n)][:8]
    state = state_of(events_of(lines))
    s = counted_stats(load_attempt(dump_attempt(state)), facts_of(len(lines)))
    assert (s.open_to, s.quiet, len(s.delegated_at), list(s.chats)) == ({B: 1}, {B: 1}, 1, [CHAT])
