"""Fields of group learning: memory stores and loops through them."""

from __future__ import annotations

from stratum_lab.scan.model import MemoryStore
from stratum_lab.scan.result import Scan

_PROVENANCE = frozenset({"metadata", "metadatas", "source", "author", "agent_id", "timestamp"})


def memory_store_types(scan: Scan) -> list[str]:
    """Kinds of the stores; `memory=True` of a crew is a conversation memory."""
    crews = {"conversation_memory" for crew in scan.model.crews if crew.memory and crew.checkpoint == "none"}
    return sorted({store.kind for store in scan.model.stores} | crews)


def has_memory_store(scan: Scan) -> bool:
    """There is one."""
    return bool(memory_store_types(scan))


def learning_type(scan: Scan) -> str | None:
    """The strongest kind of loop; None without one."""
    kinds = {learning.kind for learning in scan.model.learning}
    if "fine_tuning" in kinds:
        return "trajectory_rl"
    if "distillation" in kinds:
        return "experience_distillation"
    return "context_level" if any(store.writes and store.reads for store in scan.model.stores) else None


def has_learning_loop(scan: Scan) -> bool:
    """What is written comes back."""
    return learning_type(scan) is not None


def has_context_provenance(scan: Scan) -> bool:
    """A write says where its content came from."""
    return any(_PROVENANCE & set(write.arguments) for store in scan.model.stores for write in store.writes)


def has_context_rollback(scan: Scan) -> bool:
    """A store can be brought back to an earlier state."""
    return any(store.rollback for store in scan.model.stores)


def has_shared_context(scan: Scan) -> bool:
    """Two agents or scopes use one collection."""
    scopes: dict[object, set[str]] = {}
    for store in scan.model.stores:
        scopes.setdefault(_collection(store), set()).update(a.scope for a in (*store.writes, *store.reads))
    return any(len(users) > 1 for users in scopes.values())


def _collection(store: MemoryStore) -> object:
    return (store.unit, store.library, store.collection) if store.collection else store.site
