"""Runs against a supplied structural graph (section 2.3): rows of the table, contraction, ambiguity, emergence."""

from __future__ import annotations

import random
from typing import Any

import pytest

from stratum_lab.contract.events import GraphEdge, GraphNode, Place, StructuralGraph
from stratum_lab.fold import (
    canonical_json,
    derive_record,
    derive_topology,
    non_trivial_edge_validation,
    validate_record,
)
from tests.support.fold import REPO, event, node, runs_of
from tests.support.fold_streams import IDS, dense_stream

R, W = "crewai:Researcher:crew.py:10", "crewai:Writer:crew.py:20"
R_RUN, W_RUN = "crewai:Researcher:crew.py:11", "crewai:Writer:crew.py:21"  # the same agents, one line lower
SEARCH = "crewai:search:tools.py:5"
TOOL = node(SEARCH, "capability")


def graph(nodes: list[GraphNode], edges: list[tuple[str, str, str]]) -> StructuralGraph:
    return StructuralGraph(
        repo_id=REPO,
        nodes=nodes,
        edges=[GraphEdge(edge_id=f"s{n}", source=a, target=b, edge_type=k) for n, (a, b, k) in enumerate(edges, 1)],
    )


def of(node_id: str, node_type: str = "agent", **fields: Any) -> GraphNode:
    parts = node_id.partition("#")[0].rsplit(":", 2)
    values = {"name": parts[0].split(":", 1)[1], "file": parts[1], "line": int(parts[2]), **fields}
    return GraphNode(node_id=node_id, node_type=node_type, **values)


def record(structure: StructuralGraph, *runs: list[dict[str, Any]]) -> dict[str, Any]:
    derived = derive_record(REPO, runs_of(*runs), structure)
    assert derived is not None
    assert validate_record(derived) == []
    return derived


def counts(rec: dict[str, Any]) -> dict[str, int]:
    return {k: v["traversal_count"] for k, v in rec["edge_validation"]["activation_rates"].items()}


STORE, EXTERNAL, SERVER = "generic:postgresql:-:0", "generic:stripe:-:0", "generic:files:mcp.json:0"
CAP = "crewai:search:tools.py:5#outbound"
TEAM, MANAGER = "autogen:team:t.py:3", "autogen:boss:t.py:1"
P, Q = "autogen:p:t.py:7", "autogen:q:t.py:8"
NODES = [
    of(R), of(W), of(CAP, "capability"), of(STORE, "data_store", service="postgresql"),
    of(EXTERNAL, "external", service="stripe"), of(SERVER, "mcp_server"), of(TEAM, "group_chat"), of(MANAGER),
    of(P), of(Q),
    of("mcp:read:-:0#data_access", "capability", service="files"), of("generic:hitl:crew.py:3", "guardrail"),
]  # fmt: skip
USE = event("tool.invoked", R_RUN, target=TOOL)
DONE = event("tool.completed", R_RUN, target=TOOL, status="success")
CALL = event("external.call", "generic:http:api.stripe.com:http.py:0", domain="api.stripe.com")
CHOICE = {"routing_type": "speaker_selection"}


