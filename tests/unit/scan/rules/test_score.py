"""Scores, partial mitigation, fix impact."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_lab.contract.score import SEVERITY_WEIGHTS
from stratum_lab.scan.finding import Finding, Instance
from stratum_lab.scan.graph import SEVERITIES, Severity
from stratum_lab.scan.model import Confidence, Crew, Site
from stratum_lab.scan.rules.score import coverage, crew_score, fix_impact, levels_down, risk_score, score_of

MANY = st.lists(st.sampled_from(SEVERITIES), max_size=60)


def finding(rule: str, severity: Severity, adjusted: Severity | None = None, *crews: tuple[Crew, Severity]) -> Finding:
    instances = [Instance(None, crew, "text", level, Confidence.CONFIRMED) for crew, level in crews]
    return Finding(
        rule, "title", "hygiene", "security", severity, adjusted or severity, Confidence.CONFIRMED, "fix.", instances
    )


@pytest.mark.check("M6", "M18")
def test_the_worked_example_scores_37() -> None:
    assert score_of(["CRITICAL", "HIGH", "HIGH", "HIGH", "MEDIUM", "MEDIUM"]) == 37


def test_a_single_low_is_raised_to_8_and_nothing_is_0() -> None:
    assert score_of(["LOW"]) == 8
    assert score_of([]) == 0


@given(MANY)
def test_the_score_is_the_formula_rounded_half_up(severities: list[Severity]) -> None:
    raw = Decimal(sum(SEVERITY_WEIGHTS[s] for s in severities))
    exact = int((100 * raw / (raw + 50)).quantize(Decimal(1), ROUND_HALF_UP))
    assert score_of(severities) == (max(8, exact) if severities else 0)


@given(MANY)
def test_fixing_a_rule_never_raises_the_score(severities: list[Severity]) -> None:
    findings = [finding(f"RULE-{i}", severity) for i, severity in enumerate(severities)]
    impacts = fix_impact(findings)
    assert len(impacts) == len(findings)
    assert all(-100 <= impact <= 0 for impact in impacts.values())


def test_the_impact_of_the_only_finding_is_the_whole_score() -> None:
    assert fix_impact([finding("RULE", "HIGH")]) == {"RULE": -9}


def test_the_score_counts_adjusted_severities() -> None:
    assert risk_score([finding("RULE", "CRITICAL", "HIGH")]) == score_of(["HIGH"])


def test_a_crew_scores_its_own_rules_at_its_own_severity() -> None:
    first, second = (
        Crew(Site("a.py", 1), "crewai", "a", "sequential"),
        Crew(Site("b.py", 1), "crewai", "b", "sequential"),
    )
    findings = [
        finding("A", "CRITICAL", "HIGH", (first, "CRITICAL"), (first, "HIGH"), (second, "HIGH")),
        finding("B", "LOW"),
    ]
    assert crew_score(findings, first) == score_of(["HIGH"])
    assert crew_score(findings, second) == score_of(["MEDIUM"])


@pytest.mark.parametrize(
    ("total", "guarded", "pct"), [(3, 1, 33), (3, 2, 67), (8, 1, 13), (4, 4, 100), (200, 199, 99), (1000, 3, 0)]
)
def test_coverage_rounds_half_up_and_reaches_100_only_when_all_are_guarded(total: int, guarded: int, pct: int) -> None:
    assert coverage(total, guarded) == (total, guarded, pct)


def test_a_rule_that_applies_nowhere_has_no_coverage() -> None:
    assert coverage(0, 0) is None


@pytest.mark.parametrize(("pct", "levels"), [(0, 0), (24, 0), (25, 1), (74, 1), (75, 2), (99, 2)])
def test_levels_of_partial_mitigation(pct: int, levels: int) -> None:
    assert levels_down(pct) == levels
