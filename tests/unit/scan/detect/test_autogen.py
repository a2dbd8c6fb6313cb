"""AutoGen and AG2 (A6) on fixture repositories."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import autogen
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links, run
from tests.support.projects import project

GROUP, PAIRS, TEAMS, CLINIC = "app/group.py", "app/pairs.py", "app/teams.py", "app/clinic.py"


@pytest.fixture(scope="module")
def classic() -> Model:
    return detected("autogen_classic", autogen)[1]


@pytest.fixture(scope="module")
def teams() -> Model:
    return detected("autogen_agentchat_teams", autogen)[1]


@pytest.fixture(scope="module")
def clinic() -> Model:
    return detected("ag2_patterns", autogen)[1]


def test_classic_agents_are_counted_where_they_are_constructed_subclasses_and_managers_too(classic: Model) -> None:
    both = ["search", "currency_calculator"]
    assert agents(classic) == {
        "user_proxy": (GROUP, both),
        "coder": (GROUP, both),
        "critic of code": (GROUP, []),
        "runner": (GROUP, []),
        "idle": (GROUP, []),
        "chat_manager": (GROUP, []),
        "boss": (PAIRS, ["stock_price"]),
        "clerk": (PAIRS, ["stock_price", "other"]),
        "lawyer": (PAIRS, []),
        "auditor": (PAIRS, []),
        "pro": (PAIRS, []),
        "con": (PAIRS, []),
        "judge": (PAIRS, []),
        "chair": (PAIRS, []),
        "society": (PAIRS, []),
        "host": (PAIRS, []),
    }


def test_a_function_is_known_by_the_name_it_is_registered_under(classic: Model) -> None:
    names = {tool.identity: tool.name for agent in classic.agents for tool in agent.tools}
    assert names == {
        "search": "web_search", "currency_calculator": "currency", "stock_price": "get_price", "other": "other",
    }  # fmt: skip


def test_code_runs_where_the_configuration_says_and_not_at_all_when_it_is_false(classic: Model, teams: Model) -> None:
    assert {a.name: a.code_execution for a in classic.agents if a.code_execution} == {
        "user_proxy": "local", "runner": "docker", "host": "local",
    }  # fmt: skip
    assert {a.name: a.code_execution for a in teams.agents if a.code_execution} == {
        "coder": "docker",
        "worker": "local",
    }


def test_group_chats_pairs_queues_and_nested_chats_are_crews(classic: Model) -> None:
    assert crews(classic) == {
        "groupchat": ("selector", ["user_proxy", "coder", "critic of code", "runner", "chat_manager"]),
        "lawyer": ("chat", ["lawyer", "auditor"]),
        "boss": ("chat", ["boss", "clerk"]),
        "boss (2)": ("chat", ["boss", "clerk", "lawyer"]),
        "chair": ("round_robin", ["pro", "con", "judge", "chair"]),
        "host": ("chat", ["host", "society"]),
    }
    assert [crew.name for crew in classic.crews if crew.run] == ["groupchat", "boss", "boss (2)", "host"]
    assert [crew.manager and crew.manager.name for crew in classic.crews if crew.manager] == ["chat_manager", "chair"]


def test_a_manager_delegates_to_each_and_a_round_robin_feeds_in_order(classic: Model) -> None:
    assert links(classic) == {
        ("chat_manager", "delegates_to", "user_proxy", "groupchat"),
        ("chat_manager", "delegates_to", "coder", "groupchat"),
        ("chat_manager", "delegates_to", "critic of code", "groupchat"),
        ("chat_manager", "delegates_to", "runner", "groupchat"),
        ("user_proxy", "delegates_to", "chat_manager", "groupchat"),
        ("lawyer", "delegates_to", "auditor", "lawyer"),
        ("boss", "delegates_to", "clerk", "boss"),
        ("boss", "delegates_to", "lawyer", "boss (2)"),
        ("pro", "feeds_into", "con", "chair"),
        ("con", "feeds_into", "judge", "chair"),
        ("society", "delegates_to", "chair", ""),
        ("host", "delegates_to", "society", "host"),
    }


def test_classic_guardrails_cover_the_agent_or_the_conversation(classic: Model) -> None:
    assert guardrails(classic) == [
        (GROUP, 9, "rate_limit", ["agent chat_manager", "agent coder", "agent critic of code", "agent idle"]),
        (GROUP, 14, "hitl", ["agent user_proxy"]),
        (GROUP, 15, "rate_limit", ["agent user_proxy"]),
        (GROUP, 57, "rate_limit", ["crew groupchat"]),
        (GROUP, 62, "rate_limit", ["crew groupchat"]),
        (PAIRS, 18, "hitl", ["agent boss"]),
        (PAIRS, 25, "rate_limit", ["crew lawyer"]),
        (PAIRS, 33, "rate_limit", ["crew boss (2)"]),
    ]


def test_agentchat_agents_include_subclasses_only_when_they_reach_a_model(teams: Model) -> None:
    told = {name: tools for name, (_, tools) in agents(teams).items()}
    assert told == {
        "writer": [], "make": [], "primary": ["get_weather"], "critic": [], "surfer": [], "coder": [], "human": [],
        "mind": [], "poet": [], "travel": [], "refunds": [], "worker": ["PythonCodeExecutionTool", "critic"],
        "start": [], "left": [], "right": [], "end": [],
    }  # fmt: skip


def test_every_kind_of_team_is_a_crew_with_its_process(teams: Model) -> None:
    assert crews(teams) == {
        "review": ("round_robin", ["primary", "critic"]),
        "selected": ("selector", ["surfer", "coder", "human"]),
        "outer": ("round_robin", ["mind", "poet"]),
        "support_team": ("swarm", ["travel", "refunds"]),
        "magentic": ("selector", ["worker"]),
        "flow": ("graph", ["start", "left", "right", "end"]),
    }
    assert [crew.name for crew in teams.crews if crew.run] == ["selected", "support_team"]
    assert [chat.name for chat in teams.chats] == ["selected", "magentic"]
    assert all(crew.unknown_members == 0 for crew in teams.crews)


def test_team_links_follow_selection_order_handoffs_and_graph(teams: Model) -> None:
    assert links(teams) == {
        ("primary", "feeds_into", "critic", "review"),
        ("selected", "delegates_to", "surfer", "selected"),
        ("selected", "delegates_to", "coder", "selected"),
        ("selected", "delegates_to", "human", "selected"),
        ("mind", "delegates_to", "primary", ""),
        ("mind", "feeds_into", "poet", "outer"),
        ("travel", "delegates_to", "refunds", "support_team"),
        ("refunds", "delegates_to", "travel", "support_team"),
        ("magentic", "delegates_to", "worker", "magentic"),
        ("worker", "delegates_to", "critic", ""),
        ("start", "feeds_into", "left", "flow"),
        ("start", "feeds_into", "right", "flow"),
        ("left", "feeds_into", "end", "flow"),
        ("left", "feeds_into", "start", "flow"),
        ("right", "feeds_into", "end", "flow"),
    }


def test_termination_conditions_and_input_functions_are_guardrails(teams: Model) -> None:
    assert guardrails(teams) == [
        (TEAMS, 32, "rate_limit", ["agent primary"]),
        (TEAMS, 33, "validation", ["agent critic"]),
        (TEAMS, 35, "rate_limit", ["crew review"]),
        (TEAMS, 39, "hitl", ["agent human"]),
        (TEAMS, 40, "rate_limit", ["crew selected"]),
        (TEAMS, 51, "rate_limit", ["crew support_team"]),
    ]


def test_ag2_patterns_are_crews_and_handoffs_delegate(clinic: Model) -> None:
    assert {name: tools for name, (_, tools) in agents(clinic).items()} == {
        "nurse": ["patient"], "doctor": [], "triage": ["classify"], "user": [], "a": [], "b": [], "lone": [],
    }  # fmt: skip
    assert crews(clinic) == {
        "pattern": ("swarm", ["triage", "nurse", "doctor", "user"]),
        "auto": ("selector", ["nurse", "doctor"]),
        "in_order": ("round_robin", ["a", "b"]),
        "doctor": ("chat", ["doctor", "lone"]),
    }
    assert links(clinic) == {
        ("nurse", "delegates_to", "doctor", "pattern"),
        ("nurse", "delegates_to", "triage", "pattern"),
        ("doctor", "delegates_to", "nurse", "pattern"),
        ("triage", "delegates_to", "doctor", "pattern"),
        ("auto", "delegates_to", "nurse", "auto"),
        ("auto", "delegates_to", "doctor", "auto"),
        ("a", "feeds_into", "b", "in_order"),
        ("doctor", "delegates_to", "lone", "doctor"),
    }
    assert guardrails(clinic) == [
        (CLINIC, 13, "validation", ["agent doctor", "agent lone", "agent triage"]),
        (CLINIC, 32, "hitl", ["agent user"]),
        (CLINIC, 56, "rate_limit", ["crew pattern"]),
        (CLINIC, 58, "rate_limit", ["agent lone"]),
    ]


def test_same_names_of_two_files_stay_two_agents() -> None:
    text = "from autogen import AssistantAgent\nwriter = AssistantAgent(name='writer')\n"
    model = run(project({"one/main.py": text, "two/main.py": text}), autogen)
    assert [(a.name, a.site.file) for a in model.agents] == [("writer", "one/main.py"), ("writer", "two/main.py")]


def test_a_class_that_only_shares_a_name_is_no_agent() -> None:
    tree = project(main="from autogenerated import AssistantAgent\nfrom autogen.agents import x\nAssistantAgent('a')\n")
    assert run(tree, autogen).agents == []


def test_what_a_subclass_passes_on_is_what_each_construction_gives_it() -> None:
    model = run(
        project({
            "team/base.py": """
                from autogen_agentchat.agents import AssistantAgent
                from autogen_agentchat.teams import SelectorGroupChat
                class Specialist(AssistantAgent):
                    def __init__(self, name, client, tools=None):
                        super().__init__(name=name, model_client=client, tools=tools or [])
                class Board(SelectorGroupChat):
                    def __init__(self, members, client):
                        super().__init__(participants=members, model_client=client, max_turns=4)
                """,
            "team/main.py": """
                from .base import Board, Specialist
                def look(q): ...
                def hire(client):
                    one = Specialist("one", client, tools=[look])
                    two = Specialist(name="two", client=client)
                    return [one, two]
                board = Board(hire(None), None)
                """,
        }),
        autogen,
    )  # fmt: skip
    assert {name: tools for name, (_, tools) in agents(model).items()} == {"one": ["look"], "two": []}
    assert crews(model) == {"Board": ("selector", ["one", "two"])}
    assert guardrails(model) == [("team/base.py", 9, "rate_limit", ["crew Board"])]


def test_ag2s_own_agent_class_its_subclasses_and_agents_as_tools_are_found() -> None:
    model = run(
        project(
            main="""
            from ag2 import Agent
            class Mine(Agent):
                pass
            bob = Agent("bob", prompt="x")
            alice = Agent("alice", tools=[bob.as_tool(description="ask bob")])
            mine = Mine("mine")
            """
        ),
        autogen,
    )
    assert {name: tools for name, (_, tools) in agents(model).items()} == {"bob": [], "alice": ["bob"], "mine": []}
    assert links(model) == {("alice", "delegates_to", "bob", "")}
