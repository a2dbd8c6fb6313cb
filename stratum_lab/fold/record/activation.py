"""Section 2.6, `node_activation`: which nodes take part always, sometimes, never."""

from __future__ import annotations

from typing import Any

from stratum_lab.fold.view import View


def node_activation(view: View) -> dict[str, Any]:
    """Three sorted lists and the share of nodes that were seen at all."""
    seen = [view.seen(run) for run in range(len(view.runs))]
    ever = set().union(*seen)
    always = set.intersection(*seen)
    never = set(view.nodes) - ever
    total = len(ever) + len(never)
    return {
        "always_active": sorted(always),
        "conditional": sorted(ever - always),
        "never_active": sorted(never),
        "structural_prediction_match_rate": round(len(ever) / total, 4) if total else 0.0,
    }
