"""LangChain agents (A5) on a fixture repository."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import langchain
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links, run
from tests.support.projects import project

OLD, NEW = "app/executors.py", "examples/newer.py"


@pytest.fixture(scope="module")
def desk() -> Model:
    return detected("langchain_desk", langchain)[1]


def test_an_executor_and_the_factory_it_wraps_are_one_agent_with_the_tools_of_both(desk: Model) -> None:
    assert agents(desk) == {
        "executor": (OLD, ["lookup", "Orders"]),
        "build": (OLD, ["lookup", "_close"]),
        "executor@50": (OLD, ["DuckDuckGoSearchRun", "HumanInputRun"]),
        f"{OLD}:57": (OLD, ["lookup"]),
        f"{OLD}:61": (OLD, ["SQLDatabaseToolkit"]),
        f"{OLD}:62": (OLD, ["PythonAstREPLTool"]),
        "old": (OLD, ["ShellTool"]),
        "mail agent": (NEW, ["send_mail", "read_mail"]),
        "calendar": (NEW, []),
        "inner": (NEW, []),
        "supervisor": (NEW, ["schedule", "draft"]),
        "researcher": (NEW, []),
        "writer": (NEW, []),
        "reader": (NEW, []),
        "editor": (NEW, []),
        "critic": (NEW, []),
    }
    assert [agent.name for agent in desk.agents if agent.inline] == ["inner"]
    assert [agent.name for agent in desk.agents if agent.identified] == ["mail agent", "critic"]
    assert {agent.name: agent.code_execution for agent in desk.agents if agent.code_execution} == {"calendar": "local"}


def test_symbols_are_variables_attributes_and_factories(desk: Model) -> None:
    assert [a.symbol for a in desk.agents][:3] == ["executor", "build", "Desk.executor"]


def test_agents_run_by_tools_or_fed_with_a_result_are_crews_and_unrelated_runs_are_not(desk: Model) -> None:
    assert crews(desk) == {
        "supervisor": ("handoff", ["supervisor", "calendar"]),
        "reader": ("sequential", ["reader", "editor", "critic"]),
    }
    assert [(crew.ordered, crew.run) for crew in desk.crews] == [(False, True), (True, True)]
    assert links(desk) == {
        ("supervisor", "delegates_to", "calendar", "supervisor"),
        ("supervisor", "delegates_to", "inner", ""),
        ("reader", "feeds_into", "editor", "reader"),
        ("editor", "feeds_into", "critic", "reader"),
    }


def test_middleware_limits_and_approval_are_guardrails_and_a_pause_without_a_checkpointer_is_inactive(
    desk: Model,
) -> None:
    assert guardrails(desk) == [
        (OLD, 28, "rate_limit", ["agent executor"]),
        (OLD, 38, "rate_limit", ["agent build"]),
        (OLD, 43, "hitl", ["agent executor"]),
        (OLD, 69, "hitl", ["tool ShellTool"]),
        (NEW, 36, "hitl", ["tool send_mail"]),
        (NEW, 37, "input_filter", ["agent mail agent"]),
        (NEW, 37, "output_filter", ["agent mail agent"]),
        (NEW, 38, "rate_limit", ["agent mail agent"]),
        (NEW, 42, "validation", ["agent mail agent"]),
        (NEW, 67, "rate_limit", ["agent reader"]),
    ]
    assert [g.site.line for g in desk.guardrails if not g.active] == [45]
    assert desk.provider_fallback


def test_agents_that_hand_over_in_one_function_are_a_crew_called_after_it() -> None:
    model = run(
        project(
            main="""
            from langchain.agents import create_agent
            a = create_agent("openai:gpt-4o", tools=[])
            b = create_agent("openai:gpt-4o", tools=[])
            async def work(text):
                first = await a.ainvoke(text)
                second = await b.ainvoke(first)
                return second
            """
        ),
        langchain,
    )
    assert crews(model) == {"work": ("sequential", ["a", "b"])}


def test_a_pipe_of_agents_feeds_from_left_to_right() -> None:
    model = run(
        project(
            main="""
            from langchain.agents import AgentExecutor
            a = AgentExecutor(agent=x, tools=[])
            b = AgentExecutor(agent=y, tools=[])
            chain = a | (lambda r: r["output"]) | b
            """
        ),
        langchain,
    )
    assert links(model) == {("a", "feeds_into", "b", "a")}


def test_langgraphs_prebuilt_factory_of_the_same_name_is_not_langchains() -> None:
    tree = project(main="from langgraph.prebuilt import create_react_agent\nagent = create_react_agent('m', [])\n")
    assert run(tree, langchain).agents == []


def test_what_a_subclass_hands_to_its_base_is_what_the_base_makes_its_agent_of() -> None:
    model = run(
        project(
            main="""
            from langchain.agents import AgentExecutor, create_tool_calling_agent
            from langchain_core.tools import tool
            class Base:
                def __init__(self, tools, prompt):
                    self.agent = create_tool_calling_agent(None, tools, prompt)
                    self.executor = AgentExecutor(agent=self.agent, tools=tools)
            @tool
            def sell(x: str) -> str: ...
            class Sales(Base):
                def __init__(self):
                    super().__init__([sell], None)
            """
        ),
        langchain,
    )
    assert {name: tools for name, (_, tools) in agents(model).items()} == {"executor": ["sell"]}


def test_an_executor_is_one_agent_whichever_factory_a_branch_takes_and_whatever_wraps_it() -> None:
    model = run(
        project(
            main="""
            from langchain.agents import AgentExecutor, create_react_agent, create_tool_calling_agent
            from langchain.agents.agent import RunnableAgent, RunnableMultiActionAgent
            def build(llm, kind, prompt):
                if kind == "react":
                    agent = RunnableAgent(runnable=create_react_agent(llm, [], prompt))
                else:
                    runnable = create_tool_calling_agent(llm, [], prompt)
                    agent = RunnableMultiActionAgent(runnable=runnable)
                    agent = RunnableAgent(runnable=agent)
                return AgentExecutor(agent=agent, tools=[])
            """
        ),
        langchain,
    )
    assert list(agents(model)) == ["build"]
