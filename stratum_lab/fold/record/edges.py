"""Sections 2.4 and 2.5: which structural edges runs traversed, and which edges nobody predicted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stratum_lab.fold.state import Edge
from stratum_lab.fold.view import StructuralEdge, View

_GUARD_TYPES = ("guards", "reviews")


def edge_validation(view: View) -> dict[str, Any]:
    """Activation of every structural edge, and the dead ones with possible reasons."""
    total = len(view.runs)
    ever = set().union(*(view.seen(run) for run in range(total)))
    rates: dict[str, Any] = {}
    dead = []
    for edge in view.edges:
        count = view.traversed(edge)
        rates[edge.edge_id] = {
            "traversal_count": count,
            "activation_rate": round(count / total, 4),
            "never_activated": count == 0,
            "source": edge.source,
            "target": edge.target,
            "edge_type": edge.edge_type,
        }
        if not count:
            dead.append(_dead(edge, ever, total))
    return {
        "structural_edges_total": len(view.edges),
        "structural_edges_activated": len(view.edges) - len(dead),
        "activation_rates": rates,
        "dead_edges": dead,
    }


def _dead(edge: StructuralEdge, ever: set[str], total: int) -> dict[str, Any]:
    reasons = []
    if edge.source not in ever:
        reasons.append(f"source_node_never_activated:{edge.source}")
    if edge.target not in ever:
        reasons.append(f"target_node_never_activated:{edge.target}")
    if not reasons:
        reasons.append("nodes_active_but_edge_never_traversed")
    if edge.edge_type in _GUARD_TYPES:
        reasons.append("guard_edge_may_be_bypass_only")
    return {
        "edge_id": edge.edge_id,
        "source": edge.source,
        "target": edge.target,
        "edge_type": edge.edge_type or "unknown",
        "runs_observed": total,
        "possible_reasons": reasons,
    }


def emergent_edges(view: View) -> list[dict[str, Any]]:
    """Edges whose pair is not structural: most widespread first, ties by first appearance."""
    total = len(view.runs)
    counts: Counter[Edge] = Counter()  # keeps the order of first appearance
    for run in range(total):
        counts.update(view.emergent(run))
    return [
        {
            "source": source,
            "target": target,
            "edge_type": kind,
            "observed_in_runs": count,
            "observation_rate": round(count / total, 4),
            "classification": "consistent" if count == total else "intermittent",
        }
        for (source, target, kind), count in sorted(counts.items(), key=lambda item: -item[1])
    ]
