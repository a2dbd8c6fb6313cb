"""Agents on a model API itself (A7): loops in functions, classes and scripts, the Assistants API; what is none."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import openai
from stratum_lab.scan.model import Agent, Model
from stratum_lab.scan.source.project import Project
from tests.support.detected import agents, detected, guardrails, run
from tests.support.projects import project


@pytest.fixture(scope="module")
def loops() -> Model:
    return detected("openai_loops", openai)[1]


def test_what_gives_tools_and_dispatches_on_the_calls_is_an_agent_and_nothing_else_is(loops: Model) -> None:
    assert agents(loops) == {
        "Bot": ("app/bot.py", ["read_file", "WebSearchTool"]),
        "ClaudeCoder": ("app/bot.py", ["edit", "ShellTool"]),
        "Math Tutor": ("app/bot.py", ["CodeInterpreterTool", "FileSearchTool"]),
        "gemini_chat": ("app/others.py", ["book"]),
        "gemini": ("app/others.py", ["book"]),
        "local": ("app/others.py", ["book"]),
        "bedrock": ("app/others.py", ["top_song"]),
        "run_conversation": ("app/weather.py", ["get_weather", "get_time"]),
        "ask": ("app/weather.py", ["search"]),
        "node": ("scripts/graph.py", ["x"]),
        "loop": ("scripts/loop.py", ["add"]),
    }
    assert loops.crews == []
    assert loops.links == []


def test_the_framework_is_the_sdk_and_only_an_assistant_is_hosted(loops: Model) -> None:
    assert {a.name: a.framework for a in loops.agents if a.framework != "openai"} == {
        "ClaudeCoder": "anthropic", "loop": "litellm", "gemini_chat": "generic", "gemini": "generic",
        "local": "generic", "bedrock": "generic",
    }  # fmt: skip
    assert [a.name for a in loops.agents if a.hosted] == ["Math Tutor"]


def test_a_schema_runs_the_function_or_method_it_names(loops: Model) -> None:
    code = {tool.name: [f.qualname for f in tool.code] for agent in loops.agents for tool in agent.tools}
    assert {name: found for name, found in code.items() if found} == {
        "read_file": ["Bot.read_file"], "get_weather": ["get_weather"], "get_time": ["get_time"], "add": ["add"],
        "book": ["book"],
    }  # fmt: skip


def test_limits_of_the_loops_own_calls_cover_it(loops: Model) -> None:
    assert guardrails(loops) == [
        ("app/bot.py", 40, "rate_limit", ["agent ClaudeCoder"]),
        ("app/weather.py", 27, "rate_limit", ["agent run_conversation"]),
    ]


class _Claiming:
    """A detector that takes a function as a framework's agent."""

    @staticmethod
    def agents(tree: Project, model: Model) -> None:
        for function in tree.functions():
            if function.name == "node":
                model.add_agent(Agent(function.site, "langgraph", "node", "worker", code=[function]), function)


def test_code_that_runs_as_a_frameworks_agent_is_not_counted_again() -> None:
    tree, _ = detected("openai_loops")
    model = Model()
    _Claiming.agents(tree, model)
    openai.late(tree, model)
    assert [a.name for a in model.agents if a.site.file == "scripts/graph.py"] == ["worker"]


@pytest.mark.parametrize(
    "body",
    [
        "reply = client.chat.completions.create(model='m')\n    return reply.choices[0].message.tool_calls",
        "reply = client.chat.completions.create(model='m', tools=None)\n    if reply.tool_calls[0].name == 'x': go()",
        "reply = client.chat.completions.create(model='m', tools=[])\n    if reply.tool_calls[0].name == 'x': go()",
        "reply = client.chat.completions.create(model='m', tools=t)\n    print(reply.choices[0].message.tool_calls)",
        "reply = client.images.generate(tools=t)\n    if reply.tool_calls[0].name == 'x': go()",
    ],
)
def test_half_of_an_agent_is_none(body: str) -> None:
    tree = project(main=f"from openai import OpenAI\nclient = OpenAI()\ndef f(t):\n    {body}\n")
    assert run(tree, openai).agents == []
