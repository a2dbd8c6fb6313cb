"""The metrics of ping.md section 5, all exact: multigraph M, undirected view U and flow subgraph F of one graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import networkx as nx

from stratum_lab.contract.rounding import half_up
from stratum_lab.scan.graph import FLOW_EDGES, Edge, Metrics

_BOUNDING = 16
"""Searches that bound, before all that is left is searched at once."""
_AT_ONCE = 2048
"""Nodes searched from at once; bounds the memory of the bits."""


def measure(node_ids: Iterable[str], edges: Iterable[Edge], *, has_agent: bool) -> Metrics:
    """Measure one graph.

    Args:
        node_ids: Every node; ends of edges must be among them.
        edges: Typed edges; repeated triples count once, self-loops not at all.
        has_agent: Raises the diameter to at least 1 (check S8).
    """
    triples = {(e.source, e.target, e.edge_type): e.flow_link for e in edges if e.source != e.target}
    number = {node_id: n for n, node_id in enumerate(sorted(set(node_ids)))}
    degrees: Counter[int] = Counter()
    neighbours: list[set[int]] = [set() for _ in number]
    flow: set[tuple[int, int]] = set()
    for (source, target, edge_type), flow_link in triples.items():
        a, b = number[source], number[target]
        degrees[a] += 1
        degrees[b] += 1
        neighbours[a].add(b)
        neighbours[b].add(a)
        if edge_type in FLOW_EDGES and not flow_link:
            flow.add((a, b))
    n, e, top = len(number), len(triples), max(degrees.values(), default=0)
    parts = components(neighbours)
    return Metrics(
        graph_node_count=n,
        graph_edge_count=e,
        edge_density=half_up(e, n * (n - 1), 6) if n > 1 else 0.0,
        diameter=max([int(has_agent), *(diameter(neighbours, part) for part in parts)]),
        avg_degree=half_up(2 * e, n, 2),
        max_degree=top,
        clustering_coefficient=transitivity(neighbours),
        connected_components=len(parts),
        longest_chain=longest_chain(flow),
        hub_score=half_up(top, n, 2),
    )


def components(neighbours: Sequence[set[int]]) -> list[list[int]]:
    """Connected components of U, an isolated node being one of its own."""
    seen = [False] * len(neighbours)
    found = []
    for start in range(len(neighbours)):
        if not seen[start]:
            seen[start] = True
            part = [start]
            for node in part:  # grows while it is walked: breadth first
                for other in neighbours[node]:
                    if not seen[other]:
                        seen[other] = True
                        part.append(other)
            found.append(part)
    return found


def diameter(neighbours: Sequence[set[int]], part: Sequence[int]) -> int:
    """Longest shortest path in one component.

    First some searches whose distances bound those of all other nodes (by the triangle inequality): they settle chains
    and trees. What they leave open, hubs mostly, is searched from all remaining nodes at once, one bit for each.
    """
    if len(part) < 3:
        return len(part) - 1
    lower = dict.fromkeys(part, 0)
    upper = dict.fromkeys(part, len(part))
    best = 0
    for turn in range(_BOUNDING):
        if not lower:
            return best
        # Nodes far out raise the lower bound of the diameter, nodes in the middle bring the upper bounds down.
        pick = (
            min(lower, key=lambda node: (lower[node], -len(neighbours[node]), node))
            if turn % 2
            else max(lower, key=lambda node: (upper[node], len(neighbours[node]), node))
        )
        distance = _distances(neighbours, pick)
        far = max(distance.values())
        best = max(best, far)
        for node in list(lower):
            away = distance[node]
            lower[node] = max(lower[node], away, far - away)
            upper[node] = min(upper[node], far + away)
            if node == pick or upper[node] <= best:
                del lower[node]
    left = sorted(lower)
    return max([best, *(_farthest(neighbours, left[n : n + _AT_ONCE]) for n in range(0, len(left), _AT_ONCE))])


def _farthest(neighbours: Sequence[set[int]], sources: Sequence[int]) -> int:
    """The largest distance from any of these nodes, by one search in which each of them is one bit."""
    fresh = {node: 1 << at for at, node in enumerate(sources)}
    seen = dict(fresh)
    steps = 0
    while True:
        arriving: dict[int, int] = {}
        for node, bits in fresh.items():
            for other in neighbours[node]:
                arriving[other] = arriving.get(other, 0) | bits
        fresh = {node: new for node, bits in arriving.items() if (new := bits & ~seen.get(node, 0))}
        if not fresh:
            return steps
        steps += 1
        for node, bits in fresh.items():
            seen[node] = seen.get(node, 0) | bits


def _distances(neighbours: Sequence[set[int]], start: int) -> dict[int, int]:
    distance = {start: 0}
    ring = [start]
    steps = 0
    while ring:
        steps += 1
        further = []
        for node in ring:
            for other in neighbours[node]:
                if other not in distance:
                    distance[other] = steps
                    further.append(other)
        ring = further
    return distance


def transitivity(neighbours: Sequence[set[int]]) -> float:
    """Three times the triangles over the connected triples of U, 4 decimals.

    Triangles are counted once each, from the end of lowest degree, which keeps hubs cheap.
    """
    triples = sum(len(others) * (len(others) - 1) // 2 for others in neighbours)
    order = sorted(range(len(neighbours)), key=lambda node: len(neighbours[node]))
    rank = {node: at for at, node in enumerate(order)}
    ahead = [{other for other in others if rank[other] > rank[node]} for node, others in enumerate(neighbours)]
    triangles = sum(len(later & ahead[other]) for later in ahead for other in later)
    return half_up(3 * triangles, triples, 4)


def longest_chain(flow: Iterable[tuple[int, int]]) -> int:
    """Edges of the longest directed path of F; -1 if F has a cycle, 0 if it is empty."""
    graph = nx.DiGraph(flow)
    if not nx.is_directed_acyclic_graph(graph):
        return -1
    length: dict[int, int] = {}
    for node in nx.topological_sort(graph):
        length[node] = max((length[before] + 1 for before in graph.predecessors(node)), default=0)
    return max(length.values(), default=0)
