"""The topology graph of hand-made models: ids, edges, trust, sensitivity, control coverage."""

from __future__ import annotations

from stratum_lab.fold.join import parse_id
from stratum_lab.scan.graph import Edge
from stratum_lab.scan.model import Agent, GroupChat, Guardrail, Link, McpServer, Site, Step, Task, Tool
from stratum_lab.scan.structure import structural_graph
from stratum_lab.scan.topology import build
from tests.support.static_models import ModelMaker


def triples(edges: list[Edge], *kinds: str) -> set[tuple[str, str, str]]:
    """Edges by the names of their ends."""
    return {
        (parse_id(e.source).name, e.edge_type, parse_id(e.target).name)
        for e in edges
        if not kinds or e.edge_type in kinds
    }


def test_every_kind_of_capability_has_its_edges() -> None:
    make = ModelMaker()
    agent = make.agent("worker")
    make.capability("inbox", "data_access", "gmail", agent)
    make.capability("post", "outbound", "web", agent)
    make.capability("wipe", "destructive", "postgresql", agent)
    make.capability("shell", "code_exec", "", agent)
    make.capability("charge", "financial", "stripe", agent)
    make.capability("look", "file_system", "local_files", agent)
    topology = build(make.model)
    assert triples(topology.edges) == {
        ("gmail", "reads_from", "inbox"),
        ("post", "sends_to", "web"),
        ("wipe", "writes_to", "postgresql"),
        ("shell", "sends_to", "host"),
        ("charge", "sends_to", "stripe"),
        ("inbox", "shares_with", "post"),
        ("inbox", "shares_with", "charge"),
        *((name, "tool_of", "worker") for name in ("inbox", "post", "wipe", "shell", "charge", "look")),
    }
    trust = {node.name: node.trust for node in topology.nodes.values() if node.node_type != "capability"}
    assert trust == {
        "worker": "internal", "gmail": "restricted", "web": "external", "postgresql": "internal", "host": "privileged",
        "stripe": "external",
    }  # fmt: skip


def test_a_service_that_is_read_and_sent_to_is_two_nodes() -> None:
    make = ModelMaker()
    agent = make.agent("clerk")
    make.capability("GmailToolkit", "data_access", "gmail", agent)
    make.capability("GmailToolkit", "outbound", "gmail", agent)
    nodes = build(make.model).nodes
    assert nodes["generic:gmail:-:0"].node_type == "data_store"
    assert nodes["generic:gmail:-:0#external"].node_type == "external"


def test_capabilities_of_two_units_share_no_store() -> None:
    make = ModelMaker()
    make.agent("a")
    make.capability("one", "data_access", "sqlite", unit="apps/one")
    make.capability("two", "data_access", "sqlite", unit="apps/two")
    stores = [i for i, node in build(make.model).nodes.items() if node.node_type == "data_store"]
    assert stores == ["generic:sqlite:apps/one:0", "generic:sqlite:apps/two:0"]


def test_ids_keep_two_agents_of_one_line_apart() -> None:
    make = ModelMaker()
    for column in (4, 40):
        make.model.add_agent(Agent(Site("a.py", 3, column), "crewai", "x", "Plan: a\n  B"))
    assert list(build(make.model).nodes) == ["crewai:Plan_ a B:a.py:3", "crewai:Plan_ a B:a.py:3#2"]


def test_one_pair_of_agents_that_share_tools_has_one_edge() -> None:
    make = ModelMaker()
    first, second, other = make.agent("first"), make.agent("second"), make.agent("other")
    make.tool("Search", second, first, other)
    make.tool("Fetch", first, second)
    make.crew("pair", second, first)
    make.crew("alone", other)
    assert triples(build(make.model).edges, "shares_tool") == {("first", "shares_tool", "second")}


def test_members_of_a_sequential_crew_feed_each_other_in_order() -> None:
    make = ModelMaker()
    a, b, c = make.agent("a"), make.agent("b"), make.agent("c")
    make.crew("line", b, a, c)
    make.crew("graph", c, b, process="graph")
    assert triples(build(make.model).edges) == {("b", "feeds_into", "a"), ("a", "feeds_into", "c")}


def test_what_a_detector_linked_in_a_crew_is_not_added_to() -> None:
    make = ModelMaker()
    a, b, c = make.agent("a"), make.agent("b"), make.agent("c")
    crew = make.crew("line", a, b, c)  # b has no task
    make.model.links.append(Link(a, c, "feeds_into", crew))
    assert triples(build(make.model).edges) == {("a", "feeds_into", "c")}


