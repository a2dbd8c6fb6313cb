"""What each event type's payload must hold: the required keys of events.md section 3, and the form of known keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]

FAMILIES = frozenset(
    {
        "crewai", "langgraph", "autogen", "langchain", "openai", "anthropic", "litellm", "openai_agents", "pydantic_ai",
        "smolagents", "generic",
    }
)  # fmt: skip
NODE_TYPES = frozenset({"agent", "capability", "data_store", "external", "mcp_server", "guardrail"})
STATUSES = frozenset({"success", "error", "timeout", "cancelled", "abandoned", "aborted"})
ERROR_CLASSES = frozenset(
    {
        "timeout", "schema_mismatch", "rate_limit", "api_error", "permission_error", "runtime_error",
    }
)  # fmt: skip
OUTPUT_TYPES = frozenset(
    {
        "null", "classification", "routing_decision", "scored_output", "structured_json", "long_text", "short_text",
        "unknown",
    }
)  # fmt: skip
DELEGATIONS = frozenset({"explicit", "speaker_selection", "handoff", "hierarchical"})
ROUTINGS = frozenset({"manager_delegation", "conditional_edge", "speaker_selection", "handoff"})
HANDLINGS = frozenset({"raised", "caught_retry", "caught_default", "caught_silent"})
HOOK_STATUSES = frozenset({"applied", "not_applied", "failed"})
END = "__end__"

OPENINGS = {
    "execution.end": "execution.start",
    "agent.task_end": "agent.task_start",
    "llm.call_end": "llm.call_start",
    "tool.completed": "tool.invoked",
    "delegation.completed": "delegation.initiated",
}
"""Closing type -> opening type; `external.call` is both."""

CONTENT = {
    "system_prompt_preview": 200,
    "last_user_message_preview": 200,
    "prompt_trust_signals": None,
    "task_description": 500,
    "agent_goal": 500,
    "output_preview": 8000,
    "output_text": 8000,
    "traceback_tail": 1000,
}
"""Keys that only captured content may fill, and their largest length."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "patcher.status": ("version", "pid", "python"),
    "patcher.hook_status": ("hook", "target", "status", "library"),
    "patcher.dropped": ("count", "reason"),
    "execution.start": (),
    "execution.end": ("latency_ms", "status"),
    "agent.task_start": ("node_id", "parent_node_id", "agent_name", "tools_available"),
    "agent.task_end": ("status", "latency_ms", "node_id"),
    "llm.call_start": ("model_requested", "model_actual", "model_mapped", "message_count", "has_tools"),
    "llm.call_end": ("latency_ms", "model_requested", "active_node_stack", "status"),
    "tool.invoked": ("tool_name", "tool_node_id", "agent_node_id", "args_shape", "kwargs_shape"),
    "tool.completed": ("tool_name", "tool_node_id", "agent_node_id", "latency_ms", "status"),
    "tool.call_failure": ("tool_name", "reason"),
    "delegation.initiated": ("delegator", "delegate", "source_node_id", "target_node_id", "delegation_type"),
    "delegation.completed": ("delegator", "delegate", "source_node_id", "target_node_id", "latency_ms", "status"),
    "state.access": ("accessor_node", "state_key", "access_type"),
    "routing.decision": ("source_node", "selected_target", "routing_type", "decision_basis"),
    "error.occurred": ("error_type", "error_message"),
    "error.propagated": (
        "propagation_path", "error_type", "error_message", "source_agent", "downstream_agent", "chain_depth",
        "downstream_impact", "origin_event_id",
    ),
    "external.call": ("phase", "method", "domain"),
    "file.read": ("path", "mode"),
    "file.write": ("path", "mode"),
}  # fmt: skip
"""Every type that the patcher emits, and the keys that are always there."""


def problems(event: Event) -> list[str]:
    """What is wrong with an event's payload."""
    kind, payload = event["event_type"], event["payload"]
    found = [f"{key} is missing" for key in (*REQUIRED[kind], *_further(event)) if key not in payload]
    for key, value in payload.items():
        if value is None:
            found.append(f"{key} is null; optional fields are absent")
        elif not _form(kind, key)(value):
            found.append(f"{key} has the wrong form: {value!r:.200}")
    found.extend(_twice_told(event))
    return found


