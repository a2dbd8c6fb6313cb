"""LlamaIndex (A7b) on a fixture repository."""

from __future__ import annotations

from stratum_lab.scan.detect import frameworks, llama_index
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links, run
from tests.support.projects import project


def _desk() -> Model:
    return detected("llama_index_desk", llama_index, frameworks)[1]


def test_constructors_class_methods_and_factories_are_agents_and_a_runner_is_its_worker() -> None:
    flow, single = "app/workflow.py", "examples/single.py"
    assert agents(_desk()) == {
        "ReviewAgent": (flow, []),
        "ResearchAgent": (flow, ["search_web", "record_notes"]),
        "WriteAgent": (flow, ["QueryEngineTool"]),
        "quick": (single, ["multiply"]),
        "react": (single, ["multiply"]),
        "worker": (single, ["multiply"]),
        "coder": (single, ["multiply"]),
        "boss": (single, ["ask_coder"]),
    }


def test_only_a_given_name_identifies() -> None:
    model = _desk()
    assert [a.name for a in model.agents if a.identified] == ["ReviewAgent", "ResearchAgent", "WriteAgent", "boss"]
    assert [a.name for a in model.agents if a.code_execution] == ["coder"]


def test_a_workflow_is_a_crew_also_when_its_list_grows() -> None:
    model = _desk()
    assert crews(model) == {"flow": ("handoff", ["ResearchAgent", "WriteAgent", "ReviewAgent"])}
    assert [crew.run for crew in model.crews] == [True]


def test_handoffs_are_edges_by_name_by_attribute_and_through_a_factory() -> None:
    assert links(_desk()) == {
        ("ResearchAgent", "delegates_to", "WriteAgent", "flow"),
        ("WriteAgent", "delegates_to", "ReviewAgent", "flow"),
        ("WriteAgent", "delegates_to", "ResearchAgent", "flow"),
        ("ReviewAgent", "delegates_to", "WriteAgent", "flow"),
        ("boss", "delegates_to", "coder", ""),
    }


def test_iteration_limits_cover_the_agent_and_the_lowest_bound_is_the_version() -> None:
    model = _desk()
    assert guardrails(model) == [("examples/single.py", 16, "rate_limit", ["agent react"])]
    assert (model.frameworks, model.framework_versions) == ({"LlamaIndex": 3}, {"LlamaIndex": "0.12.5"})


def test_agents_in_attributes_with_methods_as_tools_and_a_limit_on_the_run() -> None:
    model = run(
        project(
            {
                "tools.py": """
                    class Tools:
                        def search(self, query):
                            return query
                    """,
                "main.py": """
                    from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
                    from tools import Tools

                    class Desk:
                        def __init__(self):
                            self.tool = Tools()
                            self.first = FunctionAgent(name="First", can_handoff_to=["Second"])
                            self.second = FunctionAgent(name="Second", tools=[self.tool.search])
                            self.flow = AgentWorkflow(agents=[self.first, self.second], root_agent=self.first.name)

                        async def ask(self, question):
                            return await self.flow.run(user_msg=question, max_iterations=20)
                    """,
            }
        ),
        llama_index,
    )
    assert agents(model) == {"First": ("main.py", []), "Second": ("main.py", ["Tools.search"])}
    assert crews(model) == {"flow": ("handoff", ["First", "Second"])}
    assert links(model) == {("First", "delegates_to", "Second", "flow")}
    assert guardrails(model) == [("main.py", 13, "rate_limit", ["crew flow"])]
    assert [(crew.run, crew.rate_limited) for crew in model.crews] == [(True, True)]


def test_a_worker_is_an_agent_under_the_name_of_the_runner_made_of_it() -> None:
    model = run(
        project(
            main="""
            from llama_index.core.agent import ReActAgentWorker
            from llama_index.core.agent.react_multimodal.step import MultimodalReActAgentWorker
            class Looking:
                def __init__(self, llm):
                    self.seeing = MultimodalReActAgentWorker.from_tools(tools=[], multi_modal_llm=llm).as_agent()
            reading = ReActAgentWorker.from_tools([]).as_agent()
            """
        ),
        llama_index,
    )
    assert agents(model) == {"seeing": ("main.py", []), "reading": ("main.py", [])}
