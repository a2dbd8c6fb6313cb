"""What scan jobs leave in the warehouse: pings with their parts, graphs, identities and job states.

Rows go in as JSON text that DuckDB takes apart by the types of the table, so nested fields need no code of their own.
A ping or job state that comes twice is one row: the one emitted first, so that a replay gives the same rows whatever
order partitions are read in. Graphs and identities are replaced by what comes later for their repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, NamedTuple

import pyarrow as pa

from stratum_lab.contract.events import Message, Ping, PingDocument, RepoIdentity, ScanStatus, StructuralGraph

PINGS, FINDINGS, COOCCURRENCE, GRAPHS = "pings", "ping_findings", "ping_cooccurrence", "graphs"
IDENTITIES, STATUS = "private.identities", "private.scan_status"

_STAGE = "incoming_scans"
_COLUMN_NAMES = {"commit": "commit_sha", "at": "recorded_at"}

StatusKey = tuple[str, int, str]
"""job_id, attempt, state."""


class PingRow(NamedTuple):
    """One ping. Rows compare by time of emission, then by text; the least of one scan_id is kept."""

    timestamp: str
    original: str
    fields: str


class StatusRow(NamedTuple):
    """One state of a job; compares like a ping."""

    timestamp: str
    fields: str


@dataclass
class PendingScans:
    """Rows of one transaction to come. Later messages of a partition must be added later."""

    pings: dict[str, PingRow] = field(default_factory=dict)
    statuses: dict[StatusKey, StatusRow] = field(default_factory=dict)
    graphs: dict[str, str | None] = field(default_factory=dict)
    identities: dict[str, str | None] = field(default_factory=dict)

    def __len__(self) -> int:
        """Rows, roughly."""
        return len(self.pings) + len(self.statuses) + len(self.graphs) + len(self.identities)

    def add(self, message: Message) -> bool:
        """Take a message of one of these topics; False for any other.

        Raises:
            ValueError: What it holds does not fit JSON.
        """
        match message:
            case Ping() | PingDocument():
                self.add_ping(message)
            case ScanStatus():
                self.add_status(message)
            case StructuralGraph():
                self.add_graph(message)
            case RepoIdentity():
                self.add_identity(message)
            case _:
                return False
        return True

    def add_ping(self, message: Ping | PingDocument) -> None:
        """A ping, also of another schema.

        Raises:
            ValueError: The text of a document is no JSON object with the scan_id of its message, or does not fit JSON.
        """
        row = _ping_row(message)
        known = self.pings.get(message.scan_id)
        self.pings[message.scan_id] = row if known is None else min(known, row)

    def add_status(self, message: ScanStatus) -> None:
        """A state of a job."""
        row = StatusRow(_iso(message), _json(_plain(message)))
        key = (message.job_id, message.attempt, message.state)
        self.statuses[key] = min(self.statuses.get(key, row), row)

    def add_graph(self, message: StructuralGraph) -> None:
        """The structural graph of a repository."""
        values = _plain(message)
        counts = {"node_count": len(message.nodes), "edge_count": len(message.edges)}
        self.graphs[message.repo_id] = _json(values | counts)

    def add_identity(self, message: RepoIdentity) -> None:
        """Whose content it was."""
        self.identities[message.repo_id] = _json(_plain(message))

    def drop_graph(self, repo_id: str) -> None:
        """A tombstone in the graphs topic."""
        self.graphs[repo_id] = None

    def drop_identity(self, repo_id: str) -> None:
        """A tombstone in the identities topic."""
        self.identities[repo_id] = None


def _json(values: Any) -> str:
    """JSON text that DuckDB reads; raises ValueError for what JSON or UTF-8 cannot hold."""
    try:
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    text.encode("utf-8")
    return text


def _plain(message: ScanStatus | RepoIdentity | StructuralGraph) -> dict[str, Any]:
    return {_COLUMN_NAMES.get(k, k): v for k, v in message.model_dump(mode="json").items()}


def _iso(message: ScanStatus) -> str:
    return message.at.astimezone(UTC).isoformat(timespec="microseconds")


def _ping_row(message: Ping | PingDocument) -> PingRow:
    if isinstance(message, Ping):
        text = _json(message.to_json())
        return PingRow(message.timestamp, text, text)
    values = json.loads(message.body)
    if not isinstance(values, dict) or values.get("scan_id") != message.scan_id:
        raise ValueError("the body of a ping document is no JSON object with its scan_id")
    fields = values | {"schema_id": message.schema_id}
    return PingRow(str(values.get("timestamp")), message.body, _json(fields))


def write_scans(con: Any, scans: PendingScans, types: Mapping[str, Mapping[str, str]]) -> None:
    """Store everything within the open transaction.

    Args:
        con: DuckDB connection (untyped library).
        scans: What to store.
        types: Table name -> column -> type, of the database itself.
    """
    _write_pings(con, scans.pings, types)
    _write_statuses(con, scans.statuses, types)
    _replace(con, GRAPHS, scans.graphs, types)
    _replace(con, IDENTITIES, scans.identities, types)


def _structure(table: str, types: Mapping[str, Mapping[str, str]]) -> str:
    """What DuckDB makes of the column `fields`: the columns of a table with their types; odd values become null."""
    columns = types[table.removeprefix("private.")]
    return json.dumps({name: kind for name, kind in columns.items() if name != "original"})


def _insert(con: Any, table: str, rows: Iterable[tuple[str, ...]], types: Mapping[str, Mapping[str, str]]) -> None:
    """Rows are (fields,) or (fields, original)."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        return
    names = ("fields", "original")[: len(columns)]
    con.register(_STAGE, pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)}))
    further = ", ".join(["", *names[1:]])
    try:
        # One pass over each text: 110 casts of single fields take twelve times as long.
        con.execute(
            f"INSERT INTO {table} BY NAME SELECT unnest(from_json(fields, ?)){further} FROM {_STAGE}",
            [_structure(table, types)],
        )
    finally:
        con.unregister(_STAGE)


