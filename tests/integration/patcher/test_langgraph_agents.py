"""Agents of LangGraph on the real library, 0.2 and current: prebuilt agents, their tools, hand-overs and commands."""

from __future__ import annotations

import pytest

from tests.support.patcher.endpoint import Endpoint, text
from tests.support.patcher.langgraph_stories import (
    CURRENT,
    OLD,
    TEAMS,
    made,
    run,
)
from tests.support.patcher.program import run_program
from tests.support.patcher.stories import asked, executed, reads, task, writes

every_line = pytest.mark.parametrize("line", [OLD, CURRENT])


def prebuilt_run(line: str) -> list[str]:
    """A run of the prebuilt agent with one use of its tool."""
    tools_read = reads("tools", "messages") if line == OLD else []
    ask = (reads("agent", "messages"), asked("agent"), writes("agent", "messages"))
    return executed(
        "calculator",
        task(
            "calculator",
            task("agent", *ask, "routing.decision agent > tools conditional_edge llm_output", within="calculator"),
            task(
                "tools",
                tools_read,
                ["tool.invoked calculator > add", "tool.completed calculator > add success"],
                writes("tools", "messages"),
                within="calculator",
            ),
            task("agent", *ask, "routing.decision agent > __end__ conditional_edge llm_output", within="calculator"),
        ),
    )


@every_line
def test_a_prebuilt_agent_is_a_task_of_its_own_and_uses_its_tools_itself(line: str) -> None:
    told = run(line, "prebuilt")
    assert told.story == prebuilt_run(line) * 2
    outer = [event for event in told.of_type("agent.task_start") if event["payload"]["agent_name"] == "calculator"]
    assert [event["payload"]["tools_available"] for event in outer] == [["add"], ["add"]]
    assert {event["source_node"]["node_id"] for event in outer} == {made("prebuilt", "calculator", "agent =")}
    assert told.of_type("tool.invoked")[0]["target_node"] == {
        "node_type": "capability",
        "node_id": made("prebuilt", "add", "@tool", "langchain"),
        "node_name": "add",
    }
    assert [event["payload"]["mode"] for event in told.of_type("execution.start")] == ["sync", "stream"]
    assert told.of_type("execution.end")[1]["payload"]["chunks_yielded"] == 3


def test_an_agent_of_create_agent_has_the_name_of_its_variable_and_routes_from_the_model() -> None:
    told = run(CURRENT, "created")
    ask = (reads("model", "messages"), asked("model"), writes("model", "messages"))
    assert told.story == executed(
        "helper",
        task(
            "helper",
            task("model", *ask, "routing.decision model > tools conditional_edge llm_output", within="helper"),
            task(
                "tools",
                ["tool.invoked helper > add", "tool.completed helper > add success"],
                writes("tools", "messages"),
                "routing.decision tools > model conditional_edge llm_output",
                within="helper",
            ),
            task("model", *ask, "routing.decision model > __end__ conditional_edge llm_output", within="helper"),
        ),
    )
    assert told.of_type("agent.task_start")[0]["source_node"]["node_id"] == made("created", "helper", "helper =")


@every_line
def test_a_node_that_asks_the_model_whom_to_send_to_hands_over_until_that_turn_ends(line: str) -> None:
    told = run(line, "commands")

    def decided(target: str, kind: str = "handoff") -> list[str]:
        return task(
            "supervisor",
            reads("supervisor", "task", "done"),
            asked("supervisor"),
            f"routing.decision supervisor > {target} {kind} llm_output",
            [f"delegation.initiated supervisor > {target} handoff"] if kind == "handoff" else [],
        )

    def worked(node: str) -> list[str]:
        return [
            *task(
                node,
                reads(node, "task", "done"),
                writes(node, "done"),
                f"routing.decision {node} > supervisor conditional_edge state",
            ),
            f"delegation.completed supervisor > {node} success",
        ]

    assert told.story == executed(
        "team",
        decided("writer"),
        worked("writer"),
        decided("critic"),
        worked("critic"),
        decided("__end__", "conditional_edge"),
    )
    assert [event["payload"].get("input_source") for event in told.of_type("agent.task_start")] == [
        None,
        made("commands", "supervisor", "def supervisor"),
        made("commands", "writer", "def writer"),
        made("commands", "supervisor", "def supervisor"),
        made("commands", "critic", "def critic"),
    ]


@every_line
def test_a_destination_that_is_no_node_is_no_route_and_its_text_is_not_told(line: str) -> None:
    with Endpoint([text("ask somebody else, I cannot")]) as endpoint:
        told = run_program(line, "langgraph/commands.py", endpoint=endpoint)
    assert told.story == executed("team", task("supervisor", reads("supervisor", "task", "done"), asked("supervisor")))
    assert b"somebody" not in told.raw


