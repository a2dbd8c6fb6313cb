"""Section 2.9, `monitoring_baselines`: mean, spread and a threshold per metric over the runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from stratum_lab.fold.record import signals
from stratum_lab.fold.state import RunStats
from stratum_lab.fold.view import View

METRICS: tuple[tuple[str, str, Callable[[RunStats], float | None]], ...] = (
    ("max_delegation_depth", "STRAT-DC-001", lambda s: float(s.max_depth)),
    ("error_swallow_rate", "STRAT-SI-001", signals.error_swallow_rate),
    ("total_llm_calls_per_run", "STRAT-AB-001", signals.llm_calls),
    ("concurrent_state_write_rate", "STRAT-OC-002", signals.concurrent_write_rate),
    ("tool_call_failure_rate", "STRAT-EA-001", signals.tool_failure_rate),
    ("delegation_latency_p95_ms", "STRAT-DC-002", signals.delegation_p95),
    ("schema_mismatch_rate", "STRAT-SI-004", signals.mismatch_rate),
)
"""Metric, finding and the value of one run (None: the run has no value)."""


def monitoring_baselines(view: View) -> list[dict[str, Any]]:
    """One entry per metric that has at least one value."""
    entries = []
    for metric, finding, value_of in METRICS:
        values = [v for run in view.runs if (v := value_of(run.stats)) is not None]
        if not values:
            continue
        mean = sum(values) / len(values)
        stddev = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        entries.append(
            {
                "metric": metric,
                "finding_id": finding,
                "observed_baseline": round(mean, 4),
                "observed_stddev": round(stddev, 4),
                "suggested_threshold": round(mean + 2 * stddev, 4),
                "confidence": "medium" if len(values) >= 3 else "low",
                "sample_size": len(values),
            }
        )
    return entries
