"""Facts without an end: what was read or written, and where work goes next."""

from __future__ import annotations

from .. import facts, nodes
from ..emit import emit
from .context import depth_of, silent, unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..frame import Frame
    from ..nodes import Node


def state(frame: Frame, accessor: Node, key: str, access: str, value: Any = unset) -> None:
    """Tell a `state.access`.

    Args:
        frame: Who saw it.
        accessor: Node that reads or writes.
        key: State key, channel or store.
        access: `read` or `write`.
        value: What was read or written, for its hash.
    """
    if silent("state"):
        return
    emit(
        frame,
        "state.access",
        source=accessor,
        payload={
            "accessor_node": accessor.id,
            "state_key": nodes.clean(key),
            "access_type": access,
            "data_hash": None if value is unset else facts.hashed(value),
        },
        depth=depth_of(accessor),
    )


def route(
    frame: Frame,
    source: Node,
    target: Node | None,
    kind: str,
    basis: str,
    candidates: Sequence[str] | None = None,
    previous_speaker: str | None = None,
) -> None:
    """Tell a `routing.decision`.

    Args:
        frame: Who saw it.
        source: Node that decides, or whose output is routed.
        target: Node that comes next; None: the end.
        kind: `manager_delegation`, `conditional_edge`, `speaker_selection` or `handoff`.
        basis: `explicit`, `llm_output`, `state`, `round_robin`, ...
        candidates: Names that could have been chosen.
        previous_speaker: Name of the agent that spoke before.
    """
    if silent("route"):
        return
    emit(
        frame,
        "routing.decision",
        source=source,
        target=target,
        edge=None if target is None else "delegates_to",
        payload={
            "source_node": source.id,
            "selected_target": "__end__" if target is None else target.id,
            "routing_type": kind,
            "decision_basis": basis,
            "candidates": None if candidates is None else [nodes.clean(name) for name in candidates],
            "previous_speaker": None if previous_speaker is None else nodes.clean(previous_speaker),
        },
        depth=depth_of(source),
    )
