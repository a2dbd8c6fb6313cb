"""The main job as a person does it: the `stratum` script alone, on a broker that it starts itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka import environment, lend_jars, own_broker, wait_for
from tests.support.recorded import copy_runs

RUNS = Path(__file__).parents[1] / "fixtures" / "runs"
COUNTS = """SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM runs) AS runs,
    (SELECT count(*) FROM records) AS records, (SELECT sum(revision) FROM records) AS revisions,
    (SELECT count(*) FROM dead_letters) AS dead_letters"""


class Script:
    """Calls the `stratum` script with one environment."""

    def __init__(self, env: Mapping[str, str], cwd: Path) -> None:
        self.env, self.cwd = dict(env), cwd

    def __call__(self, *args: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stratum_lab.cli", *args],
            env=self.env, cwd=self.cwd, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"stratum {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        with (self.cwd / f"{args[0]}-{args[1]}.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "stratum_lab.cli", *args],
                env=self.env, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def query(self, sql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("query", sql, "--json"))["rows"]
        return found


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@pytest.fixture
def stratum(tmp_path: Path, kafka_jars: Path) -> Iterator[Script]:
    """The script with an own home, ports and broker; everything is stopped afterwards."""
    settings = own_broker(tmp_path / "home", "apache")
    lend_jars(kafka_jars, settings)
    env = environment(settings) | {
        "STRATUM_KAFKA__PARTITIONS": "4",
        "STRATUM_WAREHOUSE__PORT": str(_free_port()),
        "STRATUM_STREAMS__SESSION_TIMEOUT_S": "6",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    script = Script(env, tmp_path)
    yield script
    script("down")


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _built(script: Script, runs: Path, out: Path) -> dict[str, Any]:
    script("records", "build", str(runs), "--out", str(out))
    return {p.stem: json.loads(p.read_text()) for p in out.glob("*.json")}


@pytest.mark.e2e
@pytest.mark.integration
@pytest.mark.timeout(420)
def test_recorded_runs_become_the_records_that_a_build_without_broker_gives(stratum: Script, tmp_path: Path) -> None:
    runs = copy_runs(tmp_path / "runs")
    expected = _built(stratum, runs, tmp_path / "out")
    assert len(expected) == 22

    stratum("up")
    workers = [stratum.start("worker", "streams"), stratum.start("worker", "warehouse")]
    try:
        importing = stratum.start("run", "import", str(runs))
        answered = _ask_while(stratum, importing)
        assert importing.wait(60) == 0
        assert answered, "no query was answered while the import ran and the sink wrote"

        wait_for(lambda: stratum.query(COUNTS)[0]["records"] == len(expected), "a record per repository", 120)
        first = stratum.query(COUNTS)[0]
        events = sum(len(p.read_bytes().splitlines()) for p in runs.glob("*/events_run_*.jsonl"))
        assert (first["events"], first["runs"], first["dead_letters"]) == (events, 22, 0)
        got = {
            r["repo_id"]: json.loads(r["record"])
            for r in stratum.query("SELECT repo_id, record::VARCHAR AS record FROM records")
        }
        assert got == expected

        for sql in ("DELETE FROM events", "CREATE TABLE mine (a INT)", "SELECT 1; DROP TABLE events"):
            stratum("query", sql, code=2)

        stratum("run", "import", str(runs))
        stratum("run", "import", str(runs), "--force")
        _caught_up(stratum)
        assert stratum.query(COUNTS)[0] == first
    finally:
        codes = [_stop(w) for w in reversed(workers)]
    assert codes == [0, 0]

    # The broker forgets nothing over a restart, and what it holds still gives the same records.
    stratum("down")
    stratum("up")
    stratum("replay", "records", "--diff", "--no-write")
    assert stratum.query(COUNTS)[0] == first


def _ask_while(script: Script, process: subprocess.Popen[bytes]) -> int:
    """How many queries were answered through the door while a process ran."""
    answered = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(
            [sys.executable, "-m", "stratum_lab.cli", "query", "SELECT count(*) FROM events"],
            env=script.env, cwd=script.cwd, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        if process.poll() is not None and answered:
            break
        answered += done.returncode == 0
    return answered


def _caught_up(script: Script) -> None:
    def lag() -> int:
        status = json.loads(script("status", "--json"))
        return sum(g["lag"] for g in status["groups"])

    wait_for(lambda: lag() == 0, "every group at the end of the log", 60)


@pytest.mark.e2e
@pytest.mark.integration
@pytest.mark.timeout(300)
def test_dev_runs_the_whole_job_and_says_what_came_out(stratum: Script, tmp_path: Path) -> None:
    runs = copy_runs(tmp_path / "runs", 5)
    found = json.loads(stratum("dev", "--import", str(runs), "--once", "--json"))
    assert (found["repositories"], found["runs"], found["records"], found["dead_letters"]) == (5, 5, 5, 0)
    assert {f["finding_id"] for f in found["findings"]} == {
        "STRAT-DC-001", "STRAT-SI-001", "STRAT-AB-001", "STRAT-OC-002", "STRAT-EA-001",
    }  # fmt: skip
    # Everything is stopped, and the suggested question is answered from the file.
    assert not (tmp_path / "home" / "broker.json").exists()
    assert len(stratum.query(found["next_query"])) == 5
