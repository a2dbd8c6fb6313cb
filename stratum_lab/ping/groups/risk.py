"""Fields of group risk: the score, partial mitigation and clean crews."""

from __future__ import annotations

from stratum_lab.ping.crews import rules_per_crew
from stratum_lab.scan import rules
from stratum_lab.scan.result import Scan


def risk_score(scan: Scan) -> int:
    """0 to 100, a function of the adjusted severities alone."""
    return rules.risk_score(scan.findings)


def finding_coverages(scan: Scan) -> dict[str, dict[str, int]]:
    """Rules that are mitigated in part."""
    return {
        f.rule: {
            "total_paths": f.coverage.total_paths,
            "guarded_paths": f.coverage.guarded_paths,
            "coverage_pct": f.coverage.coverage_pct,
        }
        for f in sorted(scan.findings, key=lambda f: f.rule)
        if f.coverage is not None and 0 < f.coverage.coverage_pct < 100
    }


def severity_downgrades(scan: Scan) -> dict[str, dict[str, str]]:
    """Rules whose severity that lowered."""
    return {
        f.rule: {
            "original": f.severity.lower(),
            "adjusted": f.adjusted.lower(),
            "reason": f"partial_mitigation_{f.coverage.coverage_pct}pct",
        }
        for f in sorted(scan.findings, key=lambda f: f.rule)
        if f.coverage is not None and f.adjusted != f.severity
    }


def crews_with_findings(scan: Scan) -> int:
    """Crews to which at least one instance is attributed."""
    return sum(bool(rules) for rules in rules_per_crew(scan))


def crews_clean(scan: Scan) -> int:
    """The others."""
    return sum(not rules for rules in rules_per_crew(scan))
