"""Sink of the warehouse: the log's messages as rows of DuckDB, served while it writes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import orjson

from consumers.loop import Flushed, Limits, Offsets, run_service
from stratum_lab.contract.events import (
    BehavioralRecord,
    DeadLetter,
    EventBatch,
    Message,
    PingDocument,
    RunFinished,
    RunStarted,
    TopologyMetrics,
)
from stratum_lab.contract.topics import (
    BY_NAME,
    DEAD_LETTERS,
    REPO_RECORDS,
    REPO_TOPOLOGY,
    RUN_EVENTS,
    RUN_STATUS,
    SCAN_GRAPHS,
    SCAN_IDENTITIES,
    SCAN_PINGS,
    SCAN_STATUS,
    base_name,
)
from stratum_lab.errors import DecodeError, DestinationFull
from stratum_lab.fold import validate_record
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.consumer import RawMessage
from stratum_lab.ping.upconvert import parse, read
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Door, Pending, Warehouse

NAME = "warehouse"
TIERS = range(128)
"""Tiers that fit their column; 0 to 2 are in use."""
MAX_SEQ = 2**62


class _Write(NamedTuple):
    """A transaction that the writer's thread has been given."""

    pending: Pending
    offsets: Offsets
    done: Future[int]


class WarehouseSink:
    """Decodes into a `Pending` and writes it in one transaction with its offsets.

    One thread writes while the next messages are decoded; DuckDB works outside the interpreter's lock, so both go on
    at once. At most one transaction is under way, and they follow each other in the order of the log.

    Args:
        settings: Database, limits and door.
        serve: Whether to open the read-only door.

    Raises:
        Busy: Another process writes to the warehouse.
    """

    name: str = NAME
    topics: tuple[str, ...] = (
        RUN_EVENTS, RUN_STATUS, REPO_RECORDS, REPO_TOPOLOGY, SCAN_PINGS, SCAN_STATUS, SCAN_GRAPHS, SCAN_IDENTITIES,
        DEAD_LETTERS,
    )  # fmt: skip

    def __init__(self, settings: Settings, *, serve: bool = True) -> None:
        self._settings = settings
        self.limits = Limits(settings.warehouse.batch_rows, settings.warehouse.batch_seconds)
        self._codec = codec(settings)
        self._pending = Pending()
        self._under_way: _Write | None = None
        self._writer = ThreadPoolExecutor(1, "warehouse-writer")
        self._serve = serve
        self._warehouse = Warehouse(settings)
        self._door: Door | None = None
        try:
            self._open_door()
        except BaseException:
            self._warehouse.close()
            raise

    def _open_door(self) -> None:
        self._door = Door(self._warehouse.con, self._settings) if self._serve else None

    def offsets(self) -> Offsets:
        """Offsets stored in the warehouse."""
        return self._warehouse.offsets()

    def add(self, message: RawMessage) -> None:
        """Decode one message into the rows that wait.

        Raises:
            DecodeError: It cannot be read.
        """
        topic = base_name(self._settings.kafka.topic_prefix, message.topic)
        if message.value is None and BY_NAME[topic].cleanup == "compact":
            drop = {
                REPO_RECORDS: self._pending.drop_record,
                REPO_TOPOLOGY: self._pending.drop_topology,
                SCAN_GRAPHS: self._pending.scans.drop_graph,
                SCAN_IDENTITIES: self._pending.scans.drop_identity,
            }[topic]
            drop((message.key or b"").decode("utf-8", "replace"))
            return
        decoded = self._codec.decode(message.value, message.headers, BY_NAME[topic].messages)
        try:
            self._put(decoded)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise DecodeError("invalid", f"{type(decoded).__name__}: {type(exc).__name__}: {exc}") from exc

    def _put(self, decoded: Message) -> None:
        """What does not fit its column is refused here: in a transaction it would stop everything beside it."""
        pending = self._pending
        if isinstance(decoded, (EventBatch, RunFinished)) and decoded.tier not in TIERS:
            raise ValueError(f"tier {decoded.tier}, expected {TIERS.start} to {TIERS.stop - 1}")
        if isinstance(decoded, EventBatch):
            if decoded.last_seq > MAX_SEQ:
                raise ValueError(f"last seq {decoded.last_seq}, at most {MAX_SEQ}")
            pending.add_batch(decoded)
        elif isinstance(decoded, (RunStarted, RunFinished)):
            pending.add_run(decoded)
        elif isinstance(decoded, BehavioralRecord):
            if problems := validate_record(orjson.loads(decoded.record)):
                raise ValueError("; ".join(problems))
            pending.add_record(decoded)
        elif isinstance(decoded, TopologyMetrics):
            pending.add_topology(decoded)
        elif isinstance(decoded, DeadLetter):
            pending.add_dead_letter(decoded)
        else:
            if isinstance(decoded, PingDocument):
                read(parse(decoded.body))
            pending.scans.add(decoded)

    def refuse(self, letter: DeadLetter) -> None:
        """The sink's own dead letters are rows at once; they come again from their topic and change nothing."""
        self._pending.add_dead_letter(letter)

    def size(self) -> int:
        """Rows that wait."""
        return len(self._pending)

    def flush(self, offsets: Offsets) -> Flushed:
        """Wait for the transaction under way, then begin the next with what waits.

        Raises:
            DestinationFull: No room for the one under way; it is tried again, and nothing else was begun.
        """
        flushed = self.settle()
        self._begin(self._pending, dict(offsets))
        self._pending = Pending()
        return flushed

    def settled(self) -> bool:
        """Whether the transaction under way has ended."""
        return self._under_way is not None and self._under_way.done.done()

    def settle(self) -> Flushed:
        """Wait for the transaction under way.

        Raises:
            DestinationFull: No room; it is tried again.
        """
        write = self._under_way
        if write is None:
            return Flushed(0, {})
        try:
            rows = write.done.result()
        except DestinationFull:
            self._begin(write.pending, write.offsets)
            raise
        self._under_way = None
        return Flushed(rows, write.offsets)

    def _begin(self, pending: Pending, offsets: Offsets) -> None:
        self._under_way = _Write(pending, offsets, self._writer.submit(self._write, pending, offsets))

    def _write(self, pending: Pending, offsets: Offsets) -> int:
        """Runs in the writer's thread."""
        if self._warehouse.con is None:
            # The file was given up after a failed write; the door went with it.
            self._warehouse.open()
            self._open_door()
        try:
            return self._warehouse.write(pending, offsets).rows
        except DestinationFull:
            if self._warehouse.con is None and self._door is not None:
                self._door.retire()
            raise

    def rebase_remedy(self, topic: str) -> str:
        """What to do when a topic was recreated."""
        return f"stratum warehouse rebase {topic}"

    def close(self) -> None:
        """Close door and file, after the transaction under way."""
        self._writer.shutdown(wait=True)
        if self._door is not None and self._warehouse.con is not None:
            self._door.close()
        self._warehouse.close()


def service(settings: Settings) -> int:
    """Run the warehouse sink until SIGTERM or SIGINT; returns an exit code."""
    return run_service(settings, WarehouseSink, metrics_port=settings.warehouse.metrics_port)
