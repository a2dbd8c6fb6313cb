"""Fields of group financial."""

from __future__ import annotations

from stratum_lab.ping.rounding import ratio
from stratum_lab.scan.result import Scan


def has_financial_tools(scan: Scan) -> bool:
    """Something moves money."""
    return any(c.kind == "financial" for c in scan.model.capabilities)


def financial_validation_rate(scan: Scan) -> float:
    """Share of those call sites whose function checks its input before."""
    calls = {call.site: call.validated for c in scan.model.capabilities if c.kind == "financial" for call in c.calls}
    return ratio(sum(calls.values()), len(calls))


def has_financial_data(scan: Scan) -> bool:
    """A node of the graph holds financial data."""
    return scan.graph is not None and any(n.native == "financial" for n in scan.graph.nodes.values())