@every_line
def test_a_tool_that_hands_over_in_the_parent_graph_delegates_from_agent_to_agent(line: str) -> None:
    told = run(line, "handoff")
    assert told.story == executed(
        "swarm",
        task(
            "alice",
            reads("alice", "messages"),
            task(
                "agent",
                reads("agent", "messages"),
                asked("agent"),
                writes("agent", "messages"),
                "routing.decision agent > tools conditional_edge llm_output",
                within="alice",
            ),
            task(
                "tools",
                reads("tools", "messages") if line == OLD else [],
                ["tool.invoked alice > transfer_to_bob", "tool.completed alice > transfer_to_bob success"],
                within="alice",
            ),
        ),
        writes("alice", "messages"),
        ["routing.decision alice > bob handoff llm_output", "delegation.initiated alice > bob handoff"],
        task(
            "bob",
            reads("bob", "messages"),
            task("agent", reads("agent", "messages"), asked("agent"), writes("agent", "messages"), within="bob"),
            writes("bob", "messages"),
        ),
        ["delegation.completed alice > bob success"],
    )
    [handed] = told.of_type("delegation.initiated")
    bob = next(e for e in told.of_type("agent.task_start") if e["payload"]["agent_name"] == "bob")
    assert handed["target_node"] == bob["source_node"]
    assert bob["source_node"]["node_id"] == made("handoff", "bob", "bob =")
    assert bob["payload"]["input_source"] == made("handoff", "alice", "alice =")


def agent_turn(agent: str, *told: list[str] | str, target: str, tool: str | None = None) -> list[str]:
    """What the story says of the model's turn in a prebuilt agent, and of the tool that it uses then."""
    route = f"routing.decision agent > {target} conditional_edge llm_output"
    turn = task("agent", reads("agent", "messages"), asked("agent"), writes("agent", "messages"), route, within=agent)
    if tool is None:
        return turn
    uses = [f"tool.invoked {agent} > {tool}", f"tool.completed {agent} > {tool} success"]
    return [*turn, *task("tools", uses, *told, within=agent)]


def test_a_supervisor_delegates_to_the_very_agent_that_works() -> None:
    told = run(TEAMS, "supervised")
    wrote = writes("tools", "messages")
    assert told.story == executed(
        "team",
        task(
            "supervisor",
            reads("supervisor", "messages"),
            agent_turn("supervisor", target="tools", tool="transfer_to_maths"),
        ),
        writes("supervisor", "messages"),
        ["routing.decision supervisor > maths handoff llm_output", "delegation.initiated supervisor > maths handoff"],
        task(
            "maths",
            reads("maths", "messages"),
            agent_turn("maths", wrote, target="tools", tool="add"),
            agent_turn("maths", target="__end__"),
            writes("maths", "messages"),
        ),
        ["delegation.completed supervisor > maths success"],
        task(
            "supervisor",
            reads("supervisor", "messages"),
            agent_turn("supervisor", target="__end__"),
            writes("supervisor", "messages"),
        ),
    )
    [handed] = told.of_type("delegation.initiated")
    assert handed["target_node"]["node_id"] == made("supervised", "maths", "maths =")
    worked = next(e for e in told.of_type("agent.task_start") if e["payload"]["agent_name"] == "maths")
    assert worked["payload"]["tools_available"] == ["add"]


def test_a_swarm_starts_by_its_state_and_hands_over_by_its_tools() -> None:
    told = run(TEAMS, "swarming")
    assert told.story == executed(
        "swarm",
        ["routing.decision swarm > alice conditional_edge state"],
        task("alice", reads("alice", "messages"), agent_turn("alice", target="tools", tool="transfer_to_bob")),
        writes("alice", "messages", "active_agent"),
        ["routing.decision alice > bob handoff llm_output", "delegation.initiated alice > bob handoff"],
        task(
            "bob",
            reads("bob", "messages", "active_agent"),
            agent_turn("bob", target="__end__"),
            writes("bob", "messages"),
        ),
        ["delegation.completed alice > bob success"],
    )


@every_line
def test_a_tool_error_is_caught_by_the_tool_node_or_passes_up(line: str) -> None:
    told = run(line, "tool_errors")
    ask = task("ask", reads("ask", "messages"), writes("ask", "messages"))

    def used(handling: str) -> list[str]:
        return [
            "tool.invoked tools > divide",
            f"error.occurred divide ZeroDivisionError {handling}",
            "tool.completed tools > divide error",
        ]

    assert told.story == [
        *executed(
            "divider",
            ask,
            task("tools", reads("tools", "messages"), used("caught_default"), writes("tools", "messages")),
        ),
        *executed(
            "divider",
            ask,
            task(
                "tools",
                reads("tools", "messages"),
                used("raised"),
                "error.propagated tools ZeroDivisionError",
                status="error",
            ),
            ["error.propagated divider ZeroDivisionError"],
            status="error",
        ),
    ]


@every_line
def test_a_tool_that_asks_a_person_is_cancelled_then_used_again(line: str) -> None:
    told = run(line, "approvals")
    tools_read = reads("tools", "messages") if line == OLD else []

    def model(target: str) -> list[str]:
        route = f"routing.decision agent > {target} conditional_edge llm_output"
        said = writes("agent", "messages")
        return task("agent", reads("agent", "messages"), asked("agent"), said, route, within="clerk")

    def used(status: str, wrote: list[str]) -> list[str]:
        uses = ["tool.invoked clerk > pay", f"tool.completed clerk > pay {status}"]
        return task("tools", tools_read, uses, wrote, within="clerk", status=status)

    assert told.story == [
        *executed("clerk", task("clerk", model("tools"), used("cancelled", []))),
        *executed("clerk", task("clerk", used("success", writes("tools", "messages")), model("__end__"))),
    ]
