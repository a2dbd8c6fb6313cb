"""Section 2.8, `failure_modes`: five findings, each with the signals that would show it at run time."""

from __future__ import annotations

from typing import Any, NamedTuple

from stratum_lab.fold.record.signals import concurrent_writes, overwrites
from stratum_lab.fold.view import View


class Finding(NamedTuple):
    """One row of the table: finding, its names and its signals in table order."""

    finding_id: str
    name: str
    failure_type: str
    signals: tuple[str, str]


FINDINGS = (
    Finding(
        "STRAT-DC-001",
        "Unsupervised delegation chain",
        "Cascading errors through unsupervised delegation chain",
        ("no_human_gate_activation", "delegation_depth_>=3"),
    ),
    Finding(
        "STRAT-SI-001",
        "Error laundering",
        "Error silently swallowed, downstream agents process corrupted data",
        ("silent_error_handling", "error_swallowed"),
    ),
    Finding(
        "STRAT-AB-001",
        "Autonomous behavior drift",
        "Agent behavior drifts from intended scope without detection",
        ("output_divergence", "unexpected_tool_usage"),
    ),
    Finding(
        "STRAT-OC-002",
        "Concurrent state conflict",
        "Multiple agents write to shared state without coordination",
        ("concurrent_state_writes", "state_overwrite"),
    ),
    Finding(
        "STRAT-EA-001",
        "External API dependency failure",
        "Agent fails due to external tool/API unavailability",
        ("tool_call_failure", "api_timeout"),
    ),
)


def failure_modes(view: View, *, swallowed: int) -> list[dict[str, Any]]:
    """The five entries; `swallowed` is the number of swallowed traces."""
    counts = _signal_counts(view, swallowed)
    return [_entry(finding, counts) for finding in FINDINGS]


def _entry(finding: Finding, counts: dict[str, int]) -> dict[str, Any]:
    occurrences = sum(counts[s] for s in finding.signals)
    entry: dict[str, Any] = {
        "finding_id": finding.finding_id,
        "finding_name": finding.name,
        "manifestation_observed": occurrences > 0,
        "failure_type": finding.failure_type,
        "occurrences": occurrences,
        "downstream_impact": occurrences > 0,
    }
    if occurrences:
        signals = ", ".join(s for s in finding.signals if counts[s])
        entry["failure_description"] = f"Observed {occurrences} instances across signals: {signals}"
    return entry


def _signal_counts(view: View, swallowed: int) -> dict[str, int]:
    runs = [run.stats for run in view.runs]
    return {
        "no_human_gate_activation": sum(s.max_depth >= 1 and not s.guarded for s in runs),
        "delegation_depth_>=3": sum(s.max_depth >= 3 for s in runs),
        "silent_error_handling": sum(s.silent for s in runs),
        "error_swallowed": swallowed,
        "output_divergence": _diverging(view) if len(runs) > 1 else 0,
        "unexpected_tool_usage": sum(n for s in runs[1:] for t, n in s.tools.items() if t not in runs[0].tools),
        "concurrent_state_writes": sum(concurrent_writes(s) for s in runs),
        "state_overwrite": sum(overwrites(s) for s in runs),
        "tool_call_failure": sum(s.tool_failures for s in runs),
        "api_timeout": sum(s.tool_timeouts for s in runs),
    }


def _diverging(view: View) -> int:
    """Nodes with more than one output over all runs together."""
    outputs: dict[str, set[str]] = {}
    for run in view.runs:
        for node, hashes in run.stats.outputs.items():
            outputs.setdefault(node, set()).update(hashes)
    return sum(len(hashes) > 1 for hashes in outputs.values())