@pytest.mark.parametrize(
    ("edge", "seen", "not_seen"),
    [
        ((CAP, R, "tool_of"), [USE], [event("tool.invoked", W_RUN, target=TOOL)]),
        ((R, W, "delegates_to"), [event("delegation.initiated", R_RUN, target=W_RUN)],
         [event("agent.task_start", W_RUN)]),
        ((R, W, "feeds_into"), [event("agent.task_start", W_RUN, input_source=R_RUN)],
         [event("agent.task_start", R_RUN, input_source=W_RUN), event("delegation.initiated", R_RUN, target=W_RUN)]),
        ((R, W, "feeds_into"), [event("routing.decision", R_RUN, source_node=R_RUN, selected_target=W_RUN)], []),
        ((R, W, "feeds_into"), [event("edge.traversed", R_RUN, target=W_RUN)], []),
        ((P, Q, "feeds_into"),
         [event("routing.decision", TEAM, source_node=TEAM, selected_target=Q, previous_speaker=P, **CHOICE)],
         [event("routing.decision", TEAM, source_node=TEAM, selected_target=Q, **CHOICE)]),
        ((P, Q, "feeds_into"),
         [event("agent.task_start", P), event("routing.decision", TEAM, source_node=TEAM, selected_target=Q,
                                              previous_speaker="P", **CHOICE)], []),
        ((MANAGER, Q, "delegates_to"), [event("delegation.initiated", "autogen:boss:x.py:9", target=Q,
                                              delegation_type="speaker_selection")], []),
        ((TEAM, Q, "delegates_to"), [event("delegation.initiated", "autogen:team:x.py:9", target=Q,
                                           delegation_type="speaker_selection")], []),
        ((STORE, CAP, "reads_from"), [USE], [event("agent.task_start", R_RUN)]),
        ((STORE, CAP, "reads_from"),
         [event("state.access", R_RUN, accessor_node=R_RUN, state_key="postgresql", access_type="read")],
         [event("state.access", R_RUN, accessor_node=R_RUN, state_key="postgresql", access_type="write")]),
        ((CAP, STORE, "writes_to"),
         [event("state.access", R_RUN, accessor_node=R_RUN, state_key="postgresql", access_type="write")],
         [event("state.access", R_RUN, accessor_node=R_RUN, state_key="redis", access_type="write")]),
        ((CAP, EXTERNAL, "sends_to"), [USE, CALL, DONE], [USE, DONE, CALL]),
        ((CAP, EXTERNAL, "sends_to"), [USE, CALL], [CALL, USE, event("external.call", "x", domain="example.org")]),
        ((R, SERVER, "connects_to"), [event("tool.invoked", R_RUN, target=node("mcp:read:-:0", "capability"))], [USE]),
        ((R, W, ""), [event("delegation.initiated", R_RUN, target=W_RUN)],
         [event("delegation.initiated", W_RUN, target=R_RUN)]),
        ((R, W, "reviews"), [], [event("delegation.initiated", R_RUN, target=W_RUN)]),
    ],
)  # fmt: skip
def test_each_kind_of_edge_is_seen_by_the_facts_of_its_row(
    edge: tuple[str, str, str], seen: list[dict[str, Any]], not_seen: list[dict[str, Any]]
) -> None:
    structure = graph(NODES, [edge])
    if seen:
        assert counts(record(structure, seen)) == {"s1": 1}
        assert counts(record(structure, not_seen, seen, seen)) == {"s1": 2}
    assert counts(record(structure, not_seen)) == {"s1": 0}


def test_kinds_that_no_event_can_show_are_left_out_and_counted() -> None:
    hidden = [(CAP, "generic:hitl:crew.py:3", k) for k in ("filtered_by", "gated_by")]
    structure = graph(NODES, [*hidden, (R, W, "shares_tool"), (CAP, CAP, "shares_with"), (R, W, "feeds_into")])
    assert list(counts(record(structure, [USE]))) == ["s5"]
    topology = derive_topology(REPO, runs_of([USE]), structure)
    assert (topology.edges_structural, topology.edges_not_observable) == (1, 4)


def test_dead_edges_say_why() -> None:
    structure = graph(NODES, [(R, W, "feeds_into"), (W, R, "guards"), (P, Q, "feeds_into")])
    rec = record(
        structure, [event("agent.task_start", R_RUN), event("agent.task_start", W_RUN)], [event("file.read", P)]
    )
    dead = rec["edge_validation"]["dead_edges"]
    assert [d["possible_reasons"] for d in dead] == [
        ["nodes_active_but_edge_never_traversed"],
        ["nodes_active_but_edge_never_traversed", "guard_edge_may_be_bypass_only"],
        [f"target_node_never_activated:{Q}"],
    ]
    assert {d["runs_observed"] for d in dead} == {2}
    assert rec["edge_validation"]["structural_edges_activated"] == 0
    assert not non_trivial_edge_validation(rec)


def test_lists_hold_structural_ids_and_what_cannot_be_seen_stays_out() -> None:
    model = node("openai:ChatCompletion:-:0", "capability")
    nodes = [
        of(R),
        of(W),
        of(CAP, "capability"),
        of("generic:hitl:c.py:1", "guardrail"),
        of("langgraph:tidy:g.py:1", "step"),
    ]
    rec = record(graph(nodes, []), [event("agent.task_start", R_RUN), event("llm.call_start", model), USE], [USE])
    assert rec["node_activation"] == {
        "always_active": sorted([R, CAP]),
        "conditional": ["openai:ChatCompletion:-:0"],
        "never_active": [W],
        "structural_prediction_match_rate": 0.75,
    }
    assert "langgraph:tidy:x.py:9" not in canonical_json(
        record(graph(nodes, []), [event("agent.task_start", "langgraph:tidy:x.py:9")])
    )


