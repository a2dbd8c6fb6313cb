"""CrewAI fixture repositories, written the awkward ways real ones are, give exactly what a reader counts in them."""

# ruff: noqa: E501 - sources under test stand on one line each

from __future__ import annotations

from pathlib import Path

import pytest

from stratum_lab.scan.detect import crewai
from stratum_lab.scan.model import Confidence, Model
from tests.support.detected import detected, run
from tests.support.model_lines import agents, crews, guardrails, links, only, tools
from tests.support.projects import project, tree


@pytest.fixture(scope="module")
def travel() -> Model:
    """Plain Python of the first CrewAI examples: factory classes, tasks that take their agent as a parameter."""
    return detected("crewai_travel", crewai)[1]


@pytest.fixture(scope="module")
def book() -> Model:
    """The flow template: three crews in folders of their own, with YAML, persistence and a router."""
    return detected("crewai_book", crewai)[1]


@pytest.fixture(scope="module")
def desk() -> Model:
    """Lists of every kind, subclasses, crew classes without a crew call, a unit of YAML only."""
    return detected("crewai_desk", crewai)[1]


def test_factories_define_one_agent_each_and_tests_vendored_code_and_notebooks_none(travel: Model) -> None:
    assert agents(travel) == [
        ("tools/browser_tools.py:13", "agent", "Principal Researcher"),
        ("trip_agents.py:13", "TripAgents.city_selection_agent", "City Selection Expert"),
        ("trip_agents.py:22", "expert", "Local Expert of this city"),
        ("trip_agents.py:35", "TripAgents.travel_concierge", "Amazing Travel Concierge"),
    ]
    assert [a.symbol for a in travel.agents if a.delegation_allowed] == ["TripAgents.travel_concierge"]


def test_an_agent_made_inside_a_tool_counts_but_is_in_no_crew(travel: Model) -> None:
    inline = only(travel, "agent")
    assert inline.inline
    assert travel.crews_of(inline) == []


def test_tools_come_through_module_lists_sums_and_growth(travel: Model) -> None:
    pair = ["SearchTools.search_internet", "BrowserTools.scrape_and_summarize_website"]
    assert tools(travel) == {
        "TripAgents.city_selection_agent": pair,
        "expert": pair,
        "TripAgents.travel_concierge": [*pair, "CalculatorTools.calculate"],
    }


def test_members_stand_in_the_order_of_the_tasks_even_when_a_factory_gets_the_agent(travel: Model) -> None:
    assert crews(travel) == [
        (
            "main.py:25",
            "TripCrew",
            "sequential",
            "TripAgents.city_selection_agent, expert, TripAgents.travel_concierge",
        ),
        ("main.py:38", "short", "sequential", "expert, TripAgents.travel_concierge"),
    ]
    assert links(travel) == [
        "TripAgents.city_selection_agent > expert [TripCrew]",
        "expert > TripAgents.travel_concierge [TripCrew]",
        "expert > TripAgents.travel_concierge [short]",
    ]
    assert all(crew.run and crew.ordered for crew in travel.crews)


def test_a_task_factory_called_for_two_agents_is_a_task_of_each(travel: Model) -> None:
    (short,) = [crew for crew in travel.crews if crew.name == "short"]
    assert [(t.name, t.agent.symbol) for t in short.tasks if t.agent] == [
        ("Answer {question}", "expert"),
        ("Answer {question}", "TripAgents.travel_concierge"),
    ]


def test_controls_stand_where_they_are_written_and_cover_the_task_and_its_agent(travel: Model) -> None:
    assert guardrails(travel) == [
        ("trip_agents.py:27", "rate_limit", "expert"),
        ("trip_tasks.py:22", "hitl", "Gather facts, expert"),
        ("trip_tasks.py:25", "validation", "TripAgents.travel_concierge, Write the plan"),
    ]


def test_a_yaml_key_and_the_method_that_reads_it_are_one_agent(book: Model) -> None:
    assert agents(book) == [
        ("src/book/crews/outline_crew/outline_crew.py:23", "OutlineCrew.outline_agent", "Outliner"),
        ("src/book/crews/outline_crew/outline_crew.py:28", "OutlineCrew.researcher", "{topic} Senior Researcher"),
        ("src/book/crews/outline_crew/outline_crew.py:32", "OutlineCrew.ghost", "ghost"),
        ("src/book/crews/review/review.py:16", "critic", "Critic"),
        ("src/book/crews/review/review.py:17", "second", "Critic"),
        ("src/book/crews/write_crew/write_crew.py:11", "WriteCrew.researcher", "Researcher"),
        ("src/book/crews/write_crew/write_crew.py:15", "WriteCrew.writer", "Writer"),
        ("src/book/crews/write_crew/write_crew.py:19", "WriteCrew.editor", "Editor in chief"),
    ]
    folder = "src/book/crews/outline_crew"
    assert [f"{p.file}:{p.line}" for p in only(book, "OutlineCrew.outline_agent").places] == [
        f"{folder}/config/agents.yaml:12",
        f"{folder}/outline_crew.py:25",
    ]


