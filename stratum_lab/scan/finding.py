"""Findings: what a rule reports, with every place where it fired. Nothing is dropped or capped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stratum_lab.scan.graph import Severity
from stratum_lab.scan.model import Confidence, Crew, Site

RuleClass = Literal["architecture", "operational", "hygiene"]
Category = Literal["security", "operational", "business", "compounding", "compliance"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One place where a rule fired.

    Attributes:
        site: Where; None for a fact about the whole repository.
        crew: The crew it is attributed to; None at project level. One instance per crew.
        text: One sentence a developer understands; counts in it are those of the crew, never of the repository.
        severity: Severity of this instance, after the gate by confidence, before partial mitigation.
        subjects: Names of the agents, tools or servers concerned.
    """

    site: Site | None
    crew: Crew | None
    text: str
    severity: Severity
    confidence: Confidence
    subjects: tuple[str, ...] = ()


class Coverage(NamedTuple):
    """Partial mitigation of a path-coverage rule (ping.md section 7); pct is rounded half up."""

    total_paths: int
    guarded_paths: int
    coverage_pct: int


@dataclass(slots=True)
class Finding:
    """All instances of one rule ID (sub-IDs apart), merged.

    Attributes:
        rule: Rule ID such as STRATUM-001 or STRATUM-CR05.1.
        severity: Highest severity of its instances.
        adjusted: Severity after partial mitigation; what is counted and scored.
        confidence: Strongest of its instances.
        incident: Incident it may cite (D3), only one of its own rule and only when matched.
        risks: Identifiers of the agentic top ten (D5).
    """

    rule: str
    title: str
    rule_class: RuleClass
    category: Category
    severity: Severity
    adjusted: Severity
    confidence: Confidence
    remediation: str
    instances: list[Instance] = field(default_factory=list)
    coverage: Coverage | None = None
    incident: str | None = None
    risks: tuple[str, ...] = ()
