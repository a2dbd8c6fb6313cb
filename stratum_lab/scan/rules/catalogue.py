"""Registration of rules: a rule is one function with its metadata, known by its ID.

Rules live in the modules of this package and are found by listing it; nothing else has to be told of a new one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from stratum_lab.scan.finding import Category, Coverage, RuleClass
from stratum_lab.scan.graph import Severity
from stratum_lab.scan.model import Confidence, Crew, Site
from stratum_lab.scan.rules.facts import Facts


class Hit(NamedTuple):
    """What a rule function yields: one place, one crew. The gate by confidence comes later.

    Attributes:
        confidence: Of the weakest input; the catalogue's best case of the rule caps it.
        rank: 0 for the rule itself, 1 and 2 for its sub-IDs.
    """

    site: Site | None
    text: str
    severity: Severity
    crew: Crew | None = None
    confidence: Confidence = Confidence.CONFIRMED
    subjects: tuple[str, ...] = ()
    rank: int = 0


Check = Callable[[Facts], Iterable[Hit]]
CoverageOf = Callable[[Facts], Coverage | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One base rule.

    Attributes:
        severities: Those it can have, the highest first.
        confidence: The best case.
        crew: Its instances carry a crew; otherwise it speaks of the project.
        sub_titles: Titles of the sub-IDs `.1`, `.2`, in order.
        coverage: For rules with partial mitigation (ping.md section 7): how much is guarded.
    """

    rule_id: str
    title: str
    severities: tuple[Severity, ...]
    rule_class: RuleClass
    category: Category
    confidence: Confidence
    crew: bool
    remediation: str
    check: Check
    sub_titles: tuple[str, ...] = ()
    coverage: CoverageOf | None = None

    def title_of(self, rank: int) -> str:
        """Title of the rule (0) or one of its sub-IDs."""
        return self.sub_titles[rank - 1] if rank else self.title

    def id_of(self, rank: int) -> str:
        """ID of the rule (0) or one of its sub-IDs."""
        return f"{self.rule_id}.{rank}" if rank else self.rule_id

    @property
    def ids(self) -> tuple[str, ...]:
        """Every ID a ping may name."""
        return tuple(self.id_of(rank) for rank in range(len(self.sub_titles) + 1))


_REGISTERED: dict[str, Rule] = {}


def rule(
    rule_id: str,
    title: str,
    *severities: Severity,
    rule_class: RuleClass,
    category: Category,
    remediation: str,
    crew: bool,
    confidence: Confidence = Confidence.CONFIRMED,
    sub_titles: tuple[str, ...] = (),
    coverage: CoverageOf | None = None,
) -> Callable[[Check], Check]:
    """Register a function as a rule.

    Raises:
        ValueError: The ID is taken.
    """

    def register(check: Check) -> Check:
        if rule_id in _REGISTERED:
            raise ValueError(f"rule {rule_id} is registered twice: {check.__module__} and the one before it")
        _REGISTERED[rule_id] = Rule(
            rule_id, title, severities, rule_class, category, confidence, crew, remediation, check, sub_titles, coverage
        )
        return check

    return register


@cache
def rules() -> tuple[Rule, ...]:
    """Every base rule, in order of ID. The modules of the package are imported on the first call."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return tuple(_REGISTERED[rule_id] for rule_id in sorted(_REGISTERED))
