"""CrewAI on the real library, 0.80 to current: crews, agents, tools, delegations, tasks, errors and the law."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.support.patcher import stories
from tests.support.patcher.crewai_scenarios import (
    CURRENT,
    FIRST,
    GPT,
    LINES,
    MIDDLE,
    PROGRAM,
    answers,
    asked,
    events,
    final,
    part,
    ran,
    scenarios,
)
from tests.support.patcher.endpoint import Endpoint
from tests.support.patcher.program import run_program
from tests.support.patcher.stories import executed, handed, used
from tests.support.patcher.stories import task as turn

ENDPOINTS = {FIRST: "Completion", MIDDLE: "Completion", CURRENT: "ChatCompletion"}
AT_ONCE = ("async_tasks", "same_role", "lite_async", "parallel")
"""Scenarios whose events may come in several orders."""

every_line = pytest.mark.parametrize("line", LINES)
with_bus = pytest.mark.parametrize("line", (MIDDLE, CURRENT))


def refused(line: str, agent: str) -> list[str]:
    """The story of a model call that the endpoint refuses."""
    return stories.refused(agent, ENDPOINTS[line], GPT)


def task(agent: str, name: str, *inside: str, reads: tuple[str, ...] = ()) -> list[str]:
    """The story of a task: what it is handed, the agent's turn, and its output, kept for the tasks to come."""
    read = [f"state.access {agent} read task:{other}" for other in reads]
    return [*turn(agent, *read, *(inside or asked(agent))), f"state.access {agent} write task:{name}"]


@every_line
def test_every_hook_of_a_version_says_whether_it_applied(line: str) -> None:
    told = {hook: status for hook, status in ran(line).hooks.items() if hook.startswith("crewai.")}
    assert set(told.values()) <= {"applied", "not_applied"}
    needed = {"kickoff", "execute_task", "delegation", "tasks", "agents", "crews", "tools", "conditional_task"}
    assert {hook for hook in needed if told[f"crewai.{hook}"] != "applied"} == set()
    bus = {FIRST: None, MIDDLE: "crewai.bus@0.121", CURRENT: "crewai.bus"}[line]
    assert {hook for hook in told if hook.startswith("crewai.bus")} == ({bus} if bus else set())
    assert told["crewai.tool_usage"] == ("applied" if line == FIRST else "not_applied")


@every_line
def test_tasks_run_one_after_the_other_and_hand_on_their_outputs(line: str) -> None:
    writer = "Senior Writer: News"
    assert part(line, "sequential") == executed(
        "newsroom",
        *task(
            "Researcher",
            "research",
            *asked("Researcher"),
            *used("Researcher", "Add numbers"),
            *asked("Researcher"),
        ),
        *task(writer, "write", reads=("research",)),
    )
    first, second = (event["payload"] for event in events(line, "sequential", "agent.task_start"))
    assert first["node_id"] == "crewai:Researcher:sequential.py:13"
    assert first["tools_available"] == ["Add numbers"]
    assert first["task_name"] == "research"
    assert "input_source" not in first
    assert second["node_id"] == "crewai:Senior Writer_ News:sequential.py:14"
    assert second["input_source"] == first["node_id"]
    written, read, _ = (event["payload"] for event in events(line, "sequential", "state.access"))
    assert written["data_hash"] == read["data_hash"]
    [used_tool] = events(line, "sequential", "tool.invoked")
    assert used_tool["target_node"]["node_id"] == "crewai:Add numbers:sequential.py:7"
    assert used_tool["payload"]["kwargs_shape"] == "dict(keys=['a', 'b'], len=2)"


@every_line
def test_a_crew_is_named_by_its_variable_and_says_what_it_runs(line: str) -> None:
    [start] = events(line, "sequential", "execution.start")
    assert start["source_node"]["node_id"] == "crewai:newsroom:sequential.py:17"
    payload = start["payload"]
    assert (payload["crew_name"], payload["agent_count"], payload["task_count"]) == ("newsroom", 2, 2)
    assert payload["agent_roles"] == ["Researcher", "Senior Writer: News"]
    assert payload["process_type"] == "sequential"
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in payload["task_hashes"])


