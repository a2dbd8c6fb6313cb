"""Graph metrics against brute force and known shapes; difference and overlap of the two graphs."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations

import pytest

from stratum_lab.contract.events import GraphEdge, GraphMetrics, GraphNode, StructuralGraph
from stratum_lab.fold import derive_topology
from stratum_lab.fold.state import Edge
from stratum_lab.fold.topology import FLOW, graph_metrics
from tests.support.fold import REPO, event, runs_of

TYPES = ("feeds_into", "delegates_to", "shares_tool", "gated_by")


def quotient(numerator: int, denominator: int, places: int) -> float:
    """Rounded half up, by decimal arithmetic."""
    if not denominator:
        return 0.0
    return float((Decimal(numerator) / denominator).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def brute(nodes: set[str], edges: list[Edge], has_agent: bool) -> GraphMetrics:
    """Every metric from its definition, by exhaustive search."""
    triples = {e for e in edges if e[0] != e[1]}
    nodes = nodes | {x for e in triples for x in e[:2]}
    near = {n: {b if a == n else a for a, b, _ in triples if n in (a, b)} for n in nodes}
    distance = {n: spread(n, near) for n in nodes}
    triangles = sum(b in near[a] and c in near[a] and c in near[b] for a, b, c in combinations(sorted(nodes), 3))
    triads = sum(len(v) * (len(v) - 1) // 2 for v in near.values())
    degrees = [sum(n in e[:2] for e in triples) for n in nodes]
    n, e, top = len(nodes), len(triples), max(degrees, default=0)
    return GraphMetrics(
        graph_node_count=n,
        graph_edge_count=e,
        edge_density=quotient(e, n * (n - 1), 6),
        diameter=max([has_agent, *(max(d.values()) for d in distance.values())]),
        avg_degree=quotient(2 * e, n, 2),
        max_degree=top,
        clustering_coefficient=quotient(3 * triangles, triads, 4),
        connected_components=len({frozenset(d) for d in distance.values()}),
        longest_chain=chain({e[:2] for e in triples if e[2] in FLOW}),
        hub_score=quotient(top, n, 2),
    )


def spread(start: str, near: dict[str, set[str]]) -> dict[str, int]:
    found = {start: 0}
    queue = [start]
    for node in queue:
        for other in sorted(near[node] - found.keys()):
            found[other] = found[node] + 1
            queue.append(other)
    return found


def chain(edges: set[tuple[str, str]]) -> int:
    """Longest directed path, -1 for a cycle: extend all paths until none can grow."""
    paths, length = [[a, b] for a, b in sorted(edges)], 0
    while paths:
        length += 1
        grown = [[*p, b] for p in paths for a, b in sorted(edges) if a == p[-1]]
        if any(p[-1] in p[:-1] for p in grown):
            return -1
        paths = grown
    return length


@pytest.mark.parametrize("block", range(4))
def test_metrics_equal_their_definitions_on_random_graphs(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        rng = random.Random(seed)
        names = [f"n{i}" for i in range(rng.randint(0, 7))]
        edges = [
            (rng.choice(names), rng.choice(names), rng.choice(TYPES)) for _ in range(rng.randint(0, 10) if names else 0)
        ]
        has_agent = rng.random() < 0.5
        assert graph_metrics(names, edges, has_agent=has_agent) == brute(set(names), edges, has_agent), seed


def test_known_shapes() -> None:
    star = graph_metrics([], [("hub", f"n{i}", "feeds_into") for i in range(9)], has_agent=True)
    assert (star.max_degree, star.hub_score, star.diameter, star.longest_chain) == (9, 0.9, 2, 1)
    lone = graph_metrics(["a"], [("a", "a", "feeds_into")], has_agent=True)
    assert (lone.graph_edge_count, lone.diameter, lone.connected_components, lone.longest_chain) == (0, 1, 1, 0)
    both = graph_metrics([], [("a", "b", "feeds_into"), ("b", "a", "delegates_to")], has_agent=False)
    assert (both.longest_chain, both.edge_density, both.diameter) == (-1, 1.0, 1)
    hidden = graph_metrics([], [("a", "b", "feeds_into"), ("b", "a", "gated_by")], has_agent=False)
    assert hidden.longest_chain == 1
    empty = graph_metrics([], [], has_agent=False)
    assert set(empty.model_dump().values()) == {0}


A, B, C, S = "crewai:A:a.py:1", "crewai:B:a.py:2", "crewai:C:b.py:3", "langgraph:tidy:g.py:1"


def graph(edges: list[Edge], **groups: list[str]) -> StructuralGraph:
    nodes = [
        GraphNode(
            node_id=n,
            node_type="step" if n == S else "agent",
            name=n.split(":")[1],
            groups=groups.get(n.split(":")[1], []),
        )
        for n in (A, B, C, S)
    ]
    listed = [GraphEdge(edge_id=f"s{n}", source=a, target=b, edge_type=k) for n, (a, b, k) in enumerate(edges, 1)]
    return StructuralGraph(repo_id=REPO, nodes=nodes, edges=listed)


def test_steps_are_contracted_before_measuring() -> None:
    topology = derive_topology(
        REPO, runs_of([event("patcher.status")]), graph([(A, S, "feeds_into"), (S, B, "feeds_into")])
    )
    assert topology.structural is not None
    assert (topology.structural.graph_node_count, topology.structural.graph_edge_count) == (3, 1)


def test_links_between_two_crews_are_no_flow() -> None:
    edges = [(A, B, "feeds_into"), (B, C, "feeds_into"), (C, A, "feeds_into")]
    for groups, expected in (
        ({"A": ["x"], "B": ["x"], "C": ["y"]}, 1),
        ({"A": ["x"], "B": ["x"], "C": ["x", "y"]}, -1),
    ):
        topology = derive_topology(REPO, runs_of([event("patcher.status")]), graph(edges, **groups))
        assert topology.structural is not None and topology.structural.longest_chain == expected


def test_difference_and_overlap() -> None:
    structure = graph([(A, B, "delegates_to"), (B, C, "delegates_to")])
    runs = runs_of(
        [
            event("delegation.initiated", A, target=B),
            event("delegation.initiated", A, target=C),
            event("tool.invoked", A),
        ],
        [event("agent.task_start", "crewai:New:n.py:1"), event("execution.start", "crewai:Crew:n.py:9")],
    )
    topology = derive_topology(REPO, runs, structure, revision=7, source_partition=3, source_offset=99)
    assert (topology.revision, topology.source_partition, topology.source_offset) == (7, 3, 99)
    assert topology.structural is not None and topology.difference is not None
    assert (topology.runtime.graph_node_count, topology.runtime.graph_edge_count) == (5, 2)
    assert topology.difference.graph_node_count == 2
    assert topology.difference.longest_chain == topology.runtime.longest_chain - topology.structural.longest_chain == -1
    assert topology.difference.avg_degree == round(topology.runtime.avg_degree - topology.structural.avg_degree, 2)
    assert (topology.nodes_structural, topology.nodes_runtime, topology.nodes_both) == (
        3,
        4,
        3,
    )  # the crew is not joinable
    assert (topology.edges_structural, topology.edges_runtime, topology.edges_both) == (2, 2, 1)
    assert topology.edges_missing_endpoint == 1


def test_without_a_graph_there_is_nothing_to_compare_with() -> None:
    topology = derive_topology(REPO, runs_of([event("delegation.initiated", A, target=B)]), None)
    assert (topology.structural, topology.difference, topology.nodes_both) == (None, None, 0)
    assert topology.runtime.graph_edge_count == 1


def test_ties_are_rounded_up() -> None:
    edges = [("hub", f"n{i}", "feeds_into") for i in range(5)] + [("n0", "n1", "feeds_into")]
    ring = graph_metrics({f"alone{i}" for i in range(2)}, edges, has_agent=True)
    assert (ring.graph_node_count, ring.max_degree) == (8, 5)
    assert ring.hub_score == 0.63  # 0.625: half to even would give 0.62