def test_a_chat_without_a_manager_delegates_from_its_first_participant() -> None:
    make = ModelMaker()
    a, b, c = make.agent("a", "autogen"), make.agent("b", "autogen"), make.agent("c", "autogen")
    chat = GroupChat(make.site(), "autogen", "team")
    make.model.chats.append(chat)
    crew = make.crew("team", a, b, c, process="selector", ordered=False)
    crew.chat = chat
    make.model.links += [Link(chat, agent, "delegates_to", crew) for agent in (a, b, c)]
    topology = build(make.model)
    assert triples(topology.edges) == {("a", "delegates_to", "b"), ("a", "delegates_to", "c")}
    graph = structural_graph(make.model, topology, "0" * 12, None)
    assert {(parse_id(e.source).name, parse_id(e.target).name) for e in graph.edges} == {
        ("team", "a"), ("team", "b"), ("team", "c"),
    }  # fmt: skip
    assert [n.groups for n in graph.nodes if n.node_type == "group_chat"] == [["team"]]


def test_an_edge_inside_a_crew_is_no_flow_link_even_when_a_flow_repeats_it() -> None:
    make = ModelMaker()
    a, b = make.agent("a"), make.agent("b")
    crew = make.crew("pair", a, b, ordered=False)
    for links in ([True, False], [False, True]):
        make.model.links = [Link(a, b, "feeds_into", None if flow else crew, flow=flow) for flow in links]
        assert [edge.flow_link for edge in build(make.model).edges] == [False]


def test_steps_are_published_and_contracted() -> None:
    make = ModelMaker()
    a, b = make.agent("a", "langgraph"), make.agent("b", "langgraph")
    step = Step(make.site(), "langgraph", "clean")
    make.model.steps.append(step)
    crew = make.crew("flow", a, b, process="graph")
    make.model.links += [
        Link(a, step, "feeds_into", crew),
        Link(step, b, "feeds_into", crew),
        Link(a, b, "feeds_into", crew, contracted=True),
    ]
    topology = build(make.model)
    assert triples(topology.edges) == {("a", "feeds_into", "b")}
    graph = structural_graph(make.model, topology, "0" * 12, "c" * 40)
    assert [n.node_type for n in graph.nodes] == ["agent", "agent", "step"]
    assert {(parse_id(e.source).name, parse_id(e.target).name) for e in graph.edges} == {("a", "clean"), ("clean", "b")}
    assert all(n.groups == ["flow"] for n in graph.nodes)
    assert len({e.edge_id for e in graph.edges}) == 2


def test_a_repository_without_agents_publishes_an_empty_graph() -> None:
    graph = structural_graph(ModelMaker().model, None, "0" * 12, None)
    assert graph.nodes == [] and graph.edges == []


def test_sensitivity_flows_forward_and_stops_at_a_filter() -> None:
    make = ModelMaker()
    reader, writer, sender = make.agent("reader"), make.agent("writer"), make.agent("sender")
    make.capability("inbox", "data_access", "gmail", reader)
    make.capability("table", "data_access", "postgresql", sender)
    make.capability("post", "outbound", "web", sender)
    make.crew("line", reader, writer, sender)
    levels = {n.name: n.level for n in build(make.model).nodes.values()}
    assert levels == {
        "gmail": "personal", "inbox": "personal", "reader": "personal", "writer": "personal", "sender": "personal",
        "postgresql": "internal", "table": "internal", "post": "personal", "web": "unknown",
    }  # fmt: skip
    make.guard("output_filter", writer)
    levels = {n.name: n.level for n in build(make.model).nodes.values()}
    assert (levels["writer"], levels["sender"], levels["post"]) == ("personal", "internal", "internal")
    make.guard("input_filter", reader)
    assert {n.name: n.level for n in build(make.model).nodes.values()}["reader"] == "unknown"


def test_a_filter_of_the_agent_stops_what_its_reader_shares_with_its_sender() -> None:
    make = ModelMaker()
    agent = make.agent("clerk")
    make.capability("inbox", "data_access", "gmail", agent)
    make.capability("post", "outbound", "web", agent)
    make.guard("output_filter", agent)
    levels = {n.name: n.level for n in build(make.model).nodes.values()}
    assert (levels["clerk"], levels["post"]) == ("personal", "unknown")


def test_an_edge_needs_a_control_for_what_it_carries_or_where_it_ends() -> None:
    make = ModelMaker()
    agent = make.agent("clerk")
    make.capability("inbox", "data_access", "gmail", agent)
    post = make.capability("post", "outbound", "web", agent)
    topology = build(make.model)
    # inbox reads, inbox and post are tools, inbox shares with post, post sends: all carry personal data.
    assert (topology.edges_needing_control, topology.controlled_edges) == (5, 0)
    tool = make.tool("post", agent)
    post.tools.append(tool)
    make.guard("hitl", tool)
    topology = build(make.model)
    assert (topology.edges_needing_control, topology.controlled_edges) == (5, 3)


