"""The one writer of the warehouse: rows and offsets in one transaction, every event once.

A transaction holds everything of a `Pending` and the offsets after it. What is already stored is known from
`event_ranges` (see `coverage.py`), so a batch that comes twice, late or partly again adds only what is new.
"""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from stratum_lab.errors import Busy, DestinationFull
from stratum_lab.observe import faults
from stratum_lab.settings import Settings
from stratum_lab.warehouse.arrow import ABSENT_AS_NULL, ODD_JSON_AS_TEXT, Slice, events_table
from stratum_lab.warehouse.coverage import Coverage
from stratum_lab.warehouse.database import open_writer, translate, translated
from stratum_lab.warehouse.pending import DEAD_LETTER_KEY, AttemptKey, Entity, Pending
from stratum_lab.warehouse.scans import write_scans

RUN_KEY = ("repo_id", "run_number", "attempt")
KNOWN_RUNS = 200_000
"""Attempts whose stored ranges are kept in memory; beyond it they are looked up per transaction."""

RECORD_TABLES = ("records", "record_edges", "record_findings", "baselines")
_STAGE = "incoming"
_MIB = 1024 * 1024


class Stored(NamedTuple):
    """How far one partition is stored."""

    next_offset: int
    topic_id: str


class Written(NamedTuple):
    """What one transaction added."""

    events: int
    duplicates: int
    rows: int


Offsets = Mapping[tuple[str, int], Stored]
"""(full topic, partition) -> how far it is stored."""


def _cast(column: str, kind: str) -> str:
    """A column in its type; text in a JSON column that is no JSON becomes a JSON string."""
    if kind != "JSON":
        return f'CAST("{column}" AS {kind}) AS "{column}"'
    text = f'CAST("{column}" AS VARCHAR)'
    return f'CASE WHEN {text} IS NULL OR json_valid({text}) THEN {text}::JSON ELSE to_json({text}) END AS "{column}"'


