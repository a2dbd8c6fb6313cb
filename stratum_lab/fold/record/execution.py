"""Section 2.1, `execution_metadata`, and the topology hash of section 8."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from stratum_lab.fold.view import View

SUCCESSES = frozenset({"SUCCESS", "PARTIAL_SUCCESS", "TIER2_SUCCESS"})
MODEL_TIER = "weak"
"""The served model is a stress test, not a strong one."""


def execution_metadata(view: View) -> dict[str, Any]:
    """What was run, how it went and with which model."""
    facts = [run.facts for run in view.runs]
    durations = [f.duration for f in facts if f.duration is not None]
    return {
        "total_runs": len(facts),
        "total_events": sum(run.stats.events for run in view.runs),
        "success_rate": round(sum(f.status in SUCCESSES for f in facts) / len(facts), 4),
        "mean_duration_seconds": round(sum(durations) / len(durations), 2) if durations else None,
        "frameworks_detected": sorted({name for f in facts for name in f.frameworks}),
        "statuses": [f.status for f in facts],
        "model_name": facts[0].model,
        "model_tier": MODEL_TIER,
        "topology_hash": topology_hash(view),
    }


def topology_hash(view: View) -> str:
    """Shape of the first run without any name: 12 hex that equal shapes share.

    Out-degrees are those of structural edges, self-edges excluded, for the nodes of the first run's `agent.*` events.
    """
    facts, stats = view.runs[0]
    edges = [e for e in view.edges if e.source != e.target]
    agents = {view.name_of(0, node) for node in stats.agents}
    out = Counter(e.source for e in edges)
    kinds = Counter(e.edge_type for e in edges)
    parts = (
        ",".join(sorted(facts.frameworks)),
        str(len(agents)),
        str(len(stats.tools)),
        str(len(stats.state_keys)),
        ",".join(sorted(f"{kind}:{count}" for kind, count in kinds.items())),
        ",".join(str(d) for d in sorted((out[a] for a in agents), reverse=True)),
    )
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]
