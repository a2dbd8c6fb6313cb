"""`stratum warehouse`: what the DuckDB file holds, and how to bring it back."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from consumers.loop import Loop
from consumers.warehouse_sink import WarehouseSink
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stdout
from stratum_lab.contract.topics import BY_NAME, full_name
from stratum_lab.errors import Busy, UsageError
from stratum_lab.kafka.topics import topic_ids
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Warehouse, open_warehouse
from stratum_lab.warehouse.export import export as export_tables
from stratum_lab.warehouse.serve import find_door

warehouse_app = typer.Typer(no_args_is_help=True, add_completion=False)

_SIZES = """
SELECT t.table_name, t.estimated_size::BIGINT AS rows, t.comment
FROM duckdb_tables() t WHERE NOT t.internal ORDER BY t.table_name
"""


@warehouse_app.callback()
def group() -> None:
    """Look after the DuckDB file."""


@warehouse_app.command()
@command
def info(as_json: JsonFlag = False) -> None:
    """Show tables with their rows, how far each topic is stored, and who has the file open."""
    loaded = settings()
    door = find_door(loaded)
    with open_warehouse(loaded) as warehouse:
        tables = warehouse.sql(_SIZES).dicts()
        topics = warehouse.sql("FROM freshness").dicts()
    path = loaded.warehouse_path
    if as_json:
        served = None if door is None else door._asdict()
        size = path.stat().st_size
        emit_json({"path": str(path), "bytes": size, "door": served, "tables": tables, "topics": topics})
        return
    shown = Table("table", "rows", "what")
    for t in tables:
        shown.add_row(t["table_name"], str(t["rows"]), t["comment"])
    stdout.print(shown)
    offsets = Table("topic", "messages stored", "last commit (UTC)")
    for t in topics:
        offsets.add_row(t["topic"], str(t["messages"]), str(t["last_commit"]))
    stdout.print(offsets)
    say(
        f"{path}, {path.stat().st_size} bytes; " + (f"served at {door.uri} by process {door.pid}" if door else "closed")
    )


@warehouse_app.command()
@command
def checkpoint(as_json: JsonFlag = False) -> None:
    """Fold the write-ahead log into the file, while no sink runs."""
    loaded = settings()
    warehouse = Warehouse(loaded)
    try:
        warehouse.checkpoint()
    finally:
        warehouse.close()
    if as_json:
        emit_json({"path": str(loaded.warehouse_path), "bytes": loaded.warehouse_path.stat().st_size})
    say(f"checkpoint of {loaded.warehouse_path} written")


@warehouse_app.command()
@command
def rebase(
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOPIC]...",
            envvar="STRATUM_WAREHOUSE_REBASE_TOPICS",
            help="Topics; default: all that were recreated.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read recreated topics from their start; rows that are already stored stay and are not doubled."""
    loaded = settings()
    warehouse = Warehouse(loaded)
    try:
        stored = warehouse.offsets()
        known = {topic for topic, _ in stored}
        if topics:
            chosen = {full_name(loaded.kafka.topic_prefix, t) if t in BY_NAME else t for t in topics}
            if unknown := chosen - known:
                raise UsageError(
                    f"nothing is stored of {', '.join(sorted(unknown))}", remedy=f"one of: {', '.join(sorted(known))}"
                )
        else:
            now = topic_ids(loaded, sorted(known))
            chosen = {topic for (topic, _), s in stored.items() if now[topic] != s.topic_id}
        partitions = warehouse.rebase(sorted(chosen))
    finally:
        warehouse.close()
    if as_json:
        emit_json({"topics": sorted(chosen), "partitions": partitions})
    say(f"{len(chosen)} topics, {partitions} partitions are read from their start by the next sink")


@warehouse_app.command()
@command
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", envvar="STRATUM_WAREHOUSE_EXPORT_DIR", help="Folder of the Parquet files.")
    ],
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", envvar="STRATUM_WAREHOUSE_EXPORT_TABLES", help="Only this table; may be repeated."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write tables as Parquet files to give away, also while a sink runs.

    Schema `private`, which maps pings to repositories, dead letters and bookkeeping stay here. Tables of runs name the
    repositories that were run; `--table pings --table ping_findings` gives pings alone.
    """
    with open_warehouse(settings()) as warehouse:
        written = export_tables(warehouse, folder, tables)
    if as_json:
        emit_json({"files": [{"table": w.table, "rows": w.rows, "path": str(w.path)} for w in written]})
    for w in written:
        say(f"{w.rows} rows of {w.table} written to {w.path}")


@warehouse_app.command()
@command
def rebuild(as_json: JsonFlag = False) -> None:
    """Put the file aside and fill a new one from the log; for a damaged file."""
    loaded = settings()
    aside = _put_aside(loaded)
    sink = WarehouseSink(loaded, serve=False)
    try:
        Loop(loaded, sink, threading.Event(), drain=True).run()
    finally:
        sink.close()
    with open_warehouse(loaded) as warehouse:
        events, runs = warehouse.sql("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM runs)").rows()[0]
    if as_json:
        emit_json(
            {"path": str(loaded.warehouse_path), "aside": [str(p) for p in aside], "events": events, "runs": runs}
        )
    say(f"{events} events of {runs} runs are in {loaded.warehouse_path} again")
    for p in aside:
        say(f"the old file is {p}")


def _put_aside(loaded: Settings) -> list[Path]:
    door = find_door(loaded)
    if door is not None:
        raise Busy(f"process {door.pid} has the warehouse open", remedy="stop the warehouse sink first")
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    path = loaded.warehouse_path
    moved = []
    for file in (path, path.with_name(path.name + ".wal")):
        if file.exists():
            moved.append(file.rename(file.with_name(f"{file.name}.replaced-{stamp}")))
    return moved
