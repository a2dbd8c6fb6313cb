"""The served door: everything that is no harmless SELECT is refused, and the writer goes on."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from stratum_lab.errors import Busy, PrerequisiteError, SettingsError, StratumError, UsageError
from stratum_lab.settings import Settings, WarehouseSettings
from stratum_lab.warehouse import Door, Pending, Reader, Stored, Warehouse, open_warehouse
from stratum_lab.warehouse.database import connect_memory
from stratum_lab.warehouse.serve import door_file, token_of
from tests.unit.warehouse.test_writer import batches, recorded


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", warehouse=WarehouseSettings(port=0))


@pytest.fixture(scope="module")
def served_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("served"), warehouse=WarehouseSettings(port=0))


@pytest.fixture(scope="module")
def served(served_settings: Settings) -> Iterator[tuple[Warehouse, Door]]:
    """One door for all tests that do not change what is behind it."""
    settings = served_settings
    warehouse = Warehouse(settings)
    pending = Pending()
    for b in batches(recorded(), 50):
        pending.add_batch(b)
    warehouse.write(pending, {("t", 0): Stored(1, "id")})
    door = Door(warehouse.con, settings)
    yield warehouse, door
    door.close()
    warehouse.close()


READS = [
    "SELECT count(*) FROM events",
    "FROM event_counts",
    "WITH a AS (SELECT 1 AS x) SELECT * FROM a",
    "DESCRIBE events",
    "SHOW TABLES",
    "SUMMARIZE runs",
    "SELECT payload->>'$.status' FROM events LIMIT 3;",
    "SELECT comment FROM duckdb_tables()",
    "FROM range(3)",
    "SELECT unnest([1, 2])",
]

ABUSES = [
    "INSERT INTO runs (repo_id) VALUES ('x')",
    "CREATE TABLE x (i INT)",
    "DROP TABLE events",
    "DELETE FROM events",
    "UPDATE runs SET state = 'x'",
    "COPY events TO '/tmp/stratum-never.csv'",
    "COPY events FROM '/etc/passwd'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "ATTACH '/tmp/stratum-never.db'",
    "PRAGMA database_list",
    "SET threads = 1",
    "SET enable_external_access = true",
    "RESET memory_limit",
    "SELECT 1; DROP TABLE events",
    "CALL quack_stop('quack:127.0.0.1')",
    "FROM quack_stop('quack:127.0.0.1')",
    "SELECT * FROM QUACK_SERVE('quack:127.0.0.1:1', token := 'aaaa')",
    "SELECT (SELECT count(*) FROM quack_stop('x'))",
    "FROM query('SELECT 1')",
    "FROM query_table(['events'])",
    "FROM checkpoint()",
    "FROM duckdb_secrets()",
    "FROM duckdb_settings()",
    "SELECT nextval('x')",
    "SELECT write_log('x')",
    "LOAD httpfs",
    "INSTALL spatial",
    "EXPORT DATABASE '/tmp/stratum-never'",
    "CREATE OR REPLACE MACRO door_allows(sid, q) AS true",
    "VACUUM",
    "BEGIN",
]


@pytest.mark.parametrize("query", READS)
def test_readers_may_read(served: tuple[Warehouse, Door], served_settings: Settings, query: str) -> None:
    with open_warehouse(served_settings) as reader:
        assert reader.through_door
        assert len(reader.sql(query)) > 0 or query.startswith("SUMMARIZE")


@pytest.mark.parametrize("query", ABUSES)
def test_the_server_itself_refuses_everything_else(
    served: tuple[Warehouse, Door], served_settings: Settings, query: str
) -> None:
    """Asked without our reader, as any DuckDB client could."""
    con = connect_memory()
    with pytest.raises(Exception, match=r"Authorization failed|Cannot access file|does not exist|disabled"):
        con.execute("FROM quack_query(?, ?, token := ?)", [served[1].uri, query, token_of(served_settings)]).fetchall()
    assert con.execute(
        "FROM quack_query(?, 'SELECT count(*) FROM events', token := ?)", [served[1].uri, token_of(served_settings)]
    ).fetchone() == (len(recorded()),)
    con.close()


@pytest.mark.parametrize("query", ABUSES)
def test_our_reader_says_why_it_refuses(served: tuple[Warehouse, Door], served_settings: Settings, query: str) -> None:
    with open_warehouse(served_settings) as reader, pytest.raises(UsageError):
        reader.sql(query)


@pytest.mark.parametrize("query", ABUSES)
def test_a_closed_file_is_read_only_too(settings: Settings, query: str) -> None:
    Warehouse(settings).close()
    with open_warehouse(settings) as reader, pytest.raises(StratumError):
        assert not reader.through_door
        reader.sql(query)


def test_an_attached_client_reads_and_cannot_write(served: tuple[Warehouse, Door], served_settings: Settings) -> None:
    con = connect_memory()
    con.execute(f"ATTACH '{served[1].uri}' AS w (TOKEN '{token_of(served_settings)}')")
    assert con.execute("SELECT count(*) FROM w.events").fetchone() == (len(recorded()),)
    with pytest.raises(Exception, match=r"Authorization failed|not supported|read-only"):
        con.execute("INSERT INTO w.sink_owner VALUES ('x', 9)")
    con.close()


def test_a_wrong_token_is_refused(served: tuple[Warehouse, Door], served_settings: Settings) -> None:
    wrong = served_settings.model_copy(update={"warehouse": WarehouseSettings(port=0, token=SecretStr("x" * 32))})
    with Reader(wrong) as reader, pytest.raises(SettingsError, match="refused the token"):
        reader.sql("SELECT 1")


def test_a_token_file_that_others_can_read_is_refused(settings: Settings) -> None:
    token_of(settings)
    (settings.home / "warehouse.token").chmod(0o644)
    with pytest.raises(SettingsError, match="mode 0644"):
        token_of(settings)


def test_the_token_file_is_private_from_the_start(settings: Settings) -> None:
    token_of(settings)
    assert (settings.home / "warehouse.token").stat().st_mode & 0o777 == 0o600


def test_a_port_in_use_is_named(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = settings.model_copy(update={"warehouse": WarehouseSettings(port=port)})
        with pytest.raises(Busy, match=str(port)):
            Door(warehouse.con, busy)
    warehouse.close()


def test_there_is_no_warehouse_yet(settings: Settings) -> None:
    with pytest.raises(PrerequisiteError, match="no warehouse"):
        open_warehouse(settings)


def test_a_door_that_nobody_answers_is_not_used(settings: Settings) -> None:
    Warehouse(settings).close()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        uri = f"quack:127.0.0.1:{gone.getsockname()[1]}"
    door_file(settings).write_text(f'{{"uri": "{uri}", "pid": {os.getpid()}}}')
    with open_warehouse(settings) as reader:
        assert not reader.through_door


def test_two_hundred_connections_do_not_stop_the_writer(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    door = Door(warehouse.con, settings)
    port = int(door.uri.rpartition(":")[2])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    pending = Pending()
    for b in batches(recorded(), 50):
        pending.add_batch(b)
    written = warehouse.write(pending, {("t", 0): Stored(1, "id")})
    for connection in idle:
        connection.close()
    assert written.events == len(recorded())
    door.close()
    warehouse.close()


@pytest.mark.parametrize("query", ["SELEC 1", "SELECT nothing FROM runs", "FROM nowhere", "", "SELECT 1/'x'"])
def test_wrong_sql_is_a_usage_error(served: tuple[Warehouse, Door], served_settings: Settings, query: str) -> None:
    with open_warehouse(served_settings) as reader, pytest.raises(UsageError):
        reader.sql(query)


def test_heavy_readers_do_not_stop_the_writer(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    door = Door(warehouse.con, settings)
    stop = threading.Event()

    def abuse() -> None:
        with open_warehouse(settings) as reader:
            while not stop.is_set():
                reader.sql("SELECT count(*) FROM range(20000) a, range(1000) b WHERE a.range % 7 = b.range % 5")

    readers = [threading.Thread(target=abuse) for _ in range(3)]
    for r in readers:
        r.start()
    try:
        for n in range(1, 11):
            pending = Pending()
            for b in batches(recorded(), 50, run=n):
                pending.add_batch(b)
            warehouse.write(pending, {("t", 0): Stored(n, "id")})
    finally:
        stop.set()
        for r in readers:
            r.join()
    assert warehouse.con.execute("SELECT count(*) FROM events").fetchone() == (10 * len(recorded()),)
    door.close()
    warehouse.close()
