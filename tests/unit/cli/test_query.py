"""`stratum query`: every form of the answer, and errors that say what to do."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from stratum_lab.cli.main import app
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Pending, Stored, Warehouse
from tests.unit.warehouse.test_writer import batches, finished, recorded


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    warehouse = Warehouse(Settings(home=home))
    pending = Pending()
    for b in batches(recorded(), 50):
        pending.add_batch(b)
    pending.add_run(finished(len(recorded())))
    warehouse.write(pending, {("t", 0): Stored(1, "id")})
    warehouse.close()
    monkeypatch.setenv("STRATUM_HOME", str(home))
    return home


def run(*args: str, stdin: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["query", *args], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_a_table_tells_how_many_rows_there_are(home: Path) -> None:
    code, out, err = run("SELECT seq FROM events ORDER BY seq", "--limit", "2")
    assert code == 0
    assert "seq" in out
    assert "first 2 rows" in err


def test_json_is_one_document(home: Path) -> None:
    code, out, _ = run("SELECT seq, ts, 'x'::BLOB AS b FROM events ORDER BY seq LIMIT 1", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["columns"] == ["seq", "ts", "b"]
    assert document["rows"][0]["b"] == "78"
    assert len(document["rows"][0]["ts"].rpartition(".")[2]) == 9


def test_csv_has_every_row(home: Path) -> None:
    _, out, _ = run("SELECT * FROM events", "--csv")
    assert len(list(csv.reader(io.StringIO(out)))) == len(recorded()) + 1


def test_parquet_appears_whole_and_alone(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "x.parquet"
    target.parent.mkdir()
    assert run("FROM events", "--parquet", str(target))[0] == 0
    assert pq.read_table(target).num_rows == len(recorded())
    assert [p.name for p in target.parent.iterdir()] == ["x.parquet"]


def test_sql_comes_from_standard_input_or_a_file(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("SELECT 41 + 1 AS n;\n")
    for args, stdin in ((("-", "--json"), "SELECT 41 + 1 AS n"), (("--file", str(file), "--json"), None)):
        assert json.loads(run(*args, stdin=stdin)[1])["rows"] == [{"n": 42}]


def test_hostile_text_is_shown_not_obeyed(home: Path) -> None:
    _, out, _ = run("SELECT chr(27) || '[31m[bold]' || chr(10) || repeat('x', 500) AS t")
    assert "\x1b[31m" not in out
    assert "\\x1b[31m[bold]\\n" in out
    assert "x" * 61 not in out


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["SELEC 1"], 2, "syntax error"),
        (["SELECT nothing FROM runs"], 2, "nothing"),
        (["DROP TABLE runs"], 2, "read-only"),
        (["SELECT 1", "--json", "--csv"], 2, "exclude"),
        ([], 2, "give the SQL"),
        (["--file", "/nonexistent.sql"], 2, "cannot be read"),
    ],
)
def test_errors_name_the_cause(home: Path, args: list[str], code: int, text: str) -> None:
    found, _, err = run(*args)
    assert (found, text in err) == (code, True), err


def test_no_warehouse_yet_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATUM_HOME", str(tmp_path / "none"))
    code, out, err = run("SELECT 1", "--json")
    assert code == 78
    assert json.loads(out)["error"]["kind"] == "prerequisite"
    assert "stratum worker warehouse" in err


def test_a_closed_pipe_is_silent(home: Path) -> None:
    command = [sys.executable, "-m", "stratum_lab.cli", "query", "FROM range(200000)", "--csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")
