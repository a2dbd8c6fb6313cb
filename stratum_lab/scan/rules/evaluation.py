"""EVAL-001 and -002: who grades the agents (finding_rules.md C5)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.model import Confidence
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, label, table


@rule(
    "EVAL-001",
    "The model's maker grades it",
    "MEDIUM",
    rule_class="hygiene",
    category="business",
    crew=False,
    remediation="Evaluate with a tool, or at least a judging model, of another company.",
)
def own_grades(facts: Facts) -> Iterator[Hit]:
    """One instance per evaluation tool whose company also provides a model in use."""
    companies = table("companies.json")
    parents = {companies["provider_parent"].get(slug, slug) for slug in facts.providers}
    seen: set[str] = set()
    for found in sorted(facts.model.evaluation, key=lambda e: e.site):
        owner = companies["evaluation_parent"].get(found.tool.replace("_", ".").partition(".")[0])
        if owner in parents and found.tool not in seen:
            seen.add(found.tool)
            text = f"{label(found.tool)} and the model it grades both belong to {owner}."
            yield Hit(found.site, text, "MEDIUM", subjects=(label(found.tool),))


@rule(
    "EVAL-002",
    "Nothing evaluates the agents",
    "MEDIUM",
    rule_class="hygiene",
    category="operational",
    crew=False,
    confidence=Confidence.PROBABLE,
    remediation="Add an evaluation suite, or a test that runs the agents on recorded cases.",
)
def unevaluated(facts: Facts) -> Iterator[Hit]:
    """No evaluation framework, no evaluation directory, no test that runs an agent."""
    if not facts.model.evaluation and not facts.model.evaluation_tests:
        yield Hit(None, "No evaluation of the agents was found.", "MEDIUM")
