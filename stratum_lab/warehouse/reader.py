"""Reading the warehouse: through the door while a sink writes, else from the file; the same rules either way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import pyarrow as pa

from stratum_lab.errors import Busy, IntegrityError, PrerequisiteError, SettingsError, StratumError, UsageError
from stratum_lab.settings import Settings, current
from stratum_lab.warehouse.database import connect_memory, open_reader, translate
from stratum_lab.warehouse.serve import find_door, refused_functions, token_of

_CHUNK = 8_192
_READ_ONLY = "the warehouse is read-only here; it takes one SELECT (also FROM, WITH, DESCRIBE, SHOW, SUMMARIZE)"


def python_rows(data: Any, *, exact_times: bool = False) -> list[tuple[Any, ...]]:
    """Rows of a pyarrow Table or RecordBatch (untyped library).

    Args:
        data: The table.
        exact_times: Give nanosecond timestamps as text instead of cutting them to microseconds.
    """
    columns = []
    for column in data.columns:
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            column = column.cast(pa.string() if exact_times else pa.timestamp("us"), safe=False)
        columns.append(column.to_pylist())
    return list(zip(*columns, strict=True))


class Answer(NamedTuple):
    """The whole result of a query.

    Attributes:
        arrow: A pyarrow Table (untyped library).
    """

    arrow: Any

    @property
    def columns(self) -> list[str]:
        """Column names."""
        return list(self.arrow.column_names)

    def rows(self) -> list[tuple[Any, ...]]:
        """Rows as tuples of Python values; nanoseconds are cut to the microseconds that `datetime` holds."""
        return python_rows(self.arrow)

    def dicts(self) -> list[dict[str, Any]]:
        """Rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows()]

    def df(self) -> Any:
        """A pandas DataFrame.

        Raises:
            PrerequisiteError: pandas is not installed.
        """
        try:
            return self.arrow.to_pandas()
        except ImportError as exc:
            raise PrerequisiteError("data frames need pandas", remedy="pip install pandas") from exc

    def __len__(self) -> int:
        return int(self.arrow.num_rows)


class Reader:
    """Answers SQL from the warehouse; use `open_warehouse` to get one.

    Args:
        settings: Where the warehouse and its door are.

    Raises:
        PrerequisiteError: There is no warehouse yet.
        Busy: A process without a door is writing.
    """

    def __init__(self, settings: Settings) -> None:
        door = find_door(settings)
        self.through_door = door is not None
        self._remote: tuple[str, str] | None = None
        if door is not None:
            self._remote = (door.uri, token_of(settings))
            self._con = connect_memory()
        else:
            self._con = open_reader(settings)
        self._refused = frozenset(refused_functions(self._con))

    def sql(self, query: str) -> Answer:
        """Run one SELECT and fetch all of it.

        Raises:
            UsageError: The SQL is wrong, or no SELECT.
            Busy: The serving sink went away.
            SettingsError: The door refused the token.
        """
        return Answer(self.stream(query).read_all())

    def stream(self, query: str) -> Any:
        """Run one SELECT; returns a pyarrow RecordBatchReader (untyped library). Raises as `sql`."""
        query = query.strip().rstrip(";").strip()
        self._check(query)
        try:
            if self._remote is None:
                return self._con.execute(query).to_arrow_reader(_CHUNK)
            uri, token = self._remote
            return self._con.execute("FROM quack_query(?, ?, token := ?)", [uri, query, token]).to_arrow_reader(_CHUNK)
        except duckdb.Error as exc:
            raise self._translate(exc) from None

    def _check(self, query: str) -> None:
        """Name a syntax error or a refused statement before it is sent, in words."""
        if not query:
            raise UsageError("the query is empty", remedy='stratum query "FROM findings_overview"')
        try:
            found = json.loads(self._con.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()[0])
        except duckdb.Error as exc:
            raise UsageError(f"the query cannot be read: {str(exc).splitlines()[0]}") from None
        if found["error"]:
            if found.get("error_type") == "parser":
                raise UsageError(f"the SQL is wrong: {found.get('error_message')}")
            raise UsageError(_READ_ONLY)
        bad = sorted(set(_functions(found)) & self._refused)
        if bad:
            raise UsageError(f"{_READ_ONLY}; refused: {', '.join(bad)}")

    def _translate(self, exc: duckdb.Error) -> StratumError:
        text = str(exc)
        if self._remote is not None:
            text = text.replace(self._remote[1], "***")
            if "Authentication failed" in text:
                return SettingsError(
                    "the warehouse door refused the token", remedy="use the sink's home or STRATUM_WAREHOUSE__TOKEN"
                )
            if "Could not connect" in text or "Failed to send" in text:
                return Busy("the warehouse door does not answer", remedy="ask again, or restart the warehouse sink")
            if "Authorization failed" in text:
                return UsageError(_READ_ONLY)
            # Errors of the remote query come quoted in one of the local call, whose last lines show that call.
            return UsageError(f"the query failed: {text.split('LINE 1: from quack_query')[0].strip()}")
        error = translate(exc, "the query failed")
        return UsageError(error.message) if isinstance(error, IntegrityError) else error

    def close(self) -> None:
        """Close the connection."""
        self._con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _functions(node: Any) -> Iterator[str]:
    """Every function named in a serialized query (parsed JSON)."""
    if isinstance(node, dict):
        name = node.get("function_name")
        if isinstance(name, str):
            yield name.lower()
        for value in node.values():
            yield from _functions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _functions(value)


def open_warehouse(settings: Settings | None = None) -> Reader:
    """Open the warehouse for reading, also while a sink writes to it.

    Args:
        settings: Default: those of this process (environment, `stratum.toml`).

    Raises:
        PrerequisiteError: There is no warehouse yet.
        Busy: A process without a door is writing.
        SettingsError: The token file is unsafe.

    Example:
        with open_warehouse() as w:
            print(w.sql("FROM findings_overview").rows())
    """
    return Reader(settings or current())