@every_line
def test_both_delegation_tools_lead_to_the_coworkers_own_node(line: str) -> None:
    assert part(line, "delegation") == executed(
        "crew",
        *turn(
            "Lead",
            *asked("Lead"),
            *used(
                "Lead",
                "Delegate work to coworker",
                *handed("Lead", "Writer", "explicit", *turn("Writer", *asked("Writer"), within="Lead")),
            ),
            *asked("Lead"),
            *used(
                "Lead",
                "Ask question to coworker",
                *handed(
                    "Lead", "Fact Checker", "explicit", *turn("Fact Checker", *asked("Fact Checker"), within="Lead")
                ),
            ),
            *asked("Lead"),
        ),
        "state.access Lead write task:859390eb495b",
    )
    starts = {event["payload"]["agent_name"]: event for event in events(line, "delegation", "agent.task_start")}
    for begun in events(line, "delegation", "delegation.initiated"):
        delegate = starts[begun["payload"]["delegate"]]
        assert begun["target_node"] == delegate["source_node"]
        assert begun["source_node"] == starts["Lead"]["source_node"]
        assert begun["payload"]["context_source_node"] == delegate["payload"]["input_source"]
        assert delegate["payload"]["parent_node_id"] == starts["Lead"]["payload"]["node_id"]
    opened = [event["event_id"] for event in events(line, "delegation", "delegation.initiated")]
    assert [event["parent_event_id"] for event in events(line, "delegation", "delegation.completed")] == opened


@every_line
def test_a_manager_decides_and_delegates_by_hierarchy(line: str) -> None:
    manager, writer = "Crew Manager", "Sign Writer"
    assert part(line, "hierarchical") == executed(
        "studio",
        *turn(
            manager,
            *asked(manager),
            *used(
                manager,
                "Delegate work to coworker",
                f"routing.decision {manager} > {writer} manager_delegation llm_output",
                *handed(manager, writer, "hierarchical", *turn(writer, *asked(writer), within=manager)),
            ),
            *asked(manager),
        ),
        f"state.access {manager} write task:c9a0f6f931f1",
    )
    [decision] = events(line, "hierarchical", "routing.decision")
    assert decision["payload"]["candidates"] == [writer, "Painter"]
    assert decision["payload"]["selected_target"] == decision["target_node"]["node_id"]


@every_line
def test_a_delegate_that_fails_fails_its_delegation(line: str) -> None:
    failing = turn(
        "Intern", *refused(line, "Intern"), "error.propagated Intern BadRequestError", within="Boss", status="error"
    )
    if line == FIRST:  # the error leaves the tool, which is tried again
        handing = [
            *handed("Boss", "Intern", "explicit", *failing, "error.propagated Boss BadRequestError", status="error"),
            *handed("Boss", "Intern", "explicit", *turn("Intern", *asked("Intern"), within="Boss")),
        ]
    else:
        caught = "error.propagated Boss BadRequestError caught_default"
        handing = handed("Boss", "Intern", "explicit", *failing, caught, status="error")
    used_tool = used("Boss", "Delegate work to coworker", *handing)
    assert part(line, "failing_delegate") == executed(
        "firm", *task("Boss", "deed", *asked("Boss"), *used_tool, *asked("Boss"))
    )
    completed = events(line, "failing_delegate", "delegation.completed")[0]["payload"]
    assert completed["status"] == "error"
    assert "boom" in completed["error"]


@every_line
def test_tools_and_coworkers_there_are_not_are_errors_and_no_delegations(line: str) -> None:
    assert part(line, "unknown") == executed(
        "press",
        *task(
            "Chief",
            "publish",
            *asked("Chief"),
            "error.occurred Chief ToolSelectionError caught_default",
            *asked("Chief"),
            *used("Chief", "Delegate work to coworker", "error.occurred Chief UnknownCoworker caught_default"),
            *asked("Chief"),
        ),
    )


@every_line
def test_a_tool_that_raises_says_how_its_error_was_handled(line: str) -> None:
    def attempt(handling: str) -> list[str]:
        return used("Clerk", "lookup", f"error.occurred lookup KeyError {handling}", status="error")

    again = [] if line == CURRENT else [*attempt("caught_retry"), *attempt("caught_retry")]
    story = [*asked("Clerk"), *again, *attempt("caught_default"), *asked("Clerk")]
    assert part(line, "tool_error") == executed("office", *task("Clerk", "look", *story))
    assert events(line, "tool_error", "tool.invoked")[0]["target_node"]["node_id"] == "crewai:lookup:tool_error.py:20"


