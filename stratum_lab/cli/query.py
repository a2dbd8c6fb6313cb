"""`stratum query`: SQL on the warehouse, also while it is written, as a table, JSON, CSV or a Parquet file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stdout
from stratum_lab.errors import UsageError
from stratum_lab.observe.logs import clean
from stratum_lab.warehouse.export import write_parquet
from stratum_lab.warehouse.reader import open_warehouse, python_rows

query_app = typer.Typer(add_completion=False)

Row = tuple[Any, ...]
TABLE_ROWS = 100
CELL = 60


@query_app.command()
@command
def query(
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", envvar="STRATUM_QUERY_SQL", help="One SELECT; `-` reads it from standard input."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", envvar="STRATUM_QUERY_FILE", help="Read the SQL from this file.")
    ] = None,
    as_json: JsonFlag = False,
    as_csv: Annotated[bool, typer.Option("--csv", envvar="STRATUM_QUERY_CSV", help="Print CSV with a header.")] = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", envvar="STRATUM_QUERY_PARQUET", help="Write a Parquet file.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", min=0, envvar="STRATUM_QUERY_LIMIT", help="Rows shown in a table or as JSON; 0: all of them."
        ),
    ] = TABLE_ROWS,
) -> None:
    """Ask the warehouse a question in SQL; it answers while sinks write.

    Start with `SHOW TABLES`, `FROM findings_overview` or `FROM open_problems`; docs/warehouse.md lists everything.
    """
    if sum((as_json, as_csv, parquet is not None)) > 1:
        raise UsageError("--json, --csv and --parquet exclude each other", remedy="give one of them")
    with open_warehouse(settings()) as warehouse:
        answer = warehouse.stream(_text(sql, file))
        if parquet is not None:
            rows = write_parquet(answer, parquet)
            say(f"{rows} rows written to {parquet}")
        elif as_csv:
            writer = csv.writer(sys.stdout)
            writer.writerow(answer.schema.names)
            writer.writerows(_rows(answer))
            sys.stdout.flush()
        elif as_json:
            shown, more = _first(answer, limit)
            names = answer.schema.names
            emit_json({"columns": names, "rows": [_plain(names, r) for r in shown], "truncated": more})
        else:
            _show(answer, limit)


def _text(sql: str | None, file: Path | None) -> str:
    if (sql is None) == (file is None):
        raise UsageError(
            "give the SQL as an argument, `-` for standard input, or --file", remedy="stratum query --help"
        )
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        return sys.stdin.read() if sql == "-" else str(sql)
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"the SQL cannot be read from {file or 'standard input'}: {exc}") from exc


def _rows(answer: Any) -> Iterator[Row]:
    """Rows of a pyarrow RecordBatchReader (untyped library), as they arrive."""
    for batch in answer:
        yield from python_rows(batch, exact_times=True)


def _first(answer: Any, limit: int) -> tuple[list[Row], bool]:
    rows = list(islice(_rows(answer), limit + 1 if limit else None))
    return (rows[:limit], True) if limit and len(rows) > limit else (rows, False)


def _plain(names: list[str], row: Row) -> dict[str, Any]:
    """Bytes have no JSON form of their own."""
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in zip(names, row, strict=True)}


def _cell(value: Any) -> Text:
    text = clean(str(value)).replace("\n", "\\n").replace("\t", "\\t")
    return Text(text if len(text) <= CELL else text[: CELL - 1] + "…")


def _show(answer: Any, limit: int) -> None:
    rows, more = _first(answer, limit)
    table = Table()
    kinds = answer.schema.types
    for name, kind in zip(answer.schema.names, kinds, strict=True):
        number = str(kind).startswith(("int", "uint", "double", "float", "decimal"))
        table.add_column(Text(clean(name)), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("") if v is None else _cell(v) for v in row))
    stdout.print(table)
    note = f"{len(rows)} rows"
    say(f"first {note}; --limit 0 shows all" if more else note)
