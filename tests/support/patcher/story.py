"""Events as a story: one short line per event, in file order, that a test can state in full.

What varies from run to run (ids, times, sizes, hashes) is left out, and so is what the patcher says about itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

END = "__end__"
NOBODY = "-"

Event = Mapping[str, Any]
Names = Mapping[str, str]


def story(events: Iterable[Event]) -> list[str]:
    """The story of a run.

    Args:
        events: In file order.
    """
    told = [event for event in events if not event["event_type"].startswith("patcher.")]
    names = {
        node["node_id"]: node["node_name"]
        for event in told
        for node in (event.get("source_node"), event.get("target_node"))
        if node
    }
    return [_line(event, names) for event in told]


def _line(event: Event, names: Names) -> str:
    kind = event["event_type"]
    words = (kind, *_WORDS.get(kind, _source_only)(event, names))
    return " ".join(str(word) for word in words if word not in (None, ""))


def _name(node_id: str, names: Names) -> str:
    """Name of a node; one that no event tells of is named as its id names it."""
    if node_id in names:
        return names[node_id]
    return node_id.split(":", 1)[-1].rsplit(":", 2)[0]


def _node(event: Event, which: str) -> str:
    node = event.get(which)
    return str(node["node_name"]) if node else NOBODY


def _source_only(event: Event, names: Names) -> list[Any]:
    return [_node(event, "source_node")]


def _ended(event: Event, names: Names) -> list[Any]:
    return [_node(event, "source_node"), event["payload"].get("status")]


def _task_start(event: Event, names: Names) -> list[Any]:
    parent = event["payload"].get("parent_node_id")
    return [_node(event, "source_node"), f"in {_name(parent, names)}" if parent else None]


def _call_start(event: Event, names: Names) -> list[Any]:
    return [event["payload"].get("model_requested")]


def _call_end(event: Event, names: Names) -> list[Any]:
    payload = event["payload"]
    used = (payload.get("input_tokens"), payload.get("output_tokens"))
    tokens = None if None in used else f"{used[0]}+{used[1]}"
    stack = payload.get("active_node_stack")
    by = f"by {_name(stack[-1], names)}" if stack else None
    return [payload.get("model_requested"), payload.get("status"), tokens, by]


def _pair(event: Event, *more: Any, target: str = NOBODY) -> list[Any]:
    to = _node(event, "target_node") if event.get("target_node") else target
    return [_node(event, "source_node"), ">", to, *more]


def _tool(event: Event, names: Names) -> list[Any]:
    agent = event["payload"].get("agent_node_id")
    return [_name(agent, names) if agent else NOBODY, ">", _node(event, "target_node"), event["payload"].get("status")]


def _no_call(event: Event, names: Names) -> list[Any]:
    return [event["payload"].get("tool_name"), event["payload"].get("reason")]


def _delegated(event: Event, names: Names) -> list[Any]:
    payload = event["payload"]
    return _pair(event, payload.get("delegation_type") or payload.get("status"))


def _completed(event: Event, names: Names) -> list[Any]:
    return _pair(event, event["payload"].get("status"))


def _state(event: Event, names: Names) -> list[Any]:
    payload = event["payload"]
    return [_name(payload.get("accessor_node", NOBODY), names), payload.get("access_type"), payload.get("state_key")]


def _route(event: Event, names: Names) -> list[Any]:
    payload = event["payload"]
    return _pair(event, payload.get("routing_type"), payload.get("decision_basis"), target=END)


def _error(event: Event, names: Names) -> list[Any]:
    payload = event["payload"]
    return [_node(event, "source_node"), payload.get("error_type"), payload.get("error_handling")]


def _external(event: Event, names: Names) -> list[Any]:
    payload = event["payload"]
    return [payload.get("phase"), payload.get("domain"), payload.get("status_code") or payload.get("error_type")]


def _file(event: Event, names: Names) -> list[Any]:
    return [event["payload"].get("path")]


_WORDS = {
    "execution.start": _source_only,
    "execution.end": _ended,
    "agent.task_start": _task_start,
    "agent.task_end": _ended,
    "llm.call_start": _call_start,
    "llm.call_end": _call_end,
    "tool.invoked": _tool,
    "tool.completed": _tool,
    "tool.call_failure": _no_call,
    "delegation.initiated": _delegated,
    "delegation.completed": _completed,
    "state.access": _state,
    "routing.decision": _route,
    "error.occurred": _error,
    "error.propagated": _error,
    "external.call": _external,
    "file.read": _file,
    "file.write": _file,
}
