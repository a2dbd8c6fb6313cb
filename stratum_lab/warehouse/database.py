"""Opening the DuckDB file: configuration, the one-writer rule, quarantine of a broken WAL, translated errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from stratum_lab.errors import (
    Busy,
    DestinationFull,
    IntegrityError,
    PrerequisiteError,
    SettingsError,
    StratumError,
    UsageError,
)
from stratum_lab.observe import logs
from stratum_lab.settings import Settings
from stratum_lab.warehouse.migrate import check, migrate

_log = logs.get("warehouse")

_PID = re.compile(r"PID (\d+)")
_FULL = (
    "no space left",
    "disk quota exceeded",
    "file too large",
    "read-only file system",
    "input/output error",
    "max_temp_directory_size",
)
EXTENSIONS = ("httpfs", "quack")
"""Shipped as wheels and loaded by path, in this order; nothing is ever downloaded."""

REBUILD = "stratum warehouse rebuild"


def _config(settings: Settings) -> dict[str, Any]:
    return {
        "threads": settings.warehouse.threads,
        "memory_limit": settings.warehouse.memory_limit,
        "storage_compatibility_version": "latest",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # Rows are found by their keys, never by their place; without it large inserts use every thread.
        "preserve_insertion_order": "false",
    }


def translate(exc: duckdb.Error, doing: str) -> StratumError:
    """The error of the tree that says what a DuckDB error means here."""
    text = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
    low = str(exc).lower()
    if "lock on file" in low or "conflicting lock" in low:
        pid = _PID.search(str(exc))
        return Busy(
            f"{doing}: process {pid.group(1) if pid else 'unknown'} has the warehouse open for writing",
            remedy="stop that process, or ask through it with `stratum query`",
        )
    if isinstance(exc, duckdb.OutOfMemoryException) or any(mark in low for mark in _FULL):
        return DestinationFull(f"{doing}: {text}", remedy="make room on the disk, or raise warehouse.memory_limit")
    if "invalidated" in low:
        return DestinationFull(f"{doing}: {text}", remedy="the file is opened again by itself")
    if isinstance(exc, (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)):
        return UsageError(f"{doing}: {text}")
    return IntegrityError(f"{doing}: {text}", remedy=REBUILD)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn DuckDB's errors into those of the tree."""
    try:
        yield
    except duckdb.Error as exc:
        raise translate(exc, doing) from exc


def load_extensions(con: Any) -> None:
    """Load the protocol's extensions from their wheels.

    Raises:
        PrerequisiteError: A wheel is not installed or is for another DuckDB.
    """
    for name in EXTENSIONS:
        spec = find_spec(f"duckdb_extension_{name}")
        base = Path(spec.origin).parent if spec and spec.origin else Path()
        file = base / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if spec is None or not file.is_file():
            raise PrerequisiteError(
                f"the DuckDB extension {name} for version {duckdb.__version__} is not installed",
                remedy=f"pip install duckdb-extension-{name}=={duckdb.__version__}",
            )
        with translated(f"loading the extension {name}"):
            con.execute(f"LOAD '{str(file).replace(chr(39), chr(39) * 2)}'")


def connect_memory() -> Any:
    """An empty database that only talks to a served one."""
    con = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    load_extensions(con)
    return con


def _connect(path: Path, settings: Settings, read_only: bool) -> Any:
    try:
        return duckdb.connect(str(path), read_only=read_only, config=_config(settings))
    except (duckdb.InvalidInputException, duckdb.ParserException) as exc:
        if "memory_limit" in str(exc) or "unit" in str(exc).lower():
            raise SettingsError(
                f"setting warehouse.memory_limit has the value {settings.warehouse.memory_limit!r}: {exc}",
                remedy="set STRATUM_WAREHOUSE__MEMORY_LIMIT to a size such as 4GB",
            ) from exc
        raise


def _quarantine(path: Path) -> Path | None:
    wal = path.with_name(path.name + ".wal")
    if not wal.is_file():
        return None
    aside = wal.with_name(f"{wal.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    wal.rename(aside)
    return aside


def open_writer(settings: Settings, path: Path | None = None) -> Any:
    """Open the warehouse for writing, at the newest schema version.

    A write-ahead log that cannot be read is put aside under a dated name and the last checkpoint is opened; what was
    lost is in the Kafka log and comes back because the offsets are stored with the rows.

    Raises:
        Busy: Another process writes; its pid is in the message.
        IntegrityError: The file is damaged, or newer than this installation.
        DestinationFull: No room.
    """
    path = path or settings.warehouse_path
    path.parent.mkdir(parents=True, exist_ok=True)
    doing = f"opening {path}"
    try:
        con = _connect(path, settings, read_only=False)
    except duckdb.Error as exc:
        error = translate(exc, doing)
        if isinstance(error, (Busy, DestinationFull)):
            raise error from exc
        aside = _quarantine(path)
        if aside is None:
            raise IntegrityError(error.message, remedy=REBUILD) from exc
        _log.warning("wal_quarantined", file=str(aside), error=error.message)
        try:
            con = _connect(path, settings, read_only=False)
        except duckdb.Error as again:
            raise IntegrityError(translate(again, doing).message, remedy=REBUILD) from again
    try:
        migrate(con, path)
    except duckdb.Error as exc:
        con.close()
        raise IntegrityError(translate(exc, doing).message, remedy=REBUILD) from exc
    except StratumError:
        con.close()
        raise
    return con


def open_reader(settings: Settings, path: Path | None = None) -> Any:
    """Open the warehouse for reading only, while nobody writes.

    Raises:
        PrerequisiteError: There is no warehouse yet.
        Busy: Another process writes.
        IntegrityError: The file is damaged, or newer than this installation.
    """
    path = path or settings.warehouse_path
    if not path.is_file():
        raise PrerequisiteError(
            f"there is no warehouse at {path} yet", remedy="stratum worker warehouse (or `stratum dev`) fills one"
        )
    with translated(f"opening {path}"):
        con = _connect(path, settings, read_only=True)
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
    try:
        with translated(f"opening {path}"):
            check(con, path)
    except StratumError:
        con.close()
        raise
    return con
