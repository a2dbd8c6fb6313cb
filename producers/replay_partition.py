"""Replaying partitions: read their sources up to fixed ends, fold, derive, compare with live, write.

Runs in a worker process per core. A few partitions are read at once; each is derived and freed when it is complete. A
replayer keeps its consumer and producer from one group of partitions to the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from producers.replay_diff import Derived, Difference, compare
from stratum_lab.contract.events import (
    BehavioralRecord,
    CountedRun,
    EventBatch,
    RunFinished,
    StructuralGraph,
    TopologyMetrics,
)
from stratum_lab.contract.topics import BY_NAME, REPO_RECORDS, REPO_TOPOLOGY, RUN_EVENTS, full_name
from stratum_lab.errors import DecodeError
from stratum_lab.fold import Folder, Result, canonical_json, validate_record
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.consumer import Consumer, Partition, RawMessage
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import drain
from stratum_lab.observe import garbage
from stratum_lab.settings import Settings

if TYPE_CHECKING:
    from producers.replay_warehouse import WarehouseTarget  # DuckDB and Arrow: slow to import in every process

_FETCH = 50

FETCH_OPTIONS = {
    "enable.partition.eof": True,
    "fetch.min.bytes": 1,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5,  # its default of a second leaves the fold idle
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 16 * 1024,
    "fetch.message.max.bytes": 2 * 1024 * 1024,
    "check.crcs": False,
}
"""A bounded queue of what is fetched and not yet folded; four times as much costs a quarter more CPU time."""

Bounds = tuple[int, int]
"""First offset and the offset after the last."""


@dataclass(frozen=True)
class Task:
    """One partition to replay.

    Attributes:
        partition: Its number.
        sources: Catalogue name of each source topic -> bounds of the partition when the replay began.
        live: Catalogue name of each derived topic -> bounds, when it shall be compared.
        status_offset: Offset of the last run.status message within the bounds; -1 when there is none.
        write_to: Catalogue name of each derived topic -> full name of the topic to write.
        promote: Whether to correct the live topics.
    """

    partition: int
    sources: Mapping[str, Bounds]
    live: Mapping[str, Bounds]
    status_offset: int
    write_to: Mapping[str, str]
    promote: bool


class Incomplete(NamedTuple):
    """A finished attempt whose events are not all in the log."""

    repo_id: str
    run_number: int
    attempt: int
    missing: tuple[tuple[int, int], ...]


@dataclass
class PartitionResult:
    """What one partition gave; also the sum over partitions.

    Attributes:
        poison: Reason -> messages that could not be decoded; they are skipped as they are live.
        newer: Live values that rest on later input than this replay read; they are left alone.
        promoted: Values written into a live topic.
        tombstones: Live values deleted.
    """

    messages: int = 0
    events: int = 0
    batches: int = 0
    finished: int = 0
    open_runs: int = 0
    graphs: int = 0
    records: int = 0
    topologies: int = 0
    invalid: int = 0
    newer: int = 0
    promoted: int = 0
    tombstones: int = 0
    cpu_seconds: float = 0.0
    interrupted: bool = False
    poison: dict[str, int] = field(default_factory=dict)
    incomplete: list[Incomplete] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, other: PartitionResult) -> None:
        """Add another partition's result."""
        for name in (
            "messages", "events", "batches", "finished", "open_runs", "graphs", "records", "topologies", "invalid",
            "newer", "promoted", "tombstones", "cpu_seconds",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.interrupted = self.interrupted or other.interrupted
        for reason, count in other.poison.items():
            self.poison[reason] = self.poison.get(reason, 0) + count
        self.incomplete += other.incomplete
        self.differences += other.differences
        self.problems += other.problems


class Interrupted(Exception):
    """The replay was asked to stop."""


class _Reading:
    """A partition that is being read."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.folder = Folder()
        self.out = PartitionResult()
        self.live: dict[tuple[str, bytes], RawMessage] = {}  # newest by catalogue name and key
        self.left = len(task.sources) + len(task.live)


class Replayer:
    """Replays partitions, a few at once.

    Args:
        settings: Broker, prefix, codec.
        on_messages: Told how many messages were read since the last call; may raise Interrupted.
        warehouse: A new warehouse that takes everything, if one is wanted.
    """

    def __init__(
        self, settings: Settings, on_messages: Callable[[int], None], warehouse: WarehouseTarget | None = None
    ) -> None:
        self._settings = settings
        self._warehouse = warehouse
        self._on_messages = on_messages
        self._codec = codec(settings)
        self._consumer = Consumer(settings, None, start="error", overrides=FETCH_OPTIONS)
        self._producer: Producer | None = None

    def finish(self) -> None:
        """Wait until everything written so far is acknowledged.

        Raises:
            BrokerUnavailable: Some of it was not.
        """
        if self._producer is not None:
            self._producer.flush()

    def close(self) -> None:
        """Close the consumer; what was produced is flushed by `finish`."""
        self._consumer.close()

    def replay(self, tasks: Sequence[Task]) -> Iterator[PartitionResult]:
        """Replay these partitions at once; each one's result comes when it is complete.

        Raises:
            BrokerUnavailable: Nothing came for the time a broker call may take.
            LogIdentityChanged: A topic was cut or recreated meanwhile.
            Interrupted: `on_messages` asked to stop; nothing of the partitions still without a result is written.
        """
        prefix = self._settings.kafka.topic_prefix
        readings = {task.partition: _Reading(task) for task in tasks}
        names = {full_name(prefix, n): n for task in tasks for n in (*task.sources, *task.live)}
        ranges = {
            (full_name(prefix, name), task.partition): bounds
            for task in tasks
            for name, bounds in (*task.sources.items(), *task.live.items())
        }
        full: list[_Reading] = []

        def complete(where: Partition) -> None:
            reading = readings[where[1]]
            reading.left -= 1
            if not reading.left:
                del readings[where[1]]
                full.append(reading)

        began = time.process_time()
        with garbage.paused():
            for m in drain(
                self._consumer,
                ranges,
                timeout_s=self._settings.kafka.request_timeout_s,
                fetch=_FETCH,
                progress=self._on_messages,
                complete=complete,
            ):
                while full:
                    yield self._derive(full.pop(), began)
                    began = time.process_time()
                self._take(readings[m.partition], names[m.topic], m)
            while full:
                yield self._derive(full.pop(), began)
                began = time.process_time()

    def _take(self, reading: _Reading, name: str, m: RawMessage) -> None:
        """Fold one message, or keep it when it is a live value."""
        if name in reading.task.live:
            reading.live[name, m.key or b""] = m
            return
        out, warehouse = reading.out, self._warehouse
        out.messages += 1
        if m.value is None and name != RUN_EVENTS:
            if warehouse is not None:
                warehouse.tombstone(name, m.key)
            return  # a tombstone of scan.graphs or scan.identities: compaction has not run yet
        decode = self._codec.decode_for_fold if warehouse is None else self._codec.decode
        try:
            message = decode(m.value, m.headers, BY_NAME[name].messages)
            if warehouse is not None:
                warehouse.source(message)
        except DecodeError as exc:
            out.poison[exc.reason] = out.poison.get(exc.reason, 0) + 1
            return
        if isinstance(message, EventBatch):
            out.batches += 1
            out.events += message.count
            reading.folder.batch(message)
        elif isinstance(message, RunFinished):
            out.finished += 1
            reading.folder.finished(message)
        elif isinstance(message, StructuralGraph):
            out.graphs += 1
            reading.folder.graph(message)

    def _derive(self, reading: _Reading, began: float) -> PartitionResult:
        """Derive and write what a partition gives that has been read; `began` is when its share of CPU time did."""
        task, out = reading.task, reading.out
        with garbage.resumed():
            live = self._live(reading)
            for result in reading.folder.results():
                self._derived(task, result, live, out)
            for (topic, _), message in live.items():
                self._extra(task, topic, message, out)
        out.cpu_seconds = time.process_time() - began
        return out

    def _live(self, reading: _Reading) -> dict[tuple[str, str], Derived]:
        """Newest live value per topic and repository."""
        out = reading.out
        found: dict[tuple[str, str], Derived] = {}
        for (name, _), m in reading.live.items():
            if m.value is None:
                continue
            try:
                message = self._codec.decode(m.value, m.headers, BY_NAME[name].messages)
            except DecodeError as exc:
                out.problems.append(
                    f"live value in {m.topic} [{m.partition}] at {m.offset} cannot be read: {exc.reason}"
                )
                continue
            assert isinstance(message, BehavioralRecord | TopologyMetrics)
            found[name, message.repo_id] = message
        return found

    def _derived(self, task: Task, result: Result, live: dict[tuple[str, str], Derived], out: PartitionResult) -> None:
        out.problems += [f"{result.repo_id}: {text}" for text in result.problems]
        for run in result.incomplete:
            if run.finished:
                out.incomplete.append(Incomplete(result.repo_id, run.run_number, run.attempt, run.missing))
            else:
                out.open_runs += 1
        if result.record is None:
            return
        invalid = validate_record(result.record)
        if invalid:
            out.invalid += 1
            out.problems += [f"{result.repo_id}: {p}" for p in invalid]
            return
        record = BehavioralRecord(
            repo_id=result.repo_id,
            repo_full_name=result.record["repo_full_name"],
            runs=[
                CountedRun(run_number=f.run_number, attempt=f.attempt, event_count=f.event_count) for f in result.runs
            ],
            source_partition=task.partition,
            source_offset=task.status_offset,
            revision=1,
            record=canonical_json(result.record),
        )
        out.records += 1
        self._settle(task, REPO_RECORDS, record, live, out)
        if result.topology is not None:
            at = {"source_partition": task.partition, "source_offset": task.status_offset, "revision": 1}
            out.topologies += 1
            self._settle(task, REPO_TOPOLOGY, result.topology.model_copy(update=at), live, out)

    def _settle(
        self, task: Task, topic: str, message: Derived, live: dict[tuple[str, str], Derived], out: PartitionResult
    ) -> None:
        """Write one derived value where it belongs and note how the live one differs."""
        if topic in task.write_to:
            self._write(task.write_to[topic], task.partition, message)
        if self._warehouse is not None:
            self._warehouse.derived(message)
        if topic not in task.live:
            return
        before = live.pop((topic, message.repo_id), None)
        difference = compare(topic, task.partition, before, message)
        if difference is None:
            return
        if before is not None and before.source_offset > task.status_offset:
            out.newer += 1
            return
        out.differences.append(difference)
        if task.promote:
            revision = before.revision + 1 if before is not None else 1
            full = full_name(self._settings.kafka.topic_prefix, topic)
            self._write(full, task.partition, message.model_copy(update={"revision": revision}))
            out.promoted += 1

    def _extra(self, task: Task, topic: str, message: Derived, out: PartitionResult) -> None:
        """A live value that no input supports."""
        if message.source_offset > task.status_offset:
            out.newer += 1
            return
        difference = compare(topic, task.partition, message, None)
        assert difference is not None
        out.differences.append(difference)
        if task.promote:
            full = full_name(self._settings.kafka.topic_prefix, topic)
            self._out().send_raw(full, message.repo_id, None, (), partition=task.partition)
            out.tombstones += 1

    def _write(self, full_topic: str, partition: int, message: Derived) -> None:
        value, headers = self._codec.encode(message)
        self._out().send_raw(full_topic, message.repo_id, value, headers, partition=partition)

    def _out(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(self._settings)
        return self._producer
