"""Per-run values that failure modes and baselines share."""

from __future__ import annotations

import math

from stratum_lab.fold.state import RunStats


def concurrent_writes(s: RunStats) -> int:
    """State keys that more than one accessor wrote."""
    return sum(len(entry) > 2 for entry in s.state_keys.values())


def overwrites(s: RunStats) -> int:
    """State keys written more than once, by anyone."""
    return sum(entry[0] > 1 for entry in s.state_keys.values())


def concurrent_write_rate(s: RunStats) -> float:
    """Concurrently written keys per write."""
    writes: int = sum(entry[0] for entry in s.state_keys.values())
    return concurrent_writes(s) / max(writes, 1)


def error_swallow_rate(s: RunStats) -> float:
    """Share of `error.occurred` events that were swallowed: at most the last errorish event of the run can be."""
    return 1 / s.errors if s.errors and 0 <= s.open_error < s.succeeded else 0.0


def llm_calls(s: RunStats) -> float:
    """Calls, counted from both ends; ends alone when that gives none."""
    return float((s.llm_starts + s.llm_ends) // 2 or s.llm_ends)


def tool_failure_rate(s: RunStats) -> float:
    """Failures and timeouts per known outcome (D3)."""
    return (s.tool_failures + s.tool_timeouts) / s.tool_attempts if s.tool_attempts else 0.0


def delegation_p95(s: RunStats) -> float | None:
    """95th percentile of delegation latencies, ms; None without any (D15)."""
    count = sum(s.latencies.values())
    if not count:
        return None
    index = min(math.floor(0.95 * count), count - 1)
    for latency in sorted(s.latencies):
        index -= s.latencies[latency]
        if index < 0:
            return latency
    return None


def mismatch_rate(s: RunStats) -> float:
    """Schema mismatches per task end or model call end."""
    return s.mismatches / max(s.task_ends + s.llm_ends, 1)