def test_a_key_that_the_file_lacks_is_marked_and_silence_of_python_is_filled_from_yaml(book: Model) -> None:
    assert [a.symbol for a in book.agents if a.config_missing] == ["OutlineCrew.ghost"]
    assert {a.symbol for a in book.agents if a.delegation_allowed} == {"OutlineCrew.outline_agent", "WriteCrew.editor"}
    assert tools(book) == {
        "OutlineCrew.outline_agent": ["ShelfTool", "SerperDevTool"],
        "OutlineCrew.researcher": ["SerperDevTool"],
        "WriteCrew.writer": ["FileWriterTool", "ScrapeWebsiteTool"],
    }
    assert all(a.identified for a in book.agents)


def test_each_folder_with_a_crew_is_a_unit_so_that_equal_names_stay_apart(book: Model) -> None:
    units = {a.symbol: a.unit for a in book.agents}
    assert units["OutlineCrew.researcher"] == "src/book/crews/outline_crew"
    assert units["WriteCrew.researcher"] == "src/book/crews/write_crew"


def test_crews_of_templates_have_their_members_process_manager_and_persistence(book: Model) -> None:
    assert crews(book) == [
        ("src/book/crews/outline_crew/outline_crew.py:46", "OutlineCrew", "sequential",
         "OutlineCrew.researcher, OutlineCrew.outline_agent, OutlineCrew.ghost"),
        ("src/book/crews/review/review.py:20", "build_review", "sequential", "critic, second"),
        ("src/book/crews/write_crew/write_crew.py:28", "WriteCrew", "hierarchical",
         "WriteCrew.writer, WriteCrew.researcher, WriteCrew.editor"),
    ]  # fmt: skip
    assert [(c.memory, c.checkpoint, c.rate_limited, c.run) for c in book.crews] == [
        (True, "durable", False, True),
        (False, "durable", False, True),
        (False, "durable", True, True),
    ]
    assert [c.manager.symbol if c.manager else None for c in book.crews] == [None, None, "WriteCrew.editor"]


def test_a_flow_joins_crews_along_listeners_routers_and_helper_methods(book: Model) -> None:
    assert links(book) == [
        "OutlineCrew.outline_agent > WriteCrew.writer [flow]",
        "OutlineCrew.outline_agent > critic [flow]",
        "OutlineCrew.researcher > OutlineCrew.outline_agent [OutlineCrew]",
        "WriteCrew.editor => WriteCrew.researcher [WriteCrew]",
        "WriteCrew.editor => WriteCrew.writer [WriteCrew]",
        "WriteCrew.editor > critic [flow]",
        "critic > second [build_review]",
    ]


def test_controls_of_yaml_count_where_python_is_silent(book: Model) -> None:
    assert guardrails(book) == [
        ("src/book/crews/outline_crew/config/agents.yaml:1", "rate_limit", "OutlineCrew.researcher"),
        ("src/book/crews/outline_crew/config/tasks.yaml:7", "hitl", "OutlineCrew.outline_agent, outline_task"),
        ("src/book/crews/review/review.py:17", "rate_limit", "second"),
        ("src/book/crews/review/review.py:18", "validation", "Review the book, critic"),
        ("src/book/crews/write_crew/write_crew.py:23", "validation", "WriteCrew.writer, write_chapter"),
        ("src/book/crews/write_crew/write_crew.py:33", "rate_limit", "WriteCrew"),
    ]


def test_agents_in_lists_dicts_subclasses_and_newer_syntax_are_all_found(desk: Model) -> None:
    assert [(place, name) for place, _, name in agents(desk)] == [
        ("desk/decorated.py:14", "Shared"),
        ("desk/decorated.py:21", "One"),
        ("desk/decorated.py:25", "Two"),
        ("desk/decorated.py:29", "Three"),
        ("desk/decorated.py:38", "Reviewer"),
        ("desk/team.py:18", "make"),
        ("desk/team.py:29", "First"),
        ("desk/team.py:30", "Second"),
        ("desk/team.py:32", "Reader of files"),
        ("desk/team.py:33", "Clerk"),
        ("desk/team.py:55", "A"),
        ("desk/team.py:55", "B"),
        ("desk/team.py:70", "desk/team.py:70"),
        ("desk/team.py:74", "Solo"),
        ("desk/team.py:75", "Direct"),
        ("newer/pipeline.py:13", "Writer of old books"),
        ("yaml_only/config/agents.yaml:1", "Planner"),
        ("yaml_only/config/agents.yaml:7", "Doer of things"),
    ]
    assert only(desk, "Desk.clerk").code_execution == "docker"
    assert not only(desk, "make").identified


