"""Scores (ping.md sections 6 and 7, finding_rules.md D1): functions of findings alone, in integer arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stratum_lab.contract.score import score_of_counts
from stratum_lab.scan.finding import Coverage, Finding
from stratum_lab.scan.graph import SEVERITIES, Severity
from stratum_lab.scan.model import Crew


def score_of(severities: Iterable[Severity]) -> int:
    """The score of a multiset of severities; 0 for none, else at least 8."""
    return score_of_counts(Counter(severities))


def risk_score(findings: Iterable[Finding]) -> int:
    """Score of a repository: every finding at its adjusted severity."""
    return score_of(finding.adjusted for finding in findings)


def crew_score(findings: Iterable[Finding], crew: Crew) -> int:
    """Score of one crew: the rules attributed to it, each at the highest adjusted severity it has there."""
    found: list[Severity] = []
    for finding in findings:
        own = [instance.severity for instance in finding.instances if instance.crew is crew]
        if own:
            levels = SEVERITIES.index(finding.adjusted) - SEVERITIES.index(finding.severity)
            found.append(lowered(highest(own), levels))
    return score_of(found)


def fix_impact(findings: list[Finding]) -> dict[str, int]:
    """By rule ID: how much the risk score would change (0 or less) with every instance of that rule gone."""
    score = risk_score(findings)
    return {f.rule: risk_score(other for other in findings if other is not f) - score for f in findings}


def highest(severities: Iterable[Severity]) -> Severity:
    """The worst of some severities."""
    return min(severities, key=SEVERITIES.index)


def lowered(severity: Severity, levels: int) -> Severity:
    """A severity some levels down, never below LOW."""
    return SEVERITIES[min(SEVERITIES.index(severity) + levels, len(SEVERITIES) - 1)]


def coverage(total: int, guarded: int) -> Coverage | None:
    """Coverage of a rule, None when it applies nowhere.

    The percentage is rounded half up, except that it stays at 99 while anything is unguarded: 199 of 200 must not
    read as resolved.
    """
    if total == 0:
        return None
    pct = (200 * guarded + total) // (2 * total)
    return Coverage(total, guarded, min(pct, 99) if guarded < total else 100)


def levels_down(pct: int) -> int:
    """How many levels partial mitigation takes off a severity."""
    return 0 if pct < 25 else 1 if pct < 75 else 2
