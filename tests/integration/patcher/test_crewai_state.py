"""CrewAI's flows, memory and knowledge on the real library: state, routers, and what is at work inside them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.patcher.crewai_scenarios import CURRENT, FIRST, LINES, MIDDLE, asked, events, part

OLD_MEMORY = ("long_term_memory", "short_term_memory", "entity_memory")

every_line = pytest.mark.parametrize("line", LINES)


@every_line
def test_a_flow_shows_its_state_its_router_and_the_crew_inside_it(line: str) -> None:
    assert part(line, "flow") == [
        "execution.start ReviewFlow",
        "state.access rate write score",
        "routing.decision decide > accept conditional_edge state",
        "execution.start ReviewFlow",
        "agent.task_start Critic",
        *asked("Critic"),
        "agent.task_end Critic success",
        "state.access Critic write task:praise",
        "execution.end ReviewFlow success",
        "state.access accept write verdict",
        "execution.end ReviewFlow success",
    ]
    flow, crew = (event["source_node"]["node_id"] for event in events(line, "flow", "execution.start"))
    assert (flow, crew) == ("crewai:ReviewFlow:flow.py:15", "crewai:ReviewFlow:flow.py:30")
    [decision] = events(line, "flow", "routing.decision")
    assert decision["source_node"]["node_id"] == "crewai:decide:flow.py:22"
    assert decision["target_node"]["node_id"] == "crewai:accept:flow.py:26"
    assert decision["payload"]["candidates"] == ["accept", "reject"]
    [call] = events(line, "flow", "llm.call_end")
    assert call["payload"]["active_node_stack"] == ["crewai:accept:flow.py:26", "crewai:Critic:flow.py:28"]


@every_line
def test_a_method_that_fails_is_where_a_flows_error_arose(line: str) -> None:
    begun = ["execution.start Broken", "state.access count write count"]
    if line == FIRST:  # it prints errors of listeners and goes on
        failed = ["error.occurred fall LookupError caught_silent", "execution.end Broken success"]
    else:
        raised = "error.occurred fall LookupError raised"
        failed = [raised, "error.propagated Broken LookupError", "execution.end Broken error"]
    assert part(line, "flow_error") == begun + failed


@pytest.mark.parametrize("line", (FIRST, MIDDLE))
def test_each_memory_is_read_before_a_task_and_written_after_it(line: str) -> None:
    assert part(line, "memory") == [
        "execution.start desk",
        "agent.task_start Diarist",
        *(f"state.access Diarist read {store}" for store in OLD_MEMORY),
        *asked("Diarist"),
        "state.access Diarist write short_term_memory",
        *asked("Diarist") * 9,  # it tries to have the answer judged for its long term memory
        "agent.task_end Diarist success",
        "state.access Diarist write task:diary",
        "execution.end desk success",
    ]
    assert all(event["payload"]["data_hash"] for event in events(line, "memory", "state.access")[1:4])


def test_the_memory_of_current_versions_is_read_before_a_task_and_written_beside_it() -> None:
    story = part(CURRENT, "memory")
    assert story[:3] == ["execution.start desk", "agent.task_start Diarist", "state.access Diarist read memory"]
    assert story[-1] == "execution.end desk success"
    # Memories are saved by a thread that outlives the agent's turn.
    assert Counter(row for row in story if row.startswith(("state", "agent"))) == Counter(
        [
            "state.access Diarist read memory",
            "state.access Diarist write memory",
            "state.access Diarist write task:diary",
            "agent.task_start Diarist",
            "agent.task_end Diarist success",
        ]
    )


@pytest.mark.parametrize("line", (MIDDLE, CURRENT))
def test_knowledge_is_state_that_an_agent_reads(line: str) -> None:
    assert part(line, "knowledge") == [
        "execution.start bar",
        "agent.task_start Barista",
        *asked("Barista"),
        "state.access Barista read knowledge",
        *asked("Barista"),
        "agent.task_end Barista success",
        "state.access Barista write task:brew",
        "execution.end bar success",
    ]
