"""ENV-001 and -002: secrets where they do not belong (finding_rules.md C5). The secrets themselves are never kept."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.model import Site
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts


@rule(
    "ENV-001",
    "An env file that Git does not ignore",
    "MEDIUM",
    rule_class="hygiene",
    category="security",
    crew=False,
    remediation="Add the file to .gitignore, remove it from history if it was committed, and rotate what was in it.",
)
def unignored_env(facts: Facts) -> Iterator[Hit]:
    """One instance per real env file that no .gitignore covers."""
    for found in facts.model.env_files:
        if not found.ignored:
            yield Hit(Site(found.path, 1), "This env file is not covered by any .gitignore.", "MEDIUM")


@rule(
    "ENV-002",
    "A secret in the source",
    "MEDIUM",
    rule_class="hygiene",
    category="security",
    crew=False,
    remediation="Move the secret to the environment or a secret store, and rotate it: it is in the history.",
)
def literal_secret(facts: Facts) -> Iterator[Hit]:
    """One instance per place of a literal secret."""
    for site in facts.model.secrets:
        yield Hit(site, "A literal secret stands here.", "MEDIUM")
