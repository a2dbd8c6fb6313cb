"""CONTEXT-001 to -003: provenance, rollback and scope of what agents remember (finding_rules.md C4)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.model import Agent, Confidence
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, agent_label, label
from stratum_lab.scan.rules.learning import PROVENANCE, SEPARATING, accesses, collections, crews_of, loops


@rule(
    "CONTEXT-001",
    "Memory entries do not say where they come from",
    "MEDIUM",
    rule_class="hygiene",
    category="compliance",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Write source, agent and time with each entry (metadata).",
)
def no_provenance(facts: Facts) -> Iterator[Hit]:
    """One instance per store and crew of a learning loop none of whose writes has a provenance argument."""
    for store in loops(facts.model):
        if any(PROVENANCE.intersection(write.arguments) for write in store.writes):
            continue
        text = f"Nothing written to {label(store.collection or store.library)} says where it comes from."
        for crew in crews_of(accesses(store), facts):
            yield Hit(store.writes[0].site, text, "MEDIUM", crew, subjects=(label(store.collection or store.library),))


@rule(
    "CONTEXT-002",
    "Memory cannot be rolled back",
    "MEDIUM",
    rule_class="hygiene",
    category="operational",
    crew=False,
    confidence=Confidence.PROBABLE,
    remediation="Take snapshots of the store, or use a versioned one, so that poisoned entries can be undone.",
)
def no_rollback(facts: Facts) -> Iterator[Hit]:
    """One instance per store of a learning loop without snapshot, backup, restore or version evidence."""
    for store in loops(facts.model):
        if not store.rollback:
            name = label(store.collection or store.library)
            yield Hit(
                store.site, f"{name} has no snapshot, backup or version to go back to.", "MEDIUM", subjects=(name,)
            )


@rule(
    "CONTEXT-003",
    "Agents write to shared memory under no name",
    "HIGH",
    rule_class="architecture",
    category="security",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Scope every write by agent or namespace.",
)
def unscoped_sharing(facts: Facts) -> Iterator[Hit]:
    """One instance per collection and crew that two agents use and no write to which is scoped."""
    for stores in collections(facts.model):
        used = [access for store in stores for access in accesses(store)]
        agents: dict[Agent, None] = {access.agent: None for access in used if access.agent is not None}
        writes = [write for store in stores for write in store.writes]
        if len(agents) < 2 or not writes or any(SEPARATING.intersection(write.arguments) for write in writes):
            continue
        names = tuple(agent_label(agent) for agent in agents)
        text = f"{', '.join(names)} share {label(stores[0].collection or stores[0].library)}, and no write is scoped."
        for crew in crews_of(used, facts):
            yield Hit(writes[0].site, text, "HIGH", crew, subjects=names)
