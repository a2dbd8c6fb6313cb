"""LangGraph fixture repositories, written the awkward ways real ones are, give exactly what a reader counts in them."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import crewai, detect, langgraph
from stratum_lab.scan.model import Confidence, Model
from tests.support.detected import FIXTURES, detected, run
from tests.support.model_lines import agents, at, crews, guardrails, links, only, tools
from tests.support.projects import project, tree


@pytest.fixture(scope="module")
def research() -> Model:
    """Graphs of every building style, with models three calls away from the nodes."""
    return detected("langgraph_research", crewai, langgraph)[1]


@pytest.fixture(scope="module")
def teams() -> Model:
    """Supervisors, a swarm, and a hand-built graph whose nodes invoke agents, a crew and a graph."""
    return detected("langgraph_teams", crewai, langgraph)[1]


def test_nodes_that_reach_a_model_are_agents_and_the_others_steps(research: Model) -> None:
    assert agents(research) == [
        ("src/research/graph.py:15", "plan", "plan"),
        ("src/research/graph.py:16", "search", "search"),
        ("src/research/graph.py:18", "write", "write"),
        ("src/research/graph.py:20", "publish", "publish"),
        ("src/research/plan.py:13", "first", "first"),
        ("src/research/plan.py:14", "second", "second"),
        ("src/research/plan.py:25", "a", "a"),
        ("src/research/plan.py:25", "write", "write"),
    ]
    assert [(at(s.site), s.name) for s in research.steps] == [
        ("src/research/graph.py:14", "clean"),
        ("src/research/graph.py:17", "tools"),
        ("src/research/graph.py:19", "approve"),
        ("src/research/graph.py:21", "triage"),
        ("src/research/graph.py:22", "log"),
        ("src/research/plan.py:17", "tidy"),
        ("src/research/plan.py:25", "clean"),
        ("src/research/plan.py:30", "one"),
        ("src/research/plan.py:30", "two"),
    ]


def test_a_node_from_outside_the_repository_is_an_agent_that_is_only_probable(research: Model) -> None:
    assert [a.symbol for a in research.agents if a.confidence is not Confidence.CONFIRMED] == ["publish"]


def test_bound_tools_and_tools_of_the_node_behind_an_edge_are_the_agents(research: Model) -> None:
    assert tools(research) == {"search": ["web", "mail"]}
    assert [t.name for t in only(research, "search").tools] == ["web", "send_mail"]


def test_a_graph_is_a_crew_named_at_compile_or_by_its_variable_and_one_without_agents_is_none(research: Model) -> None:
    assert crews(research) == [
        ("src/research/graph.py:13", "graph", "graph", "plan, search, write, publish"),
        ("src/research/plan.py:12", "planner", "graph", "first, second"),
        ("src/research/plan.py:24", "b", "graph", "a, write"),
    ]
    assert [(c.checkpoint, c.run, c.ordered, c.rate_limited) for c in research.crews] == [
        ("memory_only", True, False, True),
        ("durable", True, True, False),
        ("none", False, True, False),
    ]


def test_edges_come_from_routers_maps_commands_sends_and_sequences_and_are_contracted_over_steps(
    research: Model,
) -> None:
    assert links(research) == [
        "a > clean [b]",
        "a > write [b contracted]",
        "approve > triage [graph]",
        "clean > plan [graph]",
        "clean > write [b]",
        "first > second [planner contracted]",
        "first > tidy [planner]",
        "one > two [-]",
        "plan > search [graph]",
        "plan > write [graph]",
        "publish > log [graph]",
        "search > tools [graph]",
        "search > write [graph]",
        "tidy > second [planner]",
        "tools > search [graph]",
        "triage > publish [graph]",
        "triage > search [graph]",
        "write > approve [graph]",
        "write > publish [graph contracted]",
        "write > search [graph contracted]",
    ]


def test_interrupts_gate_the_named_nodes_the_node_around_them_or_the_tool(research: Model) -> None:
    assert guardrails(research) == [
        ("src/research/graph.py:32", "hitl", "log, publish"),
        ("src/research/graph.py:35", "rate_limit", "graph"),
        ("src/research/nodes.py:31", "hitl", "approve"),
        ("src/research/tools.py:15", "hitl", "send_mail"),
    ]


def test_a_node_that_invokes_an_agent_stands_for_it(teams: Model) -> None:
    assert agents(teams) == [
        ("hand_built.py:15", "search_agent", "search"),
        ("hand_built.py:16", "code_agent", "code"),
        ("hand_built.py:17", "doc_writer", "Writer"),
        ("hand_built.py:48", "draft", "draft"),
        ("hand_built.py:63", "boss", "boss"),
        ("hand_built.py:67", "sub", "sub"),
        ("hand_built.py:69", "direct", "direct"),
        ("supervisor.py:18", "math_agent", "math_expert"),
        ("supervisor.py:19", "research_agent", "research_expert"),
        ("supervisor.py:21", "workflow", "supervisor"),
        ("supervisor.py:24", "supervisor.py:24", "top_boss"),
        ("swarm.py:6", "alice", "Alice"),
        ("swarm.py:13", "bob", "Bob"),
        ("swarm.py:17", "lonely", "lonely"),
    ]
    assert [at(p) for p in only(teams, "search_agent").places] == ["hand_built.py:64"]
    assert [a.symbol for a in teams.agents if not a.identified] == ["lonely"]


def test_supervisors_swarms_and_graphs_are_crews_and_a_factory_outside_is_in_none(teams: Model) -> None:
    assert crews(teams) == [
        ("hand_built.py:18", "doc_crew", "sequential", "doc_writer"),
        ("hand_built.py:47", "sub", "graph", "draft"),
        ("hand_built.py:62", "app", "graph", "boss, search_agent, code_agent, sub, direct"),
        ("supervisor.py:21", "office", "hierarchical", "workflow, research_agent, math_agent"),
        ("supervisor.py:24", "top", "hierarchical", "top_boss, workflow, math_agent"),
        ("swarm.py:15", "swarm_app", "swarm", "alice, bob"),
    ]
    assert teams.crews_of(only(teams, "lonely")) == []
    assert [(c.name, c.checkpoint) for c in teams.crews if c.checkpoint != "none"] == [
        ("office", "durable"), ("swarm_app", "memory_only"),
    ]  # fmt: skip


def test_nodes_that_run_a_crew_or_a_graph_stand_for_it_and_delegation_follows_supervisors_and_handoffs(
    teams: Model,
) -> None:
    assert links(teams) == [
        "alice => bob [swarm_app]",
        "bob => alice [swarm_app]",
        "boss > code_agent [app]",
        "boss > doc_writer [-]",
        "boss > search_agent [app]",
        "code_agent > boss [app]",
        "doc_writer > sub [-]",
        "draft > direct [-]",
        "search_agent > boss [app]",
        "sub > draft [-]",
        "top_boss => math_agent [top]",
        "top_boss => workflow [top]",
        "workflow => math_agent [office]",
        "workflow => research_agent [office]",
    ]


def test_an_interrupt_without_a_checkpointer_is_told_as_inactive(teams: Model) -> None:
    assert guardrails(teams) == [
        ("hand_built.py:77", "off hitl", "boss, code_agent, direct, doc_crew, search_agent, sub, sub"),
        ("swarm.py:11", "hitl", "alice"),
    ]


GRAPH = """
from langchain_openai import ChatOpenAI
from langgraph.graph import StateGraph, START, END
from langgraph.types import Command, Send
from typing import Literal
llm = ChatOpenAI()
def a(s): return llm.invoke(s)
def b(s): return llm.invoke(s)
def c(s): return llm.invoke(s)
g = StateGraph(dict)
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("for f in [a, b]: g.add_node(f)\ng.add_edge('a', 'b')", ["a > b [g]"]),
        ("for n, f in [('x', a), ('y', b)]: g.add_node(n, f)\nfor s, t in [('x', 'y')]: g.add_edge(s, t)", ["x > y [g]"]),
        ("g.add_node(a)\ng.add_node(b)\ng.add_node(c)\ng.add_edge(['a', 'b'], 'c')", ["a > c [g]", "b > c [g]"]),
        ("def a(s) -> Command[Literal['b', '__end__']]: return Command(goto=llm.invoke(s))\n"
         "g.add_node(a)\ng.add_node(b)", ["a > b [g]"]),
        ("def a(s): return Command(goto=[Send('b', x) for x in llm.invoke(s)])\ng.add_node(a)\ng.add_node(b)", ["a > b [g]"]),
        ("g.add_node(a, destinations=('b', END))\ng.add_node(b)", ["a > b [g]"]),
        ("g.add_node(a)\ng.add_node(b)\ng.add_conditional_edges('a', lambda s: 'b' if s else END)", ["a > b [g]"]),
        ("g.add_node(a)\ng.add_node(b)\nm = ['b']\ng.add_conditional_edges('a', lambda s: s, {k: k for k in m})", ["a > b [g]"]),
        ("g.add_node(a)\ng.add_node(b)\ng.add_conditional_edges('a', lambda s: s, [*['b'], END])", ["a > b [g]"]),
        ("class R:\n    def __call__(self, s): return 'b'\ng.add_node(a)\ng.add_node(b)\ng.add_conditional_edges('a', R())", ["a > b [g]"]),
        ("g.add_edge('a', 'b')\ng.add_node('a', a)\ng.add_node('b', b)", ["a > b [g]"]),
        ("def fill(graph):\n    graph.add_node(a)\n    graph.add_node(b)\n    graph.add_edge('a', 'b')\nfill(g)", ["a > b [g]"]),
        ("class Own(StateGraph): pass\ng = Own(dict)\ng.add_node(a)\ng.add_node(b)\ng.add_edge('a', 'b')", ["a > b [g]"]),
    ],
)  # fmt: skip
def test_every_way_to_say_an_edge_is_read(body: str, expected: list[str]) -> None:
    assert links(run(project(main=GRAPH + body), langgraph)) == expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("class N:\n    def __call__(self, s): return llm.invoke(s)\ng.add_node('n', N())", "agent"),
        ("class N:\n    def __call__(self, s): return s\ng.add_node('n', N())", "step"),
        ("from langchain_core.runnables import RunnableLambda\ng.add_node('n', RunnableLambda(a))", "agent"),
        ("def make(k):\n    def node(s): return llm.invoke(s)\n    return node\ng.add_node('n', make(1))", "agent"),
        ("def helper(s, chain): return chain.invoke(s)\ng.add_node('n', lambda s: helper(s, llm))", "agent"),
        ("def helper(s, chain): return chain.invoke(s)\nimport functools\ng.add_node('n', functools.partial(helper, chain=llm))", "agent"),
        ("g.add_node('n', llm.invoke)", "agent"),
        ("from langchain_core.runnables import RunnablePassthrough\ng.add_node('n', RunnablePassthrough())", "step"),
        ("from langgraph.prebuilt import ToolNode\ng.add_node('n', ToolNode([a]).with_fallbacks([]))", "step"),
        ("g.add_node('n', print)", "step"),
        ("g.add_node('n', node_from_nowhere)", "agent"),
    ],
)  # fmt: skip
def test_what_a_callable_is_decides_whether_its_node_is_an_agent(body: str, kind: str) -> None:
    model = run(project(main=GRAPH + body), langgraph)
    assert ([a.name for a in model.agents], [s.name for s in model.steps]) == (
        (["n"], []) if kind == "agent" else ([], ["n"])
    )


