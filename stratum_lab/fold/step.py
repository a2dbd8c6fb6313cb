"""One batch into the state of its attempt: sequence guard, then one handler per event type that means something.

Work is done per batch where it can be (types are resolved once, nodes are collected by set), and payloads are parsed
only for the types that need them; most events of a real run cost one list lookup.
"""

from __future__ import annotations

from typing import NamedTuple

from stratum_lab.contract.events.run import EventBatch
from stratum_lab.fold.handlers import Columns, Handler, guard_event, handler_of
from stratum_lab.fold.state import AttemptState, RunStats

_GUARD_WORDS = ("guard", "review")
_GATE_WORDS = ("guard", "review", "human")


class Folded(NamedTuple):
    """What became of a batch.

    Attributes:
        applied: Events folded.
        duplicates: Events that had been folded before.
        missing: First and last sequence number of the hole before the batch; nothing was applied then.
    """

    applied: int
    duplicates: int
    missing: tuple[int, int] | None


def fold_batch(state: AttemptState, batch: EventBatch) -> Folded:
    """Fold the events of a batch that are new, in order of their sequence numbers.

    Args:
        state: State of the attempt that the batch belongs to; changed in place.
        batch: A batch without a `problem()`.

    Returns:
        Counts; `missing` when the batch is ahead of the state, which then is unchanged.
    """
    first, count, last = batch.first_seq, batch.count, state.last_seq
    if first > last + 1:
        return Folded(0, 0, (last + 1, first - 1))
    skip = last + 1 - first
    if skip >= count:
        return Folded(0, count, None)
    stats = state.tiers.get(batch.tier)
    if stats is None:
        stats = state.tiers[batch.tier] = RunStats()
    _fold(stats, batch, skip)
    state.last_seq = first + count - 1
    return Folded(count - skip, skip, None)


def _fold(stats: RunStats, batch: EventBatch, skip: int) -> None:
    types, source, target, strings = batch.event_type, batch.source_node, batch.target_node, batch.strings
    if skip:
        types, source, target = types[skip:], source[skip:], target[skip:]
    stats.events += len(types)
    ids: list[str | None] = [n["node_id"] for n in batch.nodes]
    words = _see_nodes(stats, batch, {*source, *target})
    ids.append(None)  # index -1: no node
    columns = Columns(batch, ids)
    handlers: list[Handler | None] = [None] * len(strings)
    for t in set(types):
        event_type = strings[t]
        if event_type == "llm.call_start":
            stats.llm_starts += types.count(t)
        else:
            handlers[t] = handler_of(event_type)
    if any(w in words for w in _GATE_WORDS):
        _fold_guarded(stats, columns, handlers, types, skip, strings)
        return
    for i, t in enumerate(types, skip):
        handler = handlers[t]
        if handler is not None:
            handler(stats, columns, i)


def _see_nodes(stats: RunStats, batch: EventBatch, used: set[int]) -> str:
    """Note the nodes of the batch; gives their names and ids as one lowercased text, to be searched once."""
    seen, words = stats.seen, []
    used.discard(-1)
    for n in used:
        node = batch.nodes[n]
        node_id, name = node["node_id"], node["node_name"]
        if name:
            words.append(name)
        if node_id:
            words.append(node_id)
            kind, known = node["node_type"] or "", seen.get(node_id)
            if known is None or (kind and (not known or kind < known)):
                seen[node_id] = kind
    return "\n".join(words).lower()


def _fold_guarded(
    stats: RunStats,
    columns: Columns,
    handlers: list[Handler | None],
    types: list[int],
    skip: int,
    strings: list[str],
) -> None:
    """The same loop where nodes named like gates take part: then every event of theirs matters."""
    gates = [_named(n["node_name"], _GATE_WORDS) for n in columns.nodes]
    guards = [i if _named(i, _GUARD_WORDS) else None for i in columns.ids]
    gates.append(False)
    for i, t in enumerate(types, skip):
        n = columns.source[i]
        if gates[n] and strings[t] != "error.occurred":
            stats.guarded = True
        guard = guards[n]
        if guard is not None:
            guard_event(stats, columns, i, guard, strings[t] == "agent.task_end")
        handler = handlers[t]
        if handler is not None:
            handler(stats, columns, i)


def _named(text: str | None, words: tuple[str, ...]) -> bool:
    low = text.lower() if text else ""
    return any(w in low for w in words)
