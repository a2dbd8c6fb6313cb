"""The risk score: a function of finding severities alone, which every reader can recompute (ping.md section 6)."""

from __future__ import annotations

from collections.abc import Mapping

SEVERITY_WEIGHTS: Mapping[str, int] = {"CRITICAL": 10, "HIGH": 5, "MEDIUM": 2, "LOW": 1}
HALF = 50
"""Raw weight at which the score is 50."""
FLOOR = 8
"""Least score of a repository with a finding."""


def score_of_counts(severities: Mapping[str, int]) -> int:
    """Score of a count of findings per severity, rounded half up; 0 for none, else 8 to 100."""
    if not sum(severities.values()):
        return 0
    raw = sum(SEVERITY_WEIGHTS[severity] * count for severity, count in severities.items())
    whole = (201 * raw + HALF) // (2 * (raw + HALF)) if raw + HALF else 0
    return min(100, max(FLOOR, whole))
