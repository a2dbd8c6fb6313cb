"""Section 2.7, `error_propagation`: where each error began, where it went and what stopped it."""

from __future__ import annotations

from collections import deque
from typing import Any

from stratum_lab.fold.state import RETRY_SUCCEEDED, RunStats, value_at
from stratum_lab.fold.view import View

UNKNOWN = "unknown"
MAX_PREDICTED = 1000
"""Ids of a predicted path; the search ends there, so that a hostile graph cannot make a record of any size."""


def error_propagation(view: View) -> list[dict[str, Any]]:
    """One trace per seed, runs in run order, seeds in order of appearance."""
    following: dict[str, list[str]] = {}
    for edge in view.edges:
        following.setdefault(edge.source, []).append(edge.target)
    return [trace for run in range(len(view.runs)) for trace in _traces(view, run, following)]


def _traces(view: View, run: int, following: dict[str, list[str]]) -> list[dict[str, Any]]:
    s = view.runs[run].stats
    traces = []
    sources: set[str] = set()
    for n, seed in enumerate(s.seeds):
        if seed.node is not None:
            name = view.name_of(run, seed.node)
            if name in sources:  # another run-time id of the same structural node
                continue
            sources.add(name)
        path = _observed(view, run, s, n)
        errors_after = s.errorish - seed.errorish
        depth = max(len(path) - 1, 0)
        traces.append(
            {
                "error_source_node": seed.name or UNKNOWN,
                "error_type": seed.error_type,
                "structural_predicted_path": _reachable(view.starts(run, seed.node), following) if seed.node else [],
                "actual_observed_path": [name for name, _ in path],
                "propagation_stopped_by": path[-1][0] if path else UNKNOWN,
                "stop_mechanism": _stop(s, n, path[-1][1]) if path else "no_propagation",
                "downstream_impact": {
                    "nodes_affected": depth,
                    "cascade_depth": depth,
                    "downstream_errors": errors_after,
                    "downstream_tasks_failed": s.failed - seed.failed,
                },
                "swallowed": not errors_after and s.succeeded > seed.succeeded,
            }
        )
    return traces


def _observed(view: View, run: int, s: RunStats, n: int) -> list[tuple[str, str]]:
    """The seed's node, then each node at its first later errorish event: (name in lists, run-time id)."""
    node = s.seeds[n].node
    later = sorted((seq, other) for other, pairs in s.error_after.items() if (seq := value_at(pairs, n)) is not None)
    path: dict[str, str] = {view.name_of(run, node): node} if node is not None else {}
    for _, other in later:
        path.setdefault(view.name_of(run, other), other)
    return list(path.items())


def _reachable(starts: list[str], following: dict[str, list[str]]) -> list[str]:
    """Breadth-first order along structural edges, the starts included."""
    order = dict.fromkeys(starts)
    queue = deque(order)
    while queue:
        for node in following.get(queue.popleft(), ()):
            if node not in order:
                if len(order) >= MAX_PREDICTED:
                    return list(order)
                order[node] = None
                queue.append(node)
    return list(order)


def _stop(s: RunStats, n: int, last: str) -> str:
    """What the last node of the path did after the seed; guards and reviewers are told by their id."""
    low = last.lower()
    if "guard" in low or "review" in low:
        outcome = value_at(s.guard_after.get(last, []), n)
        if outcome is not None:
            return "retry_succeeded" if outcome == RETRY_SUCCEEDED else "error_boundary"
    elif s.last_success.get(last, 0) > s.seeds[n].seq:
        return "retry_succeeded"
    return "end_of_chain"
