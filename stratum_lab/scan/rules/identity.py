"""IDENTITY-001 to -003: whose name and key an agent acts under (finding_rules.md C5)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.model import Agent, Confidence, EnvReference, Site
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, agent_label, label

_CREDENTIAL = frozenset({"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PAT", "CREDENTIAL", "CREDENTIALS", "APIKEY"})
_PERSONAL = frozenset({"USER", "PERSONAL", "MY"})


@rule(
    "IDENTITY-001",
    "Agents share one API key",
    "HIGH",
    rule_class="hygiene",
    category="security",
    crew=False,
    remediation="Give each agent a key of its own, so that use can be told apart and one can be revoked.",
)
def shared_key(facts: Facts) -> Iterator[Hit]:
    """One instance per variable from which two agents, or code that asks a model, take their key by name."""
    users: dict[str, dict[Agent | str, Site]] = {}
    for agent in facts.model.agents:
        for name, site in agent.credentials.items():
            users.setdefault(name, {})[agent] = site
    for use in facts.model.key_uses:
        users.setdefault(use.name, {}).setdefault(use.scope, use.site)
    for name, found in sorted(users.items()):
        if len(found) > 1:
            names = tuple(agent_label(user) if isinstance(user, Agent) else label(user) for user in found)
            text = f"{', '.join(names)} all take their key from {label(name)}."
            yield Hit(min(found.values()), text, "HIGH", subjects=names)


@rule(
    "IDENTITY-002",
    "An agent without a name",
    "MEDIUM",
    rule_class="hygiene",
    category="compliance",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Give every agent an explicit name or role, so that logs and traces can tell them apart.",
)
def nameless(facts: Facts) -> Iterator[Hit]:
    """One instance per unnamed agent and crew, where there are at least two agents."""
    if len(facts.model.agents) < 2:
        return
    for agent in facts.model.agents:
        if not agent.identified:
            for crew, _ in facts.owners([agent]):
                text = f"{agent_label(agent)} has no explicit name, role or id."
                yield Hit(agent.site, text, "MEDIUM", crew, subjects=(label(agent.symbol),))


@rule(
    "IDENTITY-003",
    "A person's credential",
    "HIGH",
    rule_class="hygiene",
    category="security",
    crew=False,
    confidence=Confidence.HEURISTIC,
    remediation="Use a service account made for the agent instead of a person's credential.",
)
def personal_credential(facts: Facts) -> Iterator[Hit]:
    """One instance per credential variable with a component USER, PERSONAL or MY; heuristic, so MEDIUM at most."""
    seen: dict[str, EnvReference] = {}
    for reference in sorted(facts.model.env_references, key=lambda ref: ref.site):
        parts = set(reference.name.upper().split("_"))
        if parts & _PERSONAL and parts & _CREDENTIAL:
            seen.setdefault(reference.name, reference)
    for name, reference in seen.items():
        yield Hit(reference.site, f"{label(name)} reads like a person's credential.", "HIGH", subjects=(label(name),))