START, END_ = "langgraph:plan:g.py:1", "langgraph:act:g.py:3"
STEP = "langgraph:clean:g.py:2"
STEPS = [of(START), of(STEP, "step"), of(END_), of("langgraph:stop:g.py:4")]


def route(a: str, b: str) -> dict[str, Any]:
    return event("routing.decision", a, source_node=a, selected_target=b, routing_type="conditional_edge")


def test_steps_are_joined_through_on_both_sides() -> None:
    structure = graph(STEPS, [(START, STEP, "feeds_into"), (STEP, END_, "feeds_into")])
    rec = record(structure, [route(START, STEP), route(STEP, END_)], [route(START, STEP)], [route(START, END_)])
    entry = rec["edge_validation"]["activation_rates"]
    assert list(entry) == ["s1+s2"]
    assert (entry["s1+s2"]["source"], entry["s1+s2"]["target"], entry["s1+s2"]["traversal_count"]) == (START, END_, 2)
    assert rec["emergent_edges"] == []
    assert non_trivial_edge_validation(rec)


def test_a_chain_and_a_cycle_of_steps_end() -> None:
    other = "langgraph:again:g.py:9"
    edges = [(START, STEP), (STEP, other), (other, STEP), (other, END_), (START, END_)]
    rec = record(
        graph([*STEPS, of(other, "step")], [(a, b, "feeds_into") for a, b in edges]), [event("patcher.status")]
    )
    assert list(counts(rec)) == ["s5"]  # the drawn edge keeps its id, the joined one is the same triple


def test_a_chain_of_two_steps_is_passed_through_on_both_sides() -> None:
    other = "langgraph:again:g.py:9"
    edges = [(START, STEP), (STEP, other), (other, END_)]
    structure = graph([*STEPS, of(other, "step")], [(a, b, "feeds_into") for a, b in edges])
    rec = record(structure, [route(a, b) for a, b in edges], [route(a, b) for a, b in edges[:2]])
    assert counts(rec) == {"s1+s2+s3": 1}


def test_a_chat_that_hands_over_through_a_step_is_not_emergent() -> None:
    structure = graph([of(TEAM, "group_chat"), of(STEP, "step"), of(Q)], [])
    assert record(structure, [route(TEAM, STEP), route(STEP, Q)])["emergent_edges"] == []


def test_an_unpredicted_hand_over_through_a_step_is_emergent() -> None:
    stop = "langgraph:stop:g.py:4"
    structure = graph(STEPS, [(START, STEP, "feeds_into"), (STEP, END_, "feeds_into")])
    rec = record(structure, [route(START, STEP), route(STEP, stop)])
    assert [(e["source"], e["target"], e["edge_type"]) for e in rec["emergent_edges"]] == [
        (START, stop, "delegates_to")
    ]


def test_only_agent_agent_and_agent_tool_edges_without_a_structural_pair_are_emergent() -> None:
    crew, lg, chat = "crewai:Crew:crew.py:1", "langgraph:app:g.py:1", "autogen:chat:c.py:1"
    stranger = "crewai:Stranger:crew.py:30"
    structure = graph(NODES, [(R, W, "feeds_into"), (CAP, R, "tool_of")])
    lines = [
        event("execution.start", crew),
        event("execution.start", lg),
        event("agent.task_start", stranger),
        event("agent.task_start", W_RUN, parent_node_id=crew),
        event("agent.task_start", W_RUN, parent_node_id=lg),
        event("delegation.initiated", chat, target=W_RUN, delegation_type="speaker_selection"),
        event("llm.call_end", node("openai:Chat:-:0", "capability"), active_node_stack=[R_RUN]),
        event("state.access", R_RUN, accessor_node=R_RUN, state_key="plan", access_type="write"),
        event("agent.task_start", W_RUN, input_source="delegation"),
        event("routing.decision", R_RUN, source_node=R_RUN, selected_target="__end__"),
        USE,
        event("delegation.initiated", R_RUN, target=W_RUN),  # same pair, other type
        event("tool.invoked", W_RUN, target=TOOL),
        event("delegation.initiated", W_RUN, target=R_RUN),
        event("agent.task_start", stranger, input_source=W_RUN),
    ]
    rec = record(structure, lines)
    assert [(e["source"], e["target"], e["edge_type"]) for e in rec["emergent_edges"]] == [
        (W, CAP, "uses"),
        (W, R, "delegates_to"),
        (W, stranger, "reads_from"),
    ]
    assert {e["classification"] for e in rec["emergent_edges"]} == {"consistent"}


