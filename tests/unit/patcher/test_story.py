"""Events told as a story: one line each, the same for every run of the same program."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.patcher.story import story


def node(name: str, node_type: str = "agent", family: str = "crewai") -> dict[str, str]:
    """A node of an event."""
    return {"node_type": node_type, "node_id": f"{family}:{name}:app.py:3", "node_name": name}


WRITER, EDITOR, ADD = node("Writer"), node("Editor"), node("add", "capability")


def event(kind: str, source: Any = WRITER, target: Any = None, **payload: Any) -> dict[str, Any]:
    """An event with these nodes."""
    made = {"event_type": kind, "source_node": source, "payload": payload}
    return made | ({"target_node": target} if target else {})


STORIES = [
    (event("execution.start"), "execution.start Writer"),
    (event("execution.end", status="error"), "execution.end Writer error"),
    (event("agent.task_start", parent_node_id=""), "agent.task_start Writer"),
    (event("agent.task_start", parent_node_id=EDITOR["node_id"]), "agent.task_start Writer in Editor"),
    (event("agent.task_end", status="success"), "agent.task_end Writer success"),
    (event("llm.call_start", model_requested="gpt-4o"), "llm.call_start gpt-4o"),
    (
        event("llm.call_end", model_requested="m", status="success", input_tokens=5, output_tokens=3,
              active_node_stack=[WRITER["node_id"], EDITOR["node_id"]]),
        "llm.call_end m success 5+3 by Editor",
    ),
    (event("llm.call_end", model_requested="m", status="abandoned", active_node_stack=[]), "llm.call_end m abandoned"),
    (event("llm.call_end", model_requested="m", status="success", input_tokens=5), "llm.call_end m success"),
    (event("tool.invoked", WRITER, ADD, agent_node_id=WRITER["node_id"]), "tool.invoked Writer > add"),
    (event("tool.invoked", node("program"), ADD, agent_node_id=""), "tool.invoked - > add"),
    (
        event("tool.completed", WRITER, ADD, agent_node_id=WRITER["node_id"], status="error"),
        "tool.completed Writer > add error",
    ),
    (
        event("tool.call_failure", tool_name="add", reason="invalid_arguments_json"),
        "tool.call_failure add invalid_arguments_json",
    ),
    (
        event("delegation.initiated", WRITER, EDITOR, delegation_type="explicit"),
        "delegation.initiated Writer > Editor explicit",
    ),
    (event("delegation.completed", WRITER, EDITOR, status="aborted"), "delegation.completed Writer > Editor aborted"),
    (
        event("state.access", accessor_node=WRITER["node_id"], access_type="read", state_key="topic"),
        "state.access Writer read topic",
    ),
    (
        event("routing.decision", WRITER, EDITOR, routing_type="conditional_edge", decision_basis="state"),
        "routing.decision Writer > Editor conditional_edge state",
    ),
    (
        event("routing.decision", WRITER, routing_type="conditional_edge", decision_basis="state"),
        "routing.decision Writer > __end__ conditional_edge state",
    ),
    (
        event("error.occurred", error_type="KeyError", error_handling="caught_retry"),
        "error.occurred Writer KeyError caught_retry",
    ),
    (event("error.propagated", error_type="KeyError"), "error.propagated Writer KeyError"),
    (event("external.call", phase="start", domain="example.org"), "external.call start example.org"),
    (event("external.call", phase="end", domain="example.org", status_code=200), "external.call end example.org 200"),
    (event("file.write", path="out/a.txt", mode="w"), "file.write out/a.txt"),
]  # fmt: skip


@pytest.mark.parametrize(("told", "line"), STORIES, ids=[line for _, line in STORIES])
def test_each_event_type_has_its_line(told: dict[str, Any], line: str) -> None:
    seen = event("agent.task_start", EDITOR, parent_node_id="")
    assert story([seen, told])[1] == line


def test_a_node_that_no_event_tells_of_is_named_as_its_id_names_it() -> None:
    told = event("agent.task_start", parent_node_id="autogen:chat manager:team/b.py:7")
    assert story([told]) == ["agent.task_start Writer in chat manager"]


def test_what_the_patcher_says_of_itself_is_no_part_of_the_story() -> None:
    assert story([{"event_type": "patcher.status", "payload": {}}, event("execution.start")]) == [
        "execution.start Writer"
    ]
