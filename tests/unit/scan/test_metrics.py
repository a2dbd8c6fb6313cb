"""The metrics of ping.md section 5 against their definitions, by networkx and by enumeration."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_lab.contract.rounding import half_up
from stratum_lab.scan import metrics
from stratum_lab.scan.graph import FLOW_EDGES, Edge
from stratum_lab.scan.metrics import components, diameter, longest_chain, measure, transitivity

NODES = [f"n{i}" for i in range(9)]
TYPES = ["reads_from", "tool_of", "feeds_into", "delegates_to", "shares_with", "gated_by", "sends_to"]
edges_of_graphs = st.lists(
    st.builds(
        Edge, st.sampled_from(NODES), st.sampled_from(NODES), st.sampled_from(TYPES), st.booleans()
    ).map(lambda e: e if e.edge_type == "feeds_into" else e._replace(flow_link=False)),
    max_size=24,
)  # fmt: skip


def distinct(edges: list[Edge]) -> dict[tuple[str, str, str], Edge]:
    return {(e.source, e.target, e.edge_type): e for e in edges if e.source != e.target}


def exact(value: Fraction, places: int) -> float:
    unit = Decimal(1).scaleb(-places)
    quotient = Decimal(value.numerator * 10**30 // value.denominator).scaleb(-30)
    return float(quotient.quantize(unit, rounding=ROUND_HALF_UP))


def longest_by_enumeration(edges: set[tuple[str, str]]) -> int:
    """Longest simple path, or -1 when some walk returns to its start."""

    def longest_from(node: str, path: tuple[str, ...]) -> int:
        best = 0
        for source, target in edges:
            if source == node:
                if target in path:
                    return -1
                further = longest_from(target, (*path, target))
                if further < 0:
                    return -1
                best = max(best, 1 + further)
        return best

    lengths = [longest_from(source, (source,)) for source, _ in edges]
    return -1 if -1 in lengths else max(lengths, default=0)


@given(edges_of_graphs, st.booleans())
def test_metrics_follow_their_definitions(edges: list[Edge], has_agent: bool) -> None:
    got = measure(NODES, edges, has_agent=has_agent)
    triples = distinct(edges)
    n, e = len(NODES), len(triples)
    graph = nx.Graph()
    graph.add_nodes_from(NODES)
    graph.add_edges_from((s, t) for s, t, _ in triples)
    parts = [graph.subgraph(c) for c in nx.connected_components(graph)]
    degree = {node: sum((s == node) + (t == node) for s, t, _ in triples) for node in NODES}
    triangles = sum(nx.triangles(graph).values())
    forks = sum(d * (d - 1) for _, d in graph.degree())
    flow = {(x.source, x.target) for x in triples.values() if x.edge_type in FLOW_EDGES and not x.flow_link}
    assert (got.graph_node_count, got.graph_edge_count) == (n, e)
    assert got.edge_density == exact(Fraction(e, n * (n - 1)), 6)
    assert got.diameter == max(int(has_agent), *(nx.diameter(p) for p in parts))
    assert got.avg_degree == exact(Fraction(2 * e, n), 2)
    assert got.max_degree == max(degree.values())
    assert got.clustering_coefficient == exact(Fraction(2 * triangles, forks) if forks else Fraction(0), 4)
    assert got.connected_components == len(parts)
    assert got.longest_chain == longest_by_enumeration(flow)
    assert got.hub_score == exact(Fraction(max(degree.values()), n), 2)


def test_a_graph_without_nodes_is_all_zeros() -> None:
    got = measure([], [], has_agent=False)
    assert (got.graph_node_count, got.diameter, got.connected_components, got.longest_chain) == (0, 0, 0, 0)
    assert (got.edge_density, got.avg_degree, got.clustering_coefficient, got.hub_score) == (0.0, 0.0, 0.0, 0.0)


def test_a_lone_agent_has_diameter_one() -> None:
    assert measure(["a"], [], has_agent=True).diameter == 1
    assert measure(["a"], [], has_agent=False).diameter == 0


def test_a_link_between_crews_makes_no_cycle() -> None:
    edges = [Edge("a", "b", "feeds_into"), Edge("b", "a", "feeds_into", flow_link=True)]
    assert measure(["a", "b"], edges, has_agent=True).longest_chain == 1
    assert measure(["a", "b"], [e._replace(flow_link=False) for e in edges], has_agent=True).longest_chain == -1


@pytest.mark.parametrize(
    ("numerator", "denominator", "places", "expected"),
    [(1, 8, 2, 0.13), (5, 2, 0, 3.0), (201, 200, 2, 1.01), (1, 3, 4, 0.3333), (7, 0, 2, 0.0), (2, 3, 6, 0.666667)],
)
def test_quotients_round_half_up(numerator: int, denominator: int, places: int, expected: float) -> None:
    assert half_up(numerator, denominator, places) == expected


@given(
    st.integers(0, 12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] != pair[1]), max_size=30),
)
def test_bounds_settle_the_diameter_as_a_search_from_every_node_does(n: int, pairs: list[tuple[int, int]]) -> None:
    pairs = [(a, b) for a, b in pairs if a < n and b < n]
    graph = nx.Graph(pairs)
    graph.add_nodes_from(range(n))
    neighbours = [set(graph[i]) for i in range(n)]
    parts = components(neighbours)
    assert sorted(map(sorted, parts)) == sorted(sorted(c) for c in nx.connected_components(graph))
    for part in parts:
        assert diameter(neighbours, part) == nx.diameter(graph.subgraph(part))
    assert transitivity(neighbours) == pytest.approx(nx.transitivity(graph), abs=5.1e-5)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (nx.path_graph(3000), 2999),
        (nx.star_graph(3000), 2),
        (nx.balanced_tree(3, 6), 12),
        (nx.cycle_graph(301), 150),
        (nx.lollipop_graph(40, 60), 61),
        (nx.complete_graph(60), 1),
    ],
    ids=["chain", "star", "tree", "ring", "lollipop", "complete"],
)
def test_large_shapes_have_their_known_diameter(graph: nx.Graph, expected: int) -> None:
    neighbours = [set(graph[i]) for i in range(len(graph))]
    assert diameter(neighbours, list(graph)) == expected


@pytest.mark.parametrize("bounding", [0, 2])
def test_searching_from_all_nodes_at_once_finds_the_same_diameter(
    bounding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_BOUNDING", bounding)
    monkeypatch.setattr(metrics, "_AT_ONCE", 7)
    for seed in range(30):
        graph = nx.connected_watts_strogatz_graph(30 + seed, 4, 0.1, seed=seed)
        assert diameter([set(graph[i]) for i in graph], list(graph)) == nx.diameter(graph)


def test_a_long_chain_needs_no_recursion() -> None:
    assert longest_chain((i, i + 1) for i in range(20_000)) == 20_000
    assert longest_chain([*((i, i + 1) for i in range(5_000)), (5_000, 0)]) == -1
