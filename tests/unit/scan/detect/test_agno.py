"""Agno and phidata (A7b) on a fixture repository."""

from __future__ import annotations

from stratum_lab.scan.detect import agno, frameworks
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links, run
from tests.support.projects import project


def _newsroom() -> Model:
    return detected("agno_newsroom", agno, frameworks)[1]


def test_agents_stand_in_dicts_classes_and_the_predecessors_package() -> None:
    new, old = "newsroom/team.py", "legacy/phi_team.py"
    assert agents(_newsroom()) == {
        "Web Agent": (old, []),
        "Finance Agent": (old, ["YFinanceTools"]),
        "agent_team": (old, []),
        "assistant": (old, ["YFinanceTools"]),
        "Searcher": (new, ["DuckDuckGoTools"]),
        "Writer": (new, ["publish", "archive"]),
        "anonymous": (new, ["npx"]),
        "Chief editor": (new, []),
    }


def test_roles_are_told_in_one_line() -> None:
    assert {a.name: a.role for a in _newsroom().agents if a.role != a.name} == {
        "assistant": "You help",
        "Searcher": "Finds news",
        "Writer": "Writes news",
    }


def test_a_team_in_a_team_gives_its_members_and_workflow_steps_are_no_crew() -> None:
    model = _newsroom()
    assert crews(model) == {
        "agent_team": ("hierarchical", ["agent_team", "Web Agent", "Finance Agent"]),
        "Desk": ("selector", ["Searcher", "Writer"]),
        "room": ("hierarchical", ["Chief editor", "Searcher", "Writer"]),
    }
    assert {crew.name for crew in model.crews if crew.run} == {"agent_team", "room"}


def test_only_a_leading_agent_delegates() -> None:
    assert links(_newsroom()) == {
        ("agent_team", "delegates_to", "Web Agent", "agent_team"),
        ("agent_team", "delegates_to", "Finance Agent", "agent_team"),
    }


def test_a_tool_that_asks_for_confirmation_is_reviewed() -> None:
    assert guardrails(_newsroom()) == [("newsroom/team.py", 11, "hitl", ["tool publish"])]


def test_the_server_of_its_tools_is_the_agents() -> None:
    (anonymous,) = [agent for agent in _newsroom().agents if agent.name == "anonymous"]
    (server,) = anonymous.mcp_servers
    assert (server.package, server.version) == ("@modelcontextprotocol/server-git", "0.6.2")


def test_files_and_version_count_the_predecessor_too() -> None:
    model = _newsroom()
    assert (model.frameworks, model.framework_versions) == ({"Agno": 3}, {"Agno": "1.7.2"})


def test_same_names_in_two_files_are_two_agents_and_a_team_that_holds_itself_ends() -> None:
    body = """
        from agno.agent import Agent
        from agno.team import Team
        a = Agent(name="Same")
        team = Team(members=[a])
        team = Team(members=[team, a])
        """
    model = run(project({"one.py": body, "two.py": body}), agno)
    assert [(agent.name, agent.site.file) for agent in model.agents] == [("Same", "one.py"), ("Same", "two.py")]
    assert all(len(crew.members) == 1 for crew in model.crews)


def test_members_and_tools_that_are_added_on_conditions_count() -> None:
    model = run(
        project(
            main="""
            from typing import List
            from agno.agent import Agent
            from agno.team import Team
            from agno.tools.shell import ShellTools
            from agno.workflow import Workflow

            def get_team(shell: bool = False, writer: bool = True) -> Team:
                members: List[Agent] = []
                tools = []
                if shell:
                    tools.append(ShellTools())
                    one: Agent = Agent(name="Shell", tools=tools)
                    members.append(one)
                if writer:
                    members.append(Agent(name="Writer"))
                team = Team(name="OS", mode="coordinate", members=members)
                return team

            class Blog(Workflow):
                searcher: Agent = Agent(name="Searcher")

                def run(self, topic):
                    return self.searcher.run(topic)
            """
        ),
        agno,
    )
    assert agents(model) == {
        "Shell": ("main.py", ["ShellTools"]),
        "Writer": ("main.py", []),
        "Searcher": ("main.py", []),
    }
    assert crews(model) == {"OS": ("hierarchical", ["Shell", "Writer"])}


def test_a_toolkit_that_confirms_some_of_its_tools_is_reviewed() -> None:
    model = run(
        project(
            main="""
            from agno.agent import Agent
            from agno.tools.file import FileTools
            a = Agent(name="a", tools=[FileTools(requires_confirmation_tools=["save_file"])])
            b = Agent(name="b", tools=[FileTools(requires_confirmation_tools=[])])
            """
        ),
        agno,
    )
    assert guardrails(model) == [("main.py", 4, "hitl", ["tool FileTools"])]
