"""Holds the events of one run against the contract (events.md): envelope, ids, pairs, stacks, content, and what the
product's own reader and fold make of them. What each payload must hold is `payload_rules`'s.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from stratum_lab.contract.events.lines import parse_line
from stratum_lab.errors import InvalidLine
from stratum_lab.fold import derive_record, validate_record
from tests.support.fold import REPO, facts_of, state_of
from tests.support.patcher import payload_rules
from tests.support.patcher.payload_rules import FAMILIES, NODE_TYPES, OPENINGS, REQUIRED, closes, opens

Event = Mapping[str, Any]

ENVELOPE = frozenset(
    {
        "event_id", "timestamp_ns", "run_id", "repo_id", "framework", "event_type", "source_node", "target_node",
        "edge_type", "parent_event_id", "stack_depth", "payload",
    }
)  # fmt: skip
EDGES = {"tool": "uses", "delegation": "delegates_to", "routing": "delegates_to"}
"""First word of the type -> edge type."""
MAX_NAME = 120
HTTP = "http:"
"""One word more in the ids of hosts (events.md section 2, outbound HTTP)."""
FREE_TEXT = frozenset({"error", "error_message", "reason", "traceback_tail"})
"""Keys whose text the program or a library wrote: it may name a path."""
ABSOLUTE = re.compile(r"(^|[\s'\"=(:])/(tmp|home|root|usr|var|opt|work|app)/")
SECRET = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}|(?i:bearer\s+[a-z0-9._-]{8,})")


class Told(NamedTuple):
    """What the runner told the program to be."""

    run_id: str
    repo_id: str


def problems(raw: bytes, *, told: Told, complete: bool = True, captured: bool | None = None) -> list[str]:
    """Everything in an events file that breaks the contract, one line each.

    Args:
        raw: The file.
        told: Identity that every event must carry.
        complete: Everything that was opened must be closed.
        captured: Whether content was captured; None: do not look.
    """
    if not raw:
        return ["no event was written"]
    found = [] if raw.endswith(b"\n") else ["the file ends in the middle of a line"]
    lines = raw.split(b"\n")[:-1]
    events: list[Event] = []
    for number, line in enumerate(lines, 1):
        try:
            parse_line(line)
        except InvalidLine as error:
            found.append(f"line {number}: {error}")
            continue
        events.append(orjson.loads(line))
    if SECRET.search(raw.decode("utf-8", "replace")):
        found.append("a key or token stands in the events")
    for number, event in enumerate(events, 1):
        found.extend(f"{number} {event['event_type']}: {problem}" for problem in _of_event(event, told, captured))
    if not found:
        for look in (_of_ids, _of_agents, _of_errors, _of_processes):
            found.extend(look(events))
        found.extend(_of_pairs(events, complete))
    return found or _of_fold(lines)


def _of_event(event: Event, told: Told, captured: bool | None) -> Iterator[str]:
    kind = event["event_type"]
    if kind not in REQUIRED:
        yield "no type that the patcher emits"
        return
    yield from _of_envelope(event, told)
    yield from payload_rules.problems(event)
    for key in payload_rules.CONTENT:
        if captured is False and key in event["payload"]:
            yield f"{key} is there although content is not captured"
    for path, text in _texts(event["payload"]):
        if ABSOLUTE.search(text) and path.split(".")[0] not in FREE_TEXT and path not in payload_rules.CONTENT:
            yield f"{path} holds an absolute path: {text:.200}"
    yield from _of_stack(event)


def _of_envelope(event: Event, told: Told) -> Iterator[str]:
    kind = event["event_type"]
    yield from (f"unknown field {key}" for key in event.keys() - ENVELOPE)
    yield from (f"{key} is null; optional fields are absent" for key, value in event.items() if value is None)
    if not re.fullmatch(r"evt_[0-9a-f]{16}", event["event_id"]):
        yield f"event_id has the wrong form: {event['event_id']!r}"
    if event["run_id"] != told.run_id or event["repo_id"] != told.repo_id:
        yield f"belongs to {event['run_id']!r} of {event['repo_id']!r}"
    if event.get("framework") not in FAMILIES:
        yield f"framework is {event.get('framework')!r}"
    if type(event.get("stack_depth")) is not int or event["stack_depth"] < 0:
        yield f"stack_depth is {event.get('stack_depth')!r}"
    own = kind.startswith("patcher.")
    if ("source_node" in event) is own:
        yield "source_node is there" if own else "source_node is missing"
    area = kind.partition(".")[0]
    ends = kind == "routing.decision" and event["payload"].get("selected_target") == payload_rules.END
    if ("target_node" in event) is not (area in EDGES and not ends):
        yield "target_node is there" if "target_node" in event else "target_node is missing"
    if event.get("edge_type") != (EDGES[area] if "target_node" in event and area in EDGES else None):
        yield f"edge_type is {event.get('edge_type')!r}"
    if ("parent_event_id" in event) is not (closes(event) or kind == "tool.call_failure"):
        yield "parent_event_id is there" if "parent_event_id" in event else "parent_event_id is missing"
    for which in ("source_node", "target_node"):
        if which in event:
            yield from (f"{which} {problem}" for problem in _of_node(event[which]))


def _of_node(node: Mapping[str, Any]) -> Iterator[str]:
    """Section 2 of the contract."""
    if set(node) != {"node_type", "node_id", "node_name"} or not all(isinstance(v, str) and v for v in node.values()):
        yield f"has other members: {node!r}"
        return
    if node["node_type"] not in NODE_TYPES:
        yield f"has the type {node['node_type']!r}"
    parts = node["node_id"].rsplit(":", 2)
    family, colon, name = parts[0].partition(":")
    if len(parts) != 3 or not colon or not parts[2].isdigit():
        yield f"has no id of the form framework:Name:file:line: {node['node_id']!r}"
        return
    file, line = parts[1], int(parts[2])
    if family == "generic":
        name = name.removeprefix(HTTP)
    if family not in FAMILIES:
        yield f"is of the family {family!r}"
    if family == "generic" and name.startswith("http:"):
        name = name[len("http:") :]  # hosts are told as `generic:http:<host>`
    if not name or ":" in name or name != _clean(name):
        yield f"has an id with the name {name!r}"
    shown = "exception" if node["node_name"] == "unhandled_exception" else node["node_name"]
    if name != _clean(shown).replace(":", "_"):
        yield f"is named {node['node_name']!r} and its id says {name!r}"
    if file.startswith(("/", "~", "..")) or not file or "stratum_patcher" in file or "site-packages" in file:
        yield f"has the file {file!r}"
    if file == "-" and line:
        yield f"has a line without a file: {node['node_id']!r}"


def _clean(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())[:MAX_NAME].rstrip()


def _of_stack(event: Event) -> Iterator[str]:
    payload = event["payload"]
    own = (event.get("source_node") or {}).get("node_id")
    if event["event_type"] == "llm.call_end":
        stack = payload.get("active_node_stack", [])
        if own in stack:
            yield "stands on its own stack"
        if len(stack) != event["stack_depth"]:
            yield f"stack_depth is {event['stack_depth']} and the stack holds {len(stack)}"
    if event["event_type"] == "agent.task_start" and payload.get("parent_node_id") == own:
        yield "is its own parent"
    target = (event.get("target_node") or {}).get("node_id")
    if target is not None and target == own and event["event_type"].startswith(("tool.", "delegation.")):
        yield "is an edge from a node to itself"


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from _texts(held, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for held in value:
            yield from _texts(held, path)


def _of_ids(events: Sequence[Event]) -> Iterator[str]:
    counted = Counter(event["event_id"] for event in events)
    yield from (f"{event_id} names {count} events" for event_id, count in counted.items() if count > 1)
    types: dict[str, set[str]] = {}
    for event in events:
        for which in ("source_node", "target_node"):
            if which in event:
                types.setdefault(event[which]["node_id"], set()).add(event[which]["node_type"])
    yield from (f"{node_id} has the types {sorted(found)}" for node_id, found in types.items() if len(found) > 1)


def _of_pairs(events: Sequence[Event], complete: bool) -> Iterator[str]:
    opened: dict[str, Event] = {}
    closed: set[str] = set()
    for number, event in enumerate(events, 1):
        kind, parent = event["event_type"], event.get("parent_event_id", "")
        if opens(event):
            opened[event["event_id"]] = event
        elif kind == "tool.call_failure":
            if opened.get(parent, {}).get("event_type") != "llm.call_start":
                yield f"{number} {kind}: its parent {parent} opened no model call"
        elif closes(event):
            opening = opened.get(parent)
            if opening is None or opening["event_type"] != OPENINGS.get(kind, kind):
                yield f"{number} {kind}: its parent {parent} is no opening of it"
                continue
            if parent in closed:
                yield f"{number} {kind}: its opening {parent} was closed before"
            closed.add(parent)
            streamed = opening["payload"].get("mode") == "stream" and event["payload"]["status"] == "success"
            if streamed and "chunks_yielded" not in event["payload"]:
                yield f"{number} {kind}: chunks_yielded is missing after a stream"
            for which in ("source_node", "target_node"):
                if event.get(which) != opening.get(which):
                    yield f"{number} {kind}: {which} is {event.get(which)}, its opening has {opening.get(which)}"
            if event["stack_depth"] != opening["stack_depth"]:
                yield f"{number} {kind}: stack_depth is {event['stack_depth']}, not {opening['stack_depth']}"
    if complete:
        yield from (f"{opened[i]['event_type']} {i} is never closed" for i in opened.keys() - closed)


def _of_agents(events: Sequence[Event]) -> Iterator[str]:
    """An agent stands inside one that is at work, and work is handed to an agent under the id of its own tasks."""
    at_work: dict[str, str] = {}
    worked: set[str] = set()
    for number, event in enumerate(events, 1):
        kind, payload = event["event_type"], event["payload"]
        if kind == "agent.task_start":
            parent = payload["parent_node_id"]
            if parent and parent not in at_work.values():
                yield f"{number} {kind}: its parent {parent} is not at work"
            at_work[event["event_id"]] = payload["node_id"]
            worked.add(payload["node_id"])
        elif kind == "agent.task_end":
            at_work.pop(event["parent_event_id"], None)
        elif (
            kind == "delegation.completed"
            and payload["status"] == "success"
            and payload["target_node_id"] not in worked
        ):
            yield f"{number} {kind}: its delegate {payload['target_node_id']} had no task"


def _of_errors(events: Sequence[Event]) -> Iterator[str]:
    """An error event stands before every closing that reports an error; propagated errors name where they arose."""
    occurred: set[str] = set()
    told_since: dict[str, int] = {}
    told = 0
    for number, event in enumerate(events, 1):
        kind, payload = event["event_type"], event["payload"]
        if opens(event):
            told_since[event["event_id"]] = told
        if kind == "error.occurred":
            occurred.add(event["event_id"])
            told += 1
        elif kind == "error.propagated":
            told += 1
            if payload["origin_event_id"] not in occurred:
                yield f"{number} {kind}: no error.occurred has the id {payload['origin_event_id']}"
        elif (
            closes(event)
            and payload["status"] in ("error", "timeout")
            and told == told_since.get(event["parent_event_id"], told)
        ):
            yield f"{number} {kind}: ends with {payload['status']} and no error event came since it began"


def _of_processes(events: Sequence[Event]) -> Iterator[str]:
    pids = Counter(event["payload"]["pid"] for event in events if event["event_type"] == "patcher.status")
    if not pids:
        yield "no patcher.status"
    yield from (f"process {pid} began {count} times" for pid, count in pids.items() if count > 1)
    if len(pids) == 1:
        told = Counter(e["payload"]["hook"] for e in events if e["event_type"] == "patcher.hook_status")
        yield from (f"hook {hook} was told {count} times" for hook, count in told.items() if count > 1)
    if events and events[0]["event_type"] != "patcher.status":
        yield f"the first event is {events[0]['event_type']}, not patcher.status"
    faults = [event for event in events if event["event_type"] == "patcher.dropped"]
    yield from (f"a fault of the patcher: {event['payload']}" for event in faults)


def _of_fold(lines: Sequence[bytes]) -> list[str]:
    """The product's own view: the run folds into a valid record."""
    parsed = [parse_line(line) for line in lines]
    record = derive_record(REPO, [(facts_of(parsed), state_of(parsed))], None)
    if record is None:
        return ["no record could be made of the run"]
    return [f"record: {problem}" for problem in validate_record(record)]
