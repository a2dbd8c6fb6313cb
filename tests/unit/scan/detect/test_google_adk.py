"""Google ADK (A7b) on a fixture repository."""

from __future__ import annotations

from stratum_lab.scan.detect import frameworks, google_adk, mcp
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links, run
from tests.support.projects import project


def _travel() -> Model:
    return detected("google_adk_travel", google_adk, mcp, frameworks)[1]


def test_llm_agents_are_agents_workflow_agents_and_those_without_a_model_are_none() -> None:
    root, flights, report = "travel/agent.py", "travel/sub/flights.py", "travel/sub/report.py"
    assert agents(_travel()) == {
        "oracle": ("custom/agents.py", []),
        "helper": ("custom/agents.py", []),
        "search_agent": (root, ["google_search"]),
        "coder": (root, []),
        "travel_root": (root, ["search_agent", "uvx"]),
        "flight_agent": (flights, ["find_flights", "book_flight"]),
        "drafter_{number}": (report, []),
        "weather": (report, []),
        "news": (report, []),
        "critic": (report, []),
        "refiner": (report, []),
        "merge": (report, []),
    }


def test_each_workflow_and_each_leading_agent_is_a_crew_with_the_members_of_what_is_nested() -> None:
    model = _travel()
    assert crews(model) == {
        "travel_root": (
            "hierarchical", ["travel_root", "flight_agent", "weather", "news", "merge", "critic", "refiner"],
        ),
        "gather": ("parallel", ["weather", "news"]),
        "polish": ("loop", ["critic", "refiner"]),
        "report": ("sequential", ["weather", "news", "merge", "critic", "refiner"]),
    }  # fmt: skip
    assert [crew.name for crew in model.crews if crew.ordered] == ["polish"]


def test_sequences_feed_through_parallel_parts_and_delegation_goes_to_where_a_workflow_starts() -> None:
    assert links(_travel()) == {
        ("weather", "feeds_into", "merge", "report"),
        ("news", "feeds_into", "merge", "report"),
        ("merge", "feeds_into", "critic", "report"),
        ("critic", "feeds_into", "refiner", "polish"),
        ("travel_root", "delegates_to", "flight_agent", "travel_root"),
        ("travel_root", "delegates_to", "weather", "travel_root"),
        ("travel_root", "delegates_to", "news", "travel_root"),
        ("travel_root", "delegates_to", "search_agent", ""),
    }


def test_confirmed_tools_and_loop_limits_are_guardrails() -> None:
    assert guardrails(_travel()) == [
        ("travel/sub/flights.py", 19, "hitl", ["tool book_flight"]),
        ("travel/sub/report.py", 15, "rate_limit", ["crew polish"]),
    ]


def test_code_runs_in_a_sandbox_unless_the_executor_says_it_is_unsafe() -> None:
    model = run(
        project(
            main="""
            from google.adk.agents import Agent
            from google.adk.code_executors import UnsafeLocalCodeExecutor, VertexAiCodeExecutor
            a = Agent(name="a", code_executor=UnsafeLocalCodeExecutor())
            b = Agent(name="b", code_executor=VertexAiCodeExecutor())
            """
        ),
        google_adk,
    )
    assert [agent.code_execution for agent in model.agents] == ["local", "docker"]


def test_the_nested_description_of_a_server_is_one_server_of_its_agent() -> None:
    model = _travel()
    assert [(s.name, s.package, s.version) for s in model.mcp_servers] == [("uvx", "mcp-server-time", "0.6.2")]
    assert [agent.name for agent in model.agents if agent.mcp_servers] == ["travel_root"]


def test_a_workflow_held_as_a_tool_is_delegation_to_its_first_agent() -> None:
    model = run(
        project(
            main="""
            from google.adk.agents import LlmAgent, SequentialAgent
            from google.adk.tools.agent_tool import AgentTool
            one, two = LlmAgent(name="one"), LlmAgent(name="two")
            root = LlmAgent(name="root", tools=[AgentTool(agent=SequentialAgent(name="s", sub_agents=[one, two]))])
            """
        ),
        google_adk,
    )
    assert links(model) == {("one", "feeds_into", "two", "s"), ("root", "delegates_to", "one", "")}


