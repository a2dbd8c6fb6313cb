"""Haystack (A7b) on a fixture repository."""

from __future__ import annotations

from stratum_lab.scan.detect import evaluation, frameworks, haystack
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, links, run
from tests.support.projects import project


def _press() -> Model:
    return detected("haystack_press", haystack, frameworks, evaluation)[1]


def test_agents_have_the_name_their_pipeline_gives_them() -> None:
    chain, coordinator = "pipelines/chain.py", "pipelines/coordinator.py"
    model = _press()
    assert agents(model) == {
        "researcher": (chain, ["SerperDevWebSearch"]),
        "writer": (chain, ["word_count"]),
        "editor": (chain, []),
        "other": (coordinator, []),
        "coordinator": (coordinator, ["specialist"]),
    }
    assert all(agent.identified for agent in model.agents)


def test_a_pipeline_is_a_crew_only_when_it_connects_agents() -> None:
    model = _press()
    assert crews(model) == {"pipeline": ("graph", ["researcher", "writer", "editor"])}
    assert [(crew.ordered, crew.run) for crew in model.crews] == [(True, True)]


def test_connections_run_through_other_components_and_an_agent_as_tool_is_delegation() -> None:
    assert links(_press()) == {
        ("researcher", "feeds_into", "writer", "pipeline"),
        ("writer", "feeds_into", "editor", "pipeline"),
        ("coordinator", "delegates_to", "other", ""),
    }


def test_a_test_that_runs_the_pipeline_is_an_evaluation_and_setup_py_gives_the_version() -> None:
    model = _press()
    assert model.evaluation_tests
    assert (model.frameworks, model.framework_versions) == ({"Haystack": 2}, {"Haystack": "2.12"})


def test_branches_that_meet_in_a_joiner_are_one_crew_without_edges_and_connect_many_counts() -> None:
    model = run(
        project(
            main="""
            from haystack import AsyncPipeline
            from haystack.components.agents import Agent
            from haystack.components.joiners import ListJoiner
            p = AsyncPipeline()
            left, right = Agent(chat_generator=None), Agent(chat_generator=None)
            p.add_component("left", left)
            p.add_component("right", right)
            p.add_component("join", ListJoiner())
            p.connect_many([("left.replies", "join.values"), ("right.replies", "join.values")])
            """
        ),
        haystack,
    )
    assert crews(model) == {"p": ("graph", ["left", "right"])}
    assert links(model) == set()


def test_a_component_called_agent_from_elsewhere_is_none() -> None:
    model = run(
        project(main="from haystack.components.routers import Agent\nfrom mine import Agent as B\nAgent()\nB()"),
        haystack,
    )
    assert model.agents == []
