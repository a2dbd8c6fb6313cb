"""Putting the sections together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stratum_lab.contract.events.graph import StructuralGraph
from stratum_lab.fold.facts import RunFacts, counted_stats
from stratum_lab.fold.record.activation import node_activation
from stratum_lab.fold.record.baselines import monitoring_baselines
from stratum_lab.fold.record.edges import edge_validation, emergent_edges
from stratum_lab.fold.record.errors import error_propagation
from stratum_lab.fold.record.execution import execution_metadata
from stratum_lab.fold.record.failures import failure_modes
from stratum_lab.fold.state import AttemptState
from stratum_lab.fold.supplied import SuppliedView
from stratum_lab.fold.view import InferredView, Run, View

SCHEMA_VERSION = "v6"


def counted_runs(runs: Sequence[tuple[RunFacts, AttemptState]]) -> list[Run]:
    """The runs in run order, each with the statistics of the tier that counts."""
    return [Run(f, counted_stats(s, f)) for f, s in sorted(runs, key=lambda pair: pair[0].run_number)]


def view_of(runs: Sequence[Run], graph: StructuralGraph | None) -> View:
    """The view that the sections read: against the supplied graph where there is one."""
    return InferredView(runs) if graph is None else SuppliedView(runs, graph)


def derive_record(
    repo_id: str, runs: Sequence[tuple[RunFacts, AttemptState]], graph: StructuralGraph | None
) -> dict[str, Any] | None:
    """Derive the record of a repository from the statistics of its counted runs.

    Args:
        repo_id: 12 hex; stands for the name when the first run's metadata has none.
        runs: The attempts that count (`choose_runs`), one per run, with their states; any order.
        graph: Structural graph of the scanner, or None to infer one from the first run.

    Returns:
        The nine keys in order, or None without runs.
    """
    if not runs:
        return None
    counted = counted_runs(runs)
    view = view_of(counted, graph)
    traces = error_propagation(view)
    return {
        "repo_full_name": counted[0].facts.repo_full_name or repo_id,
        "schema_version": SCHEMA_VERSION,
        "execution_metadata": execution_metadata(view),
        "edge_validation": edge_validation(view),
        "emergent_edges": emergent_edges(view),
        "node_activation": node_activation(view),
        "error_propagation": traces,
        "failure_modes": failure_modes(view, swallowed=sum(t["swallowed"] for t in traces)),
        "monitoring_baselines": monitoring_baselines(view),
    }
