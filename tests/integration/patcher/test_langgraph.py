"""LangGraph on the real library, 0.2 and current: runs, turns, state, routes, retries, streams; the law."""

from __future__ import annotations

import re

import pytest

from tests.support.patcher.endpoint import Endpoint, text
from tests.support.patcher.langgraph_stories import (
    CURRENT,
    OLD,
    SCRIPTS,
    made,
    run,
)
from tests.support.patcher.program import prepared, run_program
from tests.support.patcher.stories import GPT, asked, executed, reads, task, writes

every_line = pytest.mark.parametrize("line", [OLD, CURRENT])


@every_line
def test_a_routed_graph_tells_turns_state_route_and_the_node_that_asks_the_model(line: str) -> None:
    told = run(line, "routed")
    assert told.story == executed(
        "app",
        task(
            "plan",
            reads("plan", "question", "log"),
            writes("plan", "kind", "log"),
            "routing.decision plan > worker conditional_edge state",
        ),
        task("worker", reads("worker", "question", "kind", "log"), asked("worker"), writes("worker", "log")),
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


@every_line
def test_branches_that_run_at_once_keep_their_model_calls_apart(line: str) -> None:
    with Endpoint(when={"left of": [text("L")], "right of": [text("R")]}) as endpoint:
        told = run_program(line, "langgraph/parallel.py", endpoint=endpoint)
    turns = {
        node: task(node, reads(node, "topic", "notes"), asked(node), writes(node, "notes"))
        for node in ("left", "right")
    }
    joined = task("join", reads("join", "topic", "notes"), writes("join", "topic"))
    assert sorted(told.story) == sorted(executed("fork", *turns.values(), joined))
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
    whole = executed("counter", first, second)
    assert told.story == [*whole, *whole, *executed("counter", first, status="abandoned")]
    assert [event["payload"]["chunks_yielded"] for event in told.of_type("execution.end")] == [2, 3, 1]


@every_line
def test_a_retried_node_tells_each_attempt_and_a_final_error_passes_up_once(line: str) -> None:
    told = run(line, "retried")
    assert told.story == executed(
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
        *executed(
            "desk",
            task("write", reads("write", "draft"), writes("write", "draft")),
            task("review", reads("review", "draft"), status="cancelled"),
        ),
        *executed("desk", task("review", reads("review", "draft"), writes("review", "approved"))),
    ]


@every_line
def test_tasks_of_the_functional_form_lie_inside_their_entry_point(line: str) -> None:
    told = run(line, "functional")
    assert told.story == executed(
        "essay",
        task("essay", task("draft", asked("draft"), within="essay"), task("shorten", within="essay")),
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
    assert told.story == executed(
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
        return executed(graph, task(node, reads(node, "text"), writes(node, "text"), within=around))

    assert told.story == executed(
        "outer",
        task("clean", reads("clean", "text"), inner("cleaner", "strip", "clean"), writes("clean", "text")),
        task("shout", reads("shout", "text"), inner("shouter", "upper", "shout"), writes("shout", "text")),
    )


@every_line
def test_output_read_token_by_token_is_one_model_call_even_when_it_is_left(line: str) -> None:
    told = run(line, "tokens")
    say = task(
        "say",
        reads("say", "text"),
        asked("say", tokens=""),
        writes("say", "text"),
    )
    whole = executed("speaker", say)
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
        *executed("graph_of", task("node", reads("node", "fruit", "prices"), writes("node", "prices"))),
        *executed("graph_of", task("node", reads("node", "number", "notes"), writes("node", "number"))),
    ]


def test_errors_that_a_handler_a_time_limit_or_a_sibling_ends_are_told_where_they_arise() -> None:
    told = run(CURRENT, "guarded")
    mend = "__error_handler__fail"
    story = told.story
    assert story[: story.index("execution.start pair")] == [
        *executed(
            "mended",
            task("fail", reads("fail", "value"), "error.occurred fail ValueError caught_default", status="error"),
            task(mend, reads(mend, "value"), writes(mend, "value")),
        ),
        *executed(
            "limited",
            [*task("slow", reads("slow", "value"), "error.occurred slow NodeTimeoutError raised", status="cancelled")],
            ["error.propagated limited NodeTimeoutError"],
            status="timeout",
        ),
    ]
    pair = executed(
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
    one = executed("doubler", task("double", reads("double", "n"), writes("double", "n")))
    assert told.story == one * 2


@every_line
def test_an_uncaught_error_of_an_asynchronous_node_is_told_once(line: str) -> None:
    told = run(line, "uncaught")
    assert told.returncode == 1
    assert told.story == executed(
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
            bodies = [{**request.body, "model": GPT} for request in endpoint.requests]
            seen.append((ended.returncode, ended.stdout, stderr, bodies))
    assert seen[0] == seen[1]


@every_line
def test_a_programs_own_callbacks_are_the_only_ones_it_finds(line: str) -> None:
    told = run(line, "callbacks")
    turn = executed(
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
