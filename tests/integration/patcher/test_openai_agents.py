"""The OpenAI Agents SDK, oldest supported and current: runs, handoffs, tools, guardrails, sessions, traces."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.patcher.endpoint import Endpoint, call, calls, failure, text
from tests.support.patcher.program import Run, run_program
from tests.support.patcher.scripted import run_scripted, with_and_without
from tests.support.patcher.stories import GPT, asked, executed, refused, task
from tests.support.patcher.wire import Reply

LINES = OLD, NEW = ("openai-agents-0.0", "openai-agents")
WORKFLOW = "Agent workflow"

every_line = pytest.mark.parametrize("line", LINES)


def ran(line: str, program: str, *replies: Reply, args: Sequence[str] = (), returncode: int = 0) -> Run:
    """Run a program of these fixtures."""
    return run_scripted(line, f"openai_agents/{program}", *replies, args=args, ends=returncode)


def workflow(*inside: str, status: str = "success", name: str = WORKFLOW) -> list[str]:
    """The story of an outermost run."""
    return executed(name, *inside, status=status)


@every_line
def test_tools_run_at_once_and_one_that_fails_is_answered_by_the_sdk(line: str) -> None:
    run = ran(line, "tools.py", calls(("add", {"a": 2, "b": 3}), ("divide", {"a": 1, "b": 0})), text("5"))
    assert run.stdout == "RunResult 5\n"
    assert run.story == workflow(
        *task(
            "Solver",
            *asked("Solver"),
            "tool.invoked Solver > add",
            "tool.invoked Solver > divide",
            "tool.completed Solver > add success",
            "error.occurred divide ZeroDivisionError caught_default",
            "tool.completed Solver > divide error",
            *asked("Solver"),
        )
    )
    start = run.of_type("agent.task_start")[0]
    assert start["source_node"]["node_id"] == "openai_agents:Solver:tools.py:16"
    assert start["payload"]["tools_available"] == ["add", "divide"]
    invoked = run.of_type("tool.invoked")
    assert [event["target_node"]["node_id"] for event in invoked] == [
        "openai_agents:add:tools.py:6",
        "openai_agents:divide:tools.py:11",
    ]
    assert invoked[0]["payload"]["kwargs_shape"] == "dict(keys=['a', 'b'], len=2)"
    assert run.of_type("agent.task_end")[0]["payload"]["output_size_bytes"] == 1
    elsewhere = {
        hook for hook, status in run.hooks.items() if hook.startswith("openai_agents.") and status != "applied"
    }
    assert not elsewhere


@every_line
def test_when_calls_are_redirected_no_trace_is_uploaded_and_nothing_is_said_of_it(line: str) -> None:
    run = ran(line, "tools.py", text("5"))
    assert run.stderr == ""
    assert not run.of_type("external.call")
    assert run.hooks["openai_agents.export"] == "applied"


@every_line
def test_a_handoff_is_a_routing_decision_and_a_delegation_that_lasts_as_long_as_the_other_agents_task(
    line: str,
) -> None:
    run = ran(line, "handoff.py", call("transfer_to_billing_agent"), text("sorry"))
    assert run.stdout == "Billing agent sorry\n"
    assert run.story == workflow(
        *task(
            "Triage agent",
            *asked("Triage agent"),
            "routing.decision Triage agent > Billing agent handoff llm_output",
            "delegation.initiated Triage agent > Billing agent handoff",
        ),
        *task("Billing agent", *asked("Billing agent")),
        "delegation.completed Triage agent > Billing agent success",
    )
    delegated, routed = run.of_type("delegation.initiated")[0], run.of_type("routing.decision")[0]
    triage, billing = (event["source_node"] for event in run.of_type("agent.task_start"))
    assert (delegated["source_node"], delegated["target_node"]) == (triage, billing)
    assert (routed["source_node"], routed["target_node"]) == (triage, billing)
    assert billing["node_id"] == "openai_agents:Billing agent:handoff.py:8"
    assert routed["payload"]["candidates"] == ["Billing agent", "Refund agent"]


@every_line
def test_an_agent_used_as_a_tool_gets_its_work_by_a_delegation_inside_one_execution(line: str) -> None:
    run = ran(line, "as_tool.py", call("translate", input="hi"), text("salut"), text("Cher"))
    assert run.story == workflow(
        *task(
            "Writer",
            *asked("Writer"),
            "tool.invoked Writer > translate",
            "delegation.initiated Writer > Translator explicit",
            *task("Translator", *asked("Translator"), within="Writer"),
            "delegation.completed Writer > Translator success",
            "tool.completed Writer > translate success",
            *asked("Writer"),
        ),
        name="Letters",
    )


@every_line
def test_a_streamed_run_is_told_like_any_other(line: str) -> None:
    run = ran(line, "streamed.py", call("add", a=2, b=3), text("5"))
    assert run.stdout.startswith("RunResultStreaming\n")
    assert run.story == workflow(
        *task(
            "Solver",
            *asked("Solver"),
            "tool.invoked Solver > add",
            "tool.completed Solver > add success",
            *asked("Solver"),
        )
    )


@every_line
def test_a_streamed_run_that_is_left_ends_when_the_loop_cancels_it(line: str) -> None:
    with Endpoint([call("add", a=2, b=3)], always=text("5")) as endpoint:
        run = run_program(line, "openai_agents/streamed.py", endpoint=endpoint, args=["leave"])
    assert run.returncode == 0, run.stderr
    assert run.story[:2] == [f"execution.start {WORKFLOW}", "agent.task_start Solver"]
    assert run.story[-2:] == ["agent.task_end Solver cancelled", f"execution.end {WORKFLOW} cancelled"]
    assert not run.of_type("error.occurred")


@every_line
@pytest.mark.parametrize(
    ("given", "answer", "printed"),
    [
        ("rude words", "fine", "InputGuardrailTripwireTriggered"),
        ("a question", "a much too long answer", "OutputGuardrailTripwireTriggered"),
    ],
)
def test_a_guardrail_that_trips_routes_to_the_end_and_is_no_error(
    line: str, given: str, answer: str, printed: str
) -> None:
    with Endpoint(always=text(answer)) as endpoint:
        run = run_program(line, "openai_agents/guarded.py", endpoint=endpoint, args=[given])
    assert run.stdout == f"{printed}\n"
    assert [each for each in run.story if not each.startswith("llm.")] == workflow(
        *task("Clerk", "routing.decision Clerk > __end__ conditional_edge guardrail", status="cancelled"),
        status="cancelled",
    )


@every_line
def test_guardrails_that_let_pass_are_not_told(line: str) -> None:
    run = ran(line, "guarded.py", text("fine"), args=["a question"])
    assert run.story == workflow(*task("Clerk", *asked("Clerk")))


@every_line
def test_a_tool_error_that_nobody_answers_is_raised(line: str) -> None:
    run = ran(line, "failing.py", call("fetch", page="x"))
    assert run.story == workflow(
        *task(
            "Reader",
            *asked("Reader"),
            "tool.invoked Reader > fetch",
            "error.occurred fetch LookupError raised",
            "tool.completed Reader > fetch error",
            "error.occurred Reader UserError raised",
            status="error",
        ),
        f"error.propagated {WORKFLOW} UserError",
        status="error",
    )


@every_line
def test_a_refusal_of_the_model_is_told_once_and_then_as_propagated(line: str) -> None:
    run = ran(line, "failing.py", failure(400, "too long"), args=["uncaught"], returncode=1)
    assert run.story == workflow(
        *task(
            "Reader",
            *refused("Reader", "AsyncResponses"),
            "error.propagated Reader BadRequestError",
            status="error",
        ),
        f"error.propagated {WORKFLOW} BadRequestError",
        status="error",
    )


@every_line
def test_an_agent_that_takes_too_many_turns_fails(line: str) -> None:
    run = ran(line, "failing.py", call("wait"), call("wait"))
    assert run.stdout == "MaxTurnsExceeded Max turns (2) exceeded\n"
    assert run.story[-4:] == [
        "error.occurred Reader MaxTurnsExceeded raised",
        "agent.task_end Reader error",
        f"error.propagated {WORKFLOW} MaxTurnsExceeded",
        f"execution.end {WORKFLOW} error",
    ]


@every_line
@pytest.mark.parametrize("how", ["own", "disabled", "run"])
def test_whatever_the_program_does_about_tracing_the_run_is_told_and_its_own_tracing_stays_the_same(
    line: str, how: str
) -> None:
    replies = [call("divide", a=1, b=0), text("no")]
    run = ran(line, "tracing.py", *replies, args=[how])
    assert run.story == workflow(
        *task(
            "Solver",
            *asked("Solver"),
            "tool.invoked Solver > divide",
            "error.occurred divide ZeroDivisionError caught_default",
            "tool.completed Solver > divide error",
            *asked("Solver"),
        ),
        name="Sums",
    )
    with Endpoint(replies) as endpoint:
        bare = run_program(line, "openai_agents/tracing.py", endpoint=endpoint, args=[how], patched=False)
    assert (run.stdout, run.stderr, run.returncode) == (bare.stdout, bare.stderr, bare.returncode)


@every_line
def test_runs_at_once_in_one_loop_keep_their_calls_apart(line: str) -> None:
    when = {
        "You are North": [call("add", a=1, b=1), text("n")],
        "You are South": [call("shout", text="x"), text("s")],
    }
    with Endpoint(when=when) as endpoint:
        run = run_program(line, "openai_agents/together.py", endpoint=endpoint)
    assert run.stdout == "['n', 's']\n"
    for agent, tool in (("North", "add"), ("South", "shout")):
        assert [each for each in run.story if agent in each] == [
            f"agent.task_start {agent}",
            f"llm.call_end {GPT} success 5+3 by {agent}",
            f"tool.invoked {agent} > {tool}",
            f"tool.completed {agent} > {tool} success",
            f"llm.call_end {GPT} success 5+3 by {agent}",
            f"agent.task_end {agent} success",
        ]
    assert [each for each in run.story if each.startswith("execution.")] == [
        *[f"execution.start {WORKFLOW}"] * 2,
        *[f"execution.end {WORKFLOW} success"] * 2,
    ]


def test_a_session_is_read_and_written_by_the_agent_that_the_run_starts_with() -> None:
    run = ran(NEW, "session.py", text("me"), text("then"))
    assert run.stdout == "me\nthen\n4\n"
    one = [
        "state.access Clerk read session:talk-1",
        f"execution.start {WORKFLOW}",
        "state.access Clerk write session:talk-1",
        "agent.task_start Clerk",
        *asked("Clerk"),
        "state.access Clerk write session:talk-1",
        "agent.task_end Clerk success",
        f"execution.end {WORKFLOW} success",
    ]
    assert run.story == one * 2


def test_a_run_that_waits_for_an_approval_goes_on_with_the_agent_that_it_waited_for() -> None:
    run = ran(NEW, "approved.py", call("transfer_to_billing"), call("pay", amount=3), text("done"))
    assert run.stdout == "1 Billing\ndone Billing\n"
    pays = ["tool.invoked Billing > pay", "tool.completed Billing > pay success"]
    assert run.story == [
        *workflow(
            *task(
                "Triage",
                *asked("Triage"),
                "routing.decision Triage > Billing handoff llm_output",
                "delegation.initiated Triage > Billing handoff",
            ),
            *task("Billing", *asked("Billing"), *pays),
            "delegation.completed Triage > Billing success",
        ),
        *workflow(*task("Billing", *pays, *asked("Billing"))),
    ]


@every_line
def test_a_model_of_the_programs_own_is_told_by_the_framework(line: str) -> None:
    run = ran(line, "own_model.py")
    assert run.story == workflow(*task("Bird", "llm.call_start Parrot", "llm.call_end Parrot success 4+2 by Bird"))
    assert run.of_type("llm.call_start")[0]["payload"]["message_count"] == 2


@every_line
@pytest.mark.parametrize(
    ("program", "replies"),
    [
        ("tools.py", [calls(("add", {"a": 2, "b": 3}), ("divide", {"a": 1, "b": 0})), text("5")]),
        ("handoff.py", [call("transfer_to_billing_agent"), text("sorry")]),
        ("streamed.py", [call("add", a=2, b=3), text("5")]),
        ("failing.py", [call("fetch", page="x")]),
    ],
)
def test_the_program_behaves_the_same_without_the_patcher(line: str, program: str, replies: list[Reply]) -> None:
    """Tracing is off, since without the patcher the SDK would try to upload."""
    patched, bare = with_and_without(
        line,
        f"openai_agents/{program}",
        replies,
        args=["uncaught"] if program == "failing.py" else [],
        env={"OPENAI_AGENTS_DISABLE_TRACING": "1"},
    )
    assert patched == bare
