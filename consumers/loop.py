"""The loop of every sink: read from the sink's own stored offsets, write rows and offsets together, never skip.

A sink reads every partition by assignment. Its destination has one owner (a file lock), so there is nothing to share
out, and no group can take a partition away in the middle of a transaction. The group named by `group_of` only shows
how far the sink is: what counts is the offset stored with the rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from consumers.dead_letter import DeadLetterWriter
from consumers.observer import Observer
from stratum_lab.contract.events import DeadLetter
from stratum_lab.contract.topics import BY_NAME, DEAD_LETTERS, base_name, full_name
from stratum_lab.errors import (
    BrokerUnavailable,
    DecodeError,
    DestinationFull,
    LogIdentityChanged,
)
from stratum_lab.kafka.consumer import Consumer, Partition, RawMessage
from stratum_lab.kafka.letters import letter_of
from stratum_lab.kafka.reader import watermarks
from stratum_lab.kafka.topics import committed, ensure_topics, topic_ids
from stratum_lab.observe import faults, garbage, logs
from stratum_lab.observe.signals import StopSignals
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Stored

_log = logs.get("sink")

POLL_MESSAGES = 200
"""Messages taken at once; with PREFETCH_KIB it bounds what waits in memory."""
PREFETCH_KIB = 32 * 1024
BATCH_BYTES = 128 * 1024 * 1024
"""Message bytes after which a transaction is written, unless a sink says otherwise."""
POLL_S = 0.2
RETRY_S = 1.0
DENIALS = 5
"""How often in a row a broker may deny an offset that it holds."""

Offsets = Mapping[Partition, Stored]


class Limits(NamedTuple):
    """When a sink's transaction is written."""

    rows: int
    seconds: float
    bytes: int = BATCH_BYTES


class Flushed(NamedTuple):
    """What is stored for good since the last answer: new rows, and the offsets after them."""

    rows: int
    offsets: Offsets


class Sink(Protocol):
    """A destination with its own offsets.

    The loop calls `add` for each message in log order (per partition), then `flush` with the offsets after all of
    them. Rows and offsets are stored together or not at all, in the order of the flushes; after an error the same
    call is made again. A sink may go on writing after `flush` has returned: then `settled` tells when it is through,
    and `settle`, or the next `flush`, waits for it and gives its result. Calls come from one thread.
    """

    name: str
    topics: tuple[str, ...]
    limits: Limits

    def offsets(self) -> Offsets:
        """How far each partition is stored; partitions never read are left out."""

    def add(self, message: RawMessage) -> None:
        """Take one message.

        Raises:
            DecodeError: It cannot be read; the loop turns it into a dead letter and goes on.
        """

    def refuse(self, letter: DeadLetter) -> None:
        """Told of each dead letter made for this sink, before the flush that covers it."""

    def size(self) -> int:
        """Rows taken since the last flush."""

    def flush(self, offsets: Offsets) -> Flushed:
        """Store, or begin to store, everything taken and the offsets after it.

        Raises:
            DestinationFull: No room now; the loop pauses and calls again.
        """

    def settled(self) -> bool:
        """Whether a write that was begun has ended and its result waits for `settle`."""

    def settle(self) -> Flushed:
        """Wait for a write that was begun, if there is one.

        Raises:
            DestinationFull: No room; it is tried again, the loop pauses and calls again.
        """

    def rebase_remedy(self, topic: str) -> str:
        """What a person does when this topic is no longer the one whose offsets are stored."""

    def close(self) -> None:
        """Give the destination back."""


class ImmediateSink:
    """Base of sinks that have stored everything when `flush` returns."""

    def settled(self) -> bool:
        """Nothing is ever under way."""
        return False

    def settle(self) -> Flushed:
        """Nothing is ever under way."""
        return Flushed(0, {})


def group_of(settings: Settings, name: str) -> str:
    """The consumer group under which a sink shows how far it is."""
    return f"{settings.kafka.topic_prefix}{name}"


