"""OpenAI Agents SDK (A7) on fixture repositories."""

from __future__ import annotations

from stratum_lab.scan.detect import openai_agents
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links, run
from tests.support.projects import project


def _desk() -> Model:
    return detected("openai_agents_desk", openai_agents)[1]


def test_every_construction_and_clone_is_one_agent_and_tests_give_none() -> None:
    desk, hub = "app/desk.py", "examples/translator.py"
    assert agents(_desk()) == {
        "Relevance guard": (desk, []),
        "FAQ Agent": (desk, ["lookup"]),
        "Seat Agent": (desk, ["update_seat", "refund"]),
        "Triage Agent": (desk, []),
        "Spanish": (hub, []),
        "Italian": (hub, []),
        "Italian@10": (hub, []),
        "Space researcher": (hub, ["WebSearchTool", "CodeInterpreterTool", "gitmcp"]),
        "Expert": (hub, []),
        "Writer": (hub, []),
        "Boss": (hub, ["spanish", "italian", "ask_expert", "files", "Hub.writer"]),
        "Triage Agent@50": (hub, []),
    }


def test_symbols_are_variables_attributes_and_factories() -> None:
    symbols = {agent.name: agent.symbol for agent in _desk().agents}
    assert symbols["FAQ Agent"] == "faq"
    assert symbols["Space researcher"] == "make_researcher"
    assert symbols["Boss"] == "Hub.boss"


def test_handoffs_and_agents_as_tools_make_crews_and_an_agent_inside_a_tool_is_in_none() -> None:
    model = _desk()
    assert crews(model) == {
        "triage": ("handoff", ["Triage Agent", "FAQ Agent", "Seat Agent"]),
        "Hub.boss": ("handoff", ["Boss", "Spanish", "Italian", "Writer"]),
    }
    assert all(crew.run for crew in model.crews)
    assert [agent.name for agent in model.agents if agent.inline] == ["Expert"]
    assert links(model) == {
        ("Triage Agent", "delegates_to", "FAQ Agent", "triage"),
        ("Triage Agent", "delegates_to", "Seat Agent", "triage"),
        ("FAQ Agent", "delegates_to", "Triage Agent", "triage"),
        ("Seat Agent", "delegates_to", "Triage Agent", "triage"),
        ("Boss", "delegates_to", "Spanish", "Hub.boss"),
        ("Boss", "delegates_to", "Italian", "Hub.boss"),
        ("Boss", "delegates_to", "Writer", "Hub.boss"),
        ("Boss", "delegates_to", "Expert", ""),
    }


def test_guardrails_cover_what_they_are_given_to() -> None:
    desk, hub = "app/desk.py", "examples/translator.py"
    assert guardrails(_desk()) == [
        (desk, 30, "validation", ["agent Relevance guard"]),
        (desk, 49, "input_filter", ["agent FAQ Agent"]),
        (desk, 56, "rate_limit", ["agent Seat Agent"]),
        (desk, 57, "output_filter", ["agent Seat Agent"]),
        (desk, 75, "rate_limit", ["crew triage"]),
        (desk, 75, "output_filter", ["crew triage"]),
        ("app/tools.py", 17, "hitl", ["tool change_seat"]),
        (hub, 20, "hitl", ["tool gitmcp"]),
        (hub, 37, "rate_limit", ["tool to_italian"]),
        (hub, 43, "hitl", ["tool write"]),
        (hub, 46, "rate_limit", ["crew Hub.boss"]),
    ]


def test_a_local_package_called_agents_is_not_the_sdk() -> None:
    _, model = detected("openai_agents_local", openai_agents)
    assert model.agents == []
    assert model.crews == []


def test_a_clone_keeps_tools_handoffs_and_guardrails_it_does_not_replace() -> None:
    model = run(
        project(
            main="""
            from agents import Agent, function_tool

            @function_tool
            def look() -> str: ...

            other = Agent(name="Other")
            base = Agent(
                name="Base", tools=[look], handoffs=[other],
                input_guardrails=[check],
                output_type=list[int],
            )
            copy = base.clone(name="Copy", output_type=str)
            bare = base.clone(name="Bare", tools=[], handoffs=[], input_guardrails=[])
            """
        ),
        openai_agents,
    )
    assert {a.name: [t.identity for t in a.tools] for a in model.agents} == {
        "Other": [], "Base": ["look"], "Copy": ["look"], "Bare": [],
    }  # fmt: skip
    assert {(s, t) for s, _, t, _ in links(model)} == {("Base", "Other"), ("Copy", "Other")}
    assert [(kind, covered) for _, _, kind, covered in guardrails(model)] == [
        ("input_filter", ["agent Base", "agent Copy"]),
        ("validation", ["agent Bare", "agent Base"]),
    ]


def test_a_subclass_of_the_sdks_agent_is_an_agent_where_it_is_constructed() -> None:
    model = run(
        project({
            "app/base.py": "import agents\nclass Bot(agents.Agent):\n    pass\n",
            "app/main.py": "from .base import Bot\nbots = [Bot(name='a'), Bot(name='b')]\n",
        }),
        openai_agents,
    )  # fmt: skip
    assert [(a.name, a.site.file) for a in model.agents] == [("a", "app/main.py"), ("b", "app/main.py")]
    assert model.crews == []


def test_a_folder_called_agents_inside_a_package_hides_the_sdk_only_from_what_it_defines() -> None:
    model = run(
        project({
            "app/__init__.py": "",
            "app/agents/__init__.py": "from .triage import triage\n",
            "app/agents/triage.py": "from agents import Agent, Runner\ntriage = Agent(name='Triage')\n",
            "app/main.py": "from agents import Agent\nfrom app.agents import triage\n"
            "other = Agent(name='Other', handoffs=[triage])\n",
            "own/__init__.py": "",
            "own/agents.py": "class Agent: ...\n",
            "own/main.py": "from agents import Agent\nAgent()\n",
        }),
        openai_agents,
    )  # fmt: skip
    assert [(a.name, a.site.file) for a in model.agents] == [
        ("Triage", "app/agents/triage.py"),
        ("Other", "app/main.py"),
    ]
    assert crews(model) == {"other": ("handoff", ["Other", "Triage"])}
