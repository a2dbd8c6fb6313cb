"""Fields of group incident."""

from __future__ import annotations

from stratum_lab.scan.result import Scan

_LEAST = 0.5
"""Confidence from which an incident counts as matched."""


def incident_ids(scan: Scan) -> list[str]:
    """Known incidents whose pattern matches."""
    return sorted({match.incident for match in scan.incidents if match.confidence >= _LEAST})


def incident_match_count(scan: Scan) -> int:
    """How many."""
    return len(incident_ids(scan))
