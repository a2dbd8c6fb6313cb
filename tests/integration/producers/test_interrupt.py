"""A real Ctrl-C in the middle of the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stratum_lab.errors import EXIT_INTERRUPTED
from tests.support.recorded import line, metadata, result_folder

RUNS = 8_000
DEADLINE_S = 60.0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupted_build_says_so_and_leaves_only_whole_records(tmp_path: Path, processes: str) -> None:
    for n in range(RUNS):
        url = f"https://github.com/example/r{n}"
        result_folder(tmp_path / "in" / f"r{n}", [line(1, repo_id=url)], metadata(repo_url=url))
    out = tmp_path / "out"
    code = "from stratum_lab.cli.main import main; main()"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            "records",
            "build",
            str(tmp_path / "in"),
            "--out",
            str(out),
            "--processes",
            processes,
        ],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + DEADLINE_S
    while not list(out.glob("*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == EXIT_INTERRUPTED
    assert "interrupted:" in said
    assert "Traceback" not in said
    files = [p.name for p in out.iterdir()]
    assert 0 < len(files) < RUNS
    assert all(name.endswith(".json") and not name.startswith(".") for name in files)