class Warehouse:
    """The database, open for writing by one sink.

    Args:
        settings: Path, limits and free space to keep.
        path: Another file than the settings'.
        sink: Name of the owner in `sink_offsets`.

    Raises:
        Busy: Another process writes to it.
        IntegrityError: It is damaged or newer than the code.
    """

    def __init__(self, settings: Settings, *, path: Path | None = None, sink: str = "warehouse") -> None:
        self._settings, self._sink = settings, sink
        self.path = path or settings.warehouse_path
        self.con: Any = None
        self.epoch = 0
        self._known: OrderedDict[AttemptKey, Coverage] = OrderedDict()
        self._all_known = True
        self._types: dict[str, dict[str, str]] = {}
        self.open()

    def open(self) -> None:
        """Open the file, take ownership and load what is stored. Also used again after a failed disk."""
        self.con = open_writer(self._settings, self.path)
        with translated(f"opening {self.path}"):
            self.con.execute("BEGIN")
            found = self.con.execute("SELECT max(epoch) FROM sink_owner WHERE sink = ?", [self._sink]).fetchone()[0]
            self.epoch = (found or 0) + 1
            self.con.execute("DELETE FROM sink_owner WHERE sink = ?", [self._sink])
            self.con.execute("INSERT INTO sink_owner VALUES (?, ?)", [self._sink, self.epoch])
            self.con.execute("COMMIT")
            for table, column, kind in self.con.execute(
                "SELECT table_name, column_name, data_type FROM duckdb_columns()"
                " WHERE NOT internal ORDER BY column_index"
            ).fetchall():
                self._types.setdefault(table, {})[column] = kind
            self._known.clear()
            runs = self.con.execute("SELECT count(*) FROM runs").fetchone()[0]
            self._all_known = runs <= KNOWN_RUNS
            if self._all_known:
                self._load(None)

    def offsets(self) -> dict[tuple[str, int], Stored]:
        """How far each partition is stored."""
        with translated("reading the stored offsets"):
            found = self.con.execute(
                "SELECT topic, partition, next_offset, topic_id FROM sink_offsets WHERE sink = ?", [self._sink]
            ).fetchall()
        return {(topic, partition): Stored(offset, mark) for topic, partition, offset, mark in found}

    def write(self, pending: Pending, offsets: Offsets) -> Written:
        """Store everything and the offsets after it, or nothing.

        Raises:
            DestinationFull: No room or memory; the same call may be made again, the file is opened anew if it must.
            Busy: A newer owner has taken over; nothing was stored.
            IntegrityError: The file is damaged.
        """
        free = shutil.disk_usage(self.path.parent).free // _MIB
        if free < self._settings.warehouse.min_free_mb:
            raise DestinationFull(
                f"{free} MiB are free beside {self.path}, {self._settings.warehouse.min_free_mb} are kept free",
                remedy="make room, or lower warehouse.min_free_mb",
            )
        if self.con is None:
            self.open()
        try:
            try:
                return self._transaction(pending, offsets, ABSENT_AS_NULL)
            except duckdb.ConversionException:
                # Text that DuckDB does not take as JSON is rare: it is looked for only when it was met.
                self.con.execute("ROLLBACK")
                return self._transaction(pending, offsets, ODD_JSON_AS_TEXT)
        except duckdb.Error as exc:
            error = translate(exc, f"writing to {self.path}")
            with suppress(duckdb.Error):  # the transaction is gone either way
                self.con.execute("ROLLBACK")
            if isinstance(exc, (duckdb.FatalException, duckdb.IOException, duckdb.InternalException)):
                # DuckDB refuses every further statement on a database whose log it could not write.
                self.close()
            raise error from exc

    def _transaction(self, pending: Pending, offsets: Offsets, select: str) -> Written:
        # 1. What is new. 2. Rows. 3. State of the runs. 4. Offsets. 5. Commit. 6. Only then the memory of it.
        touched = {(b.repo_id, b.run_number, b.attempt) for b in pending.batches} | pending.runs.keys()
        work = self._coverage(touched)
        slices: list[Slice] = []
        ranges: list[tuple[Any, ...]] = []
        total = 0
        for b in pending.batches:
            key = (b.repo_id, b.run_number, b.attempt)
            total += b.count
            for first, last in work[key].add(b.first_seq, b.last_seq):
                slices.append(Slice(b, first - b.first_seq, last - b.first_seq + 1))
                if ranges and ranges[-1][:3] == key and ranges[-1][4] == first - 1:
                    ranges[-1] = (*ranges[-1][:4], last)
                else:
                    ranges.append((*key, first, last))
        for key, row in pending.runs.items():
            if row.get("event_count") is not None:
                work[key].expected = row["event_count"]
        con = self.con
        con.execute("BEGIN")
        self._fence()
        if slices:
            self._insert("events", events_table(slices), select)
            columns = ("repo_id", "run_number", "attempt", "first_seq", "last_seq")
            self._insert(
                "event_ranges", pa.table(dict(zip(columns, map(list, zip(*ranges, strict=True)), strict=True)))
            )
        self._merge_runs(pending, work)
        self._entities(RECORD_TABLES, pending.dropped_records, pending.records)
        self._entities(("topology",), pending.dropped_topology, pending.topology)
        self._dead_letters(pending)
        write_scans(con, pending.scans, self._types)
        faults.point("sink.after_write")
        self._store_offsets(offsets)
        faults.point("sink.before_commit")
        con.execute("COMMIT")
        faults.point("sink.after_commit")
        self._remember(work)
        events = sum(s.stop - s.start for s in slices)
        return Written(events, total - events, len(pending) - total + events)

    def _fence(self) -> None:
        newest = self.con.execute("SELECT max(epoch) FROM sink_owner WHERE sink = ?", [self._sink]).fetchone()[0]
        if newest != self.epoch:
            self.con.execute("ROLLBACK")
            raise Busy(
                f"sink {self._sink} of epoch {self.epoch} was replaced by epoch {newest}; its rows were refused",
                remedy="stop this process; the newer one goes on",
            )

    def _coverage(self, keys: Iterable[AttemptKey]) -> dict[AttemptKey, Coverage]:
        wanted = set(keys)
        if not self._all_known:
            self._load(wanted - self._known.keys())
        return {k: self._known[k].copy() if k in self._known else Coverage() for k in wanted}

    def _load(self, keys: set[AttemptKey] | None) -> None:
        """Bring stored ranges into memory; None: all."""
        if keys is not None and not keys:
            return
        only = ""
        if keys is not None:
            columns = (list(c) for c in zip(*keys, strict=True))
            self.con.register(_STAGE, pa.table(dict(zip(RUN_KEY, columns, strict=True))))
            only = f" SEMI JOIN {_STAGE} USING (repo_id, run_number, attempt)"
        try:
            found = self.con.execute(f"SELECT repo_id, run_number, attempt, event_count FROM runs{only}").fetchall()
            for *key, expected in found:
                self._known[tuple(key)] = Coverage(expected=expected)
            stored = self.con.execute(
                f"SELECT repo_id, run_number, attempt, first_seq, last_seq FROM event_ranges{only} ORDER BY ALL"
            ).fetchall()
            for *key, first, last in stored:
                self._known[tuple(key)].add(first, last)
        finally:
            if keys is not None:
                self.con.unregister(_STAGE)

    def _remember(self, work: dict[AttemptKey, Coverage]) -> None:
        for key, cover in work.items():
            self._known[key] = cover
            self._known.move_to_end(key)
        while len(self._known) > KNOWN_RUNS:
            self._known.popitem(last=False)
            self._all_known = False

    def _insert(self, table: str, rows: Any, select: str = "SELECT *") -> None:
        self.con.register(_STAGE, rows)
        try:
            self.con.execute(f"INSERT INTO {table} BY NAME {select} FROM {_STAGE}")
        finally:
            self.con.unregister(_STAGE)

    def _stage(self, table: str, rows: list[dict[str, Any]]) -> str:
        """Register rows under the columns of a table; returns a query of them in the table's types."""
        types = self._types[table]
        present: set[str] = set().union(*rows)
        columns = {c: [r.get(c) for r in rows] for c in types if c in present}
        self.con.register(_STAGE, pa.table(columns))
        return f"SELECT {', '.join(_cast(c, types[c]) for c in columns)} FROM {_STAGE}"

    def _insert_rows(self, table: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        query = self._stage(table, rows)
        try:
            self.con.execute(f"INSERT INTO {table} BY NAME {query}")
        finally:
            self.con.unregister(_STAGE)

    def _merge_runs(self, pending: Pending, work: dict[AttemptKey, Coverage]) -> None:
        if not work:
            return
        run_ids = {(b.repo_id, b.run_number, b.attempt): b.run_id for b in pending.batches}
        rows = []
        for key, cover in work.items():
            row = {"run_id": run_ids.get(key), **pending.runs.get(key, {}), **dict(zip(RUN_KEY, key, strict=True))}
            missing = cover.missing()
            row |= {
                "state": cover.state,
                "events_stored": cover.stored,
                "missing_ranges": json.dumps(missing) if missing else "[]",
            }
            rows.append(row)
        query = self._stage("runs", rows)
        present: set[str] = set().union(*rows)
        columns = [c for c in self._types["runs"] if c in present]
        sets = ", ".join(f'"{c}" = coalesce(s."{c}", t."{c}")' for c in columns if c not in RUN_KEY)
        names = ", ".join(f'"{c}"' for c in columns)
        values = ", ".join(f's."{c}"' for c in columns)
        try:
            self.con.execute(
                f"MERGE INTO runs t USING ({query}) s USING (repo_id, run_number, attempt)"
                f" WHEN MATCHED THEN UPDATE SET {sets} WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})"
            )
        finally:
            self.con.unregister(_STAGE)

    def _entities(self, tables: tuple[str, ...], dropped: set[str], kept: dict[str, Entity]) -> None:
        """Replace the rows of repositories, unless what is stored is newer; tombstones delete."""
        self._delete_repos(tables, dropped)
        if not kept:
            return
        con = self.con
        con.register(_STAGE, pa.table({"repo_id": list(kept)}))
        try:
            stored = con.execute(
                f"SELECT repo_id, source_offset, revision FROM {tables[0]} SEMI JOIN {_STAGE} USING (repo_id)"
            ).fetchall()
        finally:
            con.unregister(_STAGE)
        newest = {repo: (offset, revision) for repo, offset, revision in stored}
        fresh = {r: e for r, e in kept.items() if r not in newest or e.version >= newest[r]}
        self._delete_repos(tables, fresh.keys() & newest.keys())
        for table in tables:
            self._insert_rows(table, [row for e in fresh.values() for row in e.rows[table]])

    def _delete_repos(self, tables: tuple[str, ...], repos: Iterable[str]) -> None:
        ids = sorted(repos)
        if not ids:
            return
        for table in tables:
            self.con.execute(f"DELETE FROM {table} WHERE repo_id IN (SELECT unnest(?))", [ids])

    def _dead_letters(self, pending: Pending) -> None:
        rows = list(pending.dead_letters.values())
        if not rows:
            return
        query = self._stage("dead_letters", rows)
        same = " AND ".join(f't."{c}" IS NOT DISTINCT FROM s."{c}"' for c in DEAD_LETTER_KEY)
        try:
            self.con.execute(
                f"INSERT INTO dead_letters BY NAME SELECT * FROM ({query}) s"
                f" WHERE NOT EXISTS (SELECT 1 FROM dead_letters t WHERE {same})"
            )
        finally:
            self.con.unregister(_STAGE)

    def _store_offsets(self, offsets: Offsets) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        for (topic, partition), (next_offset, topic_id) in offsets.items():
            key = [self._sink, topic, partition]
            self.con.execute("DELETE FROM sink_offsets WHERE sink = ? AND topic = ? AND partition = ?", key)
            self.con.execute(
                "INSERT INTO sink_offsets VALUES (?, ?, ?, ?, ?, ?, ?)",
                [self._sink, topic, topic_id, partition, next_offset, self.epoch, now],
            )

    def rebase(self, topics: Iterable[str]) -> int:
        """Forget the stored offsets of topics that were recreated, so that they are read from their start.

        Args:
            topics: Full names.

        Returns:
            Partitions forgotten.
        """
        with translated("rebasing"):
            self.con.execute("BEGIN")
            count = 0
            for topic in topics:
                count += self.con.execute(
                    "DELETE FROM sink_offsets WHERE sink = ? AND topic = ?", [self._sink, topic]
                ).fetchone()[0]
            self.con.execute("COMMIT")
        return count

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file."""
        with translated(f"checkpointing {self.path}"):
            self.con.execute("CHECKPOINT")

    def close(self) -> None:
        """Close the file; a failed close loses nothing that was committed."""
        if self.con is not None:
            with suppress(duckdb.Error):
                self.con.close()
            self.con = None