def test_one_node_function_that_serves_two_agents_is_read_apart_for_each() -> None:
    source = (
        GRAPH
        + """
from langgraph.prebuilt import create_react_agent
first = create_react_agent(llm, [])
second = create_react_agent(llm, [])
def serve(agent):
    def node(s): return agent.invoke(s)
    return node
g.add_node("one", serve(first))
g.add_node("two", serve(second))
g.add_edge("one", "two")
"""
    )
    model = run(project(main=source), langgraph)
    assert [(a.symbol, a.name) for a in model.agents] == [("first", "one"), ("second", "two")]
    assert links(model) == ["first > second [g]"]


def test_tools_of_a_wrapped_tool_node_belong_to_the_agent_that_leads_to_it() -> None:
    source = (
        GRAPH
        + """
from langgraph.prebuilt import ToolNode, tools_condition
def look(q): return q
def with_fallback(tools): return ToolNode(tools).with_fallbacks([])
g.add_node("a", a)
g.add_node("tools", with_fallback([look]))
g.add_conditional_edges("a", tools_condition)
g.add_edge("tools", "a")
"""
    )
    model = run(project(main=source), langgraph)
    assert tools(model) == {"a": ["look"]}
    assert links(model) == ["a > tools [g]", "tools > a [g]"]


def test_loops_over_names_and_dictionaries_that_grow_are_unrolled() -> None:
    source = (
        GRAPH
        + """
def make_market(model):
    def node(s): return (model | str).invoke(s)
    return node
def clear():
    def node(s): return {}
    return node
class Setup:
    def build(self, chosen=["market", "news"]):
        nodes, clears = {}, {}
        nodes = {}
        clears = {}
        if "market" in chosen:
            nodes["market"] = make_market(llm)
            clears["market"] = clear()
        if "news" in chosen:
            nodes["news"] = make_market(llm)
            clears["news"] = clear()
        flow = StateGraph(dict)
        for kind, node in nodes.items():
            flow.add_node(f"{kind.capitalize()} Analyst", node)
            flow.add_node("Clear " + kind, clears[kind])
        flow.add_node("End", a)
        for i, kind in enumerate(chosen):
            current = f"{kind.capitalize()} Analyst"
            flow.add_edge(current, "Clear " + kind)
            flow.add_conditional_edges("Clear " + kind, lambda s: s, {"END": END, **{k: k for k in ["End"]}})
        return flow.compile()
"""
    )
    model = run(project(main=source), langgraph)
    assert [a.name for a in model.agents] == ["Market Analyst", "News Analyst", "End"]
    assert [s.name for s in model.steps] == ["Clear market", "Clear news"]
    assert links(model) == [
        "Clear market > End [flow]",
        "Clear news > End [flow]",
        "Market Analyst > Clear market [flow]",
        "Market Analyst > End [flow contracted]",
        "News Analyst > Clear news [flow]",
        "News Analyst > End [flow contracted]",
    ]


