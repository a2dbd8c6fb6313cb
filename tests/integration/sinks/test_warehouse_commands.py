"""`stratum warehouse` and `stratum archive` as a person types them, on a real broker."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.contract.topics import RAW_TOPICS
from stratum_lab.settings import Settings
from tests.support import sinks
from tests.support.sinks import ARCHIVE, WAREHOUSE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]


@pytest.fixture
def filled(kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in sinks.environment(kafka_settings).items():
        monkeypatch.setenv(name, value)
    runs = sinks.recorded_runs()
    sinks.publish(kafka_settings, runs, sinks.records_of(runs))
    return kafka_settings


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(args))
    return result.exit_code, result.stdout, result.stderr


def test_a_damaged_file_is_rebuilt_from_the_log(filled: Settings) -> None:
    sinks.catch_up(WAREHOUSE, filled)
    before = WAREHOUSE.contents(filled)
    data = bytearray(filled.warehouse_path.read_bytes())
    data[:8192] = bytes(8192)
    filled.warehouse_path.write_bytes(data)
    code, _, err = run("warehouse", "checkpoint")
    assert (code, "stratum warehouse rebuild" in err) == (3, True)
    code, out, _ = run("warehouse", "rebuild", "--json")
    assert code == 0
    assert json.loads(out)["runs"] == 22
    assert WAREHOUSE.contents(filled) == before


def test_info_and_checkpoint_tell_of_the_file(filled: Settings) -> None:
    sinks.catch_up(WAREHOUSE, filled)
    assert run("warehouse", "checkpoint")[0] == 0
    code, out, _ = run("warehouse", "info", "--json")
    tables = {t["table_name"]: t["rows"] for t in json.loads(out)["tables"]}
    assert (code, tables["runs"]) == (0, 22)


def test_rebase_names_what_is_stored_when_the_topic_is_wrong(filled: Settings) -> None:
    sinks.catch_up(WAREHOUSE, filled)
    code, _, err = run("warehouse", "rebase", "no.such.topic")
    assert code == 2
    assert "run.events" in err
    code, out, _ = run("warehouse", "rebase", "run.events", "--json")
    assert (code, json.loads(out)["partitions"] > 0) == (0, True)
    sinks.catch_up(WAREHOUSE, filled)
    assert WAREHOUSE.contents(filled) == WAREHOUSE.expected(filled)


def test_an_archive_is_listed_and_not_restored_over_itself(filled: Settings) -> None:
    sinks.catch_up(ARCHIVE, filled)
    code, out, _ = run("archive", "list", "--json")
    rows = json.loads(out)["partitions"]
    assert code == 0
    assert {r["topic"] for r in rows} == set(RAW_TOPICS)
    code, _, err = run("archive", "restore")
    assert code == 2
    assert "--append" in err
