"""`stratum ping`: what is wrong with a ping is named by ping, check and message; one ping can be looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.contract.events import Ping
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Pending, Warehouse
from tests.support.pings import first_scan, rescan

PINGS = Path(__file__).parents[2] / "fixtures" / "pings"


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["ping", *args], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


def lines(path: Path, *pings: Any) -> str:
    text = "\n".join(ping if isinstance(ping, str) else json.dumps(ping) for ping in pings)
    path.write_text(text + "\n", encoding="utf-8")
    return str(path)


def test_valid_pings_say_nothing_on_stdout(tmp_path: Path) -> None:
    code, out, err = run("validate", lines(tmp_path / "p.jsonl", first_scan(), "", rescan() | {"scan_id": "ffffffff"}))
    assert (code, out) == (0, "")
    assert "2 pings, 0 invalid, 0 problems" in err


def test_problems_name_place_ping_check_and_message(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", first_scan(), first_scan() | {"scan_id": "ffffffff", "risk_score": 18})
    code, out, _ = run("validate", path)
    assert code == 1
    assert out == f"{path}:2 ffffffff M18: risk_score is 18, the formula gives 17\n"


def test_json_holds_every_problem_and_the_counts(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", "no json", first_scan() | {"repo_name": "x"})
    code, out, _ = run("validate", "--json", path)
    document = json.loads(out)
    assert code == 1
    assert (document["pings"], document["invalid"]) == (2, 2)
    assert [(p["where"], p["check"]) for p in document["problems"]] == [(f"{path}:1", "json"), (f"{path}:2", "privacy")]


@pytest.mark.check("M7")
def test_a_rescan_is_compared_with_the_ping_it_names(tmp_path: Path) -> None:
    before = first_scan() | {"scan_id": "0a0b0c0d"}
    code, out, _ = run("validate", lines(tmp_path / "p.jsonl", rescan(), before))
    assert code == 1
    assert "M7: prev_score is 40, that ping has 17" in out


def test_samples_of_the_earlier_writer_are_read_and_found_wrong() -> None:
    code, out, err = run("validate", str(PINGS / "schema5-first-scan.json"), str(PINGS / "schema5-rescan.json"))
    assert code == 1
    assert "M18: risk_score is 69, the formula gives 62" in out
    assert "2 pings, 2 invalid, 14 problems" in err


def test_hostile_text_does_not_reach_the_terminal(tmp_path: Path) -> None:
    _, out, _ = run("validate", lines(tmp_path / "p.jsonl", first_scan() | {"scan_id": "\x1b[31mred"}))
    assert "\x1b" not in out


@pytest.mark.parametrize("args", [(), ("--topic", "x.jsonl")], ids=["nothing", "both"])
def test_files_and_topic_exclude_each_other(args: tuple[str, ...]) -> None:
    code, _, err = run("validate", *args)
    assert code == 2
    assert "give files or --topic" in err


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "not utf-8"])
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "p.jsonl"
    if content is not None:
        path.write_bytes(content)
    code, _, err = run("validate", str(path))
    assert code == 2
    assert "cannot be read" in err


def test_one_ping_is_shown_with_groups_and_what_was_not_recorded() -> None:
    code, out, err = run("show", str(PINGS / "schema1.json"))
    assert code == 0
    assert "schema 1, read as schema 3" in err
    rows = {row.split()[1]: row.rstrip().split(maxsplit=2) for row in out.splitlines() if len(row.split()) > 2}
    assert rows["risk_score"][::2] == ["risk", "17"]
    assert rows["scan_status"][2] == "not recorded"


def test_a_ping_is_found_in_the_warehouse_by_its_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path))
    warehouse, pending = Warehouse(Settings(home=tmp_path)), Pending()
    pending.scans.add(Ping.from_json(first_scan()))
    warehouse.write(pending, {})
    warehouse.close()
    code, out, _ = run("show", "--json", "1a2b3c4d")
    assert (code, json.loads(out)) == (0, first_scan())
    code, _, err = run("show", "ffffffff")
    assert code == 2
    assert "no ping of scan ffffffff" in err


def test_a_file_of_several_pings_is_not_shown(tmp_path: Path) -> None:
    code, _, err = run("show", lines(tmp_path / "p.jsonl", first_scan(), first_scan()))
    assert code == 2
    assert "2 lines" in err
