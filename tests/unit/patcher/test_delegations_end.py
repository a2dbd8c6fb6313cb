"""Every delegation ends, and one that ends with an error says which."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from stratum_patcher import nodes, spans, wrap
from stratum_patcher.frame import Frame
from stratum_patcher.frames import (
    ag2_network,
    autogen_agentchat_teams,
    langgraph_names,
    langgraph_runs,
    langgraph_turns,
    openai_agents,
)
from stratum_patcher.frames import openai_agents_run as run
from stratum_patcher.frames import openai_agents_spans as sdk_spans
from stratum_patcher.spans import work

from .conftest import Events

FRAME = Frame("autogen", "autogen", "autogen")
ANN = nodes.node("autogen", "ann", ("a.py", 1))
BEN = nodes.node("autogen", "ben", ("a.py", 2))


def _completed(events: Events) -> list[dict[str, Any]]:
    return [event["payload"] for event in events() if event["event_type"] == "delegation.completed"]


def _said(ended: dict[str, Any]) -> tuple[Any, Any, Any]:
    return ended["status"], ended.get("error"), ended.get("error_type")


def test_what_a_team_asked_for_and_never_began_ends_with_the_error_of_the_run(events: Events) -> None:
    team = SimpleNamespace(_name="desk", _team_id="t1", _participants=[], _participant_topic_types=[])
    running = autogen_agentchat_teams.TeamRun(team, "Go.")
    asked = spans.Delegation(FRAME, ANN, BEN, "speaker_selection")
    running.group.asked["ben"] = [asked]
    running.failed(ValueError("no"))
    assert [_said(ended) for ended in _completed(events)] == [("error", "no", "schema_mismatch")]


def test_an_answer_in_a_network_that_fails_ends_its_delegation_with_the_error(events: Events) -> None:
    delegation = ag2_network._Handed(FRAME, ANN, BEN, "speaker_selection")
    answering = ag2_network._Answering(ANN, BEN, ag2_network._Turn("ben", "e1", delegation), "c1")
    answering.failed(ValueError("no"))
    assert [_said(ended) for ended in _completed(events)] == [("error", "no", "schema_mismatch")]


def test_a_turn_in_a_network_that_was_not_begun_ends_when_it_is_somebody_else_s(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ag2_network, "_turns", {})
    for speaker in ("ben", "eve"):
        delegation = ag2_network._Handed(FRAME, ANN, BEN, "speaker_selection")
        ag2_network._begin_turn("c1", ag2_network._Turn(speaker, "e1", delegation))
    assert [ended["status"] for ended in _completed(events)] == ["aborted"]
    assert ag2_network._turns["c1"].speaker == "eve"


def test_a_node_that_fails_with_an_error_told_inside_it_ends_its_delegations_with_that_error(events: Events) -> None:
    graph = langgraph_names.Graph()
    going = langgraph_runs.Run(FRAME, graph, ANN, 1, {})
    task = SimpleNamespace(name="ben", proc=None, config=None, writes=(), input={})
    turn = langgraph_turns.Turn(FRAME, going, task, None)
    going.handed["ben"] = [spans.Delegation(FRAME, ANN, BEN, "handoff")]
    error = ValueError("no")
    spans.Tool(FRAME, BEN, tool_name="add").failed(error)
    turn.fail(error)
    assert [_said(ended) for ended in _completed(events)] == [("error", "no", "schema_mismatch")]


def _runner() -> Any:
    """A module with the SDK's runner, as far as runs go."""

    class AgentRunner:
        def run(self, starting_agent: Any, work: Any) -> Any:
            return work()

        def run_streamed(self, starting_agent: Any, work: Any) -> Any:
            return work()

    module: Any = ModuleType("agents.run")
    module.AgentRunner = AgentRunner
    return module


@pytest.mark.parametrize(
    ("error", "said"),
    [(None, ("aborted", None, None)), (ValueError("no"), ("error", "no", "schema_mismatch"))],
    ids=["returned", "raised"],
)
def test_a_handoff_that_nobody_took_up_ends_with_the_run(
    events: Events, error: Exception | None, said: tuple[Any, Any, Any]
) -> None:
    def hand_off() -> None:
        run.started().handed = spans.Delegation(openai_agents.FRAME, ANN, BEN, "handoff")
        if error is not None:
            raise error

    module = _runner()
    with wrap.owned_by("test"):
        run.watch_runner(openai_agents.FRAME, module)
    try:
        module.AgentRunner().run(None, hand_off)
    except ValueError:
        assert error is not None
    wrap.undo("test")
    assert [_said(ended) for ended in _completed(events)] == [said]
    assert work._open_delegations == {}


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ("Max turns exceeded", ("error", "Max turns exceeded", "runtime_error")),
        (sdk_spans.TRIPPED, ("cancelled", None, None)),
        ("", ("success", None, None)),
    ],
)
def test_a_delegation_ends_as_the_agent_it_went_to(events: Events, noted: str, said: tuple[Any, Any, Any]) -> None:
    before = run._current.set(run.Run())
    run.started().handed = spans.Delegation(openai_agents.FRAME, ANN, BEN, "handoff")
    opened = sdk_spans._agent_starts(openai_agents.FRAME, SimpleNamespace(name="ben"))
    if noted:
        opened.note({"message": noted})
    sdk_spans._agent_ends(openai_agents.FRAME, opened, None)
    run._current.reset(before)
    assert [_said(ended) for ended in _completed(events)] == [said]
