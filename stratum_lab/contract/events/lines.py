"""From one line of a patcher events file to one validated event; what is refused says why.

A line is valid when it is a JSON object with non-empty strings `event_id`, `run_id`, `repo_id`, `event_type` and an
integer `timestamp_ns`. Everything else a line holds is kept: known fields in their column, the rest as JSON text.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import orjson

from stratum_lab.errors import InvalidLine

MAX_LINE_BYTES = 64 * 1024
"""Longest line that is read; longer ones are dead letters."""

LINE_REASONS = ("too_long", "empty", "not_utf8", "not_json", "not_object", "missing_field", "bad_field")
"""Closed list of why a line is refused."""

_INT64 = 2**63


class Node(NamedTuple):
    """A source or target node as the line holds it; hashable, so that batches can intern it."""

    node_id: str | None
    node_type: str | None
    node_name: str | None


class Event(NamedTuple):
    """One valid line.

    Absent fields are None, except `payload` and `extra`, JSON text that is empty when absent.
    """

    event_id: str
    timestamp_ns: int
    run_id: str
    repo_url: str
    framework: str | None
    event_type: str
    source_node: Node | None
    target_node: Node | None
    edge_type: str | None
    parent_event_id: str | None
    stack_depth: int | None
    payload: str
    extra: str


_KNOWN = frozenset(
    {
        "event_id", "timestamp_ns", "run_id", "repo_id", "event_type", "framework", "source_node", "target_node",
        "edge_type", "parent_event_id", "stack_depth", "payload",
    }
)  # fmt: skip
_REQUIRED = ("event_id", "run_id", "repo_id", "event_type")
_NODE_KEYS = ("node_id", "node_type", "node_name")


def _lenient(line: bytes, problem: orjson.JSONDecodeError) -> Any:
    """What orjson refuses although Python's own emitter may write it: lone surrogates, NaN, very large integers."""
    if not line.strip():
        raise InvalidLine("empty", "the line is empty") from problem
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidLine("not_utf8", f"not UTF-8: {problem}") from problem
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidLine("not_json", f"not JSON: {problem}") from problem


def _dumps(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        try:
            return json.dumps(value, separators=(",", ":"))
        except (ValueError, RecursionError) as exc:
            raise InvalidLine("bad_field", f"a field cannot be stored as JSON: {exc}") from exc


def _text(obj: dict[str, Any], key: str) -> str:
    value = obj.get(key)
    if isinstance(value, str) and value:
        return _encodable(value, key)
    if key not in obj:
        raise InvalidLine("missing_field", f"field {key} is missing")
    raise InvalidLine("bad_field", f"field {key} is {str(value)[:80]!r}, expected a non-empty string")


def _encodable(value: str, key: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InvalidLine("bad_field", f"field {key} is not valid Unicode: {exc.reason}") from exc
    return value


def _sound(value: Any) -> bool:
    """Whether a string fits a UTF-8 column."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def parse_line(line: bytes) -> Event:
    """Validate one line (without its newline).

    Raises:
        InvalidLine: With a reason of LINE_REASONS.
    """
    if len(line) > MAX_LINE_BYTES:
        raise InvalidLine("too_long", f"{len(line)} bytes, at most {MAX_LINE_BYTES} are read")
    try:
        obj = orjson.loads(line)
        strict = True  # every text orjson gives is valid Unicode
    except orjson.JSONDecodeError as exc:
        obj = _lenient(line, exc)
        strict = False
    if type(obj) is not dict:
        raise InvalidLine("not_object", f"a JSON {type(obj).__name__}, expected an object")
    get = obj.get
    event_id, run_id, repo_url, event_type = get("event_id"), get("run_id"), get("repo_id"), get("event_type")
    if not (
        strict
        and type(event_id) is type(run_id) is type(repo_url) is type(event_type) is str
        and event_id
        and run_id
        and repo_url
        and event_type
    ):
        event_id, run_id, repo_url, event_type = (_text(obj, k) for k in _REQUIRED)
    stamp = get("timestamp_ns")
    if type(stamp) is not int or not -_INT64 <= stamp < _INT64:
        reason = "bad_field" if "timestamp_ns" in obj else "missing_field"
        raise InvalidLine(reason, f"field timestamp_ns is {str(stamp)[:80]!r}, expected an integer of nanoseconds")
    extra: dict[str, Any] = {} if obj.keys() <= _KNOWN else {k: v for k, v in obj.items() if k not in _KNOWN}
    source, target = get("source_node"), get("target_node")
    if source is not None:
        source = (strict and _whole_node(source)) or _node(obj, "source_node", extra)
    if target is not None:
        target = (strict and _whole_node(target)) or _node(obj, "target_node", extra)
    framework, edge_type, parent = get("framework"), get("edge_type"), get("parent_event_id")
    if not (strict and type(framework) is str and framework):
        framework = _optional(obj, "framework", extra)
    if edge_type is not None:
        edge_type = _optional(obj, "edge_type", extra)
    if parent is not None and not (strict and type(parent) is str and parent):
        parent = _optional(obj, "parent_event_id", extra)
    depth = get("stack_depth")
    if depth is not None and (type(depth) is not int or not 0 <= depth < 2**31):
        extra["stack_depth"] = depth
        depth = None
    payload = get("payload")
    return Event(
        event_id, stamp, run_id, repo_url, framework, event_type, source, target, edge_type, parent, depth,
        "" if payload is None else _dumps(payload),
        _dumps(extra) if extra else "",
    )  # fmt: skip


def _optional(obj: dict[str, Any], key: str, extra: dict[str, Any]) -> str | None:
    value = obj.get(key)
    if value is None:
        return None
    if value and _sound(value):
        return str(value)
    extra[key] = value
    return None


def _whole_node(value: Any) -> Node | None:
    """The usual node, with all three members and nothing else; None for any other."""
    if type(value) is dict and len(value) == len(_NODE_KEYS):
        node_id, node_type, name = value.get("node_id"), value.get("node_type"), value.get("node_name")
        if type(node_id) is type(node_type) is type(name) is str and node_id and node_type and name:
            return Node(node_id, node_type, name)
    return None


def _node(obj: dict[str, Any], key: str, extra: dict[str, Any]) -> Node | None:
    """Nodes are absent when null, empty or no object; odd members go to `extra` with the whole node."""
    value = obj.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        extra[key] = value
        return None
    parts: list[str | None] = []
    for name in _NODE_KEYS:
        part = value.get(name)
        parts.append(part if part and _sound(part) else None)
    kept = sum(p is not None for p in parts)
    if kept != len(value):
        extra[key] = value
    return Node(*parts) if kept else None
