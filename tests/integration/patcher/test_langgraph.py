"""LangGraph on the real library, 0.2 and current: runs, turns, state, routes, hand-overs, tools, retries, streams."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.patcher.endpoint import Endpoint, call, text
from tests.support.patcher.program import PROGRAMS, Run, prepared, run_program
from tests.support.patcher.wire import Reply

OLD, CURRENT, TEAMS = "langgraph-0.2", "langgraph", "langgraph-teams"
every_line = pytest.mark.parametrize("line", [OLD, CURRENT])
MODEL = "gpt-4o-mini"
SCRIPTS: dict[str, list[Reply]] = {
    "routed": [text("seven")],
    "prebuilt": [call("add", a=1, b=2), text("3"), call("add", a=2, b=2), text("4")],
    "created": [call("add", a=1, b=2), text("3")],
    "commands": [text("writer"), text("critic"), text("__end__")],
    "handoff": [call("transfer_to_bob"), text("hi")],
    "functional": [text("a draft")],
    "tokens": [text("one two"), text("three four"), text("five"), text("six")],
    "supervised": [call("transfer_to_maths"), call("add", a=1, b=2), text("3"), text("three")],
    "swarming": [call("transfer_to_bob"), text("hi")],
    "approvals": [call("pay", amount=5), text("done")],
}
"""Program -> what the model says."""


def run(line: str, program: str, **options: Any) -> Run:
    """Run one of the programs with its script."""
    with Endpoint(SCRIPTS.get(program, ())) as endpoint:
        return run_program(line, f"langgraph/{program}.py", endpoint=endpoint, **options)


def made(program: str, name: str, code: str, family: str = "langgraph") -> str:
    """The id of a node that is made where a program's text goes on with some code."""
    lines = (PROGRAMS / "langgraph" / f"{program}.py").read_text().splitlines()
    number = next(number for number in range(1, len(lines)) if "\n".join(lines[number - 1 :]).startswith(code))
    return f"{family}:{name}:{program}.py:{number}"


def reads(node: str, *keys: str) -> list[str]:
    """What the story says of the state that a node is given."""
    return [f"state.access {node} read {key}" for key in keys]


def writes(node: str, *keys: str) -> list[str]:
    """What the story says of the state that a node changes."""
    return [f"state.access {node} write {key}" for key in keys]


def asks(node: str) -> list[str]:
    """What the story says of a model call."""
    return [f"llm.call_start {MODEL}", f"llm.call_end {MODEL} success 5+3 by {node}"]


def task(node: str, *told: list[str] | str, around: str = "", status: str = "success") -> list[str]:
    """What the story says of a turn of a node."""
    inner = [line for part in told for line in ([part] if isinstance(part, str) else part)]
    start = f"agent.task_start {node}" + (f" in {around}" if around else "")
    return [start, *inner, f"agent.task_end {node} {status}"]


def execution(graph: str, *told: list[str], status: str = "success") -> list[str]:
    """What the story says of a run of a graph."""
    return [f"execution.start {graph}", *(line for part in told for line in part), f"execution.end {graph} {status}"]


@every_line
def test_a_routed_graph_tells_turns_state_route_and_the_node_that_asks_the_model(line: str) -> None:
    told = run(line, "routed")
    assert told.story == execution(
        "app",
        task(
            "plan",
            reads("plan", "question", "log"),
            writes("plan", "kind", "log"),
            "routing.decision plan > worker conditional_edge state",
        ),
        task("worker", reads("worker", "question", "kind", "log"), asks("worker"), writes("worker", "log")),
        task("rest", reads("rest", "question", "kind", "log")),
    )
    [start] = told.of_type("execution.start")
    assert start["source_node"]["node_id"] == made("routed", "app", "app =")
    assert {
        key: start["payload"][key] for key in ("graph_name", "mode", "node_count", "node_names", "config_keys")
    } == {
        "graph_name": "app",
        "mode": "sync",
        "node_count": 3,
        "node_names": ["plan", "worker", "rest"],
        "config_keys": ["configurable"],
    }
    assert [event["source_node"]["node_id"] for event in told.of_type("agent.task_start")] == [
        made("routed", "plan", "def plan"),
        made("routed", "worker", "def work"),
        made("routed", "rest", "def rest"),
    ]
    assert [event["payload"].get("input_source") for event in told.of_type("agent.task_start")] == [
        None,
        made("routed", "plan", "def plan"),
        made("routed", "worker", "def work"),
    ]
    [route] = told.of_type("routing.decision")
    assert route["payload"]["candidates"] == ["worker", "rest", "__end__"]
    assert route["payload"]["selected_target"] == made("routed", "worker", "def work")