@pytest.mark.parametrize("made", ["nodes: dict[str, ToolNode]", "nodes"])
def test_tool_nodes_taken_from_a_collection_are_steps(made: str) -> None:
    source = (
        GRAPH
        + f"""
from langgraph.prebuilt import ToolNode
def look(q): return q
class Setup:
    def __init__(self, {made}): self.nodes = nodes
    def build(self, kind):
        flow = StateGraph(dict)
        flow.add_node("tools", self.nodes[kind])
def make():
    return {{"x": ToolNode([look]), "y": ToolNode([look])}}
"""
    )
    model = run(project(main=source + ("" if ":" in made else "Setup(make())\n")), langgraph)
    assert ([a.name for a in model.agents], [s.name for s in model.steps]) == ([], ["tools"])


def test_a_class_around_a_graph_gives_its_node_the_tools_that_its_constructor_binds() -> None:
    source = """
from langgraph.graph import StateGraph, END
from langchain_openai import ChatOpenAI
from langchain_community.tools.tavily_search import TavilySearchResults
class Agent:
    def __init__(self, model, tools, system=""):
        graph = StateGraph(dict)
        graph.add_node("llm", self.call_openai)
        graph.add_node("action", self.take_action)
        graph.add_conditional_edges("llm", self.exists_action, {True: "action", False: END})
        graph.add_edge("action", "llm")
        graph.set_entry_point("llm")
        self.graph = graph.compile()
        self.tools = {t.name: t for t in tools}
        self.model = model.bind_tools(tools)
    def exists_action(self, state): return len(state["messages"][-1].tool_calls) > 0
    def call_openai(self, state): return {"messages": [self.model.invoke(state["messages"])]}
    def take_action(self, state):
        return [self.tools[t["name"]].invoke(t["args"]) for t in state["messages"][-1].tool_calls]
tool = TavilySearchResults(max_results=4)
abot = Agent(ChatOpenAI(model="gpt-4o"), [tool], system="x")
abot.graph.invoke({"messages": []})
"""
    model = run(project(main=source), langgraph)
    assert tools(model) == {"llm": ["TavilySearchResults"]}
    assert [s.name for s in model.steps] == ["action"]
    assert [(c.name, c.run) for c in model.crews] == [("graph", True)]