def test_a_chat_that_routes_a_handover_is_no_agent() -> None:
    swarm = "autogen:swarm:t.py:30"
    handover = event("routing.decision", swarm, source_node=swarm, selected_target=Q, routing_type="handoff")
    lines = [handover, event("delegation.initiated", P, target=Q, delegation_type="handoff")]
    rec = record(graph([of(P), of(Q)], []), lines)
    assert [(e["source"], e["target"]) for e in rec["emergent_edges"]] == [(P, Q)]


def test_errors_travel_along_structural_ids() -> None:
    structure = graph(NODES, [(R, W, "feeds_into"), (W, CAP, "tool_of"), (R, P, "shares_tool")])
    rec = record(
        structure, [event("error.occurred", R_RUN), event("error.propagated", W_RUN), event("error.occurred", R)]
    )
    (first, second) = rec["error_propagation"]
    assert first["structural_predicted_path"] == [R, W, CAP]
    assert (first["actual_observed_path"], first["propagation_stopped_by"]) == ([R, W], W)
    assert second["error_source_node"] == W_RUN  # R was the second id of one structural node: no seed of its own


def test_two_agents_with_one_role_are_told_apart_by_crew_then_place() -> None:
    one, two = "crewai:Editor:a.py:5", "crewai:Editor:b.py:5"
    nodes = [of(one, groups=["Alpha"]), of(two, groups=["Beta"], places=[Place(file="c.py", line=7)])]
    structure = graph(nodes, [])

    def active(*lines: dict[str, Any]) -> list[str]:
        found: list[str] = record(structure, list(lines))["node_activation"]["always_active"]
        return found

    assert active(event("agent.task_start", "crewai:Editor:c.py:7")) == [two]
    assert active(event("agent.task_start", "crewai:Editor:a.py:99")) == [one]
    crew = event("agent.task_start", "crewai:Editor:-:0", parent_node_id="crewai:Beta:x.py:1")
    assert active(crew) == [two]
    assert active(event("agent.task_start", "crewai:Editor:-:0")) == [one, two]
    topology = derive_topology(REPO, runs_of([crew]), structure)
    assert (topology.ambiguous_nodes, topology.nodes_structural, topology.nodes_both) == (2, 2, 1)


def test_kinds_of_one_capability_are_one_thing_seen() -> None:
    kinds = [of(f"{SEARCH}#{kind}", "capability") for kind in ("outbound", "data_access")]
    structure = graph([of(R), *kinds], [(k.node_id, R, "tool_of") for k in kinds])
    rec = record(structure, [USE])
    assert counts(rec) == {"s1": 1, "s2": 1}
    assert derive_topology(REPO, runs_of([USE]), structure).ambiguous_nodes == 0


def test_names_with_placeholders_match_what_fills_them() -> None:
    static = "crewai:{topic} Senior {kind} Expert:c.py:1"
    rec = record(graph([of(static)], []), [event("agent.task_start", "crewai:AI  agents Senior data expert\n:x.py:3")])
    assert rec["node_activation"]["always_active"] == [static]
    unfilled = record(graph([of(static)], []), [event("agent.task_start", "crewai: Senior data Expert:x.py:3")])
    assert unfilled["node_activation"]["never_active"] == [static]


def test_crews_and_graphs_are_not_joined_with_agents_of_their_name() -> None:
    rec = record(graph([of(R)], []), [event("execution.start", "crewai:Researcher:main.py:1")])
    assert rec["node_activation"]["never_active"] == [R]


def test_stores_and_externals_are_joined_by_service() -> None:
    files = "generic:local_files:-:0"
    nodes = [of(files, "data_store", service="local_files"), of(EXTERNAL, "external", service="stripe"),
             of("generic:example.org:-:0", "external", service="example.org")]  # fmt: skip
    lines = [
        event("file.read", node("generic:file_io:out/report.md:0", "data_store")),
        event("external.call", node("generic:http:httpx:api.stripe.com:http.py:0", "external")),
        event("external.call", node("generic:http:api.example.org:http.py:0", "external")),
    ]
    activation = record(graph(nodes, []), lines)["node_activation"]
    assert activation["always_active"] == sorted(n.node_id for n in nodes)


