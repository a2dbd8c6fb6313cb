"""Fields of group operational: care taken at call sites. Rates count call sites, not capabilities."""

from __future__ import annotations

from stratum_lab.ping.rounding import ratio
from stratum_lab.scan.model import CapabilityKind
from stratum_lab.scan.result import Scan

_CARE: tuple[CapabilityKind, ...] = ("outbound", "data_access", "financial")


def error_handling_rate(scan: Scan) -> float:
    """Share inside the body of a try statement."""
    calls = {
        call.site: call.in_try
        for c in scan.model.capabilities
        if c.kind in _CARE
        for call in c.calls
        if call.site.line > 0
    }
    return ratio(sum(calls.values()), len(calls))


def timeout_rate(scan: Scan) -> float:
    """Share of HTTP calls with an effective timeout."""
    calls = {
        call.site: call.timed
        for c in scan.model.capabilities
        if c.kind == "outbound"
        for call in c.calls
        if call.timed is not None
    }
    return ratio(sum(bool(timed) for timed in calls.values()), len(calls))


def checkpoint_type(scan: Scan) -> str:
    """durable, memory_only or none; the best that is used."""
    found = {*scan.model.checkpoints.values(), *(crew.checkpoint for crew in scan.model.crews)}
    return "durable" if "durable" in found else "memory_only" if "memory_only" in found else "none"
