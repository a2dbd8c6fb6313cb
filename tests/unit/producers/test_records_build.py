"""Records from result folders without a broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from producers import records_build
from producers.recorded_run import plan
from producers.records_build import BuildSummary, build, by_repository
from stratum_lab.cli.main import app
from stratum_lab.contract.ids import repo_id
from stratum_lab.errors import DestinationFull, PrerequisiteError
from stratum_lab.files import write_whole
from stratum_lab.fold import validate_record
from tests.support.recorded import RUNS, RUNS_OTHER, copy_runs, line, metadata, result_folder


def built(dirs: list[Path], out: Path, *, processes: int = 1, check: bool = False) -> BuildSummary:
    summary = BuildSummary()
    build(plan(dirs), out, summary, processes=processes, check=check, step=lambda: None)
    return summary


def records(out: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(out.glob("*.json"))}


def test_the_22_recorded_runs_give_22_valid_records(tmp_path: Path) -> None:
    summary = built([RUNS], tmp_path)
    found = records(tmp_path)
    assert (summary.records, summary.problems) == (22, [])
    assert sorted(found) == sorted(p.name for p in RUNS.iterdir())
    assert [validate_record(r) for r in found.values()] == [[]] * 22


def test_several_processes_give_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_build, "MANY_RUNS", 1)
    built([RUNS], tmp_path / "one")
    summary = built([RUNS], tmp_path / "two", processes=2)
    assert summary.records == 22
    assert records(tmp_path / "one") == records(tmp_path / "two")


def test_runs_of_one_repository_in_several_folders_make_one_record(tmp_path: Path) -> None:
    for run in (10, 2, 1):
        result_folder(tmp_path / "in" / f"r{run}", [line(run)], metadata(status=f"S{run}"), run)
    summary = built([tmp_path / "in"], tmp_path / "out")
    assert (summary.records, summary.runs) == (1, 3)
    (record,) = records(tmp_path / "out").values()
    assert record["execution_metadata"]["statuses"] == ["S1", "S2", "S10"]


def test_open_runs_give_no_record_and_are_named(tmp_path: Path) -> None:
    summary = built([RUNS_OTHER], tmp_path)
    assert (summary.records, summary.open_runs, summary.without_record) == (0, 3, 3)
    assert len(summary.problems) == 3


def test_a_malformed_line_does_not_change_its_neighbours_record(tmp_path: Path) -> None:
    copied = copy_runs(tmp_path / "in", 1)
    (folder,) = copied.iterdir()
    events = folder / "events_run_1.jsonl"
    built([copied], tmp_path / "clean")
    lines = events.read_bytes().splitlines()
    events.write_bytes(b"\n".join([lines[0], b"\x00garbage", *lines[1:]]))
    summary = built([copied], tmp_path / "dirty")
    assert summary.malformed == 1
    assert records(tmp_path / "clean") == records(tmp_path / "dirty")


def test_check_tells_missing_and_different_records(tmp_path: Path) -> None:
    built([RUNS], tmp_path)
    assert built([RUNS], tmp_path, check=True).stale == []
    first, second, *_ = sorted(tmp_path.glob("*.json"))
    first.unlink()
    second.write_text("{}")
    summary = built([RUNS], tmp_path, check=True)
    assert summary.stale == [first.name, second.name]
    assert not first.exists()


def test_repositories_come_in_order_of_their_id() -> None:
    groups = by_repository(plan([RUNS]).runs)
    assert list(groups) == sorted(groups)


def test_a_full_disk_leaves_no_half_written_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DestinationFull):
        built([RUNS], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_is_a_file_is_a_prerequisite_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(PrerequisiteError, match="cannot be written"):
        built([RUNS], tmp_path / "out")


def test_a_file_appears_whole_and_replaces_the_older_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json", b"1")
    write_whole(tmp_path / "a.json", b"2")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.json", b"2")]


def test_the_command_reports_and_exits_by_what_it_found(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["records", "build", str(RUNS), "--out", str(tmp_path), "--json"])
    assert good.exit_code == 0
    assert json.loads(good.stdout)["records"]["records"] == 22
    bad = CliRunner().invoke(app, ["records", "build", str(RUNS_OTHER), "--out", str(tmp_path)])
    assert bad.exit_code == 1
    assert bad.stdout == ""
    assert "stays open" in bad.stderr
    usage = CliRunner().invoke(app, ["records", "build", str(tmp_path / "none"), "--out", str(tmp_path), "--json"])
    assert usage.exit_code == 2
    assert json.loads(usage.stdout)["error"]["kind"] == "usage"


def test_hostile_names_reach_the_terminal_escaped(tmp_path: Path) -> None:
    result_folder(tmp_path / "in" / "a\x1b[31mred", [line(1)], None)
    done = CliRunner().invoke(app, ["records", "build", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert "\x1b[31mred" not in done.stderr
    assert "\\x1b[31mred" in done.stderr


def test_an_unusual_address_never_names_a_file(tmp_path: Path) -> None:
    url = "../../etc/passwd"
    result_folder(tmp_path / "in", [line(1)], metadata(repo_url=url))
    built([tmp_path / "in"], tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"{repo_id(url)}.json"]
