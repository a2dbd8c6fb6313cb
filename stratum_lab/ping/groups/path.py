"""Fields of group path: data that flows to a sink without a control it needs."""

from __future__ import annotations

from stratum_lab.scan.graph import DataPath
from stratum_lab.scan.result import Scan


def _uncontrolled(scan: Scan) -> list[DataPath]:
    return scan.graph.uncontrolled if scan.graph is not None else []


def uncontrolled_path_count(scan: Scan) -> int:
    """Distinct (source, sink)."""
    return len({(path.nodes[0], path.nodes[-1]) for path in _uncontrolled(scan)})


def max_path_hops(scan: Scan) -> int:
    """The longest of them."""
    return max((path.hops for path in _uncontrolled(scan)), default=0)


def data_sensitivity_types(scan: Scan) -> list[str]:
    """What flows there."""
    return sorted({path.sensitivity for path in _uncontrolled(scan)} - {"public", "unknown"})


def has_pii(scan: Scan) -> bool:
    """A store holds personal or health data."""
    return scan.graph is not None and any(
        n.node_type == "data_store" and n.native in ("personal", "health") for n in scan.graph.nodes.values()
    )