@every_line
def test_an_answer_from_the_cache_is_marked(line: str) -> None:
    bought = [*asked("Buyer"), *used("Buyer", "price"), *asked("Buyer")]
    assert part(line, "cached") == executed(
        "shop", *task("Buyer", "tea", *bought), *task("Buyer", "again", *bought, reads=("tea",))
    )
    completed = events(line, "cached", "tool.completed")
    assert [event["payload"].get("from_cache") for event in completed] == [None, True]


@every_line
def test_tasks_in_threads_belong_to_their_crew_and_their_agent(line: str) -> None:
    story = part(line, "async_tasks")
    last = task("Editor", "last", reads=("first", "second"))
    assert story[0] == "execution.start scouts"
    assert story[-len(last) - 1 :] == [*last, "execution.end scouts success"]
    parallel = story[1 : -len(last) - 1]
    assert Counter(parallel) == Counter([*task("East", "first"), *task("West", "second")])
    west = {"crewai:West:async_tasks.py:6"}
    for call in events(line, "async_tasks", "llm.call_end"):
        assert len(call["payload"]["active_node_stack"]) == 1
    assert events(line, "async_tasks", "agent.task_start")[-1]["payload"]["input_source"] in west


@every_line
def test_copies_for_each_input_keep_their_place_under_the_role_of_the_input(line: str) -> None:
    assert part(line, "for_each") == [
        *executed("panel", *task("Bees expert", "tell")),
        *executed("panel", *task("Tea expert", "tell")),
    ]
    nodes = [event["source_node"]["node_id"] for event in events(line, "for_each", "agent.task_start")]
    assert nodes == ["crewai:Bees expert:for_each.py:5", "crewai:Tea expert:for_each.py:5"]
    crews = events(line, "for_each", "execution.start")
    assert {event["source_node"]["node_id"] for event in crews} == {"crewai:panel:for_each.py:7"}
    assert [event["payload"]["agent_roles"] for event in crews] == [["Bees expert"], ["Tea expert"]]


@every_line
def test_a_crew_class_names_its_crew_and_its_yaml_agents(line: str) -> None:
    assert part(line, "class_crew") == [
        "file.read config/agents.yaml",
        "file.read config/tasks.yaml",
        *executed("CityTours", *task("Oslo Guide", "tour")),
    ]
    [start] = events(line, "class_crew", "agent.task_start")
    assert start["source_node"]["node_id"] == "crewai:Oslo Guide:class_crew.py:16"


@every_line
def test_a_conditional_task_that_runs_is_routed_to(line: str) -> None:
    before = ("fight",) if line == FIRST else ("look", "fight")
    assert part(line, "conditional") == executed(
        "camp",
        *task("Scout", "look"),
        "routing.decision Scout > Guard conditional_edge state",
        *task("Guard", "fight", reads=("look",)),
        *task("Scout", "rest", reads=before),
    )


@every_line
def test_crews_started_from_coroutines_are_seen_like_others(line: str) -> None:
    assert part(line, "async_kickoff") == [*executed("track", *task("Runner", "run"))] * 2


@every_line
def test_crews_that_run_at_once_do_not_mix(line: str) -> None:
    story = Counter(part(line, "same_role"))
    assert story == Counter([*executed("desk", *task("Twin", "mail")), *executed("desk", *task("Twin", "blog"))])
    assert {event["payload"]["parent_node_id"] for event in events(line, "same_role", "agent.task_start")} == {""}
    [goal, other] = [event["payload"]["agent_goal_hash"] for event in events(line, "same_role", "agent.task_start")]
    assert goal != other


@every_line
def test_an_agent_with_a_time_limit_works_in_its_thread(line: str) -> None:
    assert part(line, "time_limit") == executed("track", *task("Sprinter", "run"))