class Loop:
    """Runs one sink until `stop` is set.

    Args:
        settings: Broker and topics.
        sink: Where the messages go.
        stop: Ends the loop after a last flush.
        metrics_port: Prometheus port; 0: none.
        drain: End by itself when everything in the log at that time is stored.
    """

    def __init__(
        self, settings: Settings, sink: Sink, stop: threading.Event, *, metrics_port: int = 0, drain: bool = False
    ) -> None:
        self._settings, self._sink, self._stop, self._drain = settings, sink, stop, drain
        self._full = [full_name(settings.kafka.topic_prefix, t) for t in sink.topics]
        self._letters = DeadLetterWriter(settings)
        self._dead_topic = full_name(settings.kafka.topic_prefix, DEAD_LETTERS)
        self._ids: dict[str, str] = {}
        self._next: dict[Partition, Stored] = {}
        self._bytes = 0
        self._position: dict[Partition, Stored] = {}
        self._since = 0.0
        self._observer = Observer(settings, sink.name, self._full, group_of(settings, sink.name), metrics_port)

    def run(self) -> None:
        """Read and write until told to stop.

        Raises:
            LogIdentityChanged: A topic was recreated, or what comes next is no longer in the log.
            StratumError: The destination failed for good.
        """
        ensure_topics(self._settings, {*self._sink.topics, DEAD_LETTERS})
        start = self._start_offsets()
        overrides = {
            "queued.max.messages.kbytes": PREFETCH_KIB,
            "queued.min.messages": 1000,
            "enable.partition.eof": self._drain,
        }
        with Consumer(self._settings, None, start="error", overrides=overrides) as consumer:
            self._position = {where: Stored(offset, self._ids[where[0]]) for where, offset in start.items()}
            consumer.assign(start)
            self._observer.start(self._ids, start)
            try:
                self._work(consumer)
            finally:
                self._observer.stop()

    def _start_offsets(self) -> dict[Partition, int]:
        """Where to go on, after checking that the log is still the one whose offsets are stored."""
        self._ids = topic_ids(self._settings, self._full)
        stored = self._sink.offsets()
        shown = committed(self._settings, group_of(self._settings, self._sink.name), self._full)
        start: dict[Partition, int] = {}
        rewound = 0
        for topic in self._full:
            for partition, (low, high) in watermarks(self._settings, topic).items():
                where = (topic, partition)
                known = stored.get(where)
                if known is None:
                    start[where] = low
                else:
                    self._check(where, known, low, high)
                    start[where] = known.next_offset
                rewound += max(0, shown.get(where, 0) - start[where]) if known is not None or not stored else 0
        if rewound:
            _log.warning(
                "rewound",
                sink=self._sink.name,
                messages=rewound,
                meaning="the destination is older than it was before the last stop; these messages are read again",
            )
        self._observer.rewound(rewound)
        _log.info("sink_started", sink=self._sink.name, partitions=len(start))
        return start

    def _check(self, where: Partition, known: Stored, low: int, high: int) -> None:
        topic, partition = where
        problem = None
        if known.topic_id != self._ids[topic]:
            problem = f"was recreated: its identity is {self._ids[topic]}, rows are stored from {known.topic_id}"
        elif known.next_offset > high:
            problem = f"ends at offset {high}, rows are stored up to {known.next_offset}"
        elif known.next_offset < low and not self._compacted(topic):
            problem = f"begins at offset {low}, the next to store is {known.next_offset}: messages were deleted unread"
        if problem:
            raise LogIdentityChanged(f"{topic} [{partition}] {problem}", remedy=self._sink.rebase_remedy(topic))

    def _compacted(self, topic: str) -> bool:
        return BY_NAME[base_name(self._settings.kafka.topic_prefix, topic)].cleanup == "compact"

    def _check_all(self) -> None:
        """Whether the log still holds what comes next, everywhere.

        Raises:
            LogIdentityChanged: It does not.
        """
        self._ids = topic_ids(self._settings, self._full)
        for topic in self._full:
            for partition, (low, high) in watermarks(self._settings, topic).items():
                if (topic, partition) in self._position:
                    self._check((topic, partition), self._position[topic, partition], low, high)

    def _work(self, consumer: Consumer) -> None:
        denied = 0
        while not self._stop.is_set():
            if self._observer.trouble is not None:
                raise self._observer.trouble
            try:
                messages = consumer.consume_batch(POLL_MESSAGES, POLL_S)
            except BrokerUnavailable as exc:
                self._observer.failed(exc)
                self._stop.wait(RETRY_S)
                continue
            except LogIdentityChanged as exc:
                # A partition that has just got its leader may deny an offset it holds: ask what it holds now.
                self._check_all()
                denied += 1
                if denied > DENIALS:
                    raise
                self._observer.failed(exc)
                self._stop.wait(RETRY_S)
                consumer.assign({p: s.next_offset for p, s in self._position.items()})
                continue
            denied = 0
            for m in messages:
                self._take(m)
            if self._due():
                self._flush(consumer)
            elif self._sink.settled():
                self._persist(consumer, self._sink.settle)
            if self._drain and len(consumer.ended) == len(self._position):
                break
        if self._next:
            self._flush(consumer, last=True)
        self._persist(consumer, self._sink.settle, last=True)

    def _take(self, m: RawMessage) -> None:
        if not self._next:
            self._since = time.monotonic()
        try:
            self._sink.add(m)
        except DecodeError as exc:
            letter = letter_of(m, stage=self._sink.name, reason=exc.reason, detail=exc.message)
            # What cannot be read in the topic of dead letters must not make another one there.
            if m.topic != self._dead_topic:
                self._letters.add(letter)
            self._sink.refuse(letter)
            self._observer.dead_letter(exc.reason)
        where = (m.topic, m.partition)
        self._next[where] = self._position[where] = Stored(m.offset + 1, self._ids[m.topic])
        self._bytes += len(m.value or b"")

    def _due(self) -> bool:
        if not self._next:
            return False
        limits = self._sink.limits
        return (
            self._sink.size() >= limits.rows
            or self._bytes >= limits.bytes
            or time.monotonic() - self._since >= limits.seconds
        )

    def _flush(self, consumer: Consumer, *, last: bool = False) -> None:
        """Write what was taken; a crash at any step repeats it."""

        # 1. Dead letters. 2. Rows with offsets. 3. The group's offsets, by the observer.
        def write() -> Flushed:
            self._letters.flush()
            faults.point("sink.after_letters")
            return self._sink.flush(self._next)

        self._persist(consumer, write, last=last)
        # When it was asked to stop first: what is not stored stays in the log.
        self._next = {}
        self._bytes = 0

    def _persist(self, consumer: Consumer, write: Callable[[], Flushed], *, last: bool = False) -> None:
        """Call `write`, waiting for room as long as it takes; nothing more is fetched meanwhile."""
        paused: list[Partition] = []
        while True:
            try:
                flushed = write()
                break
            except (DestinationFull, BrokerUnavailable) as exc:
                if not paused:
                    _log.warning("paused", sink=self._sink.name, error=exc.message, fix=exc.remedy)
                    paused = consumer.assignment()
                    consumer.pause(paused)
                    self._observer.paused(True)
                if last or self._stop.wait(RETRY_S):
                    _log.warning("stopped_unwritten", sink=self._sink.name, rows=self._sink.size())
                    return
        if paused:
            consumer.resume(paused)
            self._observer.paused(False)
            _log.info("resumed", sink=self._sink.name)
        if flushed.offsets:
            self._observer.stored({p: s.next_offset for p, s in flushed.offsets.items()}, flushed.rows)


def run_service(settings: Settings, make: Callable[[Settings], Sink], *, metrics_port: int = 0) -> int:
    """Run a sink until SIGTERM or SIGINT; a second SIGINT ends the process at once.

    Returns:
        Exit code: 0 after SIGTERM, 130 after SIGINT.
    """
    with StopSignals() as signals:
        sink = make(settings)
        garbage.tune()
        try:
            Loop(settings, sink, signals.stop, metrics_port=metrics_port).run()
        finally:
            sink.close()
    return signals.code