def _write_pings(con: Any, pings: Mapping[str, PingRow], types: Mapping[str, Mapping[str, str]]) -> None:
    if not pings:
        return
    found = con.execute(
        f"SELECT scan_id, original FROM {PINGS} WHERE scan_id IN (SELECT unnest(?))", [list(pings)]
    ).fetchall()
    stored = {scan_id: (str(json.loads(original).get("timestamp")), original) for scan_id, original in found}
    fresh = {i: row for i, row in pings.items() if i not in stored or (row.timestamp, row.original) < stored[i]}
    if not fresh:
        return
    ids = list(fresh)
    if fresh.keys() & stored.keys():
        for table in (PINGS, FINDINGS, COOCCURRENCE):
            con.execute(f"DELETE FROM {table} WHERE scan_id IN (SELECT unnest(?))", [ids])
    _insert(con, PINGS, ((row.fields, row.original) for row in fresh.values()), types)
    con.execute(
        f"""INSERT INTO {FINDINGS} BY NAME
        SELECT scan_id, repo_hash, rule, split_part(rule, '.', 1) AS base_rule,
            regexp_replace(split_part(rule, '.', 1), '-?[0-9]+$', '') AS family,
            finding_coverages[rule].total_paths AS total_paths,
            finding_coverages[rule].guarded_paths AS guarded_paths,
            finding_coverages[rule].coverage_pct AS coverage_pct,
            severity_downgrades[rule].original AS original_severity,
            severity_downgrades[rule].adjusted AS adjusted_severity,
            finding_instance_counts[rule] AS instances, fix_impact_estimates[rule] AS fix_impact
        FROM (SELECT *, unnest(list_distinct(finding_rules)) AS rule
            FROM {PINGS} WHERE scan_id IN (SELECT unnest(?)))""",
        [ids],
    )
    con.execute(
        f"""INSERT INTO {COOCCURRENCE} BY NAME
        SELECT scan_id, repo_hash, pair[1] AS rule_a, pair[2] AS rule_b
        FROM (SELECT *, unnest(list_distinct(finding_co_occurrence)) AS pair
            FROM {PINGS} WHERE scan_id IN (SELECT unnest(?)))
        WHERE len(pair) = 2""",
        [ids],
    )


def _write_statuses(con: Any, rows: Mapping[StatusKey, StatusRow], types: Mapping[str, Mapping[str, str]]) -> None:
    if not rows:
        return
    found = con.execute(
        f"SELECT job_id, attempt, state, recorded_at FROM {STATUS} WHERE job_id IN (SELECT unnest(?))",
        [sorted({key[0] for key in rows})],
    ).fetchall()
    stored = {
        (job, attempt, state): at.replace(tzinfo=UTC).isoformat(timespec="microseconds")
        for job, attempt, state, at in found
    }
    fresh = {key: row for key, row in rows.items() if key not in stored or row.timestamp < stored[key]}
    for key in fresh.keys() & stored.keys():
        con.execute(f"DELETE FROM {STATUS} WHERE job_id = ? AND attempt = ? AND state = ?", list(key))
    _insert(con, STATUS, ((row.fields,) for row in fresh.values()), types)


def _replace(con: Any, table: str, rows: Mapping[str, str | None], types: Mapping[str, Mapping[str, str]]) -> None:
    if not rows:
        return
    con.execute(f"DELETE FROM {table} WHERE repo_id IN (SELECT unnest(?))", [list(rows)])
    _insert(con, table, ((text,) for text in rows.values() if text is not None), types)
