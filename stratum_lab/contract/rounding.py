"""Rounding of published ratios: half up on the exact quotient, whatever its binary double is (ping.md section 1)."""

from __future__ import annotations


def half_up(numerator: int, denominator: int, places: int) -> float:
    """A quotient of non-negative integers rounded half up, exactly; 0.0 for a denominator of 0."""
    if denominator == 0:
        return 0.0
    scale: int = 10**places
    return (2 * numerator * scale + denominator) // (2 * denominator) / scale