def test_the_web_stands_for_hosts_that_the_source_does_not_spell() -> None:
    web = "generic:web:-:0"
    nodes = [of(CAP, "capability"), of(web, "external", service="web"), of(EXTERNAL, "external", service="stripe")]
    structure = graph(nodes, [(CAP, web, "sends_to"), (CAP, EXTERNAL, "sends_to")])
    other = event("external.call", node("generic:http:h.example.org:e.py:0", "external"), domain="h.example.org")
    rec = record(structure, [USE, CALL], [USE, other])
    assert counts(rec) == {"s1": 1, "s2": 1}
    assert web in rec["node_activation"]["conditional"]


def test_a_graph_that_arrives_later_only_changes_the_derivation() -> None:
    runs = runs_of([USE, event("delegation.initiated", R_RUN, target=W_RUN)])
    before, structure = derive_record(REPO, runs, None), graph(NODES, [(R, W, "delegates_to")])
    with_graph = derive_record(REPO, runs, structure)
    assert before is not None and with_graph is not None
    assert list(before["edge_validation"]["activation_rates"]) == ["e1", "e2"]
    assert counts(with_graph) == {"s1": 1}
    assert derive_record(REPO, runs, None) == before


def test_an_empty_graph_predicts_nothing() -> None:
    rec = record(graph([], []), [event("delegation.initiated", R_RUN, target=W_RUN)])
    assert rec["edge_validation"]["structural_edges_total"] == 0
    assert [(e["source"], e["target"]) for e in rec["emergent_edges"]] == [(R_RUN, W_RUN)]


TYPES = ("agent", "capability", "data_store", "external", "mcp_server", "guardrail", "step", "group_chat", "odd")
KINDS = (
    "tool_of", "delegates_to", "feeds_into", "reads_from", "writes_to", "sends_to", "connects_to", "filtered_by",
    "gated_by", "shares_tool", "shares_with", "guards", "calls", "",
)  # fmt: skip
SERVICES = (None, "postgresql", "stripe", "messages")


def random_graph(rng: random.Random) -> StructuralGraph:
    """Any types between any nodes: those of the streams, near misses, patterns, and ends that are no node."""
    ids = [
        *IDS,
        "crewai:{who}:a.py:1",
        "crewai:A:other.py:8",
        "crewai:Tool:t.py:1#outbound",
        "generic:stripe:-:0",
        "odd",
    ]
    nodes = [
        GraphNode(
            node_id=i,
            node_type=rng.choice(TYPES),
            name=i.split(":")[1] if ":" in i else i,
            groups=rng.sample(["x", "y", "A"], rng.randint(0, 2)),
            service=rng.choice(SERVICES),
        )
        for i in rng.sample(ids, rng.randint(0, len(ids)))
    ]
    edges = [
        GraphEdge(
            edge_id=f"s{rng.randint(1, 12)}",
            source=rng.choice(ids),
            target=rng.choice(ids),
            edge_type=rng.choice(KINDS),
        )
        for _ in range(rng.randint(0, 14))
    ]
    return StructuralGraph(repo_id=REPO, nodes=nodes, edges=edges)


@pytest.mark.parametrize("block", range(4))
def test_any_graph_against_any_runs_gives_a_valid_record_and_consistent_overlap(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        rng = random.Random(seed)
        runs = runs_of(*(dense_stream(rng.randint(0, 10**6), 40) for _ in range(rng.randint(1, 3))))
        structure = random_graph(rng)
        rec = derive_record(REPO, runs, structure)
        assert rec is not None and validate_record(rec) == [], seed
        assert canonical_json(rec) == canonical_json(derive_record(REPO, runs[::-1], structure) or {})
        topology = derive_topology(REPO, runs, structure)
        edges = rec["edge_validation"]
        assert topology.edges_structural == edges["structural_edges_total"]
        assert topology.edges_both == edges["structural_edges_activated"]
        assert topology.edges_runtime == topology.edges_both + len(rec["emergent_edges"])
        assert topology.nodes_both <= min(topology.nodes_structural, topology.nodes_runtime)
        listed = rec["node_activation"]
        hidden = {n.node_id for n in structure.nodes if n.node_type in ("guardrail", "step")}
        assert not hidden.intersection(listed["never_active"])
        plain = derive_record(REPO, runs, None)
        assert plain is not None and plain["failure_modes"][0] == rec["failure_modes"][0]
