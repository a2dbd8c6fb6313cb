"""Fields of group topology: size, types and metrics of the graph; zeros where there is none."""

from __future__ import annotations

from stratum_lab.ping.counting import counted
from stratum_lab.scan.result import Scan


def topology_signature_hash(scan: Scan) -> str | None:
    """Fingerprint of the shape; None without a graph."""
    return scan.graph.signature if scan.graph is not None else None


def graph_node_count(scan: Scan) -> int:
    """N."""
    return len(scan.graph.nodes) if scan.graph is not None else 0


def graph_edge_count(scan: Scan) -> int:
    """E."""
    return len(scan.graph.edges) if scan.graph is not None else 0


def graph_node_type_distribution(scan: Scan) -> dict[str, int]:
    """Nodes per type."""
    return counted(n.node_type for n in scan.graph.nodes.values()) if scan.graph is not None else {}


def graph_edge_type_distribution(scan: Scan) -> dict[str, int]:
    """Edges per type."""
    return counted(e.edge_type for e in scan.graph.edges) if scan.graph is not None else {}


def edge_density(scan: Scan) -> float:
    """E / (N(N-1))."""
    return scan.graph.metrics.edge_density if scan.graph is not None else 0.0


def external_sink_count(scan: Scan) -> int:
    """Nodes outside: externals and MCP servers."""
    types = graph_node_type_distribution(scan)
    return types.get("external", 0) + types.get("mcp_server", 0)


def graph_topology_metrics(scan: Scan) -> dict[str, int | float]:
    """The seven metrics of ping.md section 5."""
    if scan.graph is None:
        return {
            "diameter": 0,
            "avg_degree": 0.0,
            "max_degree": 0,
            "clustering_coefficient": 0.0,
            "connected_components": 0,
            "longest_chain": 0,
            "hub_score": 0.0,
        }
    m = scan.graph.metrics
    return {
        "diameter": m.diameter,
        "avg_degree": m.avg_degree,
        "max_degree": m.max_degree,
        "clustering_coefficient": m.clustering_coefficient,
        "connected_components": m.connected_components,
        "longest_chain": m.longest_chain,
        "hub_score": m.hub_score,
    }
