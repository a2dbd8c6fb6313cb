"""Pings on a real topic: imported, checked against their jobs, and found in the warehouse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.contract.topics import SCAN_PINGS, full_name
from stratum_lab.kafka.producer import Producer
from stratum_lab.settings import Settings
from tests.support import sinks
from tests.support.pings import first_scan
from tests.support.sinks import WAREHOUSE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]

PINGS = Path(__file__).parents[2] / "fixtures" / "pings"


@pytest.fixture
def settings(kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in sinks.environment(kafka_settings).items():
        monkeypatch.setenv(name, value)
    return kafka_settings


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.check("S1", "V11")
def test_pings_on_the_topic_are_checked_against_the_jobs(settings: Settings) -> None:
    with Producer(settings) as producer:
        for topic, key, message in sinks.scan_messages("a" * 12):
            producer.send(topic, key, message)
        producer.send_raw(full_name(settings.kafka.topic_prefix, SCAN_PINGS), "x", b"garbage")
    code, out, err = run("ping", "validate", "--topic", "--json")
    found = {(p["scan_id"], p["check"]) for p in json.loads(out)["problems"]}
    assert found == {("", "json")}
    assert code == 1
    assert "2 pings" in err


def test_pings_of_every_schema_are_imported_and_end_in_the_warehouse(settings: Settings, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"risk_score": 3}\nnot json\n', encoding="utf-8")
    files = sorted(PINGS.glob("schema[1-5].json"))
    code, out, _ = run("ping", "import", "--json", *map(str, files), str(PINGS / "schema5-rescan.json"), str(bad))
    document = json.loads(out)
    assert code == 1
    assert document["imported"] == 6
    assert [row["where"] for row in document["refused"]] == [f"{bad}:1", f"{bad}:2"]
    sinks.catch_up(WAREHOUSE, settings)
    code, out, _ = run(
        "query", "--json", "SELECT scan_id, count(*) AS n, min(schema_id) AS s FROM pings GROUP BY 1 ORDER BY 1"
    )
    # The stored pings of the five schemas are one scan, told five times: the first emitted is kept, once.
    assert [row["scan_id"] for row in json.loads(out)["rows"]] == ["1a2b3c4d", "a7b3e912"]
    assert all(row["n"] == 1 for row in json.loads(out)["rows"])


def test_a_valid_ping_of_the_written_schema_travels_as_such(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps(first_scan()) + "\n", encoding="utf-8")
    assert run("ping", "import", str(file))[0] == 0
    code, out, err = run("ping", "validate", "--topic")
    assert "one_ping: 1a2b3c4d has no finished batch record" in out
    assert "1 pings" in err
    assert code == 1
