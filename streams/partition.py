"""One partition of the source topics: folds messages in offset order, decides what to emit, cuts checkpoints.

Pure logic without Kafka or Faust: messages are handed in, a `Checkpoint` comes out. What is in the log is the truth
and what the partition keeps is a cache of it: each message is folded at most once into the live state, a repeated one
changes nothing, and `next` says which offsets are already in (docs/adr/0003-streams-guard.md).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from stratum_lab.contract.codec import FP_HEADER, Codec
from stratum_lab.contract.events import EventBatch, RunFinished, RunStarted, StructuralGraph
from stratum_lab.contract.ids import REPO_ID
from stratum_lab.contract.topics import BY_NAME, MAX_MESSAGE_BYTES, RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS
from stratum_lab.errors import DecodeError
from stratum_lab.fold import AttemptState, RunFacts, choose_runs, fold_batch, is_complete
from streams import codecs, letters, metrics
from streams.codecs import Attempt, AttemptKey, Finished, Mark, RepoIndex, StoredGraph
from streams.derivation import Derived, derive
from streams.letters import Letters
from streams.messages import SOURCES, Checkpoint, Output, Raw

LIVE_ATTEMPTS = 4096
"""Attempt states kept as objects; others are loaded from their stored value when needed."""


STATE_BYTES = MAX_MESSAGE_BYTES - 1024
"""Largest stored value; larger statistics cannot be kept, and the attempt does not count."""


class Partition:
    """Live state of one partition.

    Args:
        number: Partition number.
        stored: Values of the changelog by key, as recovered.
        low: First offset each source topic holds.
        codec: Decodes the messages.
        epoch: Drawn by the owner, another for each; 32 bits.
        hold: Emit nothing before everything below these offsets is folded, so that what is emitted comes from more
            input than anything a former owner emitted.
        prefix: Topic prefix, for the coordinates in dead letters.
        topics: Identity of the source topics on the broker.
    """

    def __init__(
        self,
        number: int,
        stored: dict[bytes, bytes],
        *,
        low: Mapping[str, int],
        codec: Codec,
        epoch: int,
        hold: Mapping[str, int] | None = None,
        prefix: str = "",
        topics: Mapping[str, str] | None = None,
    ) -> None:
        self.number = number
        self.owned = True
        """False as soon as another worker may fold it."""
        self.refolding = False
        """True while held batches are folded again; a checkpoint would forget those still to come."""
        self.stored = stored
        self._hold = dict(hold or {})
        self._obsolete: list[bytes] = []
        self.low = {name: low.get(name, 0) for name in SOURCES}
        self._codec, self._prefix = codec, prefix
        self._live: OrderedDict[AttemptKey, Attempt] = OrderedDict()
        self._indices: dict[str, RepoIndex] = {}
        self._graphs: dict[str, StructuralGraph | None] = {}
        self._dirty_attempts: set[AttemptKey] = set()
        self._dirty_indices: set[str] = set()
        self._dirty_graphs: dict[str, StoredGraph] = {}
        self._touched: set[str] = set()
        self._resend: set[str] = set()
        self._counters = {name: metrics.MESSAGES.labels(name) for name in SOURCES}
        self._letters = Letters(prefix, number)
        self._outputs: dict[str, Output] = {}
        self.refill: dict[AttemptKey, int] = {}
        """Attempts whose hole was closed, and the lowest offset of theirs that was not folded."""
        self.waiting: dict[AttemptKey, int] = {}
        """Finished attempts that are not complete, and when they finished, milliseconds."""
        self.regressed = False
        """Whether state turned out older than what was emitted from it; the log must be folded from its start."""
        self.lost: dict[str, int] = {}
        """Offsets the log should still hold from, by topic, where it begins later than what was folded ends."""
        self.recovered_topics: dict[str, str] = {}
        """Identity of the topics when the mark was written."""
        self._mark = self._recover(epoch, dict(topics or {}))
        self.next = dict(self._mark.next)
        # The first checkpoint always comes: a former owner may have died between its last mark and its commit.
        self._mark_dirty = True

    # Recovery

    def _recover(self, epoch: int, topics: dict[str, str]) -> Mark:
        """Check the stored values against the mark, and find what may not have been emitted."""
        former = [key for key in self.stored if key[:1] == codecs.MARK]
        mark = Mark.inherited([Mark.load(self.stored.pop(key)) for key in former], epoch)
        self._obsolete = former
        finished = events = 0
        for key, value in self.stored.items():
            kind = key[:1]
            if kind == codecs.ATTEMPT:
                events += codecs.last_seq_of(value)
            elif kind == codecs.INDEX:
                head = codecs.index_head(value)
                finished += head.finished
                repo_id = codecs.repo_of(key)
                if not mark.covers(head):
                    self._resend.add(repo_id)
                if head.waiting:
                    self._touched.add(repo_id)
        self._resend.update(mark.unsent)
        self._touched |= self._resend
        if finished < mark.finished or events < mark.events:
            self.regressed = True
        mark.finished, mark.events = finished, events
        self.recovered_topics = mark.topics
        mark.topics = topics or mark.topics
        self.lost = {name: mark.next[name] for name in SOURCES if mark.next.get(name, self.low[name]) < self.low[name]}
        mark.next = {name: max(mark.next.get(name, self.low[name]), self.low[name]) for name in SOURCES}
        if self.regressed:
            self.restart_from_log()
            mark.next = dict(self.low)
        return mark

    def restart_from_log(self) -> None:
        """Fold the log from its start again; what is known stays and duplicates change nothing."""
        self.next = dict(self.low)
        self.regressed = False
        metrics.REGRESSIONS.inc()

    # Folding

    def fold(self, m: Raw) -> None:
        """Fold the message at `next`, or behind offsets that the log does not hold, and move `next` past it."""
        self.next[m.topic] = m.offset + 1
        self._counters[m.topic].inc()
        if m.value is None and m.topic == SCAN_GRAPHS:
            self._graph_removed(m)
            return
        message = self._decoded(m)
        if message is None:
            return
        if isinstance(message, EventBatch):
            self._fold_batch(message, m.offset)
        elif isinstance(message, RunFinished):
            self._fold_finished(message, m)
        elif isinstance(message, StructuralGraph):
            self._fold_graph(message, m)

    def skip_to(self, topic: str, offset: int) -> None:
        """Note that the log holds nothing below `offset` that was not folded."""
        self.next[topic] = max(self.next[topic], offset)

    def refold(self, m: Raw, wanted: set[AttemptKey]) -> tuple[AttemptKey, int, int] | None:
        """Fold a batch again that is below `next`, if it belongs to one of the attempts.

        Returns:
            Attempt, first and last sequence number of the batch, or None.
        """
        try:
            message = self._codec.decode_for_fold(m.value, m.headers, BY_NAME[m.topic].messages)
        except DecodeError:
            return None
        if not isinstance(message, EventBatch) or message.repo_id.encode() != m.key:
            return None
        key = (message.repo_id, message.run_number, message.attempt)
        if key not in wanted:
            return None
        self._fold_batch(message, m.offset)
        return key, message.first_seq, message.last_seq

    def _decoded(self, m: Raw) -> EventBatch | RunStarted | RunFinished | StructuralGraph | None:
        """The message, or None and a dead letter."""
        try:
            message = self._codec.decode_for_fold(m.value, m.headers, BY_NAME[m.topic].messages)
        except DecodeError as exc:
            self._letters.refused(m, exc.reason, exc.message)
            return None
        assert isinstance(message, EventBatch | RunStarted | RunFinished | StructuralGraph)
        if message.repo_id.encode() != m.key:
            self._letters.refused(
                m, letters.REASON_FOREIGN_KEY, f"the message is about repo_id {message.repo_id[:64]!r}"
            )
            return None
        if REPO_ID.match(message.repo_id) is None:
            self._letters.refused(
                m, letters.REASON_BAD_REPO_ID, f"repo_id {message.repo_id[:64]!r} is not 12 hex digits"
            )
            return None
        return message

    def _fold_batch(self, batch: EventBatch, offset: int) -> None:
        key = (batch.repo_id, batch.run_number, batch.attempt)
        attempt = self._attempt(key)
        if attempt.refused:
            return
        folded = fold_batch(attempt.state, batch)
        if folded.missing is not None:
            if attempt.held < 0 or offset < attempt.held:
                attempt.held = offset
                self._dirty_attempts.add(key)
            metrics.HELD_BATCHES.inc()
        elif folded.applied:
            attempt.offset = max(attempt.offset, offset)
            self._dirty_attempts.add(key)
            self._mark.events += folded.applied
            metrics.EVENTS.inc(folded.applied)
            if attempt.held >= 0:
                self.refill[key] = attempt.held
        if folded.duplicates:
            metrics.DUPLICATES.inc(folded.duplicates)
        # Also when nothing was new: state may have been written by a checkpoint whose emission was cut off.
        index = self._index(batch.repo_id)
        if index is not None and key[1:] in index.finished:
            self._touched.add(batch.repo_id)

    def _fold_finished(self, message: RunFinished, m: Raw) -> None:
        index = self._index(message.repo_id)
        if index is None:
            index = self._indices[message.repo_id] = RepoIndex(message.repo_id)
        key = (message.run_number, message.attempt)
        known = index.finished.get(key)
        facts = RunFacts.from_finished(message)
        if known is None or known.facts != facts:
            self._mark.finished += known is None
            index.finished[key] = Finished(facts, m.offset, m.timestamp_ms)
            self._change(index)
        self._touched.add(message.repo_id)

    def _fold_graph(self, message: StructuralGraph, m: Raw) -> None:
        mark = next((bytes(v) for k, v in m.headers if k == FP_HEADER and v is not None), b"")
        self._graphs[message.repo_id] = message
        self._dirty_graphs[message.repo_id] = StoredGraph(m.offset, mark, m.value or b"")
        self._touched.add(message.repo_id)

    def _graph_removed(self, m: Raw) -> None:
        repo_id = (m.key or b"").decode("utf-8", "replace")
        if REPO_ID.match(repo_id) is None:
            self._letters.refused(
                m, letters.REASON_BAD_REPO_ID, f"tombstone for {repo_id[:64]!r}, which is not 12 hex digits"
            )
            return
        self._graphs[repo_id] = None
        self._dirty_graphs[repo_id] = StoredGraph(m.offset, b"", b"")
        self._touched.add(repo_id)

    # State

    def _attempt(self, key: AttemptKey) -> Attempt:
        found = self._peek(key)
        if found is None:
            found = self._live[key] = Attempt(AttemptState())
        return found

    def _peek(self, key: AttemptKey) -> Attempt | None:
        found = self._live.get(key)
        if found is not None:
            self._live.move_to_end(key)
            return found
        value = self.stored.get(codecs.attempt_key(key))
        if value is None:
            return None
        found = self._live[key] = Attempt.load(value)
        return found

    def _refused(self, key: AttemptKey) -> bool:
        attempt = self._peek(key)
        return attempt is not None and attempt.refused

    def _index(self, repo_id: str) -> RepoIndex | None:
        found = self._indices.get(repo_id)
        if found is None:
            value = self.stored.get(codecs.index_key(repo_id))
            if value is not None:
                found = self._indices[repo_id] = RepoIndex.load(value)
        return found

    def _graph(self, repo_id: str) -> StructuralGraph | None:
        if repo_id not in self._graphs:
            value = self.stored.get(codecs.graph_key(repo_id))
            graph = None
            if value is not None:
                stored = StoredGraph.load(value)
                if stored.value:
                    decoded = self._codec.decode(stored.value, [(FP_HEADER, stored.fingerprint)])
                    assert isinstance(decoded, StructuralGraph)
                    graph = decoded
            self._graphs[repo_id] = graph
        return self._graphs[repo_id]

    def _change(self, index: RepoIndex) -> None:
        index.changes += 1
        self._dirty_indices.add(index.repo_id)

    def read_from(self, key: AttemptKey) -> int:
        """Lowest offset of `run.events` that may hold something of the attempt that is not folded."""
        attempt = self._peek(key)
        if attempt is None or attempt.offset < 0:
            return self.low[RUN_EVENTS]
        return min(attempt.offset + 1, attempt.held) if attempt.held >= 0 else attempt.offset + 1

    def refilled(self, keys: Iterable[AttemptKey]) -> None:
        """Note that the attempts were read again up to `next`."""
        for key in keys:
            self.refill.pop(key, None)

    def release_held(self, key: AttemptKey) -> None:
        """Forget where skipped batches begin, before they are folded again."""
        attempt = self._peek(key)
        if attempt is not None and attempt.held >= 0:
            attempt.held = -1
            self._dirty_attempts.add(key)

    # Emission

    @property
    def unsettled(self) -> int:
        """Repositories whose result may have changed and can be derived now."""
        if self._hold:
            if any(self.next[topic] < end for topic, end in self._hold.items()):
                return 0
            self._hold = {}
        return len(self._touched)

    def settle(self, most: int) -> None:
        """Derive the results of at most so many touched repositories."""
        for _ in range(min(most, self.unsettled)):
            if self.regressed:
                return
            self._derive(self._touched.pop())

    def _derive(self, repo_id: str) -> None:
        index = self._index(repo_id)
        if index is None:
            return

        def complete(facts: RunFacts) -> bool:
            key = (repo_id, facts.run_number, facts.attempt)
            attempt = self._peek(key)
            return not self._refused(key) and is_complete(attempt.state if attempt is not None else None, facts)

        whole = {key for key, f in index.finished.items() if complete(f.facts)}
        if any(key not in whole for key in index.counted):
            # Never emit less than was known before: the state is older than the emission.
            self.regressed = True
            self._touched.add(repo_id)
            return
        self._note_waiting(index, whole)
        counted = choose_runs([f.facts for f in index.finished.values()], lambda f: (f.run_number, f.attempt) in whole)
        runs = [(f, self._attempt((repo_id, f.run_number, f.attempt)).state) for f in counted]
        derived = derive(
            repo_id,
            runs,
            self._graph(repo_id),
            partition=self.number,
            offset=self.next[RUN_STATUS] - 1,
            known=index.digest,
        )
        resend = repo_id in self._resend
        if resend:
            self._resend.discard(repo_id)
            self._change(index)
        if derived.problems:
            self._refuse_record(index, derived)
        elif derived.digest != index.digest or (resend and index.revision):
            self._emit(index, derived, [(f.run_number, f.attempt) for f in counted])

    def _emit(self, index: RepoIndex, derived: Derived, counted: list[tuple[int, int]]) -> None:
        if derived.digest != index.digest:
            # Never below what a former owner, or one with another changelog, derived from less input.
            index.revision = max(index.revision + 1, sum(self.next.values()))
            index.digest, index.counted = derived.digest, counted
            self._change(index)
        number = {"revision": index.revision}
        record, topology = derived.record, derived.topology
        self._outputs[index.repo_id] = Output(
            index.repo_id,
            record.model_copy(update=number) if record is not None else None,
            topology.model_copy(update=number) if topology is not None else None,
        )

    def _refuse_record(self, index: RepoIndex, derived: Derived) -> None:
        assert derived.record is not None
        if index.refused == derived.digest:
            return
        index.refused = derived.digest
        self._change(index)
        last = max(f.offset for f in index.finished.values())
        self._letters.invalid_record(index.repo_id, last, derived.record.record, derived.problems)

    # Holes that stay

    def _note_waiting(self, index: RepoIndex, whole: set[tuple[int, int]]) -> None:
        for key, finished in index.finished.items():
            where = (index.repo_id, *key)
            if key in whole:
                self.waiting.pop(where, None)
                if index.closed.pop(key, None) is not None:
                    self._change(index)
            elif key not in index.closed and not finished.facts.is_infra_error and not self._refused(where):
                self.waiting.setdefault(where, finished.timestamp_ms)

    def close_incomplete(self, key: AttemptKey, seen: Iterable[tuple[int, int]]) -> None:
        """Close a finished attempt whose numbers have holes: a `gap` dead letter, and it does not count.

        Args:
            key: The attempt.
            seen: First and last sequence numbers of its batches that are in the log.
        """
        index = self._index(key[0])
        assert index is not None
        self.waiting.pop(key, None)
        finished = index.finished[key[1:]]
        attempt = self._attempt(key)
        present = [(1, attempt.state.last_seq), *seen]
        ranges = letters.missing_ranges(present, finished.facts.event_count)
        if not ranges:
            return
        index.closed[key[1:]] = ranges
        self._change(index)
        self._letters.gap(key, finished.offset, ranges, finished.facts.event_count)

    # Checkpoints

    def cut(self) -> Checkpoint | None:
        """Everything that changed since the last checkpoint, or None."""
        moved = self.next != self._mark.next
        dirty = self._dirty_attempts or self._dirty_indices or self._dirty_graphs
        if not (moved or dirty or len(self._letters) or self._outputs or self._mark_dirty):
            return None
        states = [(key, self._storable(key)) for key in self._dirty_attempts]
        mark = self._mark
        mark.checkpoint += 1
        mark.next = dict(self.next)
        mark.unsent = sorted(self._outputs.keys() | self._resend | self._touched)
        out = Checkpoint(letters=self._letters.take(), outputs=list(self._outputs.values()), next=dict(self.next))
        out.writes.extend((codecs.attempt_key(key), value) for key, value in states)
        for repo_id, graph in self._dirty_graphs.items():
            out.writes.append((codecs.graph_key(repo_id), graph.dump()))
        waiting: dict[str, int] = {}
        for where in self.waiting:
            waiting[where[0]] = waiting.get(where[0], 0) + 1
        for repo_id in self._dirty_indices:
            value = self._indices[repo_id].dump(mark.epoch, mark.checkpoint, waiting.get(repo_id, 0))
            out.writes.append((codecs.index_key(repo_id), value))
        # The mark lives on in memory only; recovery reads it from the changelog.
        self.stored.update((key, value) for key, value in out.writes if value is not None)
        out.writes.append((codecs.mark_key(mark.epoch), mark.dump()))
        out.writes.extend((key, None) for key in self._obsolete)
        self._obsolete = []
        self._mark_dirty = bool(self._outputs)
        self._outputs = {}
        self._dirty_attempts, self._dirty_indices, self._dirty_graphs = set(), set(), {}
        while len(self._live) > LIVE_ATTEMPTS:
            self._live.popitem(last=False)
        return out

    def _storable(self, key: AttemptKey) -> bytes:
        """The value of an attempt; one that no message holds is given up, with a dead letter."""
        attempt = self._live[key]
        value = attempt.dump()
        if len(value) > STATE_BYTES:
            self._letters.state_too_large(key, RUN_EVENTS, attempt.offset, len(value))
            attempt.refuse()
            self.waiting.pop(key, None)
            self.refill.pop(key, None)
            value = attempt.dump()
        return value
