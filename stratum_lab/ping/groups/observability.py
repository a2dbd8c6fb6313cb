"""Fields of group observability."""

from __future__ import annotations

from stratum_lab.scan.result import Scan


def telemetry_destination_count(scan: Scan) -> int:
    """Distinct providers."""
    return len({telemetry.provider for telemetry in scan.model.telemetry})


def has_observability(scan: Scan) -> bool:
    """A provider is imported or switched on (finding_rules.md A7c)."""
    return telemetry_destination_count(scan) > 0
