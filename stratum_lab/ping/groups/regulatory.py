"""Fields of group regulatory."""

from __future__ import annotations

from stratum_lab.scan.result import Scan


def regulatory_surface(scan: Scan) -> list[str]:
    """Labels that uncontrolled paths trigger."""
    return sorted(set(scan.regulations))


def regulatory_framework_count(scan: Scan) -> int:
    """How many."""
    return len(regulatory_surface(scan))
