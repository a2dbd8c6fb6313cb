"""`stratum warehouse export`: what may be given away, and nothing that names a scanned repository."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.contract.events import Ping
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Pending, Warehouse
from stratum_lab.warehouse.export import KEPT_BACK
from tests.support.messages import examples
from tests.support.pings import first_scan


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    warehouse, pending = Warehouse(Settings(home=tmp_path)), Pending()
    pending.scans.add(Ping.from_json(first_scan()))
    pending.scans.add(examples()["ScanStatus"])
    pending.scans.add(examples()["RepoIdentity"])
    warehouse.write(pending, {})
    warehouse.close()
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path))
    return tmp_path


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["warehouse", "export", *args])
    return result.exit_code, result.stdout, result.stderr


def test_everything_but_what_is_private_becomes_a_file(home: Path) -> None:
    code, out, _ = run("--json", str(home / "out"))
    assert code == 0
    files = json.loads(out)["files"]
    assert {f["path"] for f in files} == {str(p) for p in (home / "out").iterdir()}
    names = {f["table"] for f in files}
    assert {"pings", "ping_findings", "ping_cooccurrence", "graphs"} <= names
    assert not names & {"identities", "scan_status", *KEPT_BACK}
    assert b"example/agents" not in b"".join(p.read_bytes() for p in (home / "out").iterdir())


def test_a_ping_is_whole_in_its_file(home: Path) -> None:
    assert run(str(home / "out"), "--table", "pings")[0] == 0
    assert [p.name for p in (home / "out").iterdir()] == ["pings.parquet"]
    (row,) = pq.read_table(home / "out" / "pings.parquet").to_pylist()
    assert json.loads(row["original"]) == first_scan()
    assert row["per_crew_finding_density"] == first_scan()["per_crew_finding_density"]
    assert dict(row["finding_severities"]) == first_scan()["finding_severities"]


@pytest.mark.parametrize("table", ["private.identities", "identities", "dead_letters", 'x"; DROP TABLE pings'])
def test_what_is_kept_back_is_refused(home: Path, table: str) -> None:
    code, _, err = run(str(home / "out"), "--table", table)
    assert code == 2
    assert "cannot be exported" in err
    assert not (home / "out").exists()


def test_a_place_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "out").write_text("a file")
    code, _, err = run(str(home / "out"))
    assert code == 75
    assert "cannot be written" in err
