"""Fields of group learning: memory stores and loops through them."""

from __future__ import annotations

from stratum_lab.scan.result import Scan
from stratum_lab.scan.rules import learning


def memory_store_types(scan: Scan) -> list[str]:
    """Kinds of the stores; `memory=True` of a crew is a conversation memory."""
    crews = {"conversation_memory" for crew in scan.model.crews if crew.memory}
    return sorted({store.kind for store in scan.model.stores} | crews)


def has_memory_store(scan: Scan) -> bool:
    """There is one."""
    return bool(memory_store_types(scan))


def learning_type(scan: Scan) -> str | None:
    """The strongest kind of loop; None without one."""
    return learning.learning_type(scan.model)


def has_learning_loop(scan: Scan) -> bool:
    """What is written comes back."""
    return learning_type(scan) is not None


def has_context_provenance(scan: Scan) -> bool:
    """A write says where its content came from."""
    return any(
        learning.PROVENANCE.intersection(write.arguments) for store in scan.model.stores for write in store.writes
    )


def has_context_rollback(scan: Scan) -> bool:
    """A store can be brought back to an earlier state."""
    return any(store.rollback for store in scan.model.stores)


def has_shared_context(scan: Scan) -> bool:
    """Two agents or scopes use one collection; methods of one class are one scope."""
    return any(
        len({learning.user_of(access) for store in stores for access in learning.accesses(store)}) > 1
        for stores in learning.collections(scan.model)
    )
