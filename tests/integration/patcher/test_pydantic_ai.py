"""Pydantic AI, oldest supported and current: runs of every kind, delegation, tools and retries, instrumentation."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from tests.support.patcher.endpoint import Endpoint, call, calls, chunks, failure, text
from tests.support.patcher.program import Run, run_program
from tests.support.patcher.scripted import run_scripted, with_and_without
from tests.support.patcher.stories import GPT, alone, asked, task
from tests.support.patcher.wire import Reply

LINES = OLD, NEW = ("pydantic-ai-0", "pydantic-ai")
every_line = pytest.mark.parametrize("line", LINES)


def ran(line: str, program: str, *replies: Reply, args: Sequence[str] = (), returncode: int = 0) -> Run:
    """Run a program of these fixtures."""
    return run_scripted(line, f"pydantic_ai/{program}", *replies, args=args, ends=returncode)


@every_line
def test_tools_run_at_once_and_what_the_model_is_asked_again_for_is_caught(line: str) -> None:
    replies = [
        calls(("add", {"a": 2, "b": 3}), ("guess", {"number": 1})),
        call("guess", number="x"),
        call("guess", number=7),
        text("5"),
    ]
    run = ran(line, "tools.py", *replies)
    assert run.stdout == "AgentRunResult 5 solver\n"
    both = [each for each in run.story[4:9] if "add" in each]
    assert both == ["tool.invoked solver > add", "tool.completed solver > add success"]
    assert [each for each in run.story if " add" not in each and "> add" not in each] == alone(
        "solver",
        *asked("solver"),
        "tool.invoked solver > guess",
        "error.occurred guess ModelRetry caught_retry",
        "tool.completed solver > guess error",
        *asked("solver"),
        "tool.invoked solver > guess",
        "error.occurred guess ValidationError caught_retry",
        "tool.completed solver > guess error",
        *asked("solver"),
        "tool.invoked solver > guess",
        "tool.completed solver > guess success",
        *asked("solver"),
    )
    start = run.of_type("agent.task_start")[0]
    assert start["source_node"]["node_id"] == "pydantic_ai:solver:tools.py:5"
    assert start["payload"]["tools_available"] == ["add", "guess"]
    invoked = run.of_type("tool.invoked")
    assert {event["target_node"]["node_id"] for event in invoked} == {
        "pydantic_ai:add:tools.py:8",
        "pydantic_ai:guess:tools.py:13",
    }
    assert invoked[0]["payload"]["kwargs_shape"] == "dict(keys=['a', 'b'], len=2)"
    assert run.of_type("agent.task_end")[0]["payload"]["output_size_bytes"] == 1
    assert {status for hook, status in run.hooks.items() if hook.startswith("pydantic_ai.")} == {"applied"}


@every_line
def test_an_agent_that_runs_in_a_tool_gets_its_work_by_a_delegation(line: str) -> None:
    run = ran(line, "delegate.py", call("ask", question="moon"), text("far"), text("very far"))
    assert run.story == alone(
        "boss",
        *asked("boss"),
        "tool.invoked boss > ask",
        "delegation.initiated boss > expert explicit",
        *task("expert", *asked("expert"), within="boss"),
        "delegation.completed boss > expert success",
        "tool.completed boss > ask success",
        *asked("boss"),
    )
    delegated = run.of_type("delegation.initiated")[0]
    boss, expert = (event["source_node"] for event in run.of_type("agent.task_start"))
    assert (delegated["source_node"], delegated["target_node"]) == (boss, expert)
    assert expert["node_id"] == "pydantic_ai:expert:delegate.py:8"


@every_line
def test_an_agent_that_runs_in_an_output_function_is_handed_the_conversation(line: str) -> None:
    run = ran(line, "delegate.py", call("final_result", question="moon"), text("far"), args=["hand_over"])
    assert run.stdout == "far\n"
    assert run.story == alone(
        "boss",
        *asked("boss"),
        "routing.decision boss > closer handoff llm_output",
        "delegation.initiated boss > closer handoff",
        *task("closer", *asked("closer"), within="boss"),
        "delegation.completed boss > closer success",
    )


@every_line
def test_a_streamed_run_lasts_until_its_context_is_left(line: str) -> None:
    run = ran(line, "streamed.py", call("add", a=2, b=3), chunks("a", "b", "c"))
    assert run.stdout.startswith("_AsyncGeneratorContextManager\nStreamedRunResult\n")
    assert run.story == alone(
        "teller",
        *asked("teller"),
        "tool.invoked teller > add",
        "tool.completed teller > add success",
        *asked("teller"),
    )


@every_line
def test_a_streamed_run_that_is_left_early_is_abandoned(line: str) -> None:
    run = ran(line, "streamed.py", chunks("a", "b", "c"), args=["leave"])
    assert [each for each in run.story if not each.startswith("llm.")] == alone("teller", status="abandoned")
    assert not run.of_type("error.occurred")


@every_line
@pytest.mark.parametrize(("args", "status"), [(["follow"], "success"), (["follow", "leave"], "abandoned")])
def test_a_run_that_is_followed_step_by_step_ends_with_its_context(line: str, args: list[str], status: str) -> None:
    with Endpoint([] if "leave" in args else [text("c")]) as endpoint:
        run = run_program(line, "pydantic_ai/streamed.py", endpoint=endpoint, args=args)
    assert run.returncode == 0, run.stderr
    assert run.story == alone("teller", *([] if "leave" in args else asked("teller")), status=status)


def test_a_second_model_is_asked_when_the_first_fails_and_every_kind_of_stream_is_a_run() -> None:
    run = ran(NEW, "structured.py", failure(400, "no"), call("final_result", label="good", score=1.0))
    assert run.stdout.startswith("label='good' score=1.0\nsaid\n")
    assert run.story == [
        *alone(
            "judge",
            "llm.call_start gpt-a",
            "error.occurred AsyncChatCompletion BadRequestError raised",
            "llm.call_end gpt-a error by judge",
            *asked("judge", "gpt-b"),
        ),
        *alone("echo", *asked("echo", "test", "52+2")),
        *alone("echo", *asked("echo", "test", "52+2")),
    ]
    assert run.of_type("agent.task_end")[0]["payload"]["output_type"] == "classification"


@every_line
def test_a_tool_error_that_nobody_catches_is_propagated_to_the_agent(line: str) -> None:
    run = ran(line, "failing.py", call("fetch", page=1), args=["uncaught"], returncode=1)
    assert run.story == alone(
        "reader",
        *asked("reader"),
        "tool.invoked reader > fetch",
        "error.occurred fetch LookupError raised",
        "tool.completed reader > fetch error",
        "error.propagated reader LookupError",
        status="error",
    )


@pytest.mark.parametrize(
    ("line", "endpoint_name", "error"),
    [(OLD, "AsyncChatCompletion", "ModelHTTPError"), (NEW, "AsyncResponses", "ModelRequestRejectedError")],
)
def test_a_refusal_of_the_model_ends_the_run(line: str, endpoint_name: str, error: str) -> None:
    run = ran(line, "failing.py", failure(400, "too long"))
    assert run.stdout.startswith(error)
    assert run.story == alone(
        "reader",
        f"llm.call_start {GPT}",
        f"error.occurred {endpoint_name} BadRequestError raised",
        f"llm.call_end {GPT} error by reader",
        f"error.occurred reader {error} raised",
        status="error",
    )


@every_line
def test_arguments_that_never_fit_end_the_run(line: str) -> None:
    run = ran(line, "failing.py", call("fetch", page="x"), call("fetch", page="y"))
    assert run.stdout.startswith("UnexpectedModelBehavior")
    assert run.story[4:7] == [
        "tool.invoked reader > fetch",
        "error.occurred fetch ValidationError caught_retry",
        "tool.completed reader > fetch error",
    ]
    assert run.story[-2:] == ["agent.task_end reader error", "execution.end reader error"]


@every_line
def test_agents_without_names_keep_the_names_that_the_library_finds(line: str) -> None:
    with Endpoint() as endpoint:
        run, bare = (
            run_program(line, "pydantic_ai/names.py", endpoint=endpoint, patched=patched) for patched in (True, False)
        )
    assert run.stdout.endswith("['ada', 'bob', 'eve', None]\n")
    assert (run.stdout, run.stderr) == (bare.stdout, bare.stderr)
    ids = [event["source_node"]["node_id"] for event in run.of_type("agent.task_start")]
    assert ids == [
        "pydantic_ai:ada:names.py:8",
        "pydantic_ai:kim:names.py:15",
        "pydantic_ai:bob:names.py:9",
        "pydantic_ai:eve:names.py:10",
        "pydantic_ai:agent:names.py:11",
    ]
    models = [event["source_node"]["node_name"] for event in run.of_type("llm.call_start")]
    assert models == ["TestModel"] * 5


@every_line
@pytest.mark.parametrize("how", ["none", "all"])
def test_the_programs_own_instrumentation_stays_the_same(line: str, how: str) -> None:
    replies = [call("look"), text("no")]
    run = ran(line, "instrumented.py", *replies, args=[how])
    with Endpoint(replies) as endpoint:
        bare = run_program(line, "pydantic_ai/instrumented.py", endpoint=endpoint, args=[how], patched=False)
    assert (run.stdout, run.stderr) == (bare.stdout, bare.stderr)
    assert ("span " in run.stdout) is (how == "all")
    assert run.story == alone(
        "solver",
        *asked("solver"),
        "tool.invoked solver > look",
        "tool.completed solver > look success",
        *asked("solver"),
    )


@every_line
def test_runs_at_once_in_one_loop_keep_their_calls_apart(line: str) -> None:
    with Endpoint() as endpoint:
        run = run_program(line, "pydantic_ai/together.py", endpoint=endpoint)
    assert run.stdout == "['2', '0']\n"
    for agent, tool in (("north", "up"), ("south", "down")):
        assert [re.sub(r" \d+\+\d+ ", " ", each) for each in run.story if agent in each] == [
            f"execution.start {agent}",
            f"agent.task_start {agent}",
            f"llm.call_end function:answer: success by {agent}",
            f"tool.invoked {agent} > {tool}",
            f"tool.completed {agent} > {tool} success",
            f"llm.call_end function:answer: success by {agent}",
            f"agent.task_end {agent} success",
            f"execution.end {agent} success",
        ]


@every_line
@pytest.mark.parametrize(
    ("program", "args", "replies"),
    [
        ("tools.py", [], [call("guess", number=1), call("guess", number=7), text("5")]),
        ("delegate.py", ["hand_over"], [call("final_result", question="moon"), text("far")]),
        ("streamed.py", [], [call("add", a=2, b=3), chunks("a", "b", "c")]),
        ("failing.py", ["uncaught"], [call("fetch", page=1)]),
    ],
)
def test_the_program_behaves_the_same_without_the_patcher(
    line: str, program: str, args: list[str], replies: list[Reply]
) -> None:
    patched, bare = with_and_without(line, f"pydantic_ai/{program}", replies, args=args)
    assert patched == bare
