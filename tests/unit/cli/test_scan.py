"""`stratum scan`: the report of one repository in every form, and exit codes a build can rely on."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.ping.pairs import pair_problems
from stratum_lab.ping.validate import problems

FIX = Path("tests/fixtures/scan/partial_fix")
SMALL = Path("tests/fixtures/scan/crewai_travel")


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path / "home"))
    return tmp_path / "data"


def run(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["scan", *map(str, args)])
    return result.exit_code, result.stdout, result.stderr


def listing(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_json_holds_a_valid_ping_the_model_with_places_and_the_findings(tmp_path: Path) -> None:
    code, out, _ = run(SMALL, "--json")
    document = json.loads(out)
    assert code == 0
    assert problems(document["ping"]) == []
    assert len(document["model"]["agents"]) == document["ping"]["agent_count"]
    assert {agent["place"]["file"] for agent in document["model"]["agents"]} == {
        "trip_agents.py",
        "tools/browser_tools.py",
    }
    assert [crew["name"] for crew in document["model"]["crews"]] == ["TripCrew", "short"]
    assert sorted(f["rule"] for f in document["findings"]) == document["ping"]["finding_rules"]


def test_sarif_and_picture_come_from_the_same_scan(tmp_path: Path) -> None:
    code, out, err = run(SMALL, "--sarif", "--svg", tmp_path / "agents.svg")
    assert code == 0
    assert "drew" in err
    assert json.loads(out)["runs"][0]["results"]
    assert ET.parse(tmp_path / "agents.svg").getroot().tag.endswith("svg")


def test_nothing_is_written_into_the_scanned_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(SMALL, tree)
    before = listing(tree)
    assert run(tree)[0] == 0
    assert listing(tree) == before


@pytest.mark.check("V2", "V13", "M1", "M2", "M7")
def test_a_second_scan_shows_what_changed_since_the_first(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(FIX / "before", tree)
    first = json.loads(run(tree, "--json")[1])["ping"]
    shutil.rmtree(tree)
    shutil.copytree(FIX / "after", tree)
    second = json.loads(run(tree, "--json")[1])["ping"]
    assert first["is_rescan"] is False
    assert second["is_rescan"] is True
    assert second["pre_scan_id"] == first["scan_id"]
    assert pair_problems(first, second) == []
    shutil.rmtree(tree)
    shutil.copytree(FIX / "before", tree)
    text = run(tree)[1]
    assert f"{second['risk_score']}/100 → {first['risk_score']}/100" in text


def test_no_history_neither_compares_nor_remembers(tmp_path: Path, data_home: Path) -> None:
    run(SMALL, "--no-history")
    assert not data_home.exists()
    run(SMALL)
    assert json.loads(run(SMALL, "--json", "--no-history")[1])["ping"]["is_rescan"] is False


def test_ci_stops_on_criticals_until_they_are_accepted(tmp_path: Path) -> None:
    accepted = tmp_path / "accepted.json"
    code, _, err = run(SMALL, "--ci")
    assert code == 1
    assert "critical: STRATUM-CR05  tools/browser_tools.py:8" in err
    assert run(SMALL, "--write-baseline", accepted)[0] == 0
    assert run(SMALL, "--ci", "--baseline", accepted)[0] == 0


def test_a_repository_without_criticals_passes(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text("x = 1\n")
    code, out, _ = run(tmp_path / "tree", "--ci")
    assert code == 0
    assert "empty" in out


def test_a_scan_that_fails_prints_a_ping_and_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text("def (:\n")
    code, out, err = run(tmp_path / "tree", "--json")
    assert code == 1
    assert json.loads(out)["ping"]["scan_status"] == "failed"
    assert json.loads(out)["reason"] == "no_candidate_parsed"
    assert "could not be scanned" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--json", "--sarif"], "exclude each other"),
        (["--baseline", "x.json"], "add --ci"),
        (["--ci", "--baseline", "missing.json"], "cannot be read"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_the_way_out(args: list[str], message: str) -> None:
    code, _, err = run(SMALL, *args)
    assert code == 2
    assert message in err


def test_a_source_that_does_not_exist_is_an_error_with_a_remedy() -> None:
    code, _, err = run("/no/such/folder")
    assert code == 1
    assert "fix:" in err
