"""LEARNING-001 to -004: what agents write down and read again (finding_rules.md C4, vocabularies of A11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stratum_lab.scan.graph import Severity
from stratum_lab.scan.model import Agent, Confidence, Crew, MemoryStore, Model, StoreAccess
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, agent_label, code_label, label

PROVENANCE = frozenset({"metadata", "metadatas", "source", "author", "agent_id", "timestamp"})
SCOPING = frozenset({"ttl", "expire_after", "max_age", "max_documents", "collection_size", "namespace"})
SEPARATING = frozenset({"namespace", "agent_id", "agent"})
"""Arguments of a write that keep one agent's entries apart from another's."""
_BY_TYPE: dict[str, Severity] = {
    "trajectory_rl": "CRITICAL",
    "experience_distillation": "HIGH",
    "context_level": "MEDIUM",
}


def loops(model: Model) -> list[MemoryStore]:
    """Stores that are both written to and read from."""
    return [store for store in model.stores if store.writes and store.reads]


def learning_type(model: Model) -> str | None:
    """The strongest kind of learning in a model; None without a loop or pipeline."""
    kinds = {learning.kind for learning in model.learning}
    if "fine_tuning" in kinds:
        return "trajectory_rl"
    if "distillation" in kinds:
        return "experience_distillation"
    return "context_level" if loops(model) else None


def accesses(store: MemoryStore) -> list[StoreAccess]:
    """Writes and reads of a store."""
    return [*store.writes, *store.reads]


def collections(model: Model) -> list[list[MemoryStore]]:
    """Stores grouped by what they share: the collection's name within a unit, else the object."""
    found: dict[object, list[MemoryStore]] = {}
    for store in model.stores:
        found.setdefault((store.unit, store.library, store.collection) if store.collection else store.site, []).append(
            store
        )
    return list(found.values())


def user_of(access: StoreAccess) -> Agent | str:
    """Who uses a store: the agent, else the function; methods of one class are one user, however many there are."""
    if access.agent is not None:
        return access.agent
    owner = access.scope.rpartition(".")[0]
    return owner if owner.rpartition(".")[2][:1].isupper() else access.scope


def crews_of(used: Iterable[StoreAccess], facts: Facts) -> list[Crew | None]:
    """Crews of the agents among some accesses; None when they have none."""
    agents = {access.agent: None for access in used if access.agent is not None}
    return [owner.crew for owner in facts.owners(agents)] or [None]


def attributed(writes: Iterable[StoreAccess]) -> bool:
    """Whether every write says where it comes from."""
    return all(PROVENANCE.intersection(write.arguments) for write in writes)


def bounded(store: MemoryStore) -> bool:
    """Whether a store is created with a scope or expiry, or every write carries one."""
    return bool(SCOPING.intersection(store.arguments)) or (
        bool(store.writes) and all(SCOPING.intersection(write.arguments) for write in store.writes)
    )


def _name(store: MemoryStore) -> str:
    return label(store.collection or store.library)


def _loop_confidence(store: MemoryStore) -> Confidence | None:
    """Confirmed when one agent or scope writes and reads, probable when one file does."""
    if {a.agent or a.scope for a in store.writes} & {a.agent or a.scope for a in store.reads}:
        return Confidence.CONFIRMED
    files = {a.site.file for a in store.writes} & {a.site.file for a in store.reads}
    return Confidence.PROBABLE if files else None


@rule(
    "LEARNING-001",
    "Agents feed on their own output",
    "CRITICAL",
    "HIGH",
    "MEDIUM",
    rule_class="architecture",
    category="operational",
    crew=True,
    remediation="Bound the memory (expiry, size, namespace) and attribute every entry (source, agent, time), so that a "
    "bad entry can be found and dropped.",
)
def feedback_loop(facts: Facts) -> Iterator[Hit]:
    """One instance per store and crew that the same agent, scope or file writes and reads.

    A store that is bounded and whose writes are all attributed is the fix the catalogue names, and does not fire.
    """
    severity = _BY_TYPE[learning_type(facts.model) or "context_level"]
    for store in loops(facts.model):
        confidence = _loop_confidence(store)
        if confidence is None or (bounded(store) and attributed(store.writes)):
            continue
        text = f"{_name(store)} is written and read again by the same code, without bound or attribution."
        for crew in crews_of(accesses(store), facts):
            yield Hit(store.writes[0].site, text, severity, crew, confidence, (_name(store),))


@rule(
    "LEARNING-002",
    "A memory that only grows",
    "HIGH",
    rule_class="operational",
    category="business",
    crew=True,
    remediation="Give the collection an expiry, a size limit or a namespace.",
)
def endless_memory(facts: Facts) -> Iterator[Hit]:
    """One instance per collection and crew created without scope or expiry; a conversation's buffer is none."""
    for store in facts.model.stores:
        if store.kind == "conversation_memory" or not store.constructed or bounded(store):
            continue
        text = f"{_name(store)} is created without expiry, size limit or namespace."
        for crew in crews_of(accesses(store), facts):
            yield Hit(store.site, text, "HIGH", crew, subjects=(_name(store),))


@rule(
    "LEARNING-003",
    "Several agents share one memory",
    "HIGH",
    rule_class="architecture",
    category="compounding",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Give each agent a namespace or collection of its own, or validate what is written to the shared one.",
)
def shared_memory(facts: Facts) -> Iterator[Hit]:
    """One instance per collection and crew that at least two agents or scopes use, writes not being kept apart."""
    for stores in collections(facts.model):
        used = [access for store in stores for access in accesses(store)]
        users = dict.fromkeys(map(user_of, used))
        writes = [write for store in stores for write in store.writes]
        if len(users) < 2 or (writes and all(SEPARATING.intersection(write.arguments) for write in writes)):
            continue
        names = tuple(agent_label(user) if isinstance(user, Agent) else code_label(user) for user in users)
        text = f"{', '.join(names)} use the same memory {_name(stores[0])}."
        for crew in crews_of(used, facts):
            yield Hit(stores[0].site, text, "HIGH", crew, subjects=names)


@rule(
    "LEARNING-004",
    "A model is trained on what agents did",
    "CRITICAL",
    rule_class="architecture",
    category="security",
    crew=False,
    remediation="Train in a documented, versioned pipeline outside the agents' code, on data someone has reviewed.",
)
def trained_on_runs(facts: Facts) -> Iterator[Hit]:
    """One instance per fine-tuning or reinforcement call."""
    for learning in facts.model.learning:
        if learning.kind == "fine_tuning":
            yield Hit(learning.site, "A model is fine-tuned on run data from inside the agents' code.", "CRITICAL")