def test_poetry_gives_the_version() -> None:
    model = _travel()
    assert (model.frameworks, model.framework_versions) == ({"Google ADK": 4}, {"Google ADK": "1.2.0"})


def test_sub_agents_are_found_through_the_packages_that_hand_them_on() -> None:
    model = run(
        project(
            {
                "agent/__init__.py": "",
                "agent/sub/__init__.py": "from .one.agent import root_agent as first\nfrom .two import second",
                "agent/sub/one/__init__.py": "from . import agent",
                "agent/sub/one/agent.py": "from google.adk import Agent\nroot_agent = Agent(name='one')",
                "agent/sub/two.py": "import google.adk.agents as a\nsecond = a.LlmAgent(name='two')",
                "agent/agent.py": """
                    from google.adk.agents import SequentialAgent
                    from agent.sub import first, second
                    from .sub.one.agent import root_agent as again
                    root_agent = SequentialAgent(name="root", sub_agents=[first, second, again])
                    """,
            }
        ),
        google_adk,
    )
    assert crews(model) == {"root": ("sequential", ["one", "two"])}
    assert links(model) == {("one", "feeds_into", "two", "root"), ("two", "feeds_into", "one", "root")}


def test_an_orchestrator_of_its_own_that_asks_no_model_is_neither_agent_nor_crew() -> None:
    model = run(
        project(
            main="""
            from google.adk.agents import BaseAgent, LlmAgent
            doctor = LlmAgent(name="doctor")

            class Anamnesis(BaseAgent):
                def __init__(self, **kwargs):
                    super().__init__(name="anamnesis", sub_agents=[doctor], **kwargs)

                async def _run_async_impl(self, ctx):
                    async for event in doctor.run_async(ctx):
                        yield event

            root_agent = Anamnesis()
            """
        ),
        google_adk,
    )
    assert (list(agents(model)), crews(model)) == (["doctor"], {})


def test_workflows_that_hold_each_other_again_and_again_are_worked_out_once() -> None:
    lines = ["from google.adk.agents import LlmAgent, SequentialAgent", "w0 = LlmAgent(name='one')"]
    lines += [
        f"w{n} = SequentialAgent(name='w{n}', sub_agents=[w{n - 1}] * 1 + [w{n - 1}, w{n - 1}])" for n in range(1, 60)
    ]
    lines += ["loop = SequentialAgent(name='loop', sub_agents=[loop, w0])"]
    model = run(project(main="\n".join(lines)), google_adk)
    assert {len(crew.members) for crew in model.crews} == {1}
    assert links(model) == set()


def test_a_factory_that_hands_on_its_arguments_is_one_agent_with_the_tools_of_all_its_callers() -> None:
    model = run(
        project(
            main="""
            import os
            from google.adk.agents import LlmAgent, SequentialAgent
            from google.adk.tools import google_search, load_memory
            from google.adk.tools.mcp_tool import McpToolset
            from google.adk.tools.mcp_tool.mcp_session_manager import StreamableHTTPConnectionParams

            def save(note: str) -> dict:
                return {}

            def make(name: str, **kwargs) -> LlmAgent:
                return LlmAgent(name=name, model="gemini-2.0-flash", **kwargs)

            planner = make("planner", tools=[google_search])
            writer = make(name="writer", tools=[save])
            tools = [load_memory]
            if os.getenv("MCP_URL"):
                tools.append(McpToolset(connection_params=StreamableHTTPConnectionParams(url=os.environ["MCP_URL"])))
            root = LlmAgent(name="root", tools=tools, sub_agents=[planner] + [writer])
            """
        ),
        google_adk,
        mcp,
    )
    assert [(agent.symbol, agent.identified, [tool.name for tool in agent.tools]) for agent in model.agents] == [
        ("make", False, ["google_search", "save"]),
        ("root", True, ["load_memory", "mcp:18"]),
    ]
    assert [(server.remote, server.transport) for server in model.mcp_servers] == [(True, "streamable_http")]
