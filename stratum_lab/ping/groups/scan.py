"""Fields of group scan: how the attempt went."""

from __future__ import annotations

from math import ceil

from stratum_lab.ping.attempt_facts import Emission


def scan_status(emission: Emission) -> str:
    """success, partial, failed or empty."""
    return emission.status


def scan_duration_ms(emission: Emission) -> int:
    """Milliseconds, rounded up, at least 1."""
    return max(1, ceil(emission.attempt.seconds * 1000))


def files_scanned(emission: Emission) -> int:
    """Candidates parsed without error."""
    return int(emission.measured["files_scanned"])


def files_total(emission: Emission) -> int:
    """Regular files after the exclusion list."""
    return int(emission.measured["files_total"])


def parser_errors(emission: Emission) -> int:
    """Candidates that failed."""
    return int(emission.measured["parser_errors"])
