"""SmolAgents (A7b) on a fixture repository."""

from __future__ import annotations

from stratum_lab.scan.detect import frameworks, smolagents
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, links, run
from tests.support.projects import project


def _crew() -> Model:
    return detected("smolagents_crew", smolagents, frameworks)[1]


def test_constructors_factories_and_subclasses_are_agents_tests_and_vendored_copies_are_none() -> None:
    new, old = "crew/agents.py", "crew/old_style.py"
    assert agents(_crew()) == {
        "planner": (new, ["get_weather", "HotelTool"]),
        "researcher": (new, ["DuckDuckGoSearchTool", "VisitWebpageTool"]),
        "manager": (new, []),
        "solo": (new, []),
        "analyst": (old, []),
        "boss": (old, []),
    }


def test_names_come_from_the_agent_its_class_or_its_wrapper_and_only_these_identify() -> None:
    told = {agent.name: (agent.symbol, agent.identified) for agent in _crew().agents}
    assert told == {
        "planner": ("make_planner", True),
        "researcher": ("Office.web", True),
        "manager": ("Office.manager", False),
        "solo": ("solo", False),
        "analyst": ("inner", True),
        "boss": ("boss", True),
    }


def test_managers_and_those_they_manage_are_crews() -> None:
    model = _crew()
    assert crews(model) == {
        "manager": ("hierarchical", ["manager", "researcher", "planner"]),
        "boss": ("hierarchical", ["boss", "analyst"]),
    }
    assert [(crew.manager.name if crew.manager else None, crew.run) for crew in model.crews] == [
        ("manager", True),
        ("boss", True),
    ]
    assert links(model) == {
        ("manager", "delegates_to", "researcher", "manager"),
        ("manager", "delegates_to", "planner", "manager"),
        ("boss", "delegates_to", "analyst", "boss"),
    }


def test_code_agents_run_code_here_unless_a_sandbox_is_named() -> None:
    told = {agent.name: agent.code_execution for agent in _crew().agents}
    assert told == {"planner": None, "researcher": None, "manager": "docker", "solo": "local", "analyst": "docker",
                    "boss": "local"}  # fmt: skip


def test_framework_and_version_are_those_of_the_requirements() -> None:
    model = _crew()
    assert model.frameworks == {"SmolAgents": 3}
    assert model.framework_versions == {"SmolAgents": "1.9"}


def test_an_executor_object_of_a_container_is_a_sandbox_and_unknown_managed_agents_are_counted() -> None:
    model = run(
        project(
            main="""
            from smolagents import CodeAgent
            from smolagents.remote_executors import DockerExecutor
            from elsewhere import stranger
            a = CodeAgent(tools=[], model=None, executor=DockerExecutor())
            b = CodeAgent(tools=[], model=None, managed_agents=[a, stranger])
            """
        ),
        smolagents,
    )
    assert [agent.code_execution for agent in model.agents] == ["docker", "local"]
    assert [crew.unknown_members for crew in model.crews] == [1]


def test_a_factory_called_in_a_comprehension_is_one_agent_and_a_subclass_brings_its_own_team() -> None:
    model = run(
        project(
            main="""
            from smolagents import CodeAgent, ToolCallingAgent, tool

            @tool
            def status() -> str:
                return "ok"

            def build(role, model):
                return ToolCallingAgent(tools=[status], model=model, name=role)

            def bundle(model):
                managed = tuple(build(role, model) for role in ("a", "b"))
                return CodeAgent(tools=[], model=model, managed_agents=list(managed))

            class Manager(CodeAgent):
                def __init__(self, model, **kwargs):
                    analyst = ToolCallingAgent(tools=[], model=model, name="analyst")
                    super().__init__(tools=[status], model=model, managed_agents=[analyst], name="manager", **kwargs)

            manager = Manager(None)
            """
        ),
        smolagents,
    )
    assert [(agent.symbol, [tool.identity for tool in agent.tools]) for agent in model.agents] == [
        ("build", ["status"]),
        ("bundle", []),
        ("analyst", []),
        ("manager", ["status"]),
    ]
    assert [[agent.symbol for agent in crew.members] for crew in model.crews] == [
        ["bundle", "build"],
        ["manager", "analyst"],
    ]
