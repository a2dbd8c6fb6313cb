"""Rules STRATUM-CR01 to -CR06: what arises between agents of one crew."""

from __future__ import annotations

import pytest

from stratum_lab.scan.model import Agent, Crew, Link, McpServer, Step, Task
from tests.support.rules import fired, scan_of
from tests.support.static_models import ModelMaker


def pair(make: ModelMaker) -> tuple[Agent, Agent, Crew]:
    reader, actor = make.agent("librarian"), make.agent("clerk")
    return reader, actor, make.crew("office", reader, actor)


def test_a_reader_and_an_actor_with_one_tool_are_confirmed_by_capabilities() -> None:
    make = ModelMaker()
    reader, actor, crew = pair(make)
    make.tool("SharedTool", reader, actor)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("wipe", "destructive", "sqlite", actor)
    finding = fired(make.model)["STRATUM-CR01"]
    assert (finding.severity, finding.confidence.label, finding.instances[0].crew) == ("HIGH", "confirmed", crew)


def test_roles_alone_make_a_probable_pair() -> None:
    make = ModelMaker()
    reader, actor = make.agent("Mail Reader"), make.agent("Answer Sender")
    make.crew("office", reader, actor)
    make.tool("SharedTool", reader, actor)
    assert fired(make.model)["STRATUM-CR01"].confidence.label == "probable"


@pytest.mark.parametrize("fix", ["hitl on actor", "filter on reader", "own tools", "search only", "no person"])
def test_every_fix_of_the_shared_tool_ends_it(fix: str) -> None:
    make = ModelMaker()
    reader, actor, _ = pair(make)
    make.tool("SharedTool", *((reader,) if fix == "own tools" else (reader, actor)))
    make.capability("read", "data_access", "sqlite", reader)
    act = make.capability("act", "outbound" if fix in ("search only", "no person") else "destructive", "web", actor)
    act.search_only = fix == "search only"
    if fix == "hitl on actor":
        make.guard("hitl", actor)
    if fix == "filter on reader":
        make.guard("output_filter", reader)
    assert "STRATUM-CR01" not in fired(make.model)


def test_one_agent_that_reads_and_acts_is_no_pair() -> None:
    make = ModelMaker()
    reader, actor, _ = pair(make)
    make.tool("SharedTool", reader, actor)
    make.capability("read", "data_access", "sqlite", actor)
    make.capability("wipe", "destructive", "sqlite", actor)
    assert "STRATUM-CR01" not in fired(make.model)


@pytest.mark.parametrize(
    ("size", "process", "fires"),
    [(2, "sequential", False), (3, "sequential", True), (3, "hierarchical", False), (3, "graph", True)],
)
def test_chains_of_three_without_validation_fire(size: int, process: str, fires: bool) -> None:
    make = ModelMaker()
    make.crew("chain", *(make.agent(f"step {i}") for i in range(size)), process=process)
    assert ("STRATUM-CR02" in fired(make.model)) is fires


@pytest.mark.parametrize(("at", "fires"), [(0, False), (1, False), (2, True)])
def test_validation_of_the_last_task_alone_does_not_protect_the_chain(at: int, fires: bool) -> None:
    make = ModelMaker()
    agents = [make.agent(f"step {i}") for i in range(3)]
    crew = make.crew("chain", *agents)
    for i, agent in enumerate(agents):
        task = Task(make.site(), f"task {i}", agent, validated=i == at)
        crew.tasks.append(task)
        make.model.tasks.append(task)
    assert ("STRATUM-CR02" in fired(make.model)) is fires


def test_a_reader_feeding_an_unapproved_actor_steers_it() -> None:
    make = ModelMaker()
    reader, actor, crew = pair(make)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("wipe", "destructive", "sqlite", actor)
    finding = fired(make.model)["STRATUM-CR03"]
    assert (finding.confidence.label, [i.crew for i in finding.instances]) == ("probable", [crew])
    make.guard("hitl", actor)
    assert "STRATUM-CR03" not in fired(make.model)


def test_a_delegation_steers_and_an_agent_that_acts_itself_does_not() -> None:
    make = ModelMaker()
    reader, actor = make.agent("librarian"), make.agent("clerk")
    crew = make.crew("office", reader, actor, process="hierarchical", ordered=False)
    make.capability("wipe", "destructive", "sqlite", actor)
    make.model.links.append(Link(reader, actor, "delegates_to", crew))
    assert "STRATUM-CR03" not in fired(make.model)  # takes nothing in
    make.capability("fetch", "outbound", "web", reader)
    assert "STRATUM-CR03" in fired(make.model)
    make.capability("shell", "code_exec", "", reader)
    assert "STRATUM-CR03" not in fired(make.model)


def test_a_link_without_a_crew_belongs_to_every_crew_of_both_ends() -> None:
    make = ModelMaker()
    reader, actor, other = make.agent("librarian"), make.agent("clerk"), make.agent("porter")
    both = make.crew("both", reader, actor, process="handoff", ordered=False)
    make.crew("one", reader, other, process="handoff", ordered=False)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("wipe", "destructive", "sqlite", actor)
    make.model.links.append(Link(reader, actor, "delegates_to"))
    assert [i.crew for i in fired(make.model)["STRATUM-CR03"].instances] == [both]