def test_a_method_that_runs_a_crew_built_inside_it_stands_for_that_crew() -> None:
    source = """
from crewai import Agent, Crew, Task
from langgraph.graph import StateGraph
class EmailCrew:
    def __init__(self):
        self.writer = Agent(role="Writer", goal="-", backstory="-")
    def kickoff(self, state):
        crew = Crew(agents=[self.writer], tasks=[Task(description="-", expected_output="-", agent=self.writer)])
        return {**state, "drafts": crew.kickoff()}
class Nodes:
    def wait(self, state): return state
nodes = Nodes()
flow = StateGraph(dict)
flow.add_node("wait", nodes.wait)
flow.add_node("draft", EmailCrew().kickoff)
flow.add_edge("draft", "wait")
app = flow.compile()
"""
    model = run(project(main=source), crewai, langgraph)
    assert [a.name for a in model.agents] == ["Writer"]
    assert crews(model) == [("main.py:8", "EmailCrew", "sequential", "EmailCrew.writer")]
    assert links(model) == ["EmailCrew.writer > wait [-]"]


@pytest.mark.parametrize(
    "folder", ["crewai_travel", "crewai_book", "crewai_desk", "langgraph_research", "langgraph_teams"]
)
def test_the_other_detectors_neither_add_to_these_repositories_nor_take_from_them(folder: str) -> None:
    own, together = detected(folder, crewai, langgraph)[1], detect(tree(FIXTURES / folder))
    assert agents(together) == agents(own)
    assert crews(together) == crews(own)
    assert links(together) == links(own)
    assert tools(together) == tools(own)