def closes(event: Event) -> bool:
    """Whether an event ends something that another one opened."""
    kind = event["event_type"]
    return kind in OPENINGS or (kind == "external.call" and event["payload"].get("phase") == "end")


def opens(event: Event) -> bool:
    """Whether an event begins something."""
    kind = event["event_type"]
    return kind in OPENINGS.values() or (kind == "external.call" and event["payload"].get("phase") == "start")


def _further(event: Event) -> tuple[str, ...]:
    """Keys that this event must hold because of its family, status or phase."""
    kind, payload, family = event["event_type"], event["payload"], event.get("framework", "")
    more: tuple[str, ...] = ()
    if closes(event) and payload.get("status") in ("error", "timeout"):
        more += ("error", "error_type")
    if kind == "patcher.hook_status" and payload.get("status") != "applied":
        more += ("reason",)
    if kind == "external.call" and payload.get("phase") == "end":
        more += ("latency_ms",)
        if payload.get("status") == "success":
            more += ("status_code",)
    if kind == "execution.start":
        more += _EXECUTION.get(family, _NOTHING)(payload)
    if kind == "execution.end" and payload.get("status") == "success" and family == "langgraph":
        more += ("result_shape",) if "chunks_yielded" not in payload else ()
    if kind == "agent.task_start" and family == "crewai":
        more += ("agent_role", "task_name", "agent_goal_hash")
    if "output_hash" in payload:
        more += ("output_type", "output_size_bytes")
    return more


