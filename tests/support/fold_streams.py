"""Random streams for the fold: few nodes, keys and tools, so that everything meets everything."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from tests.support.fold import node

IDS = ("crewai:A:a.py:1", "crewai:B:a.py:9", "autogen:Guard C:g.py:3", "langgraph:reviewer:r.py:7", "openai:Chat:-:0")
NAMES = ("A", "B", "Guard C", "reviewer", "Human", "")
TYPES = (
    "agent.task_start", "agent.task_end", "agent.task_end", "llm.call_start", "llm.call_end", "tool.invoked",
    "tool.completed", "tool.call_failure", "state.access", "delegation.initiated", "delegation.completed",
    "routing.decision", "edge.traversed",
    "error.occurred", "error.propagated", "error.context", "execution.start", "execution.end", "external.call",
    "patcher.status", "agent.other", "no.such_type",
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
"""Anything that JSON can say, and what Python's writer says beyond it."""

_ids = st.sampled_from(IDS)
_nodes = st.builds(
    lambda i, kind, name: node(i, kind, name), _ids, st.sampled_from(("agent", "capability")), st.sampled_from(NAMES)
)
_some_node = st.none() | _nodes | _nodes | _nodes
_fields: dict[str, st.SearchStrategy[Any]] = {
    "node_id": _ids,
    "parent_node_id": _ids | st.just(""),
    "input_source": _ids | st.just("delegation"),
    "status": st.sampled_from(("success", "success", "error", "failed", "timeout", "aborted")),
    "success": st.booleans(),
    "error_type": st.sampled_from(("timeout", "runtime_error", "", None)),
    "error": st.sampled_from(("boom", None)),
    "error_handling": st.sampled_from(("raised", "caught_silent", "fail_silent")),
    "output_hash": st.sampled_from(("aa", "bb", "cc", "", None)),
    "schema_mismatch": st.booleans(),
    "active_node_stack": st.lists(_ids, max_size=2),
    "tool_node_id": st.sampled_from(("crewai:Tool:t.py:1", "crewai:Other:t.py:2")),
    "agent_node_id": _ids,
    "accessor_node": _ids,
    "state_key": st.sampled_from(("messages", "plan", "")),
    "access_type": st.sampled_from(("read", "write")),
    "latency_ms": st.floats(0, 1000) | st.integers(0, 50),
    "source_node": _ids,
    "selected_target": _ids | st.just("__end__"),
    "target_node": _ids,
    "routing_type": st.sampled_from(("speaker_selection", "conditional_edge")),
    "delegation_type": st.sampled_from(("speaker_selection", "explicit")),
    "previous_speaker": _ids,
    "domain": st.sampled_from(("api.stripe.com", "example.org")),
}


KEYS = (*_fields, "validation_error")


_ERROR = ("error_type", "error", "error_handling", "node_id")
_BY_TYPE: dict[str, tuple[str, ...]] = {
    "agent.task_start": ("parent_node_id", "input_source", "node_id"),
    "agent.task_end": ("status", "success", "output_hash", "schema_mismatch", "error_type", "error", "node_id"),
    "llm.call_end": ("active_node_stack", "output_hash", "schema_mismatch"),
    "tool.invoked": ("tool_node_id", "agent_node_id", "status", "error_type"),
    "tool.completed": ("tool_node_id", "status", "error_type", "node_id"),
    "state.access": ("accessor_node", "node_id", "state_key", "access_type"),
    "delegation.initiated": ("delegation_type",),
    "delegation.completed": ("latency_ms",),
    "routing.decision": ("source_node", "selected_target", "target_node", "routing_type", "previous_speaker"),
    "external.call": ("domain",),
    "error.occurred": _ERROR,
    "error.propagated": _ERROR,
    "error.context": _ERROR,
    "agent.other": ("node_id",),
}


