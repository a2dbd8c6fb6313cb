"""Numbering and batching: valid events of one attempt become EventBatches with dense sequence numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stratum_lab.contract.events.lines import Event, Node
from stratum_lab.contract.events.run import EventBatch, TierRange

MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 900_000
"""Bound of the encoded batch; estimated from above while events are added."""

MAX_RUN_EVENTS = 100_000
"""Events of one attempt that are kept; those after it are counted in `events_dropped`."""

MAX_RUN_BYTES = 64 * 1024 * 1024
"""Bytes of valid lines of one attempt that are kept."""


class BatchBuilder:
    """Collects the events of one attempt and cuts them into batches.

    Sequence numbers run from 1 over all tiers of the attempt, batch numbers from 0. The caller decides when a
    batch that is neither full nor large leaves (the relay: after one second).

    Args:
        repo_id: 12 hex.
        run_number: From 1.
        attempt: From 1.
        run_id: Execution id of the attempt.
        tier: Tier of the first events.
        max_events: Events per batch.
        max_bytes: Encoded size per batch, bytes.
    """

    def __init__(
        self,
        repo_id: str,
        run_number: int,
        attempt: int,
        run_id: str,
        tier: int,
        *,
        max_events: int = MAX_BATCH_EVENTS,
        max_bytes: int = MAX_BATCH_BYTES,
    ) -> None:
        self.repo_id, self.run_number, self.attempt, self.run_id = repo_id, run_number, attempt, run_id
        self.tier = tier
        self.tiers: list[TierRange] = []
        self.batch_count = 0
        self.event_count = 0
        self._max_events, self._max_bytes = max_events, max_bytes
        self._open = _Columns()

    @property
    def pending(self) -> int:
        """Events taken that no batch holds yet."""
        return len(self._open.events)

    def add(self, event: Event) -> EventBatch | None:
        """Take the next event; a batch comes back when it is full, or when this event does not fit into it."""
        done = None
        size = self._open.room_for(event)
        if self._open.events and self._open.size + size > self._max_bytes:
            done = self.flush()
            size = self._open.room_for(event)
        self._open.add(event, size)
        if done is None and len(self._open.events) >= self._max_events:
            return self.flush()
        return done

    def start_tier(self, tier: int) -> EventBatch | None:
        """Go on with another tier; a batch never spans two."""
        done = self.flush()
        self.tier = tier
        return done

    def flush(self) -> EventBatch | None:
        """The batch of what was collected, or None."""
        if not self._open.events:
            return None
        full, self._open = self._open, _Columns()
        batch = full.batch(
            repo_id=self.repo_id,
            run_number=self.run_number,
            attempt=self.attempt,
            run_id=self.run_id,
            tier=self.tier,
            batch_seq=self.batch_count,
            first_seq=self.event_count + 1,
        )
        self.batch_count += 1
        self.event_count += batch.count
        if self.tiers and self.tiers[-1].tier == self.tier:
            self.tiers[-1] = self.tiers[-1].model_copy(update={"last_seq": batch.last_seq})
        else:
            self.tiers.append(TierRange(tier=self.tier, first_seq=batch.first_seq, last_seq=batch.last_seq))
        return batch


_EVENT_BYTES = 96
"""Bound of the numbers, indices and length prefixes of one event, encoded."""
_TEXT_BYTES = 5
"""Bound of a length prefix in a dictionary."""


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


class _Columns:
    """Events on their way into a batch; strings and nodes are interned in order of first appearance."""

    __slots__ = ("events", "nodes", "size", "strings")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.strings: dict[str | None, int] = {}
        self.nodes: dict[Node | None, int] = {}
        self.size = 0

    def room_for(self, event: Event) -> int:
        """Encoded size that an event adds, from above, bytes."""
        event_id, _, run_id, repo_url, framework, event_type, source, target, edge_type, parent, _, payload, extra = (
            event
        )
        size = _EVENT_BYTES + _bytes(payload) + _bytes(event_id)
        if parent:
            size += _bytes(parent)
        if extra:
            size += _bytes(extra)
        strings = self.strings
        for text in (event_type, run_id, repo_url, framework, edge_type):
            if text is not None and text not in strings:
                size += _TEXT_BYTES + _bytes(text)
        for node in (source, target):
            if node is not None and node not in self.nodes:
                size += sum(_TEXT_BYTES + 1 + _bytes(t or "") for t in node)
        return size

    def add(self, event: Event, size: int) -> None:
        """Take an event."""
        self.events.append(event)
        self.size += size
        strings, nodes = self.strings, self.nodes
        for text in (event.event_type, event.run_id, event.repo_url, event.framework, event.edge_type):
            if text is not None and text not in strings:
                strings[text] = len(strings)
        for node in (event.source_node, event.target_node):
            if node is not None and node not in nodes:
                nodes[node] = len(nodes)

    def batch(self, **head: Any) -> EventBatch:
        """Rows into columns; a column that no event fills is as long as the others, so readers index all alike."""
        events = self.events
        names, nodes = list(self.strings), list(self.nodes)
        self.strings[None] = self.nodes[None] = -1  # what an absent field indexes
        text, node = self.strings.__getitem__, self.nodes.__getitem__
        (
            event_ids, stamps, run_ids, urls, frameworks, types, sources, targets,
            edges, parents, depths, payloads, extras,
        ) = zip(*events, strict=True)  # fmt: skip
        return EventBatch(
            **head,
            count=len(events),
            strings=[n for n in names if n is not None],
            nodes=[n._asdict() for n in nodes if n is not None],
            event_id=list(event_ids),
            timestamp_ns=list(stamps),
            event_type=list(map(text, types)),
            emitter_run_id=list(map(text, run_ids)),
            repo_url=list(map(text, urls)),
            framework=list(map(text, frameworks)),
            source_node=list(map(node, sources)),
            target_node=list(map(node, targets)),
            edge_type=list(map(text, edges)),
            parent_event_id=[p or "" for p in parents],
            stack_depth=[-1 if d is None else d for d in depths],
            payload=list(payloads),
            extra=[{"index": i, "json": e} for i, e in enumerate(extras) if e],
        )


def build_batch(
    events: list[Event],
    *,
    repo_id: str,
    run_number: int,
    attempt: int,
    run_id: str,
    tier: int,
    batch_seq: int,
    first_seq: int,
) -> EventBatch:
    """Turn rows (at least one) into a batch of columns."""
    columns = _Columns()
    for event in events:
        columns.add(event, 0)
    return columns.batch(
        repo_id=repo_id,
        run_number=run_number,
        attempt=attempt,
        run_id=run_id,
        tier=tier,
        batch_seq=batch_seq,
        first_seq=first_seq,
    )


def iter_events(batch: EventBatch) -> Iterator[Event]:
    """The rows of a batch again, for readers that want rows (the inverse of `build_batch`)."""
    strings, extra = batch.strings, {e["index"]: e["json"] for e in batch.extra}
    nodes = [Node(n["node_id"], n["node_type"], n["node_name"]) for n in batch.nodes]
    for i in range(batch.count):
        framework, edge = batch.framework[i], batch.edge_type[i]
        source, target, depth = batch.source_node[i], batch.target_node[i], batch.stack_depth[i]
        yield Event(
            batch.event_id[i],
            batch.timestamp_ns[i],
            strings[batch.emitter_run_id[i]],
            strings[batch.repo_url[i]],
            None if framework < 0 else strings[framework],
            strings[batch.event_type[i]],
            None if source < 0 else nodes[source],
            None if target < 0 else nodes[target],
            None if edge < 0 else strings[edge],
            batch.parent_event_id[i] or None,
            None if depth < 0 else depth,
            batch.payload[i],
            extra.get(i, ""),
        )
