"""PydanticAI (A7b) on a fixture repository."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import pydantic_ai
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links, run
from tests.support.projects import project

SUPPORT = "bank/support.py"


@pytest.fixture(scope="module")
def bank() -> Model:
    return detected("pydantic_ai_bank", pydantic_ai)[1]


def test_tools_come_from_arguments_toolsets_decorators_and_plain_calls(bank: Model) -> None:
    told = agents(bank)
    server = told["rates_agent"][1].pop()
    assert told == {
        "rates_agent": ("bank/rates.py", ["duckduckgo_search_tool", "dated", "convert", "history"]),
        "Selector": (SUPPORT, []),
        "support": (SUPPORT, ["balance", "block", "pick", "ask_rates"]),
        "search": ("flights/search.py", []),
        "Seats": ("flights/search.py", []),
        "Service": ("flights/search.py", ["inner"]),
    }
    assert [s.name for a in bank.agents for s in a.mcp_servers] == [server]


def test_tools_are_known_by_the_name_they_are_registered_under(bank: Model) -> None:
    names = [tool.name for agent in bank.agents for tool in agent.tools if tool.kind == "function"]
    assert names == ["day_of", "convert", "history", "balance", "block_card", "pick", "ask_rates", "inner"]


def test_running_another_agent_inside_a_tool_is_delegation_and_plain_code_in_sequence_is_not(bank: Model) -> None:
    assert crews(bank) == {"support": ("handoff", ["support", "Selector", "rates_agent"])}
    assert links(bank) == {
        ("support", "delegates_to", "Selector", "support"),
        ("support", "delegates_to", "rates_agent", "support"),
    }
    assert bank.crews[0].run


def test_output_checks_limits_and_approval_are_guardrails_of_what_they_are_on(bank: Model) -> None:
    assert guardrails(bank) == [
        ("bank/rates.py", 33, "hitl", ["tool convert", "tool history"]),
        (SUPPORT, 24, "rate_limit", ["agent Selector"]),
        (SUPPORT, 28, "validation", ["agent support"]),
        (SUPPORT, 42, "hitl", ["tool block_card"]),
        (SUPPORT, 57, "rate_limit", ["agent Selector"]),
        (SUPPORT, 61, "output_filter", ["agent support"]),
        ("flights/search.py", 6, "validation", ["agent search"]),
    ]


def test_only_a_literal_name_identifies_an_agent(bank: Model) -> None:
    assert [agent.name for agent in bank.agents if agent.identified] == ["Selector", "Seats", "Service"]


def test_another_librarys_agent_class_is_none_of_pydantic_ai() -> None:
    tree = project(main="from pydantic import Agent\nfrom pydantic_aiohttp import Agent as B\nAgent('x')\nB('y')\n")
    assert run(tree, pydantic_ai).agents == []


def test_agents_that_ask_each_other_are_one_crew() -> None:
    tree = project(main="""
        from pydantic_ai import Agent
        first, second = Agent("m", name="a"), Agent("m", name="b")
        a = Agent("m", name="one")
        b = Agent("m", name="two")
        @a.tool_plain
        def ask_b(q: str) -> str:
            return b.run_sync(q).output
        @b.tool_plain
        def ask_a(q: str) -> str:
            return a.run_sync(q).output
        """)  # fmt: skip
    model = run(tree, pydantic_ai)
    assert [agent.name for agent in model.agents] == ["a", "b", "one", "two"]
    assert crews(model) == {"a": ("handoff", ["one", "two"])}