@st.composite
def lines(draw: st.DrawFn) -> dict[str, Any]:
    """One plausible event: a type and fields that go with it."""
    kind = draw(st.sampled_from(TYPES))
    line: dict[str, Any] = {"event_type": kind, "timestamp_ns": draw(st.integers(-(10**12), 10**12))}
    for key in ("source_node", "target_node"):
        value = draw(_some_node)
        if value is not None:
            line[key] = value
    fields = {key: _fields[key] for key in _BY_TYPE.get(kind, ())}
    line["payload"] = draw(st.fixed_dictionaries({}, optional=fields))
    line["parent_event_id"] = f"evt_{draw(st.integers(1, 12)):016x}"
    return line


def streams(max_size: int = 40) -> st.SearchStrategy[list[dict[str, Any]]]:
    """The events of one run."""
    return st.lists(lines(), max_size=max_size)


_CHOICES: dict[str, tuple[Any, ...]] = {
    "node_id": IDS,
    "parent_node_id": (*IDS, ""),
    "input_source": (*IDS, "delegation"),
    "status": ("success", "success", "error", "failed", "timeout", "aborted"),
    "success": (True, False),
    "error_type": ("timeout", "runtime_error", "", None),
    "error": ("boom", None),
    "error_handling": ("raised", "caught_silent", "fail_silent"),
    "output_hash": ("aa", "bb", "cc", "", None),
    "schema_mismatch": (True, False),
    "active_node_stack": ([], [IDS[0]], [IDS[1], IDS[2]], [7]),
    "tool_node_id": ("crewai:Tool:t.py:1", "crewai:Other:t.py:2", ""),
    "agent_node_id": IDS,
    "accessor_node": (*IDS[:2], ""),
    "state_key": ("messages", "plan", "notes", ""),
    "access_type": ("read", "write"),
    "latency_ms": (1.5, 20, 400.25, -1, None),
    "source_node": IDS,
    "selected_target": (*IDS, "__end__", ""),
    "target_node": IDS,
    "routing_type": ("speaker_selection", "conditional_edge"),
    "delegation_type": ("speaker_selection", "explicit"),
    "previous_speaker": IDS,
    "domain": ("api.stripe.com", "example.org"),
}


def dense_stream(seed: int, size: int) -> list[dict[str, Any]]:
    """A long run of few nodes and few types, from a seed; hypothesis would draw it thinner and slower."""
    rng = random.Random(seed)
    # A subset of types and nodes each time, so that rare meetings (a guard after a seed, say) become common.
    types, ids = rng.sample(TYPES, rng.randint(3, len(TYPES))), rng.sample(IDS, rng.randint(2, len(IDS)))
    names = rng.choice((("A", "B", ""), NAMES))
    out = []
    for n in range(1, size + 1):
        kind = rng.choice(types)
        line: dict[str, Any] = {"event_type": kind, "timestamp_ns": n * 10**6 + rng.randint(-(10**7), 10**7)}
        for key in ("source_node", "target_node"):
            if rng.random() < 0.85:
                line[key] = node(rng.choice(ids), rng.choice(("agent", "agent", "capability")), rng.choice(names))
        line["payload"] = {k: rng.choice(_CHOICES[k]) for k in _BY_TYPE.get(kind, ()) if rng.random() < 0.7}
        line["parent_event_id"] = f"evt_{rng.randint(max(1, n - 6), n):016x}"
        out.append(line)
    return out


@st.composite
def hostile_lines(draw: st.DrawFn) -> dict[str, Any]:
    """One valid line whose fields hold anything."""
    line: dict[str, Any] = {"event_type": draw(st.sampled_from(TYPES))}
    for key in ("source_node", "target_node", "payload", "parent_event_id", "edge_type", "stack_depth"):
        if draw(st.booleans()):
            line[key] = draw(json_values)
    if draw(st.booleans()):
        line["source_node"] = draw(_nodes)
    if draw(st.booleans()):
        line["payload"] = draw(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=8))
    return line
