"""Fields of group capability: what the code can do."""

from __future__ import annotations

from stratum_lab.ping.counting import counted
from stratum_lab.scan.result import Scan


def total_capabilities(scan: Scan) -> int:
    """Distinct (unit, symbol, kind)."""
    return len(scan.model.capabilities)


def capability_distribution(scan: Scan) -> dict[str, int]:
    """Per kind."""
    return counted(c.kind for c in scan.model.capabilities)
