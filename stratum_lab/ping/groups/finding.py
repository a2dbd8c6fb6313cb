"""Fields of group finding: counts over the findings, and their distribution over crews."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import isqrt

from stratum_lab.ping.counting import counted
from stratum_lab.ping.crews import rules_per_crew
from stratum_lab.ping.rounding import ratio
from stratum_lab.scan.graph import SEVERITIES
from stratum_lab.scan.result import Scan


def finding_count(scan: Scan) -> int:
    """One per rule ID."""
    return len(scan.findings)


def finding_rule_count(scan: Scan) -> int:
    """The same, counted on the list of rules."""
    return len(finding_rules(scan))


def finding_rules(scan: Scan) -> list[str]:
    """Rule IDs that fired, sub-IDs apart."""
    return sorted({f.rule for f in scan.findings})


def finding_severities(scan: Scan) -> dict[str, int]:
    """Per severity after partial mitigation, highest first."""
    counts = counted(f.adjusted for f in scan.findings)
    return {severity: counts[severity] for severity in SEVERITIES if severity in counts}


def finding_confidences(scan: Scan) -> dict[str, int]:
    """Per confidence."""
    return counted(f.confidence.label for f in scan.findings)


def findings_by_class(scan: Scan) -> dict[str, int]:
    """Per class."""
    return counted(f.rule_class for f in scan.findings)


def findings_by_category(scan: Scan) -> dict[str, int]:
    """Per category."""
    return counted(f.category for f in scan.findings)


def finding_co_occurrence(scan: Scan) -> list[list[str]]:
    """Pairs of rules that fired in one crew."""
    pairs = {pair for rules in rules_per_crew(scan) for pair in combinations(sorted(rules), 2)}
    return [list(pair) for pair in sorted(pairs)]


def per_crew_finding_density(scan: Scan) -> dict[str, int | float]:
    """Statistics of the number of distinct rules per crew."""
    sizes = sorted(len(rules) for rules in rules_per_crew(scan))
    if not sizes:
        return {"max": 0, "min": 0, "mean": 0.0, "median": 0.0, "stddev": 0.0}
    n, total = len(sizes), sum(sizes)
    variance = Fraction(n * sum(s * s for s in sizes) - total * total, n * n)
    return {
        "max": sizes[-1],
        "min": sizes[0],
        "mean": ratio(total, n),
        "median": ratio(sizes[(n - 1) // 2] + sizes[n // 2], 2, 1),
        "stddev": _root(variance),
    }


def _root(value: Fraction) -> float:
    """Square root rounded half up to 2 decimals: the largest k/100 with (k - 1/2)/100 at most the root."""
    # k <= 100*sqrt(v) + 1/2  <=>  2k - 1 <= sqrt(40000 v), and isqrt is exact.
    return float(Fraction((isqrt(int(40_000 * value)) + 1) // 2, 100))
