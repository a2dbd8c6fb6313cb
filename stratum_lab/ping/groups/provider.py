"""Fields of group provider."""

from __future__ import annotations

from stratum_lab.scan.providers import provided
from stratum_lab.scan.result import Scan


def provider_confidence(scan: Scan) -> str:
    """How the providers were established."""
    return provided(scan.model).confidence
