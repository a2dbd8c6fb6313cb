"""A new warehouse filled by a replay: every table but the dead letters, from the raw topics alone.

The file appears under its name when it is complete. One process writes: DuckDB has one writer.
"""

from __future__ import annotations

from pathlib import Path

from producers.replay_diff import Derived
from stratum_lab.contract.events import BehavioralRecord, EventBatch, Message, PingDocument, RunFinished, RunStarted
from stratum_lab.contract.topics import SCAN_GRAPHS, SCAN_IDENTITIES
from stratum_lab.errors import DecodeError, UsageError
from stratum_lab.ping.upconvert import parse, read
from stratum_lab.settings import Settings
from stratum_lab.warehouse.pending import Pending
from stratum_lab.warehouse.writer import Warehouse

SINK = "replay"
_PARTIAL = ".partial"


class WarehouseTarget:
    """Gathers rows and writes them in large transactions.

    Args:
        settings: Limits of the database and rows per transaction.
        path: The new file.

    Raises:
        UsageError: The file is there already.
    """

    def __init__(self, settings: Settings, path: Path) -> None:
        if path.exists():
            raise UsageError(f"{path} is there already", remedy="name a new file, or remove the old one")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._rows = settings.warehouse.batch_rows
        self._partial = path.with_name(path.name + _PARTIAL)
        self._remove()
        self._warehouse = Warehouse(settings, path=self._partial, sink=SINK)
        self._pending = Pending()

    def source(self, message: Message) -> None:
        """Take a message of a raw topic.

        Raises:
            DecodeError: It is a ping of another schema that cannot be read.
        """
        if isinstance(message, EventBatch):
            self._pending.add_batch(message)
        elif isinstance(message, RunStarted | RunFinished):
            self._pending.add_run(message)
        else:
            try:
                if isinstance(message, PingDocument):
                    read(parse(message.body))
                self._pending.scans.add(message)
            except ValueError as exc:
                raise DecodeError("invalid", f"{type(message).__name__}: {exc}") from exc
        if len(self._pending) >= self._rows:
            self.flush()

    def tombstone(self, topic: str, key: bytes | None) -> None:
        """Take a deletion in a compacted raw topic (catalogue name)."""
        drop = {SCAN_GRAPHS: self._pending.scans.drop_graph, SCAN_IDENTITIES: self._pending.scans.drop_identity}
        if topic in drop:
            drop[topic]((key or b"").decode("utf-8", "replace"))

    def derived(self, message: Derived) -> None:
        """Take a derived value."""
        if isinstance(message, BehavioralRecord):
            self._pending.add_record(message)
        else:
            self._pending.add_topology(message)

    def flush(self) -> None:
        """Write what was gathered.

        Raises:
            DestinationFull: No room.
        """
        if len(self._pending):
            # No offsets are stored: a sink that opens the file later reads from the start, and adds only what is new.
            self._warehouse.write(self._pending, {})
            self._pending = Pending()

    def finish(self) -> None:
        """Write the rest and give the file its name."""
        self.flush()
        self._warehouse.checkpoint()
        self._warehouse.close()
        self._partial.rename(self._path)

    def abandon(self) -> None:
        """Remove what was written; nothing appears under the name."""
        self._warehouse.close()
        self._remove()

    def _remove(self) -> None:
        for file in (self._partial, self._partial.with_name(self._partial.name + ".wal")):
            file.unlink(missing_ok=True)
