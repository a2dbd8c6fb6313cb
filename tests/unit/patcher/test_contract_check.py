"""The contract check finds every way in which a run can break the event contract, and nothing in one that keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.patcher.contract_check import Told, problems
from tests.support.patcher.payload_rules import REQUIRED

TOLD = Told("0123456789abcdef", "https://example.org/team/repository")
HASH = "ab" * 32
Lines = list[dict[str, Any]]


def node(name: str, node_type: str = "agent", family: str = "crewai", place: str = "app.py:3") -> dict[str, str]:
    """A node of an event."""
    return {"node_type": node_type, "node_id": f"{family}:{name}:{place}", "node_name": name}


CREW, WRITER, EDITOR = node("Crew"), node("Writer"), node("Editor", place="app.py:9")
MODEL = node("ChatCompletion", "capability", "openai", "crewai/llm.py:10")
ADD = node("add", "capability")
SHOP = {"node_type": "external", "node_id": "generic:http:example.org:-:0", "node_name": "example.org"}
STACK = [WRITER["node_id"]]


def event(kind: str, number: int, source: Any = None, target: Any = None, /, **fields: Any) -> dict[str, Any]:
    """One event; `opening` is the number of the event that it closes, `depth` its stack depth, the rest is payload."""
    opening, depth = fields.pop("opening", None), fields.pop("depth", 0)
    made: dict[str, Any] = {
        "event_id": f"evt_{number:016x}",
        "timestamp_ns": 1_700_000_000_000_000_000 + number,
        "run_id": TOLD.run_id,
        "repo_id": TOLD.repo_id,
        "framework": "generic" if kind.startswith("patcher.") else "crewai",
        "event_type": kind,
        "stack_depth": depth,
        "payload": fields,
    }
    if source:
        made["source_node"] = source
    if target:
        made["target_node"] = target
        made["edge_type"] = "uses" if kind.startswith("tool.") else "delegates_to"
    if opening is not None:
        made["parent_event_id"] = f"evt_{opening:016x}"
    return made


def good() -> Lines:
    """A run that keeps the contract and holds every event type."""
    tool = {"tool_name": "add", "tool_node_id": ADD["node_id"], "agent_node_id": WRITER["node_id"]}
    between = {
        "delegator": "Writer",
        "delegate": "Editor",
        "source_node_id": WRITER["node_id"],
        "target_node_id": EDITOR["node_id"],
    }
    crew = {"crew_name": "Crew", "agent_count": 2, "task_count": 1, "agent_roles": ["Writer", "Editor"],
            "task_hashes": [HASH], "process_type": "sequential"}  # fmt: skip
    asked = {"model_requested": "gpt-4o", "model_actual": "served-model", "model_mapped": True, "message_count": 1,
             "has_tools": True, "system_prompt_hash": "ab" * 8}  # fmt: skip
    answered = {"model_requested": "gpt-4o", "latency_ms": 1.25, "active_node_stack": STACK, "depth": 1}
    task = {"node_id": WRITER["node_id"], "agent_name": "Writer", "agent_role": "Writer", "task_name": "write",
            "agent_goal_hash": HASH}  # fmt: skip
    passed = {"propagation_path": ["ChatCompletion", "Writer"], "source_agent": "ChatCompletion",
              "downstream_agent": "Writer", "chain_depth": 1, "downstream_impact": True}  # fmt: skip
    error = {"error": "no", "error_type": "api_error"}
    e = event
    return [
        e("patcher.status", 1, version="0.1.0", pid=7, python="3.11.7"),
        e("patcher.hook_status", 2, hook="crewai.bus", target="crewai", status="applied", library="crewai"),
        e("execution.start", 3, CREW, **crew),
        e("agent.task_start", 4, WRITER, parent_node_id="", tools_available=["add"], **task),
        e("state.access", 5, WRITER, accessor_node=WRITER["node_id"], state_key="topic", access_type="read"),
        e("llm.call_start", 6, MODEL, depth=1, **asked),
        e("tool.call_failure", 7, MODEL, ADD, opening=6, depth=1, tool_name="add", reason="invalid_arguments_json"),
        e("llm.call_end", 8, MODEL, opening=6, status="success", input_tokens=5, output_hash=HASH,
          output_type="short_text", output_size_bytes=2, **answered),
        e("tool.invoked", 9, WRITER, ADD, args_shape="None", kwargs_shape="dict(keys=['a'], len=1)", **tool),
        e("external.call", 10, SHOP, depth=1, phase="start", method="GET", domain="example.org"),
        e("external.call", 11, SHOP, opening=10, depth=1, phase="end", method="GET", domain="example.org",
          latency_ms=2.0, status="success", status_code=200),
        e("tool.completed", 12, WRITER, ADD, opening=9, latency_ms=3.5, status="success", **tool),
        e("routing.decision", 13, CREW, EDITOR, source_node=CREW["node_id"], selected_target=EDITOR["node_id"],
          routing_type="manager_delegation", decision_basis="llm_output"),
        e("routing.decision", 14, CREW, source_node=CREW["node_id"], selected_target="__end__",
          routing_type="conditional_edge", decision_basis="state"),
        e("delegation.initiated", 15, WRITER, EDITOR, delegation_type="explicit", task_hash=HASH, **between),
        e("agent.task_start", 31, EDITOR, depth=1, parent_node_id=WRITER["node_id"], tools_available=[],
          **(task | {"node_id": EDITOR["node_id"], "agent_name": "Editor", "agent_role": "Editor"})),
        e("agent.task_end", 32, EDITOR, opening=31, depth=1, node_id=EDITOR["node_id"], status="success",
          latency_ms=1.0),
        e("delegation.completed", 16, WRITER, EDITOR, opening=15, latency_ms=0.0, status="success", **between),
        e("file.read", 17, node("notes.txt", "data_store", "generic", "notes.txt:0"), path="notes.txt", mode="r"),
        e("file.write", 18, node("out.txt", "data_store", "generic", "out.txt:0"), path="out/out.txt", mode="w"),
        e("llm.call_start", 19, MODEL, depth=1, **asked),
        e("error.occurred", 20, MODEL, depth=1, error_type="BadRequestError", error_message="no",
          error_handling="raised"),
        e("llm.call_end", 21, MODEL, opening=19, status="error", **error, **answered),
        e("error.propagated", 22, WRITER, error_type="BadRequestError", error_message="no",
          origin_event_id=f"evt_{20:016x}", **passed),
        e("agent.task_end", 23, WRITER, opening=4, node_id=WRITER["node_id"], status="error", latency_ms=9.0, **error),
        e("execution.end", 24, CREW, opening=3, status="error", latency_ms=10.0, **error),
    ]  # fmt: skip


def found(lines: Lines, **options: Any) -> list[str]:
    """The problems of these events."""
    return problems("".join(json.dumps(line) + "\n" for line in lines).encode(), told=TOLD, **options)


def first(lines: Lines, kind: str) -> dict[str, Any]:
    """The first event of a type."""
    return next(line for line in lines if line["event_type"] == kind)


def test_a_run_that_keeps_the_contract_has_no_problems() -> None:
    assert found(good()) == []


def test_the_run_of_these_tests_holds_every_event_type() -> None:
    assert {line["event_type"] for line in good()} == REQUIRED.keys() - {"patcher.dropped"}


REQUIRED_KEYS = [(kind, key) for kind, keys in REQUIRED.items() if kind != "patcher.dropped" for key in keys]


@pytest.mark.parametrize(("kind", "key"), REQUIRED_KEYS, ids=[f"{kind}-{key}" for kind, key in REQUIRED_KEYS])
def test_a_required_key_that_is_missing_is_found(kind: str, key: str) -> None:
    lines = good()
    del first(lines, kind)["payload"][key]
    assert any(f"{key} is missing" in problem for problem in found(lines))


@pytest.mark.parametrize(
    "key", ["crew_name", "agent_count", "task_count", "agent_roles", "task_hashes", "process_type"]
)
def test_what_a_crew_must_tell_at_its_start_is_held(key: str) -> None:
    lines = good()
    del first(lines, "execution.start")["payload"][key]
    assert any(f"{key} is missing" in problem for problem in found(lines))


@pytest.mark.parametrize(
    ("family", "key"),
    [
        ("langgraph", "graph_name"),
        ("langgraph", "mode"),
        ("langgraph", "node_names"),
        ("autogen", "initiator"),
        ("autogen", "message_shape"),
    ],
)
def test_each_family_must_tell_its_own_at_the_start_of_an_execution(family: str, key: str) -> None:
    lines = good()
    first(lines, "execution.start")["framework"] = family
    assert any(f"{key} is missing" in problem for problem in found(lines))


Change = Callable[[Lines], object]


def payload(kind: str, **changed: Any) -> Change:
    """Change the payload of the first event of a type."""
    return lambda lines: first(lines, kind)["payload"].update(changed)


def envelope(kind: str, **changed: Any) -> Change:
    """Change the envelope of the first event of a type."""
    return lambda lines: first(lines, kind).update(changed)


def without(kind: str, key: str) -> Change:
    """Take a field of the envelope away."""
    return lambda lines: first(lines, kind).pop(key)


def source(kind: str, **changed: Any) -> Change:
    """Change the source node of the first event of a type, in that event only."""

    def change(lines: Lines) -> None:
        event = first(lines, kind)
        event["source_node"] = event["source_node"] | changed

    return change


BREACHES: dict[str, tuple[Change, str]] = {
    "event id of another form": (envelope("file.read", event_id="evt_12"), "event_id has the wrong form"),
    "another run": (envelope("file.read", run_id="other"), "belongs to 'other'"),
    "another repository": (envelope("file.read", repo_id="other"), "belongs to"),
    "framework nobody knows": (envelope("file.read", framework="auto"), "framework is 'auto'"),
    "no framework": (without("file.read", "framework"), "framework is None"),
    "unknown type": (envelope("file.read", event_type="edge.traversed"), "no type that the patcher emits"),
    "unknown field": (envelope("file.read", data={}), "unknown field data"),
    "null field": (envelope("file.read", edge_type=None), "edge_type is null"),
    "null in the payload": (payload("llm.call_end", output_tokens=None), "output_tokens is null"),
    "time that is no integer": (envelope("file.read", timestamp_ns=1.5), "timestamp_ns"),
    "no source": (without("file.read", "source_node"), "source_node is missing"),
    "source on what the patcher says of itself": (envelope("patcher.status", source_node=WRITER), "source_node is"),
    "no target": (without("tool.invoked", "target_node"), "target_node is missing"),
    "target at the end of a graph": (
        lambda lines: lines[13].update(target_node=EDITOR, edge_type="delegates_to"), "target_node is there"
    ),
    "no edge": (without("delegation.initiated", "edge_type"), "edge_type is None"),
    "wrong edge": (envelope("tool.invoked", edge_type="calls"), "edge_type is 'calls'"),
    "closing without parent": (without("tool.completed", "parent_event_id"), "parent_event_id is missing"),
    "opening with parent": (envelope("tool.invoked", parent_event_id=f"evt_{4:016x}"), "parent_event_id is there"),
    "depth below zero": (envelope("file.read", stack_depth=-1), "stack_depth"),
    "parent of another kind": (envelope("tool.completed", parent_event_id=f"evt_{4:016x}"), "is no opening of it"),
    "parent that does not exist": (envelope("llm.call_end", parent_event_id=f"evt_{99:016x}"), "is no opening of it"),
    "never closed": (lambda lines: lines.pop(11), "is never closed"),
    "closed twice": (lambda lines: lines.insert(12, lines[11] | {"event_id": "evt_" + "f" * 16}), "closed before"),
    "one id for two events": (envelope("file.read", event_id=f"evt_{18:016x}"), "names 2 events"),
    "closing with another source": (envelope("execution.end", source_node=EDITOR), "its opening has"),
    "closing at another depth": (envelope("agent.task_end", stack_depth=3), "stack_depth is 3, not 1"),
    "status that does not exist": (payload("execution.end", status="failed"), "status has the wrong form"),
    "latency with three decimals": (payload("tool.completed", latency_ms=1.234), "latency_ms has the wrong form"),
    "error without its class": (lambda lines: lines[-1]["payload"].pop("error_type"), "error_type is missing"),
    "error class outside the list": (payload("execution.end", error_type="BadRequestError"), "error_type has"),
    "message over 500 characters": (payload("error.occurred", error_message="x" * 501), "error_message has"),
    "handling nobody knows": (payload("error.occurred", error_handling="ignored"), "error_handling has"),
    "absolute file in an id": (source("file.read", node_id="generic:notes.txt:/tmp/notes.txt:0"), "has the file"),
    "our own file in an id": (
        source("file.read", node_id="generic:notes.txt:stratum_patcher/wrap.py:0"), "has the file"
    ),
    "id of three parts": (source("file.read", node_id="generic:notes.txt:0"), "no id of the form"),
    "line without file": (source("file.read", node_id="generic:notes.txt:-:7"), "a line without a file"),
    "name and id that disagree": (source("file.read", node_name="other.txt"), "is named 'other.txt'"),
    "name with a line break in the id": (source("file.read", node_id="generic:notes.txt\n:-:0"), "has an id with"),
    "family nobody knows": (source("file.read", node_id="ag2:notes.txt:notes.txt:0"), "is of the family 'ag2'"),
    "type nobody knows": (source("file.read", node_type="file"), "has the type 'file'"),
    "node with another member": (source("file.read", line=3), "has other members"),
    "one node of two types": (source("state.access", node_type="capability"), "has the types"),
    "on its own stack": (
        payload("llm.call_end", active_node_stack=[MODEL["node_id"]]), "stands on its own stack"
    ),
    "depth that is not the stack's": (payload("llm.call_end", active_node_stack=[]), "the stack holds 0"),
    "its own parent": (payload("agent.task_start", parent_node_id=WRITER["node_id"]), "is its own parent"),
    "an edge to itself": (
        lambda lines: [line.update(target_node=WRITER) or line["payload"].update(
            delegate="Writer", target_node_id=WRITER["node_id"]) for line in (lines[14], lines[17])],
        "from a node to itself",
    ),
    "parent that is not at work": (
        lambda lines: lines[15]["payload"].update(parent_node_id=ADD["node_id"]), "is not at work"
    ),
    "delegate without a task": (lambda lines: (lines.pop(15), lines.pop(15)), "had no task"),
    "stream without its chunks": (
        lambda lines: (lines[2]["payload"].update(mode="stream"), lines[-1]["payload"].update(status="success")),
        "chunks_yielded is missing",
    ),
    "process that begins twice": (
        lambda lines: lines.insert(1, lines[0] | {"event_id": "evt_" + "f" * 16}), "began 2 times"
    ),
    "hook that is told twice": (
        lambda lines: lines.insert(1, lines[1] | {"event_id": "evt_" + "f" * 16}), "was told 2 times"
    ),
    "word for an id": (payload("agent.task_start", input_source="delegation"), "input_source has the wrong form"),
    "node of another agent": (payload("agent.task_start", node_id=EDITOR["node_id"]), "the envelope says"),
    "tool of another node": (payload("tool.invoked", tool_node_id=WRITER["node_id"]), "the envelope says"),
    "accessor of another node": (payload("state.access", accessor_node=EDITOR["node_id"]), "the envelope says"),
    "delegate of another name": (payload("delegation.initiated", delegate="Writer"), "the envelope says"),
    "route that says another target": (payload("routing.decision", selected_target=CREW["node_id"]), "the envelope"),
    "access that is neither": (payload("state.access", access_type="delete"), "access_type has the wrong form"),
    "delegation of no kind": (payload("delegation.initiated", delegation_type="calls"), "delegation_type has"),
    "hash cut short": (payload("llm.call_end", output_hash="ab"), "output_hash has the wrong form"),
    "prompt hash in full": (payload("llm.call_start", system_prompt_hash=HASH), "system_prompt_hash has"),
    "hash without type": (lambda lines: lines[7]["payload"].pop("output_type"), "output_type is missing"),
    "address for a domain": (payload("external.call", domain="example.org/path?q=1"), "domain has the wrong form"),
    "absolute path": (payload("file.read", path="/etc/passwd"), "path has the wrong form"),
    "absolute path in a name": (payload("tool.invoked", tool_name="/tmp/run/app/tool.py"), "an absolute path"),
    "a key": (payload("error.occurred", error_message="wrong key sk-" + "a" * 20), "a key or token"),
    "error that nobody told": (lambda lines: (lines.pop(21), lines.pop(22)), "no error event came"),
    "origin that nobody told": (payload("error.propagated", origin_event_id=f"evt_{6:016x}"), "no error.occurred has"),
    "first event of another kind": (lambda lines: lines.insert(0, lines.pop(18)), "the first event is file.read"),
    "no status of the process": (lambda lines: lines.pop(0), "no patcher.status"),
    "fault of the patcher": (
        lambda lines: lines.insert(2, event("patcher.dropped", 77, count=1, reason="fault:x:KeyError")),
        "a fault of the patcher",
    ),
}  # fmt: skip


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_of_the_contract_is_found(breach: str) -> None:
    change, told = BREACHES[breach]
    lines = good()
    change(lines)
    problems_found = found(lines)
    assert any(told in problem for problem in problems_found), problems_found


def test_what_was_open_at_a_kill_may_stay_open_when_the_test_says_so() -> None:
    assert found(good()[:9], complete=False) == []
    assert any("is never closed" in problem for problem in found(good()[:9]))


def test_content_that_was_not_to_be_captured_is_found() -> None:
    lines = good()
    first(lines, "llm.call_start")["payload"]["last_user_message_preview"] = "hello"
    assert found(lines, captured=True) == []
    assert any("content is not captured" in problem for problem in found(lines, captured=False))


def test_captured_content_over_its_length_is_found() -> None:
    lines = good()
    first(lines, "llm.call_start")["payload"]["last_user_message_preview"] = "x" * 201
    assert any("last_user_message_preview has the wrong form" in problem for problem in found(lines, captured=True))


def test_torn_and_foreign_lines_are_found() -> None:
    raw = "".join(json.dumps(line) + "\n" for line in good()).encode()
    assert any("middle of a line" in problem for problem in problems(raw[:-20], told=TOLD))
    assert any("not_json" in problem or "not JSON" in problem for problem in problems(raw + b"{oops\n", told=TOLD))
    assert problems(b"", told=TOLD) == ["no event was written"]
