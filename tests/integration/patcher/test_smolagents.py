"""smolagents on the real library, oldest supported and current: runs, managed agents, tools, code, models, errors."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.patcher.endpoint import Endpoint, call, calls, failure, text
from tests.support.patcher.program import run_program
from tests.support.patcher.scripted import run_scripted
from tests.support.patcher.stories import GPT, alone, asked, used
from tests.support.patcher.wire import Reply

LINES = OLD, NEW = ("smolagents-1.0", "smolagents")
every_line = pytest.mark.parametrize("line", LINES)


def code(line: str, source: str) -> Reply:
    """The model writes this code, between the marks that the version asks for."""
    start, end = ("```py", "```<end_code>") if line == OLD else ("<code>", "</code>")
    return text(f"Thought: this will do.\n{start}\n{source}\n{end}")


def answered(line: str, agent: str) -> list[str]:
    """Giving the final answer in code is the use of a tool, but not in the first versions."""
    return used(agent, "final_answer") if line == NEW else []


@every_line
def test_an_agent_without_a_name_is_named_like_its_variable_and_its_code_is_a_tool(line: str) -> None:
    replies = [code(line, "total = add(2, 3)"), code(line, "final_answer(str(total))")]
    run = run_scripted(line, "smolagents/code.py", *replies)
    assert run.stdout.endswith("answer: 5\n")
    assert run.story == alone(
        "calculator",
        *asked("calculator"),
        *used("calculator", "python_interpreter", *used("calculator", "add")),
        *asked("calculator"),
        *used("calculator", "python_interpreter", *answered(line, "calculator")),
    )
    start = run.of_type("agent.task_start")[0]
    assert start["source_node"]["node_id"] == "smolagents:calculator:code.py:20"
    assert start["payload"]["tools_available"] == ["add", "final_answer"]
    tools = [event["target_node"]["node_id"] for event in run.of_type("tool.invoked")]
    assert tools[:2] == ["smolagents:python_interpreter:-:0", "smolagents:add:code.py:8"]
    assert run.of_type("agent.task_end")[0]["payload"]["output_size_bytes"] == 1
    assert {status for hook, status in run.hooks.items() if hook.startswith("smolagents.")} == {"applied"}


@every_line
def test_a_tool_that_fails_is_told_once_and_the_model_is_asked_again(line: str) -> None:
    replies = [call("shout", text="break"), call("shout", text="hello"), call("final_answer", answer="HELLO")]
    run = run_scripted(line, "smolagents/calling.py", *replies)
    assert run.story == alone(
        "speaker",
        "state.access speaker write mood",
        *asked("speaker"),
        "tool.invoked speaker > shout",
        "error.occurred shout ValueError caught_retry",
        "tool.completed speaker > shout error",
        *asked("speaker"),
        *used("speaker", "shout"),
        *asked("speaker"),
        *answered(line, "speaker"),
    )
    if line == NEW:
        last = run.of_type("tool.invoked")[-1]["payload"]
        assert (last["final_answer"], last["kwargs_shape"]) == (True, "dict(keys=['answer'], len=1)")


def test_tools_called_at_once_run_in_threads_and_belong_to_the_agent() -> None:
    replies = [calls(("shout", {"text": "a"}), ("shout", {"text": "b"})), call("final_answer", answer="AB")]
    with Endpoint(replies) as endpoint:
        run = run_program(NEW, "smolagents/calling.py", endpoint=endpoint)
    told = [line for line in run.story if line.startswith("tool.")]
    assert sorted(told[:4]) == sorted(used("speaker", "shout") * 2)
    assert told[4:] == used("speaker", "final_answer")
    assert [line for line in run.story if not line.startswith("tool.")] == alone(
        "speaker", "state.access speaker write mood", *asked("speaker"), *asked("speaker")
    )


@pytest.mark.parametrize(
    ("line", "asks"), [(OLD, "report = researcher('moon')"), (NEW, "report = researcher(task='moon')")]
)
def test_a_managed_agent_gets_its_work_by_a_delegation(line: str, asks: str) -> None:
    replies = [code(line, asks), call("final_answer", answer="far"), code(line, "final_answer('far')")]
    run = run_scripted(line, "smolagents/managed.py", *replies)
    assert run.story == alone(
        "manager",
        *asked("manager"),
        *used(
            "manager",
            "python_interpreter",
            "routing.decision manager > researcher manager_delegation llm_output",
            "delegation.initiated manager > researcher hierarchical",
            "agent.task_start researcher in manager",
            *asked("researcher"),
            *answered(line, "researcher"),
            "agent.task_end researcher success",
            "delegation.completed manager > researcher success",
        ),
        *asked("manager"),
        *used("manager", "python_interpreter", *answered(line, "manager")),
    )
    delegated = run.of_type("delegation.initiated")[0]["target_node"]
    assert delegated == run.of_type("agent.task_start")[1]["source_node"]
    assert delegated["node_id"] == f"smolagents:researcher:managed.py:{10 if line == OLD else 14}"
    assert run.of_type("routing.decision")[0]["payload"]["candidates"] == ["researcher"]


@every_line
def test_a_streamed_run_lasts_until_its_last_step_and_what_the_program_does_meanwhile_is_its_own(line: str) -> None:
    replies = [code(line, "total = add(2, 3)"), code(line, "final_answer(str(total))")]
    run = run_scripted(line, "smolagents/streamed.py", *replies)
    first = used("agent", "python_interpreter", *used("agent", "add"))
    assert run.story == alone(
        "agent",
        *asked("agent"),
        *(first if line == OLD else []),
        *used("-", "add"),
        *(first if line == NEW else []),
        *asked("agent"),
        *used("agent", "python_interpreter", *answered(line, "agent")),
    )
    assert run.of_type("execution.start")[0]["payload"]["mode"] == "stream"
    assert run.of_type("execution.end")[0]["payload"]["chunks_yielded"] == (3 if line == OLD else 7)
    assert run.of_type("agent.task_end")[0]["payload"]["output_size_bytes"] == 1


@every_line
def test_a_streamed_run_that_is_left_is_abandoned(line: str) -> None:
    with Endpoint([code(line, "total = add(2, 3)")]) as endpoint:
        run = run_program(line, "smolagents/streamed.py", endpoint=endpoint, args=["leave"])
    assert run.returncode == 0, run.stderr
    assert [line for line in run.story if "> add" not in line] == alone(
        "agent", *asked("agent"), *used("agent", "python_interpreter"), status="abandoned"
    )


def test_code_that_fails_is_an_error_of_the_interpreter_that_the_model_gets_to_see() -> None:
    replies = [code(NEW, "add(2, 'three')"), text("no code at all"), code(NEW, "final_answer('5')")]
    with Endpoint(replies) as endpoint:
        run = run_program(NEW, "smolagents/code.py", endpoint=endpoint)
    assert run.story == alone(
        "calculator",
        *asked("calculator"),
        "tool.invoked calculator > python_interpreter",
        "tool.invoked calculator > add",
        "error.occurred add TypeError caught_retry",
        "tool.completed calculator > add error",
        "tool.completed calculator > python_interpreter error",
        *asked("calculator"),
        "error.occurred calculator AgentParsingError caught_retry",
        *asked("calculator"),
        *used("calculator", "python_interpreter", *used("calculator", "final_answer")),
    )


def test_plans_streamed_answers_and_answers_that_a_check_refuses_belong_to_the_run() -> None:
    replies = [
        *(text("a plan"), code(NEW, "x = 1"), text("as far as it goes")),
        *(text("a plan"), code(NEW, "final_answer('x')"), text("a plan"), code(NEW, "final_answer('long')")),
    ]
    run = run_scripted(NEW, "smolagents/planned.py", *replies)
    assert run.stdout.endswith("answer: long\n")
    answers = used("planner", "python_interpreter", *used("planner", "final_answer"))
    assert run.story == [
        *alone(
            "planner",
            *asked("planner") * 2,
            *used("planner", "python_interpreter"),
            *asked("planner"),
            "error.occurred planner AgentMaxStepsError caught_default",
        ),
        *alone(
            "planner",
            *asked("planner") * 2,
            *answers,
            "error.occurred planner AgentError caught_retry",
            *asked("planner") * 2,
            *answers,
        ),
    ]


def test_a_model_that_refuses_ends_the_run() -> None:
    with Endpoint([failure(400, "too long")]) as endpoint:
        run = run_program(NEW, "smolagents/failing.py", endpoint=endpoint)
    assert run.stdout.endswith("AgentGenerationError Error while generating output:\nError code: 400 - too long\n")
    assert run.story == alone(
        "agent",
        f"llm.call_start {GPT}",
        "error.occurred ChatCompletion BadRequestError raised",
        f"llm.call_end {GPT} error by agent",
        "error.occurred agent AgentGenerationError raised",
        status="error",
    )


@every_line
def test_a_model_without_client_library_is_told_by_the_framework(line: str) -> None:
    run = run_program(line, "smolagents/own_model.py")
    assert run.returncode == 0, run.stderr
    assert run.story == alone(
        "agent",
        *asked("agent", "canned-1", "11+7"),
        *used("agent", "python_interpreter", *answered(line, "agent")),
    )
    source = run.of_type("llm.call_start")[0]["source_node"]
    assert source["node_type"] == "capability"
    assert source["node_name"] == ("Old" if line == OLD else "Canned")


@every_line
def test_a_tool_that_asks_another_agent_delegates_also_from_a_thread(line: str) -> None:
    replies = [code(line, "time = ask('time?')"), call("final_answer", answer="noon"), code(line, "final_answer('x')")]
    run = run_scripted(line, "smolagents/helper_tool.py", *replies)
    assert run.story == alone(
        "asker",
        *asked("asker"),
        *used(
            "asker",
            "python_interpreter",
            *used(
                "asker",
                "ask",
                "delegation.initiated asker > expert explicit",
                "agent.task_start expert in asker",
                *asked("expert"),
                *answered(line, "expert"),
                "agent.task_end expert success",
                "delegation.completed asker > expert success",
            ),
        ),
        *asked("asker"),
        *used("asker", "python_interpreter", *answered(line, "asker")),
    )


PROGRAMS: dict[str, Callable[[str], list[Reply]]] = {
    "calling.py": lambda line: [call("shout", text="break"), call("final_answer", answer="HELLO")],
    "streamed.py": lambda line: [code(line, "total = add(2, 3)"), code(line, "final_answer(str(total))")],
    "failing.py": lambda line: [failure(400, "too long")] + [failure(400, "too long")] * 7 * (line == OLD),
    "own_model.py": lambda line: [],
}


@every_line
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_behaves_the_same_without_the_patcher(line: str, program: str) -> None:
    seen = []
    for patched in (True, False):
        with Endpoint(PROGRAMS[program](line)) as endpoint:
            run = run_program(line, f"smolagents/{program}", endpoint=endpoint, patched=patched, complete=False)
            seen.append((run.returncode, _untimed(run.stdout), _untimed(run.stderr), len(endpoint.calls)))
    assert seen[0] == seen[1]


def _untimed(output: str) -> str:
    """Output without the durations that the library prints."""
    return re.sub(r"Duration [0-9.]+ seconds", "Duration", output)
