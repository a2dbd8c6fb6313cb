"""`stratum fleet`: worst first, with providers, and honest about what is unknown."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.contract.events import Ping, ScanStatus
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Pending, Warehouse
from tests.support.messages import examples
from tests.support.pings import rescan

_BASE = examples()["ScanStatus"]


def scan(number: int, **fields: object) -> ScanStatus:
    """A finished scan of a repository of its own."""
    assert isinstance(_BASE, ScanStatus)
    ids = {"job_id": f"{number:016x}", "scan_id": f"{number:08x}", "repo_id": f"{number:012x}"}
    return _BASE.model_copy(update={**ids, "status": "success", **fields})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    warehouse, pending = Warehouse(Settings(home=tmp_path)), Pending()
    for status in (
        scan(1, display_name="a/low", risk_score=8, finding_count=1),
        scan(2, display_name="b/more", risk_score=50, finding_count=9, providers=["anthropic", "openai"]),
        scan(3, display_name="=c/less", risk_score=50, finding_count=2, provider_confidence="inferred_framework"),
        scan(4, display_name=None, risk_score=0, finding_count=0, agent_count=0, status="empty", providers=[],
             provider_confidence="unknown", frameworks=[], source="https://example.org/\x1b[31mx"),
        scan(5, display_name="e/broken", risk_score=None, finding_count=None, status="failed"),
        scan(6, display_name="f/running", state="running", risk_score=None, status=None),
    ):  # fmt: skip
        pending.scans.add(status)
    pending.scans.add(Ping.from_json(rescan() | {"scan_id": "00000002", "risk_score": 50, "score_delta": -7}))
    warehouse.write(pending, {})
    warehouse.close()
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path))
    return tmp_path


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["fleet", *args], env={"COLUMNS": "160"})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.check("V8")
def test_rows_are_ordered_by_score_then_findings(home: Path) -> None:
    code, out, _ = run("--json")
    assert code == 0
    rows = json.loads(out)["repositories"]
    assert [row["name"] for row in rows] == ["b/more", "=c/less", "a/low", "https://example.org/\x1b[31mx"]


@pytest.mark.check("V9", "V12")
def test_the_table_has_findings_agents_and_providers_and_says_what_is_unknown(home: Path) -> None:
    code, out, _ = run()
    assert code == 0
    head, *rows = out.splitlines()
    assert head.split() == [
        "repository", "score", "change", "findings", "severities", "agents", "providers", "frameworks", "status",
    ]  # fmt: skip
    assert rows[0].split() == [
        "b/more",
        *["50", "-7", "9"],
        "1H",
        "2M",
        "1L",
        "3",
        "anthropic,",
        "openai",
        "crewai",
        "success",
    ]
    assert rows[1].split() == ["=c/less", "50", "2", "3", "openai", "crewai", "success"]
    assert rows[3].split()[-2:] == ["unknown", "empty"]
    assert "\x1b" not in out
    assert "4 repositories scanned, 1 failed" in out
    assert "providers known in 3 of 4 (detected 2, inferred_env_var 0, inferred_framework 1, unknown 1)" in out


@pytest.mark.check("V12")
def test_json_holds_the_totals(home: Path) -> None:
    document = json.loads(run("--json")[1])
    assert (document["scanned"], document["failed"], document["providers_known"]) == (4, 1, 3)
    assert document["providers"] == {"openai": 3, "anthropic": 1}


@pytest.mark.check("M15", "M16", "M17")
def test_a_rescanned_repository_is_summed_up_by_its_last_ping(home: Path) -> None:
    row = json.loads(run("--json")[1])["repositories"][0]
    assert (row["risk_score"], row["score_delta"], row["severities"]) == (50, -7, {"HIGH": 1, "MEDIUM": 2, "LOW": 1})


def test_csv_has_every_row_and_no_formula(home: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("--csv")[1])))
    assert [row["name"] for row in rows][:2] == ["b/more", "'=c/less"]
    assert rows[0]["severities"] == "1H 2M 1L"
    assert rows[3]["providers"] == "unknown"


def test_a_long_table_is_cut_and_says_so(home: Path) -> None:
    code, out, _ = run("--limit", "1")
    assert code == 0
    assert "and 3 more" in out
    assert "a/low" not in out


def test_forms_exclude_each_other(home: Path) -> None:
    code, _, err = run("--json", "--csv")
    assert code == 2
    assert "exclude" in err


def test_an_empty_fleet_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Warehouse(Settings(home=tmp_path)).close()
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path))
    code, out, _ = run()
    assert code == 0
    assert "0 repositories scanned" in out
