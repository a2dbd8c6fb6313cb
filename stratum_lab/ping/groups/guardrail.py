"""Fields of group guardrail. Guardrails are counted as nodes of the graph, so without agents there are none."""

from __future__ import annotations

from stratum_lab.ping.rounding import ratio
from stratum_lab.scan.graph import EdgeType
from stratum_lab.scan.model import Confidence, Guardrail, GuardrailKind
from stratum_lab.scan.result import Scan


def _guardrails(scan: Scan) -> dict[str, Guardrail]:
    nodes = scan.graph.nodes.items() if scan.graph is not None else ()
    return {node_id: node.thing for node_id, node in nodes if isinstance(node.thing, Guardrail)}


def guardrail_count(scan: Scan) -> int:
    """Distinct active (file, line, kind)."""
    return len(_guardrails(scan))


def has_any_guardrails(scan: Scan) -> bool:
    """There is one."""
    return guardrail_count(scan) > 0


def guardrail_types(scan: Scan) -> list[str]:
    """Their kinds."""
    return sorted({guardrail.kind for guardrail in _guardrails(scan).values()})


def has_hitl_anywhere(scan: Scan) -> bool:
    """A human decides somewhere."""
    return "hitl" in guardrail_types(scan)


def guardrail_linked_count(scan: Scan) -> int:
    """Guardrails that an edge leads to."""
    if scan.graph is None:
        return 0
    guardrails = _guardrails(scan)
    edges = (e for e in scan.graph.edges if e.edge_type in ("filtered_by", "gated_by"))
    return len({e.target for e in edges if e.target in guardrails})


def control_coverage_pct(scan: Scan) -> float:
    """Share of the edges that need a control and have one."""
    if scan.graph is None:
        return 0.0
    needing = scan.graph.edges_needing_control
    return ratio(100 * scan.graph.controlled_edges, needing, 1) if needing else 100.0


def _controlled(scan: Scan, edge_type: EdgeType, kind: GuardrailKind) -> set[int]:
    """Identities of the agents and capabilities with such an edge to a guardrail of a kind."""
    if scan.graph is None:
        return set()
    guardrails, nodes = _guardrails(scan), scan.graph.nodes
    return {
        id(nodes[e.source].thing)
        for e in scan.graph.edges
        if e.edge_type == edge_type and e.target in guardrails and guardrails[e.target].kind == kind
    }


def mitigation_coverage(scan: Scan) -> dict[str, float]:
    """Shares of the capabilities that a control covers; only those that are more than a resemblance of names."""
    sure = [c for c in scan.model.capabilities if c.confidence is not Confidence.HEURISTIC]
    outbound = [c for c in sure if c.kind == "outbound"]
    destructive = [c for c in sure if c.kind == "destructive"]
    financial = {call.site: call.validated for c in sure if c.kind == "financial" for call in c.calls}
    filters, gates = _controlled(scan, "filtered_by", "output_filter"), _controlled(scan, "gated_by", "hitl")
    filtered = sum(id(c) in filters for c in outbound)
    gated = sum(id(c) in gates or any(id(agent) in gates for agent in c.agents) for c in destructive)
    return {
        "outbound_output_filter_rate": ratio(filtered, len(outbound)),
        "destructive_hitl_rate": ratio(gated, len(destructive)),
        "financial_validation_rate": ratio(sum(financial.values()), len(financial)),
    }
