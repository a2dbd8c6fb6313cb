"""Numbered migrations of the database: `ddl/NNN_name.sql`, applied once each, in order, one transaction a file."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, NamedTuple

from stratum_lab.errors import IntegrityError

VERSIONS_TABLE = "schema_migrations"


class Migration(NamedTuple):
    """One file of `ddl/`."""

    version: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Every migration of this installation, ascending."""
    found = []
    for entry in files(__package__).joinpath("ddl").iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, entry.read_text(encoding="utf-8")))
    return sorted(found)


def version_of(con: Any) -> int:
    """The version of an open database; 0 when it is new. `con` is a DuckDB connection (untyped library)."""
    known = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [VERSIONS_TABLE]).fetchone()[0]
    if not known:
        return 0
    return int(con.execute(f"SELECT coalesce(max(version), 0) FROM {VERSIONS_TABLE}").fetchone()[0])


def check(con: Any, path: object) -> int:
    """Refuse a database that newer code made.

    Returns:
        Its version.

    Raises:
        IntegrityError: It is newer than this installation.
    """
    have, known = version_of(con), migrations()[-1].version
    if have > known:
        raise IntegrityError(
            f"{path} has schema version {have}, this installation knows versions up to {known}",
            remedy="use the installation that wrote it, or a newer one",
        )
    return have


def migrate(con: Any, path: object) -> list[str]:
    """Bring a database to the newest version.

    Returns:
        Names of the migrations applied.

    Raises:
        IntegrityError: The database is newer than this installation.
    """
    have = check(con, path)
    con.execute(f"CREATE TABLE IF NOT EXISTS {VERSIONS_TABLE} (version INTEGER NOT NULL, name VARCHAR NOT NULL)")
    con.execute(f"COMMENT ON TABLE {VERSIONS_TABLE} IS 'Migrations applied to this file.'")
    con.execute(f"COMMENT ON COLUMN {VERSIONS_TABLE}.version IS 'Number of the file in ddl/.'")
    con.execute(f"COMMENT ON COLUMN {VERSIONS_TABLE}.name IS 'Its name.'")
    applied = []
    for m in migrations():
        if m.version <= have:
            continue
        con.execute("BEGIN")
        con.execute(m.sql)
        con.execute(f"INSERT INTO {VERSIONS_TABLE} VALUES (?, ?)", [m.version, m.name])
        con.execute("COMMIT")
        applied.append(m.name)
    return applied
