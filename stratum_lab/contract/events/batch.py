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
        self._events: list[Event] = []
        self._size = 0

    @property
    def pending(self) -> int:
        """Events taken that no batch holds yet."""
        return len(self._events)

    def add(self, event: Event) -> EventBatch | None:
        """Take the next event; a batch comes back when this event would not fit into it any more."""
        size = _size_bound(event)
        done = self.flush() if self._events and self._size + size > self._max_bytes else None
        self._events.append(event)
        self._size += size
        if done is None and len(self._events) >= self._max_events:
            return self.flush()
        return done

    def start_tier(self, tier: int) -> EventBatch | None:
        """Go on with another tier; a batch never spans two."""
        done = self.flush()
        self.tier = tier
        return done

    def flush(self) -> EventBatch | None:
        """The batch of what was collected, or None."""
        if not self._events:
            return None
        events, self._events, self._size = self._events, [], 0
        batch = build_batch(
            events,
            repo_id=self.repo_id,
            run_number=self.run_number,
            attempt=self.attempt,
            run_id=self.run_id,
            tier=self.tier,
            batch_seq=self.batch_count,
            first_seq=self.event_count + 1,
        )
        self.batch_count += 1
        self.event_count += len(events)
        if self.tiers and self.tiers[-1].tier == self.tier:
            self.tiers[-1] = self.tiers[-1].model_copy(update={"last_seq": batch.last_seq})
        else:
            self.tiers.append(TierRange(tier=self.tier, first_seq=batch.first_seq, last_seq=batch.last_seq))
        return batch


def _size_bound(event: Event) -> int:
    """Encoded size of one event, from above, bytes: every string with its length prefix, dictionaries included."""
    texts = [event.event_id, event.event_type, event.run_id, event.repo_url, event.payload, event.extra]
    texts += [t for t in (event.framework, event.edge_type, event.parent_event_id) if t]
    for node in (event.source_node, event.target_node):
        texts += [t for t in node or () if t]
    return 96 + sum(len(t) if t.isascii() else 4 * len(t) for t in texts)


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
    """Turn rows into columns; strings and nodes are interned in order of first appearance."""
    strings: dict[str, int] = {}
    nodes: dict[Node, int] = {}

    def intern(value: str | None) -> int:
        return -1 if value is None else strings.setdefault(value, len(strings))

    def node(value: Node | None) -> int:
        return -1 if value is None else nodes.setdefault(value, len(nodes))

    # Columns that no event fills are as long as the others: readers index all of them alike.
    columns: dict[str, list[Any]] = {
        "event_id": [e.event_id for e in events],
        "timestamp_ns": [e.timestamp_ns for e in events],
        "event_type": [intern(e.event_type) for e in events],
        "emitter_run_id": [intern(e.run_id) for e in events],
        "repo_url": [intern(e.repo_url) for e in events],
        "framework": [intern(e.framework) for e in events],
        "source_node": [node(e.source_node) for e in events],
        "target_node": [node(e.target_node) for e in events],
        "edge_type": [intern(e.edge_type) for e in events],
        "parent_event_id": [e.parent_event_id or "" for e in events],
        "stack_depth": [-1 if e.stack_depth is None else e.stack_depth for e in events],
        "payload": [e.payload for e in events],
    }
    return EventBatch(
        repo_id=repo_id,
        run_number=run_number,
        attempt=attempt,
        run_id=run_id,
        tier=tier,
        batch_seq=batch_seq,
        first_seq=first_seq,
        count=len(events),
        strings=list(strings),
        nodes=[n._asdict() for n in nodes],
        extra=[{"index": i, "json": e.extra} for i, e in enumerate(events) if e.extra],
        **columns,
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
