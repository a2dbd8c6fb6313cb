"""Programs of three framework lines on a real small model: what it says varies, the sequence of events does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.patcher.program import Run, run_program
from tests.support.patcher.small_model import SmallModel, small_model
from tests.support.patcher.wire import SERVED


@pytest.fixture(scope="module")
def model() -> Iterator[SmallModel]:
    """The served model."""
    with small_model() as served:
        yield served


def counted(run: Run) -> list[str]:
    """The story with every count of tokens as `IN+OUT`; each call must have some."""
    for event in run.of_type("llm.call_end"):
        assert event["payload"]["input_tokens"] > 0
        assert event["payload"]["output_tokens"] > 0
        assert event["payload"]["model_actual"] == SERVED
    return [re.sub(r" \d+\+\d+", " IN+OUT", line) for line in run.story]


def test_calls_of_the_openai_library_are_answered_by_the_small_model(model: SmallModel) -> None:
    run = run_program("openai-3", "small_model/openai_chat.py", endpoint=model)
    assert (run.returncode, run.stdout) == (0, "answered three times\n")
    assert counted(run) == ["llm.call_start gpt-4o", "llm.call_end gpt-4o success IN+OUT"] * 3


def test_a_graph_runs_on_the_small_model(model: SmallModel) -> None:
    run = run_program("langgraph", "small_model/langgraph_plan.py", endpoint=model)
    assert (run.returncode, run.stdout) == (0, "written\n")
    assert counted(run) == [
        "execution.start writing",
        "agent.task_start plan",
        "state.access plan read topic",
        "llm.call_start gpt-4o-mini",
        "llm.call_end gpt-4o-mini success IN+OUT by plan",
        "state.access plan write plan",
        "routing.decision plan > write conditional_edge state",
        "agent.task_end plan success",
        "agent.task_start write",
        "state.access write read topic",
        "state.access write read plan",
        "llm.call_start gpt-4o-mini",
        "llm.call_end gpt-4o-mini success IN+OUT by write",
        "state.access write write text",
        "agent.task_end write success",
        "execution.end writing success",
    ]


def test_a_team_of_agents_runs_on_the_small_model(model: SmallModel) -> None:
    run = run_program("autogen-0.7", "small_model/autogen_round.py", endpoint=model)
    assert (run.returncode, run.stdout) == (0, "['user', 'alice', 'bob']\n")
    turns = [
        [
            f"routing.decision team > {speaker} speaker_selection round_robin",
            f"delegation.initiated team > {speaker} speaker_selection",
            f"state.access {speaker} read messages",
            f"agent.task_start {speaker}",
            "llm.call_start gpt-4o",
            f"llm.call_end gpt-4o success IN+OUT by {speaker}",
            f"agent.task_end {speaker} success",
            f"state.access {speaker} write messages",
            f"delegation.completed team > {speaker} success",
        ]
        for speaker in ("alice", "bob")
    ]
    assert counted(run) == [
        "execution.start team",
        "state.access team write messages",
        *turns[0],
        *turns[1],
        "execution.end team success",
    ]