def test_a_flow_link_between_crews_is_attributed_to_none() -> None:
    make = ModelMaker()
    reader, actor = make.agent("librarian"), make.agent("clerk")
    make.crew("first", reader)
    make.crew("second", actor)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("wipe", "destructive", "sqlite", actor)
    make.model.links.append(Link(reader, actor, "feeds_into", flow=True))
    assert [i.crew for i in fired(make.model)["STRATUM-CR03"].instances] == [None]


def test_members_listed_in_no_order_do_not_feed_each_other() -> None:
    make = ModelMaker()
    reader, actor = make.agent("librarian"), make.agent("clerk")
    make.crew("pair", reader, actor, process="sequential", ordered=False)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("wipe", "destructive", "sqlite", actor)
    assert "STRATUM-CR03" not in fired(make.model)


def test_two_senders_on_one_channel_cross_and_on_two_do_not() -> None:
    make = ModelMaker()
    first, second, crew = pair(make)
    make.capability("mail", "outbound", "email", first).channel = "email"
    other = make.capability("mail2", "outbound", "email", second)
    other.channel = "slack"
    assert "STRATUM-CR04" not in fired(make.model)
    other.channel = "email"
    assert [i.crew for i in fired(make.model)["STRATUM-CR04"].instances] == [crew]


def test_shared_tools_rank_by_holders_then_sinks_then_name_and_a_fourth_only_counts() -> None:
    make = ModelMaker()
    a, b, c = make.agent("a"), make.agent("b"), make.agent("c")
    crew = make.crew("trio", a, b, c, process="hierarchical", ordered=False)
    make.tool("ZWide", a, b, c)
    make.tool("BPlain", a, b)
    make.tool("APlain", a, b)
    make.tool("YSink", b, c)
    make.capability("post", "outbound", "web", c)
    found = fired(make.model)
    named = {rule: found[rule].instances[0].subjects[-1] for rule in found if rule.startswith("STRATUM-CR05")}
    assert named == {"STRATUM-CR05": "ZWide", "STRATUM-CR05.1": "YSink", "STRATUM-CR05.2": "APlain"}
    assert (found["STRATUM-CR05"].severity, found["STRATUM-CR05.1"].severity) == ("CRITICAL", "HIGH")
    assert found["STRATUM-CR05"].instances[0].text.startswith("3 of the 3 agents of trio")
    assert found["STRATUM-CR05"].instances[0].crew is crew


@pytest.mark.check("V5", "V7")
def test_blast_radius_speaks_of_the_crew_and_not_of_the_repository() -> None:
    make = ModelMaker()
    for _ in range(7):
        make.agent("elsewhere")
    make.tool("Tool", *pair(make)[:2])
    assert "2 of the 2 agents" in fired(make.model)["STRATUM-CR05"].instances[0].text


def test_an_mcp_server_is_no_external_service_below_a_shared_tool() -> None:
    make = ModelMaker()
    agents = [make.agent(name) for name in "abc"]
    make.crew("trio", *agents)
    tool = make.tool("Tool", *agents)
    tool.server = McpServer(make.site(), "crm", url="https://crm.example", remote=True)
    make.model.mcp_servers.append(tool.server)
    make.capability("crm", "outbound", "web", *agents, tools=(tool,))
    assert fired(make.model)["STRATUM-CR05"].severity == "HIGH"


def test_a_link_to_a_step_is_no_handover() -> None:
    make = ModelMaker()
    reader, actor = make.agent("librarian"), make.agent("clerk")
    crew = make.crew("graph", reader, actor, process="graph", ordered=False)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("wipe", "destructive", "sqlite", actor)
    step = Step(make.site(), "langgraph", "tools")
    make.model.steps.append(step)
    make.model.links += [Link(reader, step, "feeds_into", crew), Link(step, actor, "feeds_into", crew)]
    assert "STRATUM-CR03" not in fired(make.model)


def test_three_holders_without_a_sink_below_are_high() -> None:
    make = ModelMaker()
    agents = [make.agent(name) for name in "abc"]
    make.crew("trio", *agents)
    make.tool("Tool", *agents)
    assert fired(make.model)["STRATUM-CR05"].severity == "HIGH"


def screened(make: ModelMaker, later: int) -> Crew:
    agents = [make.agent("Content Filter"), *(make.agent(f"writer {i}") for i in range(later))]
    for agent in agents:
        make.capability(f"{agent.name}.read", "data_access", "gmail", agent)
    return make.crew("desk", *agents)


def test_reading_past_a_filter_gives_two_ids_and_counts_the_rest() -> None:
    make = ModelMaker()
    crew = screened(make, 3)
    scan = scan_of(make.model)
    found = {f.rule: f for f in scan.findings if f.rule.startswith("STRATUM-CR06")}
    assert {rule: f.instances[0].subjects for rule, f in found.items()} == {
        "STRATUM-CR06": ("Content Filter", "writer 0"),
        "STRATUM-CR06.1": ("Content Filter", "writer 1"),
    }
    assert scan.control_bypasses == 3
    assert all(f.instances[0].crew is crew for f in found.values())


def test_a_filter_by_its_task_counts_and_a_hierarchical_crew_does_not() -> None:
    make = ModelMaker()
    crew = screened(make, 1)
    crew.members[0].name = crew.members[0].role = "assistant"
    assert scan_of(make.model).control_bypasses == 0
    crew.tasks.append(Task(make.site(), "step", crew.members[0], text="Verify every claim."))
    assert scan_of(make.model).control_bypasses == 1
    crew.process, crew.ordered = "hierarchical", False
    assert scan_of(make.model).control_bypasses == 0
