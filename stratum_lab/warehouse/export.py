"""Tables as Parquet files to give away: everything but schema `private`, bookkeeping and raw dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow.parquet as pq

from stratum_lab.errors import DestinationFull, UsageError
from stratum_lab.files import write_whole
from stratum_lab.warehouse.reader import Reader

KEPT_BACK = ("dead_letters", "schema_migrations", "sink_offsets", "sink_owner")
"""Tables outside `private` that are no result: raw input that was refused, and how far sinks are."""

_TABLES = f"""
SELECT table_name FROM duckdb_tables()
WHERE NOT internal AND NOT temporary AND schema_name = 'main'
    AND table_name NOT IN ({", ".join(f"'{name}'" for name in KEPT_BACK)})
ORDER BY table_name
"""


class Exported(NamedTuple):
    """One file of an export."""

    table: str
    rows: int
    path: Path


def exportable(reader: Reader) -> list[str]:
    """Names of the tables that may be given away."""
    return [name for (name,) in reader.sql(_TABLES).rows()]


def export(reader: Reader, folder: Path, tables: list[str] | None = None) -> list[Exported]:
    """Write one Parquet file a table; each appears whole.

    Args:
        reader: The warehouse.
        folder: Where; made when it is not there. Files of the same name are replaced.
        tables: Only these; default: all that may be given away.

    Raises:
        UsageError: A table does not exist or is kept back.
        DestinationFull: A file cannot be written.
    """
    known = exportable(reader)
    chosen = tables or known
    if strange := [name for name in chosen if name not in known]:
        raise UsageError(f"{', '.join(strange)} cannot be exported", remedy=f"one of: {', '.join(known)}")
    files = {name: folder / f"{name}.parquet" for name in chosen}
    return [Exported(name, write_parquet(reader.stream(f'FROM "{name}"'), path), path) for name, path in files.items()]


def write_parquet(answer: Any, path: Path) -> int:
    """Write an answer as one Parquet file that appears whole.

    Args:
        answer: A pyarrow RecordBatchReader (untyped library).
        path: The file; replaced when it exists.

    Returns:
        Rows written.

    Raises:
        DestinationFull: It cannot be written.
    """
    rows = 0

    def fill(file: BinaryIO) -> None:
        nonlocal rows
        with pq.ParquetWriter(file, answer.schema) as writer:
            for batch in answer:
                writer.write_batch(batch)
                rows += batch.num_rows

    try:
        write_whole(path, fill)
    except OSError as exc:
        raise DestinationFull(f"{path} cannot be written: {exc}", remedy="choose another place, or make room") from exc
    return rows