@every_line
def test_an_output_that_fails_its_schema_is_marked(line: str) -> None:
    story = part(line, "schema")
    ends = events(line, "schema", "agent.task_end")
    assert {event["payload"]["schema_mismatch"] for event in ends} == {True}
    if line == FIRST:  # the text is used as it is, after ten attempts to convert it
        assert story == executed("accounts", *task("Accountant", "bill", *asked("Accountant") * 10))
    elif line == MIDDLE:
        failed = "error.occurred Accountant ConverterError raised"
        assert story == executed(
            "accounts",
            *turn("Accountant", *asked("Accountant") * 10, failed, status="error"),
            "error.propagated accounts ConverterError",
            status="error",
        )
    else:
        inner = turn("Accountant", *asked("Accountant"), failure("raised"), status="error")
        for _ in range(2):
            inner = turn("Accountant", *asked("Accountant"), failure("caught_retry"), *inner, status="error")
        assert story == executed("accounts", *inner, "error.propagated accounts ValidationError", status="error")
        assert {event["payload"]["error_type"] for event in ends} == {"schema_mismatch"}


def failure(handling: str) -> str:
    """The answer that is no JSON."""
    return f"error.occurred Accountant ValidationError {handling}"


@every_line
def test_a_model_that_refuses_fails_each_attempt_of_the_agent(line: str) -> None:
    passed = "error.propagated Caller BadRequestError"
    inner = turn("Caller", *refused(line, "Caller"), passed, status="error")
    for _ in range(0 if line == MIDDLE else 2):
        inner = turn("Caller", *refused(line, "Caller"), f"{passed} caught_retry", *inner, status="error")
    assert part(line, "model_error") == executed(
        "booth", *inner, "error.propagated booth BadRequestError", status="error"
    )
    attempts = [event["payload"].get("attempt") for event in events(line, "model_error", "agent.task_start")]
    assert attempts == ([None] if line == MIDDLE else [None, 2, 3])
    parents = {event["payload"]["parent_node_id"] for event in events(line, "model_error", "agent.task_start")}
    assert parents == {""}


@with_bus
def test_a_guardrail_that_sends_an_answer_back_is_an_error_that_is_tried_again(line: str) -> None:
    assert part(line, "guardrail") == executed(
        "circle",
        *turn("Poet", *asked("Poet")),
        "error.occurred Poet GuardrailError caught_retry",
        *task("Poet", "rhyme"),
    )


@with_bus
def test_an_agent_without_a_crew_has_a_turn_and_uses_tools(line: str) -> None:
    assert part(line, "lite") == turn("Solo", *asked("Solo"), *used("Solo", "double"), *asked("Solo"))
    [start] = events(line, "lite", "agent.task_start")
    assert start["source_node"]["node_id"] == "crewai:Solo:lite.py:13"
    assert start["payload"]["tools_available"] == ["double"]
    assert events(line, "lite", "agent.task_end")[0]["payload"]["result_shape"].startswith("str(")


@with_bus
def test_agents_without_a_crew_do_not_mix_in_one_event_loop(line: str) -> None:
    story = part(line, "lite_async")
    hands = ("Left Hand", "Right Hand")
    assert Counter(story) == Counter(row for hand in hands for row in turn(hand, *asked(hand)))


def test_tools_that_the_model_wants_at_once_are_each_used_by_the_agent() -> None:
    story = part(CURRENT, "parallel")
    both = [*used("Walker", "left"), *used("Walker", "right")]
    expected = executed("path", *task("Walker", "walk", *asked("Walker"), *both, *asked("Walker")))
    assert Counter(story) == Counter(expected)
    assert story[:4] == expected[:4]
    assert story[8:] == expected[8:]


def same(text: str) -> str:
    """An output without what is another in every run: ids, paths of the environment and of the program's folder."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    text = re.sub(r'File "[^"]*/(?=site-packages/|app/)', 'File "', text)
    return "\n".join(row.rstrip() for row in text.splitlines())


@every_line
def test_a_program_behaves_the_same_with_and_without_the_patcher(line: str) -> None:
    # Current versions print what flows do from threads of their own, in any order.
    left_out = (*AT_ONCE, "flow", "flow_error") if line == CURRENT else AT_ONCE
    names = [name for name in scenarios(line) if name not in left_out]
    runs = []
    for patched in (False, True):
        with Endpoint(when=answers(line), always=final("fine")) as endpoint:
            runs.append(run_program(line, PROGRAM, endpoint=endpoint, args=names, patched=patched, timeout=300))
    without, with_patcher = runs
    assert with_patcher.returncode == without.returncode == 0
    assert same(with_patcher.stdout) == same(without.stdout)
    assert same(with_patcher.stderr) == same(without.stderr)