def _NOTHING(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


def _crewai(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """A crew, a flow, or an agent that works without a crew."""
    if "flow_name" in payload:
        return ()
    return ("crew_name", "agent_count", "task_count", "agent_roles", "task_hashes", "process_type")


def _langgraph(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return ("graph_name", "input_shape", "mode", "node_count", "node_names", "config_keys")


def _autogen(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return ("initiator", "recipient", "message_shape", "async")


_EXECUTION: dict[str, Callable[[Mapping[str, Any]], tuple[str, ...]]] = {
    "crewai": _crewai,
    "langgraph": _langgraph,
    "autogen": _autogen,
}


def _twice_told(event: Event) -> list[str]:
    """Facts that stand both in the envelope and in the payload and must agree."""
    kind, payload = event["event_type"], event["payload"]
    source, target = event.get("source_node") or {}, event.get("target_node") or {}
    pairs: list[tuple[str, Any]] = []
    if kind.startswith("agent.task_"):
        pairs.append(("node_id", source.get("node_id")))
    elif kind in ("tool.invoked", "tool.completed"):
        pairs.append(("tool_node_id", target.get("node_id")))
        if payload.get("agent_node_id"):
            pairs.append(("agent_node_id", source.get("node_id")))
    elif kind.startswith("delegation."):
        pairs += [("source_node_id", source.get("node_id")), ("target_node_id", target.get("node_id"))]
        pairs += [("delegator", source.get("node_name")), ("delegate", target.get("node_name"))]
    elif kind == "routing.decision":
        pairs += [("source_node", source.get("node_id")), ("selected_target", target.get("node_id", END))]
    elif kind == "state.access":
        pairs.append(("accessor_node", source.get("node_id")))
    return [
        f"{key} is {payload[key]!r}, the envelope says {told!r}"
        for key, told in pairs
        if key in payload and payload[key] != told
    ]


Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _any_text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _flag(value: Any) -> bool:
    return type(value) is bool


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _millis(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0 and round(value, 2) == value


def _upto(characters: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= characters


def _one_of(names: frozenset[str]) -> Check:
    return lambda value: isinstance(value, str) and value in names


def _hex(digits: int) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", value) is not None


def _node_id(value: Any) -> bool:
    return isinstance(value, str) and value.count(":") >= 3


def _no_node_or_id(value: Any) -> bool:
    return value == "" or _node_id(value)


def _node_ids(value: Any) -> bool:
    return isinstance(value, list) and all(map(_node_id, value))


def _path_of_two(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_text, value))


def _hashes(value: Any) -> bool:
    return isinstance(value, list) and all(map(_hex(64), value))


def _relative(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not value.startswith(("/", "~", "../")) and "/../" not in value


def _host(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[^/?#@\s]+", value) is not None


def _made_calls(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(made, dict) and set(made) == {"tool_name", "arguments_valid"} and _flag(made["arguments_valid"])
        for made in value
    )


def _anything(value: Any) -> bool:
    return True


_FORMS: dict[str, Check] = {
    "latency_ms": _millis,
    "status": _one_of(STATUSES),
    "error": _upto(500),
    "error_message": _upto(500),
    "pid": _count,
    "count": _count,
    "agent_count": _count,
    "task_count": _count,
    "node_count": _count,
    "chunks_yielded": _count,
    "attempt": _count,
    "stream_chunk_index": _count,
    "message_count": _count,
    "input_tokens": _count,
    "output_tokens": _count,
    "output_size_bytes": _count,
    "context_size_bytes": _count,
    "status_code": _count,
    "chain_depth": _count,
    "line": _count,
    "async": _flag,
    "model_mapped": _flag,
    "has_tools": _flag,
    "schema_mismatch": _flag,
    "downstream_impact": _flag,
    "agent_roles": _texts,
    "node_names": lambda value: _texts(value) and len(value) <= 20,
    "config_keys": lambda value: _texts(value) and len(value) <= 10,
    "tools_available": _texts,
    "candidates": _texts,
    "input_state_keys": _texts,
    "task_hashes": _hashes,
    "model_requested": _any_text,
    "model_actual": _any_text,
    "system_prompt_hash": _hex(16),
    "last_user_message_hash": _hex(16),
    "output_type": _one_of(OUTPUT_TYPES),
    "node_id": _node_id,
    "parent_node_id": _no_node_or_id,
    "input_source": _node_id,
    "active_node_stack": _node_ids,
    "tool_node_id": _node_id,
    "agent_node_id": _no_node_or_id,
    "source_node_id": _node_id,
    "target_node_id": _node_id,
    "accessor_node": _node_id,
    "source_node": _node_id,
    "selected_target": lambda value: value == END or _node_id(value),
    "delegation_type": _one_of(DELEGATIONS),
    "routing_type": _one_of(ROUTINGS),
    "error_handling": _one_of(HANDLINGS),
    "access_type": _one_of(frozenset({"read", "write"})),
    "phase": _one_of(frozenset({"start", "end"})),
    "domain": _host,
    "path": _relative,
    "propagation_path": _path_of_two,
    "tool_calls_made": _made_calls,
    "config": _anything,
}
_FORMS_OF_TYPE: dict[tuple[str, str], Check] = {
    ("patcher.hook_status", "status"): _one_of(HOOK_STATUSES),
    ("tool.call_failure", "reason"): _one_of(frozenset({"invalid_arguments_json"})),
    ("execution.start", "mode"): _one_of(frozenset({"sync", "async", "stream"})),
    ("external.call", "error"): _upto(300),
    ("error.occurred", "error_type"): _text,
    ("error.propagated", "error_type"): _text,
    ("error.occurred", "file"): _relative,
}
_NAMES = frozenset(
    {
        "version", "python", "hook", "target", "reason", "library", "crew_name", "process_type", "graph_name",
        "input_shape", "initiator", "recipient", "message_shape", "result_shape", "agent_name", "agent_role",
        "task_name", "tool_name", "args_shape", "kwargs_shape", "delegator", "delegate", "state_key", "decision_basis",
        "previous_speaker", "source_agent", "downstream_agent", "origin_event_id", "method", "mode", "finish_reason",
        "stop_reason", "output_shape", "context_type",
    }
)  # fmt: skip


def _form(kind: str, key: str) -> Check:
    if (kind, key) in _FORMS_OF_TYPE:
        return _FORMS_OF_TYPE[kind, key]
    if key == "error_type":
        return _one_of(ERROR_CLASSES)
    if key in _FORMS:
        return _FORMS[key]
    if key in CONTENT:
        longest = CONTENT[key]
        return _upto(longest) if longest is not None else _texts
    if key in _NAMES:
        return _text
    return _hex(64) if key.endswith("_hash") else _anything
