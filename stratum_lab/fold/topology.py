"""Topology metrics (ping.md section 5) of the structural and the run-time graph, their difference and overlap.

Three views of one graph: the multigraph of distinct typed edges, its undirected projection, and the flow subgraph.
Definitions and rounding are in docs/topology.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import networkx as nx

from stratum_lab.contract.events.graph import StructuralGraph
from stratum_lab.contract.events.record import GraphMetrics, TopologyMetrics
from stratum_lab.contract.rounding import half_up
from stratum_lab.fold.facts import RunFacts
from stratum_lab.fold.record.derive import counted_runs
from stratum_lab.fold.state import AttemptState, Edge
from stratum_lab.fold.structure import AGENT, FEEDS, STEP, Structure
from stratum_lab.fold.supplied import SuppliedView
from stratum_lab.fold.view import Run

FLOW = frozenset({"reads_from", "writes_to", "sends_to", "tool_of", "feeds_into", "delegates_to", "connects_to"})
"""Edge types of the flow view."""
_DECIMALS = {"edge_density": 6, "avg_degree": 2, "clustering_coefficient": 4, "hub_score": 2}


def graph_metrics(
    nodes: Iterable[str], edges: Iterable[Edge], *, has_agent: bool, not_flow: frozenset[Edge] = frozenset()
) -> GraphMetrics:
    """Measure one graph.

    Args:
        nodes: Node ids; ends of edges are added.
        edges: (source, target, type); self-loops and repeated triples are dropped.
        has_agent: Whether the graph has an agent; raises the diameter to 1 (check S8 of ping.md).
        not_flow: Edges that are left out of the flow view although their type is in it.
    """
    triples = {e for e in edges if e[0] != e[1]}
    ids = set(nodes)
    degrees: Counter[str] = Counter()
    for source, target, _ in triples:
        degrees[source] += 1
        degrees[target] += 1
    ids.update(degrees)
    n, e = len(ids), len(triples)
    top = max(degrees.values(), default=0)
    # Isolated nodes are counted, not added: they change no routine below, and many graphs are mostly made of them.
    undirected = nx.Graph([(source, target) for source, target, _ in triples])
    components = list(nx.connected_components(undirected)) if triples else []
    # Two nodes are one apart; the routine is for what is larger.
    diameters = [nx.diameter(undirected.subgraph(c), usebounds=True) if len(c) > 2 else 1 for c in components]
    return GraphMetrics(
        graph_node_count=n,
        graph_edge_count=e,
        edge_density=half_up(e, n * (n - 1), 6) if n > 1 else 0.0,
        diameter=max([*diameters, int(has_agent)]),
        avg_degree=half_up(2 * e, n, 2),
        max_degree=top,
        clustering_coefficient=_transitivity(undirected) if e > 2 else 0.0,
        connected_components=len(components) + n - len(degrees),
        longest_chain=_longest_chain([t for t in triples if t[2] in FLOW and t not in not_flow]),
        hub_score=half_up(top, n, 2),
    )


def _transitivity(graph: nx.Graph) -> float:
    """Three times the triangles over the connected triples, 4 decimals."""
    corners = sum(nx.triangles(graph).values())
    triples = sum(degree * (degree - 1) // 2 for _, degree in graph.degree())
    return half_up(corners, triples, 4)


def _longest_chain(edges: Sequence[Edge]) -> int:
    if not edges:
        return 0
    flow = nx.DiGraph([(source, target) for source, target, _ in edges])
    return int(nx.dag_longest_path_length(flow)) if nx.is_directed_acyclic_graph(flow) else -1


def structural_metrics(structure: Structure) -> GraphMetrics:
    """Metrics of the supplied graph, contracted; links between two crews of a flow are no flow."""
    nodes = [n for n in structure.nodes.values() if n.node_type != STEP]
    groups = {n.node_id: set(n.groups) for n in nodes}
    links = frozenset(
        e[1:]
        for e in structure.edges
        if e.edge_type == FEEDS and (a := groups.get(e.source)) and (b := groups.get(e.target)) and not a & b
    )
    return graph_metrics(
        groups,
        (e[1:] for e in structure.edges),
        has_agent=any(n.node_type == AGENT for n in nodes),
        not_flow=links,
    )


def runtime_metrics(runs: Sequence[Run]) -> GraphMetrics:
    """Metrics of what the counted runs showed: every id seen and every distinct run-time edge."""
    stats = [run.stats for run in runs]
    nodes = {node for s in stats for node in s.seen}
    edges = {edge for s in stats for edge in s.edges}
    return graph_metrics(nodes, edges, has_agent=any(s.agents or AGENT in s.seen.values() for s in stats))


def derive_topology(
    repo_id: str,
    runs: Sequence[tuple[RunFacts, AttemptState]],
    graph: StructuralGraph | None,
    *,
    revision: int = 1,
    source_partition: int = -1,
    source_offset: int = -1,
) -> TopologyMetrics:
    """Derive the topology of a repository from its counted runs and its structural graph.

    Args:
        repo_id: 12 hex.
        runs: As for `derive_record`.
        graph: Structural graph, when known.
        revision: Number of this emission, from 1.
        source_partition: Partition of the source topics; -1 without a broker.
        source_offset: Highest folded offset of `run.status`; -1 without a broker.
    """
    counted = counted_runs(runs)
    runtime = runtime_metrics(counted)
    fields: dict[str, Any] = {}  # numbers of TopologyMetrics
    if graph is not None:
        structural = structural_metrics(Structure(graph))
        fields = {"structural": structural, "difference": _difference(runtime, structural), **_overlap(counted, graph)}
    return TopologyMetrics(
        repo_id=repo_id,
        revision=revision,
        source_partition=source_partition,
        source_offset=source_offset,
        runtime=runtime,
        edges_missing_endpoint=sum(run.stats.missing for run in counted),
        **fields,
    )


def _overlap(runs: Sequence[Run], graph: StructuralGraph) -> dict[str, int]:
    """Nodes and edges of both graphs, compared by join key."""
    view = SuppliedView(runs, graph)
    nodes = {node for run in range(len(runs)) for node in view.joinable(run)}
    traversed = sum(view.traversed(edge) > 0 for edge in view.edges)
    emergent = {edge for run in range(len(runs)) for edge in view.emergent(run)}
    return {
        "nodes_structural": len(view.nodes),
        "nodes_runtime": len(nodes),
        "nodes_both": len(nodes.intersection(view.nodes)),
        "edges_structural": len(view.edges),
        "edges_runtime": traversed + len(emergent),
        "edges_both": traversed,
        "edges_not_observable": len(view.structure.edges) - len(view.edges),
        "ambiguous_nodes": view.index.ambiguous,
    }


def _difference(a: GraphMetrics, b: GraphMetrics) -> GraphMetrics:
    """a minus b, field by field, rounded as the fields are."""
    values: dict[str, Any] = {}
    for name in GraphMetrics.model_fields:
        difference = getattr(a, name) - getattr(b, name)
        values[name] = round(difference, _DECIMALS[name]) if name in _DECIMALS else difference
    return GraphMetrics(**values)