def prebuilt_run(line: str) -> list[str]:
    """A run of the prebuilt agent with one use of its tool."""
    tools_read = reads("tools", "messages") if line == OLD else []
    ask = (reads("agent", "messages"), asks("agent"), writes("agent", "messages"))
    return execution(
        "calculator",
        task(
            "calculator",
            task("agent", *ask, "routing.decision agent > tools conditional_edge llm_output", around="calculator"),
            task(
                "tools",
                tools_read,
                ["tool.invoked calculator > add", "tool.completed calculator > add success"],
                writes("tools", "messages"),
                around="calculator",
            ),
            task("agent", *ask, "routing.decision agent > __end__ conditional_edge llm_output", around="calculator"),
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
    ask = (reads("model", "messages"), asks("model"), writes("model", "messages"))
    assert told.story == execution(
        "helper",
        task(
            "helper",
            task("model", *ask, "routing.decision model > tools conditional_edge llm_output", around="helper"),
            task(
                "tools",
                ["tool.invoked helper > add", "tool.completed helper > add success"],
                writes("tools", "messages"),
                "routing.decision tools > model conditional_edge llm_output",
                around="helper",
            ),
            task("model", *ask, "routing.decision model > __end__ conditional_edge llm_output", around="helper"),
        ),
    )
    assert told.of_type("agent.task_start")[0]["source_node"]["node_id"] == made("created", "helper", "helper =")


@every_line
def test_branches_that_run_at_once_keep_their_model_calls_apart(line: str) -> None:
    with Endpoint(when={"left of": [text("L")], "right of": [text("R")]}) as endpoint:
        told = run_program(line, "langgraph/parallel.py", endpoint=endpoint)
    turns = {
        node: task(node, reads(node, "topic", "notes"), asks(node), writes(node, "notes")) for node in ("left", "right")
    }
    joined = task("join", reads("join", "topic", "notes"), writes("join", "topic"))
    assert sorted(told.story) == sorted(execution("fork", *turns.values(), joined))
    assert [told.story[0], told.story[-len(joined) - 1 :]] == [
        "execution.start fork",
        [*joined, "execution.end fork success"],
    ]
    assert told.of_type("agent.task_start")[-1]["payload"]["input_source"] == made(
        "parallel", "right", "async def right"
    )
    [start] = told.of_type("execution.start")
    assert (start["payload"]["mode"], start["payload"]["async"]) == ("async", True)


@every_line
def test_streams_are_one_run_each_and_one_that_is_left_is_abandoned(line: str) -> None:
    told = run(line, "streamed")
    first = task("first", reads("first", "count"), writes("first", "count"))
    second = task("second", reads("second", "count"), writes("second", "count"))
    whole = execution("counter", first, second)
    assert told.story == [*whole, *whole, *execution("counter", first, status="abandoned")]
    assert [event["payload"]["chunks_yielded"] for event in told.of_type("execution.end")] == [2, 3, 1]


@every_line
def test_a_node_that_asks_the_model_whom_to_send_to_hands_over_until_that_turn_ends(line: str) -> None:
    told = run(line, "commands")

    def decided(target: str, kind: str = "handoff") -> list[str]:
        return task(
            "supervisor",
            reads("supervisor", "task", "done"),
            asks("supervisor"),
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

    assert told.story == execution(
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
    assert told.story == execution("team", task("supervisor", reads("supervisor", "task", "done"), asks("supervisor")))
    assert b"somebody" not in told.raw


@every_line
def test_a_tool_that_hands_over_in_the_parent_graph_delegates_from_agent_to_agent(line: str) -> None:
    told = run(line, "handoff")
    assert told.story == execution(
        "swarm",
        task(
            "alice",
            reads("alice", "messages"),
            task(
                "agent",
                reads("agent", "messages"),
                asks("agent"),
                writes("agent", "messages"),
                "routing.decision agent > tools conditional_edge llm_output",
                around="alice",
            ),
            task(
                "tools",
                reads("tools", "messages") if line == OLD else [],
                ["tool.invoked alice > transfer_to_bob", "tool.completed alice > transfer_to_bob success"],
                around="alice",
            ),
        ),
        writes("alice", "messages"),
        ["routing.decision alice > bob handoff llm_output", "delegation.initiated alice > bob handoff"],
        task(
            "bob",
            reads("bob", "messages"),
            task("agent", reads("agent", "messages"), asks("agent"), writes("agent", "messages"), around="bob"),
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
    asked = task("agent", reads("agent", "messages"), asks("agent"), writes("agent", "messages"), route, around=agent)
    if tool is None:
        return asked
    uses = [f"tool.invoked {agent} > {tool}", f"tool.completed {agent} > {tool} success"]
    return [*asked, *task("tools", uses, *told, around=agent)]


def test_a_supervisor_delegates_to_the_very_agent_that_works() -> None:
    told = run(TEAMS, "supervised")
    wrote = writes("tools", "messages")
    assert told.story == execution(
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
    assert told.story == execution(
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
def test_a_retried_node_tells_each_attempt_and_a_final_error_passes_up_once(line: str) -> None:
    told = run(line, "retried")
    assert told.story == execution(
        "graph",
        task("flaky", reads("flaky", "value"), "error.occurred flaky ConnectionError caught_retry", status="error"),
        task("flaky", reads("flaky", "value"), writes("flaky", "value")),
        task("broken", reads("broken", "value"), "error.occurred broken KeyError raised", status="error"),
        ["error.propagated graph KeyError"],
        status="error",
    )
    assert [event["payload"].get("attempt") for event in told.of_type("agent.task_start")] == [None, 2, None]


@every_line
def test_an_interrupt_is_no_error_and_the_resumed_run_is_a_run_of_its_own(line: str) -> None:
    told = run(line, "interrupted")
    assert told.story == [
        *execution(
            "desk",
            task("write", reads("write", "draft"), writes("write", "draft")),
            task("review", reads("review", "draft"), status="cancelled"),
        ),
        *execution("desk", task("review", reads("review", "draft"), writes("review", "approved"))),
    ]


@every_line
def test_tasks_of_the_functional_form_lie_inside_their_entry_point(line: str) -> None:
    told = run(line, "functional")
    assert told.story == execution(
        "essay",
        task("essay", task("draft", asks("draft"), around="essay"), task("shorten", around="essay")),
    )
    assert [event["source_node"]["node_id"] for event in told.of_type("agent.task_start")] == [
        made("functional", "essay", "@entrypoint"),
        made("functional", "draft", "@task\ndef draft"),
        made("functional", "shorten", "@task\ndef shorten"),
    ]


@every_line
def test_packets_for_one_node_are_one_route_and_as_many_turns(line: str) -> None:
    told = run(line, "mapped")
    square = task("square", reads("square", "item"), writes("square", "squares"))
    assert told.story == execution(
        "mapper",
        task(
            "split",
            reads("split", "items", "squares"),
            writes("split", "items"),
            "routing.decision split > square conditional_edge state",
        ),
        square,
        square,
    )
    sources = [event["payload"].get("input_source") for event in told.of_type("agent.task_start")]
    assert sources == [None, made("mapped", "split", "def split"), made("mapped", "split", "def split")]


@every_line
def test_graphs_inside_graphs_run_inside_the_node_that_runs_them(line: str) -> None:
    told = run(line, "subgraphs")

    def inner(graph: str, node: str, around: str) -> list[str]:
        return execution(graph, task(node, reads(node, "text"), writes(node, "text"), around=around))

    assert told.story == execution(
        "outer",
        task("clean", reads("clean", "text"), inner("cleaner", "strip", "clean"), writes("clean", "text")),
        task("shout", reads("shout", "text"), inner("shouter", "upper", "shout"), writes("shout", "text")),
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
        *execution(
            "divider",
            ask,
            task("tools", reads("tools", "messages"), used("caught_default"), writes("tools", "messages")),
        ),
        *execution(
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
def test_output_read_token_by_token_is_one_model_call_even_when_it_is_left(line: str) -> None:
    told = run(line, "tokens")
    say = task(
        "say",
        reads("say", "text"),
        [f"llm.call_start {MODEL}", f"llm.call_end {MODEL} success by say"],
        writes("say", "text"),
    )
    whole = execution("speaker", say)
    assert told.story[: 3 * len(whole)] == whole * 3
    assert told.story[3 * len(whole) :][:4] == ["execution.start speaker", *say[:3]]
    assert {line for line in told.story[3 * len(whole) + 4 :] if "llm" not in line} == {
        "agent.task_end say cancelled",
        "execution.end speaker abandoned",
    }


@every_line
def test_typed_states_tell_what_was_read_and_only_what_changed(line: str) -> None:
    told = run(line, "typed")
    assert told.story == [
        *execution("graph_of", task("node", reads("node", "fruit", "prices"), writes("node", "prices"))),
        *execution("graph_of", task("node", reads("node", "number", "notes"), writes("node", "number"))),
    ]


@every_line
def test_a_tool_that_asks_a_person_is_cancelled_then_used_again(line: str) -> None:
    told = run(line, "approvals")
    tools_read = reads("tools", "messages") if line == OLD else []

    def model(target: str) -> list[str]:
        route = f"routing.decision agent > {target} conditional_edge llm_output"
        said = writes("agent", "messages")
        return task("agent", reads("agent", "messages"), asks("agent"), said, route, around="clerk")

    def used(status: str, wrote: list[str]) -> list[str]:
        uses = ["tool.invoked clerk > pay", f"tool.completed clerk > pay {status}"]
        return task("tools", tools_read, uses, wrote, around="clerk", status=status)

    assert told.story == [
        *execution("clerk", task("clerk", model("tools"), used("cancelled", []))),
        *execution("clerk", task("clerk", used("success", writes("tools", "messages")), model("__end__"))),
    ]


def test_errors_that_a_handler_a_time_limit_or_a_sibling_ends_are_told_where_they_arise() -> None:
    told = run(CURRENT, "guarded")
    mend = "__error_handler__fail"
    story = told.story
    assert story[: story.index("execution.start pair")] == [
        *execution(
            "mended",
            task("fail", reads("fail", "value"), "error.occurred fail ValueError caught_default", status="error"),
            task(mend, reads(mend, "value"), writes(mend, "value")),
        ),
        *execution(
            "limited",
            [*task("slow", reads("slow", "value"), "error.occurred slow NodeTimeoutError raised", status="cancelled")],
            ["error.propagated limited NodeTimeoutError"],
            status="timeout",
        ),
    ]
    pair = execution(
        "pair",
        task(
            "break_early",
            reads("break_early", "value"),
            "error.occurred break_early LookupError raised",
            status="error",
        ),
        task("slow", reads("slow", "value"), status="cancelled"),
        ["error.propagated pair LookupError"],
        status="error",
    )
    assert sorted(story[story.index("execution.start pair") :]) == sorted(pair)
    assert story[-1] == "execution.end pair error"


@every_line
def test_each_input_of_a_batch_is_a_run(line: str) -> None:
    told = run(line, "batched")
    one = execution("doubler", task("double", reads("double", "n"), writes("double", "n")))
    assert told.story == one * 2


@every_line
def test_an_uncaught_error_of_an_asynchronous_node_is_told_once(line: str) -> None:
    told = run(line, "uncaught")
    assert told.returncode == 1
    assert told.story == execution(
        "graph",
        task("fail", reads("fail", "value"), "error.occurred fail ValueError raised", status="error"),
        ["error.propagated graph ValueError"],
        status="error",
    )


@every_line
@pytest.mark.parametrize(
    "program",
    [*sorted({*SCRIPTS} - {"created", "supervised", "swarming"}), "callbacks", "retried", "streamed", "uncaught"],
)
def test_programs_behave_the_same_with_and_without_the_patcher(line: str, program: str) -> None:
    seen = []
    for patched in (False, True):
        with (
            Endpoint(SCRIPTS.get(program, ())) as endpoint,
            prepared(line, f"langgraph/{program}.py", endpoint=endpoint, patched=patched) as ready,
        ):
            ended = ready.ended(ready.start())
            stderr = re.sub(r'File "[^"]*/(site-packages|app)/', r'File "\1/', ended.stderr)
            stderr = re.sub(r"(?m)^/[^ :]*/(site-packages|app)/", r"\1/", stderr)
            stderr = re.sub(r"id '[0-9a-f-]{36}'", "id", stderr)
            bodies = [{**request.body, "model": MODEL} for request in endpoint.requests]
            seen.append((ended.returncode, ended.stdout, stderr, bodies))
    assert seen[0] == seen[1]


@every_line
def test_a_programs_own_callbacks_are_the_only_ones_it_finds(line: str) -> None:
    told = run(line, "callbacks")
    turn = execution(
        "graph",
        task(
            "speak",
            reads("speak", "text"),
            ["llm.call_start GenericFakeChatModel", "llm.call_end GenericFakeChatModel success by speak"],
            ["tool.invoked speak > shout", "tool.completed speak > shout success"],
            writes("speak", "text"),
        ),
    )
    assert told.story == turn * 5


@every_line
def test_every_hook_of_the_line_applies(line: str) -> None:
    told = run(line, "handoff")
    ours = {hook: status for hook, status in told.hooks.items() if hook.startswith(("langgraph.", "langchain."))}
    assert ours, told.hooks
    assert {hook for hook, status in ours.items() if status != "applied"} == (
        {"langgraph.attempts@0.2"} if line == CURRENT and "langgraph.attempts@0.2" in ours else set()
    )
