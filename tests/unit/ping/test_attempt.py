"""An attempt always ends in a valid ping, whatever the scanning child does or meets."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from stratum_lab.ping import attempt
from stratum_lab.ping.attempt import Attempted, run_attempt
from stratum_lab.ping.frames import MAX_FRAME, Order
from stratum_lab.ping.validate import problems
from stratum_lab.scan.source.limits import DEFAULT, Limits
from tests.support.hostile import AGENT, TOO_DEEP, armed, git, record, repository, sparse, unpleasant_files

LIMITS = replace(DEFAULT, timeout_seconds=60)
X_HASH = "251a61b1b78437bd"
"""repo_hash of the single file a.py with `x = 1`."""


def _attempt(root: Path, limits: Limits = LIMITS, **more: object) -> Attempted:
    done = run_attempt(root, limits, scan_id="0123abcd", started=time.monotonic(), **more)  # type: ignore[arg-type]
    assert problems(done.ping) == []
    assert done.ping.scan_id == "0123abcd"
    if done.ping.scan_status == "failed":
        assert done.reason is not None
        assert (done.ping.agent_count, done.ping.finding_rules, done.ping.risk_score) == (None, None, None)
    else:
        assert done.reason is None
    return done


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of one file."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.py").write_bytes(b"x = 1\n")
    return root


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that runs in the place of the scanning child; the second child, which only hashes, is the real one."""
    script, real = tmp_path / "child", sys.executable
    body = tmp_path / "body"
    script.write_text(f'#!/bin/sh\ncase "$*" in *\'"files_only": true\'*) exec {real} "$@";; esac\n. {body}\n')
    script.chmod(0o755)
    monkeypatch.setattr(attempt.sys, "executable", str(script))
    return body


def _frame(kind: int, body: bytes, size: int | None = None) -> str:
    data = struct.pack(">BI", kind, len(body) if size is None else size) + body
    return "printf '" + "".join(f"\\{byte:03o}" for byte in data) + "'\n"


# -- what the child may do -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 0", "crashed"),
        ("exit 9", "crashed"),
        ("exit 81", "memory"),
        ("kill -KILL $$", "killed"),
        ("kill -XCPU $$", "cpu"),
        ("kill -SEGV $$", "crashed"),
        ("kill -ABRT $$", "crashed"),
        ("echo no frames", "broken_result"),
        ("yes", "broken_result"),
        (_frame(1, b"{}", MAX_FRAME + 1), "broken_result"),
        (_frame(0, b"{}"), "broken_result"),
        (_frame(1, b"[]"), "broken_result"),
        (_frame(1, b"{"), "broken_result"),
        (_frame(1, b"[" * 100_000), "broken_result"),
        (_frame(1, b'{"agent_count": 3}') + _frame(5, b"{}"), "broken_result"),
        (_frame(5, b"{}"), "broken_result"),
    ],
)
def test_every_way_to_die_gives_a_failed_ping_with_the_hash_of_the_content(
    tree: Path, child: Path, script: str, reason: str
) -> None:
    child.write_text(script)
    done = _attempt(tree)
    assert (done.ping.scan_status, done.reason) == ("failed", reason)
    assert (done.view, done.graph) == (None, None)
    assert (done.ping.repo_hash, done.ping.files_total) == (X_HASH, 1)


def test_a_child_that_hangs_is_ended_with_all_it_started(tree: Path, child: Path, tmp_path: Path) -> None:
    child.write_text(f"sleep 1000 & echo $! > {tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/ready; sleep 1000")
    stop = threading.Event()

    def when_ready() -> None:
        while not (tmp_path / "ready").exists():
            stop.wait(0.01)
        stop.set()

    waiting = threading.Thread(target=when_ready)
    waiting.start()
    done = _attempt(tree, cancelled=stop)
    waiting.join()
    assert done.reason == "cancelled"
    grandchild = int((tmp_path / "ready").read_text())
    if psutil.pid_exists(grandchild):
        _, alive = psutil.wait_procs([psutil.Process(grandchild)], timeout=10)
        assert alive == []


def test_time_runs_from_the_start_of_the_attempt_and_is_in_the_ping(tree: Path, child: Path) -> None:
    child.write_text("sleep 1000")
    began = time.monotonic() - 59.5
    done = run_attempt(tree, LIMITS, scan_id="0123abcd", started=began)
    assert done.reason == "timeout"
    assert done.ping.scan_duration_ms >= 60_000
    assert done.ping.repo_hash == X_HASH


def test_more_output_than_a_pipe_holds_on_the_error_stream_blocks_nothing(tree: Path, child: Path) -> None:
    child.write_text("head -c 1000000 /dev/zero >&2; exit 3")
    assert _attempt(tree).reason == "crashed"


def test_a_child_without_its_parent_does_nothing(tree: Path) -> None:
    order = Order(str(tree), LIMITS, parent=1)
    command = [sys.executable, "-I", "-m", "stratum_lab.ping.child", order.to_json()]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="a child is told of its parent's death on Linux only")
