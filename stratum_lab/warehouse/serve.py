"""The read-only door: the open database served to local clients while the sink writes.

The protocol (DuckDB's `quack`) serves the whole SQL surface to whoever has the token, so three things close it: an
authorization macro that lets only one SELECT of harmless functions through, no file access, and a locked
configuration. The SELECT test alone is not enough: `FROM quack_stop(...)` is a SELECT.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from stratum_lab.errors import Busy, SettingsError
from stratum_lab.observe import logs
from stratum_lab.settings import Settings
from stratum_lab.warehouse.database import load_extensions, translate, translated

_log = logs.get("warehouse.door")

TOKEN_FILE = "warehouse.token"
DOOR_SUFFIX = ".door.json"
_MIN_TOKEN = 16
_ASK_S = 5.0

ALLOWED_TABLE_FUNCTIONS = frozenset(
    {
        "duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions", "duckdb_keywords",
        "duckdb_schemas", "duckdb_tables", "duckdb_types", "duckdb_views", "generate_series", "histogram",
        "histogram_values", "json_each", "json_tree", "pragma_show", "pragma_table_info", "pragma_version", "range",
        "repeat", "repeat_row", "show", "show_databases", "show_tables", "show_tables_expanded", "summary",
        "table_info", "unnest", "version",
    }
)  # fmt: skip
"""Table functions a reader may use; every other one is refused, also those of extensions to come."""

REFUSED_FUNCTIONS = frozenset({"currval", "getenv", "nextval", "setseed", "sleep", "sleep_ms", "write_log", "whoami"})
"""Scalar functions with an effect on, or a look into, the serving process."""

_AUTHORIZE = """
CREATE OR REPLACE MACRO {name}(sid, q) AS (
    json_extract_string(json_serialize_sql(q::VARCHAR)::VARCHAR, '$.error') = 'false'
    AND NOT list_has_any(
        regexp_extract_all(lower(json_serialize_sql(q::VARCHAR)::VARCHAR), '"function_name":"([^"]*)"', 1), [{refused}]
    )
)
"""


class DoorInfo(NamedTuple):
    """Where the door is: what a reader finds beside the database file."""

    uri: str
    pid: int


def token_of(settings: Settings) -> str:
    """The token of the door; drawn once into a file that only its owner can read.

    Raises:
        SettingsError: The token is too short, or others may read its file.
    """
    if settings.warehouse.token is not None:
        token = settings.warehouse.token.get_secret_value()
        if len(token) < _MIN_TOKEN:
            raise SettingsError(
                f"setting warehouse.token has {len(token)} characters, at least {_MIN_TOKEN} are needed",
                remedy="unset STRATUM_WAREHOUSE__TOKEN to have one drawn",
            )
        return token
    path = settings.home / TOKEN_FILE
    settings.home.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise SettingsError(
            f"the token file {path} has mode {mode:04o}; others may read it", remedy=f"rm {path} (a new one is drawn)"
        )
    token = path.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < _MIN_TOKEN:
        raise SettingsError(f"the token file {path} holds no token", remedy=f"rm {path} (a new one is drawn)")
    return token


def door_file(settings: Settings, path: Path | None = None) -> Path:
    """The file that tells readers where the door is."""
    path = path or settings.warehouse_path
    return path.with_name(path.name + DOOR_SUFFIX)


def find_door(settings: Settings) -> DoorInfo | None:
    """The door of a live sink, or None."""
    try:
        info = DoorInfo(**json.loads(door_file(settings).read_text(encoding="utf-8")))
        host, _, port = info.uri.removeprefix("quack:").rpartition(":")
        # Asked, not only looked up: another process may have the number of one that died.
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ASK_S):
            return info
    except (OSError, ValueError, TypeError):
        return None


def _port(settings: Settings) -> int:
    """The port to listen on, known to be free now: the extension does not report one that is taken."""
    host, port = settings.warehouse.host, settings.warehouse.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise Busy(
                f"the warehouse door cannot listen on {host}:{port} (warehouse.port): {exc.strerror}",
                remedy="set STRATUM_WAREHOUSE__PORT to a free port, or to 0 for any",
            ) from exc
        return int(probe.getsockname()[1])


def refused_functions(con: Any) -> list[str]:
    """Names of functions that the door does not let through, as this DuckDB has them."""
    found = con.execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions()"
        " WHERE function_type IN ('table', 'pragma', 'table_macro') OR lower(function_name) LIKE '%quack%'"
    ).fetchall()
    return sorted(({name for (name,) in found} - ALLOWED_TABLE_FUNCTIONS) | REFUSED_FUNCTIONS)


class Door:
    """Serves an open database read-only until it is closed.

    Args:
        con: The writer's connection (untyped library).
        settings: Address and token.
        path: The database file; the door's file is written beside it.

    Raises:
        Busy: The port is taken.
        PrerequisiteError: The extension is not installed.
        SettingsError: The token is unsafe.
    """

    def __init__(self, con: Any, settings: Settings, path: Path | None = None) -> None:
        self._con = con
        self._file = door_file(settings, path)
        token = token_of(settings)
        host = settings.warehouse.host
        self.uri = f"quack:{f'[{host}]' if ':' in host else host}:{_port(settings)}"
        load_extensions(con)
        refused = ", ".join(f"'{n}'" for n in refused_functions(con))
        with translated("starting the warehouse door"):
            # Not a temporary macro: the door's sessions would not see it.
            con.execute(_AUTHORIZE.format(name="door_allows", refused=refused))
            con.execute("SET GLOBAL quack_authorization_function = 'door_allows'")
            con.execute("SET GLOBAL enable_external_access = false")
        try:
            con.execute("CALL quack_serve(?, token := ?)", [self.uri, token])
        except duckdb.Error as exc:
            # DuckDB's message may quote the statement; the token must not reach a log.
            error = translate(exc, "starting the warehouse door")
            raise type(error)(error.message.replace(token, "***"), remedy=error.remedy) from None
        with translated("locking the warehouse door"):
            con.execute("SET GLOBAL lock_configuration = true")
        self._announce()
        _log.info("door_open", uri=self.uri)

    def _announce(self) -> None:
        temp = self._file.with_name(self._file.name + f".{os.getpid()}.tmp")
        temp.write_text(json.dumps(DoorInfo(self.uri, os.getpid())._asdict()), encoding="utf-8")
        temp.replace(self._file)

    def retire(self) -> None:
        """Tell readers that the door is gone, when its database was given up."""
        self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop serving."""
        self.retire()
        with suppress(duckdb.Error):
            self._con.execute("CALL quack_stop(?)", [self.uri])