def test_public_data_needs_no_control_until_it_leaves() -> None:
    make = ModelMaker()
    agent = make.agent("searcher")
    make.capability("find", "data_access", "wikipedia", agent)
    make.capability("find", "outbound", "wikipedia", agent)
    assert build(make.model).edges_needing_control == 1


def test_guardrails_link_by_evidence_only() -> None:
    make = ModelMaker()
    agent, other = make.agent("a"), make.agent("b")
    crew = make.crew("both", agent, other)
    tool = Tool("Send", "Send", "class", make.site())
    make.capability("Send", "outbound", "web", agent, tools=(tool,))
    step = Step(make.site(), "langgraph", "tools")
    stepped = make.capability("run", "destructive", "sqlite")
    stepped.steps.append(step)
    make.guard("hitl", Task(make.site(), "t", other))
    make.guard("rate_limit", crew)
    make.guard("validation", Task(make.site(), "u"))
    make.guard("output_filter", tool)
    make.guard("hitl", step)
    make.guard("hitl", agent, active=False)
    make.guard("hitl")
    topology = build(make.model)
    assert sum(n.node_type == "guardrail" for n in topology.nodes.values()) == 6
    assert triples(topology.edges, "filtered_by", "gated_by") == {
        ("b", "gated_by", "hitl"),
        ("a", "gated_by", "rate_limit"),
        ("b", "gated_by", "rate_limit"),
        ("Send", "filtered_by", "output_filter"),
        ("run", "gated_by", "hitl"),
    }


def test_a_filter_without_a_target_covers_the_agents_of_its_unit() -> None:
    make = ModelMaker()
    make.agent("here", unit="x")
    make.agent("there", unit="y")
    make.model.guardrails.append(Guardrail(make.site(), "input_filter", "generic", unit="x", by_unit=True))
    assert triples(build(make.model).edges) == {("here", "filtered_by", "input_filter")}


def test_two_signals_of_one_kind_on_one_line_are_one_guardrail() -> None:
    make = ModelMaker()
    agent = make.agent("a")
    for column in (1, 9):
        make.model.guardrails.append(Guardrail(Site("a.py", 9, column), "hitl", "crewai", targets=[agent]))
    topology = build(make.model)
    assert topology.metrics.graph_node_count == 2 and topology.metrics.graph_edge_count == 1


def test_an_mcp_tool_sends_to_its_server() -> None:
    make = ModelMaker()
    agent = make.agent("a")
    server = McpServer(make.site(), "files", url="https://mcp.acme.io", remote=True)
    tool = Tool("files", "files", "mcp", make.site(), server=server)
    agent.hold([tool])
    make.capability("files", "outbound", "", agent, tools=(tool,))
    topology = build(make.model)
    assert triples(topology.edges) == {
        ("files", "tool_of", "a"), ("files", "sends_to", "files"), ("a", "connects_to", "files"),
    }  # fmt: skip
    assert [n.trust for n in topology.nodes.values() if n.node_type == "mcp_server"] == ["external"]
    assert topology.edges_needing_control == 2


def test_a_capability_of_one_tool_bears_the_name_it_is_registered_under() -> None:
    make = ModelMaker()
    agent = make.agent("a")
    plain = Tool("SerperDevTool", "SerperDevTool", "class", Site("t.py", 5))
    named = Tool("tools.look_up", "Look it up", "function", Site("t.py", 9))
    make.capability("SerperDevTool", "outbound", "web_search", agent, tools=(plain,))
    make.capability("tools.look_up", "data_access", "sqlite", agent, tools=(named,))
    graph = structural_graph(make.model, build(make.model), "0" * 12, None)
    make.crew("solo", agent)
    graph = structural_graph(make.model, build(make.model), "0" * 12, None)
    assert all(n.groups == ["solo"] for n in graph.nodes if n.node_type == "capability")
    names = {n.name: [p.line for p in n.places] for n in graph.nodes if n.node_type == "capability"}
    assert names == {"Search the internet with Serper": [5], "Look it up": [9]}


def test_large_models_are_measured_without_blowing_up() -> None:
    make = ModelMaker()
    agents = [make.agent(f"a{n}") for n in range(2000)]
    for n in range(0, 2000, 20):
        make.crew(f"c{n}", *agents[n : n + 20])
        make.tool(f"t{n}", *agents[n : n + 20])
    for n, agent in enumerate(agents):
        make.capability(f"read{n}", "data_access", "gmail", agent)
        make.capability(f"send{n}", "outbound", "web", agent)
    topology = build(make.model)
    assert topology.metrics.graph_node_count == 6002
    assert topology.metrics.connected_components == 1
    assert topology.metrics.longest_chain == 21  # store, reader, then 20 agents
