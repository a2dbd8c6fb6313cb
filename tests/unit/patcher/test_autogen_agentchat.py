"""The frame of AutoGen AgentChat without the library: hooks on changed modules, names, choices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from stratum_patcher import nodes, spans, stored
from stratum_patcher.frames import autogen_agentchat_agents as agents
from stratum_patcher.frames import autogen_agentchat_groups as groups
from stratum_patcher.frames import autogen_agentchat_teams as teams

from .conftest import Events


class Team:
    DEFAULT_NAME = "Team"

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._team_id = "t1"
        self._participants = [SimpleNamespace(_name="ann"), SimpleNamespace(_name="ben")]
        self._participant_topic_types = ["ann_t1", "ben_t1"]


@pytest.mark.parametrize(
    ("given", "variable", "name"),
    [
        ("desk", "team", "desk"),
        ("Team", "team", "team"),
        (None, "team", "team"),
        (None, None, "Team"),
        (" ", None, "Team"),
    ],
)
def test_a_team_is_named_by_its_name_else_its_variable_else_its_class(
    given: str | None, variable: str | None, name: str
) -> None:
    making = teams.MakingTeam(Team(given))
    making.variable = variable
    assert making.name() == name


def manager(kind: str, **held: Any) -> Any:
    """A manager of some kind, by the name of its class."""
    made = type(kind, (), {})()
    made.__dict__.update({"_id": SimpleNamespace(key="t1", type="manager"), "_message_thread": [], **held})
    return made


@pytest.mark.parametrize(
    ("actor", "by_model", "basis"),
    [
        (manager("RoundRobinGroupChatManager"), False, "round_robin"),
        (manager("SelectorGroupChatManager"), True, "llm_output"),
        (manager("SelectorGroupChatManager", _selector_func=len), False, "explicit"),
        (manager("SelectorGroupChatManager"), False, "only_candidate"),
        (manager("GraphFlowManager"), False, "state"),
    ],
    ids=["round_robin", "model", "function", "only", "graph"],
)
def test_a_choice_says_what_it_rests_on(events: Events, actor: Any, by_model: bool, basis: str) -> None:
    run = teams.TeamRun(Team("desk"), "Go.")
    choosing = groups.Choosing(run.group, actor)
    if by_model:
        groups.asks_model()
    request = type("GroupChatRequestPublish", (), {})()
    groups._published(_call(actor, request, SimpleNamespace(type="ben_t1")))
    choosing.done(None)
    run.done(None)
    _, route, initiated, completed, _ = events()
    assert route["payload"]["decision_basis"] == basis
    assert route["target_node"] == initiated["target_node"]
    assert completed["payload"]["status"] == "aborted"  # ben never took it up


def _call(actor: Any, message: Any, topic: Any) -> Any:
    from stratum_patcher.wrap import Call

    return Call(actor, (message, topic), {})


def test_a_run_that_is_refused_leaves_the_running_one_alone(events: Events) -> None:
    team = Team("desk")
    running = teams.TeamRun(team, "Go.")
    team._is_running = True  # type: ignore[attr-defined]
    refused = teams.TeamRun(team, "Go again.")
    refused.failed(ValueError("already running"))
    assert groups.groups["t1"] is running.group
    running.done(None)
    assert "t1" not in groups.groups


def test_what_is_read_of_an_object_runs_none_of_its_properties() -> None:
    class Sly:
        @property
        def _name(self) -> str:
            raise AssertionError("read")

    assert agents.name_of(Sly()) == "Sly"
    assert stored.held(7, "_name") is None
    assert nodes.known(Sly()) is None
    assert spans.current() is None