def test_yaml_agents_count_only_where_no_code_of_the_unit_defines_one(desk: Model) -> None:
    of_yaml = [a for a in desk.agents if a.site.file.endswith((".yaml", ".yml"))]
    assert [(a.symbol, a.unit, a.confidence) for a in of_yaml] == [
        ("planner", "yaml_only", Confidence.PROBABLE),
        ("doer", "yaml_only", Confidence.PROBABLE),
    ]
    assert [t.identity for t in of_yaml[0].tools] == ["SerperDevTool"]


def test_tools_are_those_given_to_the_agent_itself(desk: Model) -> None:
    assert tools(desk) == {
        "First": ["SerperDevTool", "FileReadTool"],
        "Second": ["SerperDevTool", "FileReadTool", "grep"],
        "Reader of files": ["Lookup"],
        "Desk.clerk": ["FileManagementToolkit", "GmailToolkit"],
        "make": ["grep"],
        "solo": ["npx"],
        "planner": ["SerperDevTool"],
    }
    restricted, free = only(desk, "Desk.clerk").tools
    assert (restricted.selected, free.selected) == (("read_file",), None)
    (server,) = only(desk, "solo").mcp_servers
    assert (server.package, server.version, server.publisher, server.remote) == ("@acme/notes", "0.3.1", "acme", False)


def test_members_are_followed_and_crews_without_any_are_none(desk: Model) -> None:
    assert crews(desk) == [
        ("desk/decorated.py:19", "NoCall", "sequential", "Shared.shared, NoCall.one, NoCall.two, NoCall.three"),
        ("desk/decorated.py:47", "Reviewing", "sequential", "Reviewing.reviewer"),
        ("desk/team.py:43", "Desk", "sequential", "First, Second, Reader of files, Desk.clerk"),
        ("desk/team.py:46", "Desk (2)", "hierarchical", "Desk.clerk, make"),
        ("desk/team.py:57", "pair", "sequential", "B, A"),
        ("desk/team.py:61", "everyone", "sequential", "A, B"),
        ("desk/team.py:71", "late_binding", "sequential", "desk/team.py:70"),
        ("newer/pipeline.py:15", "crew", "sequential", "writer"),
    ]
    assert [(c.name, c.unknown_members) for c in desk.crews if c.unknown_members] == [("Desk (2)", 1)]
    assert [c.name for c in desk.crews if c.run] == ["Desk", "pair"]


def test_a_manager_that_is_only_a_model_is_no_agent_and_delegates_nothing(desk: Model) -> None:
    (led,) = [c for c in desk.crews if c.process == "hierarchical"]
    assert led.manager is None
    assert links(desk) == [
        "A > B [everyone]",
        "B > A [pair]",
        "First > Second [Desk]",
        "NoCall.one > NoCall.two [NoCall]",
        "NoCall.two > NoCall.three [NoCall]",
        "Reader of files > Desk.clerk [Desk]",
        "Second > Reader of files [Desk]",
        "Shared.shared > NoCall.one [NoCall]",
    ]


HEAD = """
from crewai import Agent, Crew, Task, Process
from crewai.flow.flow import Flow, start, listen, router
from crewai.knowledge.source.pdf_knowledge_source import PDFKnowledgeSource
from crewai.knowledge.source.string_knowledge_source import StringKnowledgeSource
from other import Memory
a = Agent(role="A", goal="-", backstory="-")
b = Agent(role="B", goal="-", backstory="-")
m = Agent(role="M", goal="-", backstory="-")
ta = Task(description="-", expected_output="-", agent=a)
tb = Task(**{"description": "-", "expected_output": "-", "agent": b})
SETTINGS = {"agents": [a, b], "verbose": True}
"""