def test_handoff_tools_of_a_factory_are_several_tools_and_edges_of_the_graph() -> None:
    source = """
from langchain_core.tools import tool
from langgraph.prebuilt import create_react_agent
from langgraph.graph import StateGraph, START
from langgraph.types import Command
def handoff(*, agent_name: str, description: str = ""):
    name = f"transfer_to_{agent_name}"
    @tool(name, description=description)
    def handoff_tool(state) -> Command:
        return Command(goto=agent_name, update={}, graph=Command.PARENT)
    return handoff_tool
to_hotel = handoff(agent_name="hotel", description="x")
flight = create_react_agent("m", tools=[to_hotel], name="flight")
hotel = create_react_agent("m", tools=[handoff(agent_name="flight")], name="hotel")
graph = StateGraph(dict).add_node(flight).add_node(hotel).add_edge(START, "flight").compile()
"""
    model = run(project(main=source), langgraph)
    assert tools(model) == {"flight": ["transfer_to_hotel"], "hotel": ["transfer_to_flight"]}
    assert links(model) == ["flight > hotel [graph]", "hotel > flight [graph]"]


def test_a_node_that_checks_tool_calls_is_a_step_also_when_it_is_of_a_class_of_the_repository() -> None:
    source = """
from langgraph.graph import StateGraph
from langgraph.prebuilt import ValidationNode
class Checking(ValidationNode):
    def _func(self, state): return state
graph = StateGraph(dict)
graph.add_node("check", Checking([]))
graph.add_node("plain", ValidationNode([]))
"""
    model = run(project(main=source), langgraph)
    assert (agents(model), [s.name for s in model.steps]) == ([], ["check", "plain"])


def test_nodes_that_callers_of_a_factory_hand_in_are_what_their_functions_are() -> None:
    source = """
from langchain_openai import ChatOpenAI
from langgraph.graph import StateGraph
llm = ChatOpenAI()
def build(nodes, write_name, run_name, review_name="review"):
    graph = StateGraph(dict)
    graph.add_node(write_name, nodes[write_name])
    graph.add_node(run_name, nodes[run_name])
    graph.add_node(review_name, nodes[review_name])
    graph.add_edge(write_name, run_name)
    graph.add_edge(run_name, write_name)
    return graph.compile()
def write(s): return llm.invoke(s)
def execute(s): return s
def other(s): return llm.invoke(s)
first = build({"write": write, "execute": execute, "review": execute}, "write", "execute")
second = build(nodes={"draft": other, "execute": execute, "look": write}, write_name="draft", run_name="execute")
"""
    model = run(project(main=source), langgraph)
    assert [name for _, name, _ in agents(model)] == ["{write_name}"]
    assert [s.name for s in model.steps] == ["execute", "review"]
    assert [f.name for f in model.agents[0].code] == ["write", "other"]


def test_nodes_of_dictionaries_that_a_method_fills_are_what_their_makers_make() -> None:
    source = """
from langchain_openai import ChatOpenAI
from langgraph.graph import StateGraph
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel, Field
class Setup(BaseModel):
    llm: ChatOpenAI = Field(...)
    ready: dict[str, ToolNode] = Field(...)
    def made(self, kinds):
        makers = {"news": make_news, "market": make_market}
        asking = {}
        clearing = {}
        running = {}
        for kind in kinds:
            asking[kind] = makers[kind](self.llm)
            clearing[kind] = make_clear()
            running[kind] = self.ready[kind]
        return asking, clearing, running
    def build(self, kinds):
        asking, clearing, running = self.made(kinds)
        graph = StateGraph(dict)
        for kind, node in asking.items():
            graph.add_node(f"{kind} analyst", node)
            graph.add_node(f"clear {kind}", clearing[kind])
            graph.add_node(f"tools {kind}", running[kind])
        return graph.compile()
def make_news(llm):
    def news(s): return llm.invoke(s)
    return news
def make_market(llm):
    def market(s): return llm.invoke(s)
    return market
def make_clear():
    def clear(s): return s
    return clear
"""
    model = run(project(main=source), langgraph)
    assert [name for _, name, _ in agents(model)] == ["{kind} analyst"]
    assert [s.name for s in model.steps] == ["clear {kind}", "tools {kind}"]
    assert [f.name for f in model.agents[0].code] == ["news", "market"]