def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.py").write_text(AGENT * 300)
    code = (
        "import time; from pathlib import Path; from stratum_lab.ping.attempt import run_attempt;"
        "from stratum_lab.scan.source.limits import DEFAULT;"
        f"run_attempt(Path({str(tmp_path)!r}), DEFAULT, scan_id='0123abcd', started=time.monotonic())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as parent:
        found: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while not any(b"ping.child" in " ".join(p.cmdline()).encode() for p in found if p.is_running()):
            assert time.monotonic() < deadline
            found = psutil.Process(parent.pid).children()
        # Only once it has bound itself is it told; a limit it sets shows that.
        while found[0].rlimit(psutil.RLIMIT_CORE) != (0, 0):
            assert time.monotonic() < deadline
        parent.kill()
    _, alive = psutil.wait_procs(found, timeout=30)
    assert alive == []


# -- what a tree may hold ------------------------------------------------------------------------------------------


def test_a_tree_of_everything_unpleasant_is_partial_and_each_skipped_file_has_its_reason(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text(AGENT)
    root = tmp_path / "root"
    root.mkdir()
    unpleasant_files(root, outside / "secret.py")
    before = record(tmp_path)
    done = _attempt(root)
    assert record(tmp_path) == before
    assert done.ping.scan_status == "partial"
    assert done.ping.agent_count == 2
    assert done.view is not None
    told = {item.file: item.reason for item in done.view.skipped}
    assert {name for name, reason in told.items() if reason == "nested too deeply"} == {
        f"deep_{name}.py" for name in TOO_DEEP
    }
    assert told["null.py"] == "holds NUL bytes"
    assert told["latin.py"] == told["codec.py"] == "cannot be decoded by its declared encoding"
    assert told["large.py"] == told["line.py"] == "larger than a candidate may be"
    assert told["two.py"] == "syntax error"
    assert {"agents.yaml", "mcp.json"} <= told.keys()
    assert done.ping.parser_errors == len(told) == len(TOO_DEEP) + 8
    assert done.ping.files_scanned == 3
    assert not any(name in told for name in ("link.py", "pipe.py", "door.py", "gone.py"))


def test_a_file_of_a_gigabyte_is_hashed_and_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    sparse(tmp_path / "data.bin", 1 << 30)
    done = _attempt(tmp_path)
    assert (done.ping.scan_status, done.ping.files_total) == ("success", 2)
    assert done.ping.repo_hash is not None


def test_more_files_than_allowed_fail_without_a_hash(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.py").touch()
    done = _attempt(tmp_path, replace(LIMITS, files=4))
    assert (done.ping.scan_status, done.reason) == ("failed", "too_many_files")
    assert (done.ping.repo_hash, done.ping.files_total) == (None, 0)


def test_candidates_beyond_their_number_make_a_scan_partial(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(AGENT)
    for name in ("b.py", "c.py"):
        (tmp_path / name).touch()
    done = _attempt(tmp_path, replace(LIMITS, candidate_files=1))
    assert (done.ping.scan_status, done.ping.parser_errors) == ("partial", 2)


def test_memory_that_is_used_up_fails_with_the_hash_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = [" + "(a,b)," * 170_000 + "]")
    done = _attempt(tmp_path, replace(LIMITS, memory_bytes=256 << 20))
    assert (done.ping.scan_status, done.reason) == ("failed", "memory")
    assert (done.ping.files_total, done.ping.repo_hash is None) == (1, False)


def test_a_tree_in_which_nothing_parses_has_failed_and_says_how_many(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print 'x'\n")
    done = _attempt(tmp_path)
    assert (done.ping.scan_status, done.reason) == ("failed", "no_candidate_parsed")
    assert (done.ping.parser_errors, done.ping.files_total) == (1, 1)
    assert done.ping.repo_hash is not None


def test_an_empty_tree_is_empty(tmp_path: Path) -> None:
    done = _attempt(tmp_path)
    assert (done.ping.scan_status, done.ping.repo_hash) == ("empty", "8dc2305c3f6e1ff3")


@pytest.mark.parametrize("root", ["missing", "file"])
def test_what_is_no_folder_has_failed(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").touch()
    done = _attempt(tmp_path / root)
    assert (done.ping.scan_status, done.reason, done.ping.repo_hash) == ("failed", "unreadable", None)


def test_a_repository_that_is_armed_runs_nothing_and_is_not_changed(tmp_path: Path) -> None:
    root, proof = tmp_path / "root", tmp_path / "proof"
    repository(root, {"a.py": AGENT, ".gitattributes": "* filter=evil\n"})
    (root / "yaml.py").write_text("import pathlib\npathlib.Path('/proof').write_text('ran')\n")
    (root / "sitecustomize.py").write_text(f"open({str(proof)!r}, 'w').write('ran')\n")
    git(root, "add", "yaml.py", "sitecustomize.py")
    armed(root, proof)
    before = record(root)
    here = Path.cwd()
    os.chdir(root)
    try:
        done = _attempt(root)
    finally:
        os.chdir(here)
    assert (done.ping.scan_status, done.ping.files_total) == ("success", 4)
    assert not proof.exists()
    assert record(root) == before


def test_a_graph_is_made_for_a_repository_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(AGENT)
    done = _attempt(tmp_path, repo_id="0123456789ab", commit="c" * 40)
    assert done.graph is not None
    assert (done.graph.repo_id, done.graph.commit) == ("0123456789ab", "c" * 40)
    assert [node.node_type for node in done.graph.nodes] == ["agent"]
    assert json.loads(json.dumps(done.ping.to_json()))["scan_status"] == "success"
