"""Rounding as the ping defines it: half up on exact quotients; and the score, which every reader can recompute."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor

SEVERITY_WEIGHTS: Mapping[str, int] = {"CRITICAL": 10, "HIGH": 5, "MEDIUM": 2, "LOW": 1}
SCORE_HALF = 50
"""Raw weight at which the score is 50."""
SCORE_FLOOR = 8
"""Least score of a repository with a finding."""


def half_up(value: Fraction, places: int = 0) -> Fraction:
    """The value rounded half up (away from minus infinity) to a number of decimals, exactly."""
    scale = 10**places
    return Fraction(floor(value * scale + Fraction(1, 2)), scale)


def ratio(numerator: Fraction | int, denominator: int, places: int = 2) -> float:
    """The rounded quotient; 0.0 for a denominator of 0."""
    return float(half_up(Fraction(numerator) / denominator, places)) if denominator else 0.0


def percent(numerator: int, denominator: int) -> int:
    """Whole percents, rounded half up; 0 for a denominator of 0."""
    return int(half_up(Fraction(100 * numerator, denominator))) if denominator else 0


def risk_score(severities: Mapping[str, int]) -> int:
    """Score of a count of findings per severity (ping.md section 6)."""
    if not sum(severities.values()):
        return 0
    raw = sum(SEVERITY_WEIGHTS[severity] * count for severity, count in severities.items())
    return min(100, max(SCORE_FLOOR, percent(raw, raw + SCORE_HALF)))
