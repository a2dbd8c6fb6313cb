"""State of an attempt as bytes and back: compact JSON, the same bytes for the same events whatever the batching.

Strings stand once per tier in a table and are referred to by their position; the ids seen come first, sorted, since
the order in which a batch shows them means nothing. Everything else is written in order of first appearance.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import Any

import orjson

from stratum_lab.errors import IntegrityError
from stratum_lab.fold.state import AttemptState, RunStats, Seed

VERSION = 1
"""Layout of the snapshot; another one is refused, and the state is folded anew."""

_COUNTERS = (
    "events", "missing", "errorish", "failed", "succeeded", "seeds_dropped", "errors_off_path", "errors",
    "open_error", "depth", "max_depth", "silent", "llm_starts", "llm_ends", "task_ends", "mismatches",
    "tool_attempts", "tool_failures", "tool_timeouts",
)  # fmt: skip
_COUNTS = ("last_success", "open_to", "quiet", "tools", "open_tools")
"""Mappings of string to number."""
_SETS = ("agents", "executors", "chats")
"""Sets of strings."""
_PAIRS = ("turns", "contacts")
"""Sets of pairs of strings."""

_counters, _counts, _sets, _pairs = (attrgetter(*names) for names in (_COUNTERS, _COUNTS, _SETS, _PAIRS))

_Row = list[Any]  # one tier as nested lists; Any because JSON


def dump_attempt(state: AttemptState) -> bytes:
    """Write a state; equal states give equal bytes, on any machine and in any process."""
    return orjson.dumps([VERSION, state.last_seq, [[t, *_dump(s)] for t, s in state.tiers.items()]])


def load_attempt(data: bytes) -> AttemptState:
    """Read what `dump_attempt` wrote; folding goes on exactly where it stopped.

    Raises:
        IntegrityError: The bytes are no snapshot of this layout.
    """
    state = AttemptState()
    try:
        version, state.last_seq, tiers = orjson.loads(data)
        if version != VERSION:
            raise ValueError(f"layout {version}, this version reads {VERSION}")
        for tier, *row in tiers:
            state.tiers[tier] = _load(row)
    except (ValueError, TypeError, IndexError) as exc:
        raise IntegrityError(
            f"a snapshot of {len(data)} bytes cannot be read: {exc}",
            remedy="drop the fold's state; it is rebuilt from run.events",
        ) from exc
    return state


def _dump(s: RunStats) -> _Row:
    ids = sorted(s.seen)
    table: dict[str, int] = {text: n for n, text in enumerate(ids)}
    add = table.setdefault

    def ref(text: str | None) -> int:
        return -1 if text is None else add(text, len(table))

    def refs(texts: Iterable[str]) -> list[int]:
        return [add(t, len(table)) for t in texts]

    edges: list[int] = []
    for edge, bits in s.edges.items():
        edges += refs(edge)
        edges.append(bits)
    row = [
        _counters(s),
        int(s.guarded),
        refs(s.seen[i] for i in ids),
        edges,
        [[ref(d.node), ref(d.name), d.error_type, *d[3:]] for d in s.seeds],
        [[ref(node), *pairs] for node, pairs in s.error_after.items()],
        [[ref(node), *pairs] for node, pairs in s.guard_after.items()],
        [[ref(key), entry[0], *refs(entry[1:])] for key, entry in s.state_keys.items()],
        [[ref(node), *hashes] for node, hashes in s.outputs.items()],
        list(chain.from_iterable(s.delegated_at.items())),
        list(chain.from_iterable(s.latencies.items())),
        [list(chain.from_iterable(zip(refs(m), m.values(), strict=True))) if m else () for m in _counts(s)],
        [refs(m) for m in _sets(s)],
        [refs(chain.from_iterable(m)) if m else () for m in _pairs(s)],
    ]
    return [list(table), len(ids), *row]


def _load(row: _Row) -> RunStats:
    (
        table, known, counters, guarded, types, edges, seeds, error_after, guard_after, state_keys, outputs,
        delegated_at, latencies, counts, sets, pairs,
    ) = row  # fmt: skip
    s = RunStats()
    for name, value in zip(_COUNTERS, counters, strict=True):
        setattr(s, name, value)
    s.guarded = bool(guarded)
    s.seen = {table[n]: table[t] for n, t in zip(range(known), types, strict=True)}
    flat = iter(edges)
    s.edges = {(table[a], table[b], table[kind]): bits for a, b, kind, bits in zip(flat, flat, flat, flat, strict=True)}
    table.append(None)  # reference -1
    s.seeds = [Seed(table[node], table[name], *rest) for node, name, *rest in seeds]
    s.seeded = {d.node for d in s.seeds if d.node}
    s.error_after = {table[node]: rest for node, *rest in error_after}
    s.guard_after = {table[node]: rest for node, *rest in guard_after}
    s.state_keys = {table[key]: [writes, *(table[w] for w in writers)] for key, writes, *writers in state_keys}
    s.outputs = {table[node]: hashes for node, *hashes in outputs}
    s.delegated_at = dict(zip(delegated_at[::2], delegated_at[1::2], strict=True))
    s.latencies = dict(zip(latencies[::2], latencies[1::2], strict=True))
    for held, items in zip(_counts(s), counts, strict=True):
        if items:
            held.update(zip([table[n] for n in items[::2]], items[1::2], strict=True))
    for held, items in zip(_sets(s), sets, strict=True):
        held.update(dict.fromkeys([table[n] for n in items]))
    for held, items in zip(_pairs(s), pairs, strict=True):
        if items:
            texts = [table[n] for n in items]
            held.update(dict.fromkeys(zip(texts[::2], texts[1::2], strict=True)))
    return s
