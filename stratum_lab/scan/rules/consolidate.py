"""From hits of rules to findings: gate by confidence, merging per rule ID, partial mitigation; nothing is dropped."""

from __future__ import annotations

from collections.abc import Iterable

from stratum_lab.scan.finding import Finding, Instance
from stratum_lab.scan.graph import SEVERITIES, Severity
from stratum_lab.scan.model import Confidence
from stratum_lab.scan.rules.catalogue import Hit, Rule
from stratum_lab.scan.rules.facts import Facts, table
from stratum_lab.scan.rules.score import highest, levels_down, lowered

_CAP: dict[Confidence, Severity] = {
    Confidence.CONFIRMED: "CRITICAL",
    Confidence.PROBABLE: "HIGH",
    Confidence.HEURISTIC: "MEDIUM",
}


def gated(severity: Severity, confidence: Confidence) -> Severity:
    """A severity capped by how well the fact is established; only confirmed ones may be CRITICAL."""
    return max(severity, _CAP[confidence], key=SEVERITIES.index)


def consolidate(rules: Iterable[Rule], facts: Facts) -> list[Finding]:
    """Run rules and merge what they report into one finding per ID, sorted by ID."""
    findings = [finding for rule in rules for finding in _findings(rule, facts)]
    return sorted(findings, key=lambda finding: finding.rule.encode())


def risks(rule_id: str) -> tuple[str, ...]:
    """Identifiers of the risk taxonomy for a base rule."""
    return tuple(risk for risk, entry in table("risks.json").items() if rule_id in entry["rules"])


def _instance(rule: Rule, hit: Hit) -> Instance:
    confidence = min(hit.confidence, rule.confidence)
    crew = hit.crew if rule.crew else None
    return Instance(hit.site, crew, hit.text, gated(hit.severity, confidence), confidence, hit.subjects)


def _place(instance: Instance) -> tuple[object, ...]:
    return (instance.crew is not None, instance.crew.site if instance.crew else ("",), instance.site or ("",),
            instance.text)  # fmt: skip


def _findings(rule: Rule, facts: Facts) -> Iterable[Finding]:
    by_rank: dict[int, dict[Instance, None]] = {}
    for hit in rule.check(facts):
        by_rank.setdefault(hit.rank, {})[_instance(rule, hit)] = None
    coverage = rule.coverage(facts) if rule.coverage is not None and by_rank else None
    for rank, unique in by_rank.items():
        instances = sorted(unique, key=_place)
        severity = highest(instance.severity for instance in instances)
        yield Finding(
            rule=rule.id_of(rank),
            title=rule.title_of(rank),
            rule_class=rule.rule_class,
            category=rule.category,
            severity=severity,
            adjusted=lowered(severity, levels_down(coverage.coverage_pct)) if coverage is not None else severity,
            confidence=max(instance.confidence for instance in instances),
            remediation=rule.remediation,
            instances=instances,
            coverage=coverage if coverage is not None and coverage.guarded_paths else None,
            risks=risks(rule.rule_id),
        )