@pytest.mark.parametrize(
    ("crew", "members", "edges"),
    [
        ("agents=[b, a], tasks=[ta, tb]", ["A", "B"], ["a > b [c]"]),
        ("agents=[b, a], tasks=[ta, Task(description='-', expected_output='-')]", ["B", "A"], ["b > a [c]"]),
        ("agents=[b, a, m], tasks=[ta, tb]", ["A", "B", "M"], ["a > b [c]"]),
        ("tasks=[tb, ta, tb]", ["B", "A"], ["b > a [c]"]),
        ("agents=[a, b], tasks=[], process='hierarchical', manager_agent=m", ["A", "B", "M"], ["m => a [c]", "m => b [c]"]),
        ("agents=[a, b], tasks=[], process=Process.hierarchical, manager_llm='gpt-4o'", ["A", "B"], []),
        ("agents=[a, b], tasks=[], manager_agent=m", ["A", "B", "M"], ["a > b [c]"]),
        ("agents=(a, b)", ["A", "B"], ["a > b [c]"]),
        ("**dict(agents=[a, b], tasks=[tb, ta])", ["B", "A"], ["b > a [c]"]),
        ("**SETTINGS", ["A", "B"], ["a > b [c]"]),
        ("agents=[a, a]", ["A"], []),
        ("agents=list(filter(None, [a, b]))", [], []),
        ("agents=[x for x in load()]", [], []),
    ],
)  # fmt: skip
def test_order_and_edges_of_a_crew_follow_its_tasks_process_and_manager(
    crew: str, members: list[str], edges: list[str]
) -> None:
    model = run(project(main=f"{HEAD}c = Crew({crew})\n"), crewai)
    assert [agent.name for made in model.crews for agent in made.members] == members
    assert links(model) == edges


def test_knowledge_is_a_store_that_the_agent_or_the_whole_crew_reads() -> None:
    model = run(
        project(main=HEAD + "d = Agent(role='D', goal='-', backstory='-', knowledge_sources=[PDFKnowledgeSource(file_paths=[])])\n"
                "k = StringKnowledgeSource(content='x')\nCrew(agents=[a, d], knowledge_sources=[k])\n"),
        crewai,
    )  # fmt: skip
    assert [(c.symbol, c.kind, c.service, [x.name for x in c.agents]) for c in model.capabilities] == [
        ("PDFKnowledgeSource", "data_access", "local_files", ["D"]),
        ("StringKnowledgeSource", "data_access", "chroma", ["A", "D"]),
    ]


@pytest.mark.parametrize(("given", "kept"), [("True", True), ("False", False), ("None", False), ("Memory()", True)])
def test_memory_of_a_crew_is_a_switch_or_an_object(given: str, kept: bool) -> None:
    (crew,) = run(project(main=f"{HEAD}Crew(agents=[a], memory={given})\n"), crewai).crews
    assert crew.memory is kept


def test_a_router_that_loops_back_joins_no_crew_with_itself() -> None:
    source = (
        HEAD
        + """
one = Crew(agents=[a], tasks=[ta])
two = Crew(agents=[b], tasks=[tb])
class Loop(Flow):
    @start("again")
    def begin(self):
        one.kickoff()
    @router(begin)
    def check(self):
        return "again" if self.state else "done"
    @listen("done")
    def finish(self):
        two.kickoff()
"""
    )
    assert links(run(project(main=source), crewai)) == ["a > b [flow]"]


def test_a_role_read_from_an_entry_of_the_configuration_is_that_entry(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text("boss:\n  role: Big boss\n  goal: -x\nspare:\n  role: Spare\n  goal: -x\n")
    (tmp_path / "main.py").write_text(
        "import yaml\nfrom crewai import Agent\ncfg = yaml.safe_load(open('agents.yaml'))\n"
        "boss = Agent(role=cfg['boss']['role'], goal=cfg['boss']['goal'], backstory='-')\n"
    )
    assert agents(run(tree(tmp_path), crewai)) == [("main.py:4", "boss", "Big boss")]


def test_tools_of_mcp_servers_are_known_by_the_server_however_a_crew_gets_them() -> None:
    source = """
from crewai import Agent
from crewai.project import CrewBase, agent
from crewai_tools import SerperDevTool
from mcp import StdioServerParameters
@CrewBase
class Desk:
    mcp_server_params = [
        StdioServerParameters(command="uvx", args=["notes-mcp==1.4.0"], env={"NOTES_TOKEN": "x"}),
        {"url": "https://mcp.acme.io/sse", "transport": "sse"},
    ]
    @agent
    def reader(self):
        return Agent(role="Reader", goal="-", backstory="-", tools=self.get_mcp_tools() + [SerperDevTool()])
    @agent
    def caller(self):
        return Agent(role="Caller", goal="-", backstory="-", mcps=["https://mcp.exa.ai/mcp"])
"""
    model = run(project(main=source), crewai)
    assert tools(model) == {"Desk.reader": ["uvx", "mcp.acme.io", "SerperDevTool"], "Desk.caller": ["mcp.exa.ai"]}
    servers = {s.name: (s.package, s.version, s.remote, s.authenticated) for s in model.mcp_servers}
    assert servers == {
        "uvx": ("notes-mcp", "1.4.0", False, True),
        "mcp.acme.io": ("", "", True, False),
        "mcp.exa.ai": ("", "", True, False),
    }
    assert [s.name for s in only(model, "Desk.reader").mcp_servers] == ["uvx", "mcp.acme.io"]
