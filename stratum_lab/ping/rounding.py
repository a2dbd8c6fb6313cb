"""Rounding as the ping defines it: half up on exact quotients."""

from __future__ import annotations

from fractions import Fraction
from math import floor


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
