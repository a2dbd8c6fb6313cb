"""The writer: whole lines or nothing, and nothing that reaches the program."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stratum_patcher import emit, nodes
from stratum_patcher.frame import Frame

from .conftest import Events

NODE = nodes.node("openai", "ChatCompletion", ("a.py", 3), "capability")
LONG = "x" * 300


_opened: list[emit.Writer] = []


@pytest.fixture(autouse=True)
def closed_writers() -> Iterator[None]:
    """Each writer takes one of the few highest descriptors."""
    yield
    while _opened:
        _opened.pop().close()


def open_writer(path: str, limit: int) -> emit.Writer:
    """A writer that is closed after the test."""
    _opened.append(emit.Writer(path, limit))
    return _opened[-1]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_envelope_holds_what_the_contract_names(events: Events, frame: Frame) -> None:
    first = emit.emit(frame, "llm.call_start", source=NODE, payload={"a": 1, "gone": None}, depth=2)
    emit.emit(frame, "llm.call_end", source=NODE, target=NODE, edge="calls", parent=first, at=7)
    start, end = events()
    assert start == {
        "event_id": first,
        "timestamp_ns": start["timestamp_ns"],
        "run_id": "unknown",
        "repo_id": "unknown",
        "framework": "openai",
        "event_type": "llm.call_start",
        "source_node": {
            "node_type": "capability", "node_id": "openai:ChatCompletion:a.py:3", "node_name": "ChatCompletion"
        },
        "stack_depth": 2,
        "payload": {"a": 1},
    }  # fmt: skip
    assert (end["parent_event_id"], end["edge_type"], end["timestamp_ns"]) == (first, "calls", 7)
    assert first != end["event_id"]
    assert len(first) == len("evt_") + 16


@pytest.mark.parametrize("text", ['quote " back \\ line\nend', "nul \x00", "ünïcode 🚀", "lone \ud800 half", "\u2028"])
def test_any_text_is_one_line_of_valid_json(events: Events, frame: Frame, text: str) -> None:
    emit.emit(frame, "x", source=nodes.node("generic", text), payload={text: text})
    (event,) = events()
    assert event["payload"] == {text.replace("\ud800", "?"): text.replace("\ud800", "?")}


def test_what_is_no_plain_type_stands_by_its_class_name_and_is_never_asked(events: Events, frame: Frame) -> None:
    class Trap:
        def __repr__(self) -> str:
            raise SystemExit("asked")

        __str__ = __repr__

    emit.emit(frame, "x", payload={"held": [Trap()]})
    assert events()[0]["payload"] == {"held": ["<Trap>"]}


def test_endless_nesting_and_infinite_numbers_are_dropped_and_told(events: Events, frame: Frame) -> None:
    loop: list[Any] = []
    loop.append(loop)
    emit.emit(frame, "x", payload={"loop": loop})
    emit.emit(frame, "x", payload={"number": float("inf")})
    emit.at_exit()
    told = [e["payload"] for e in events()]
    assert sum(p["count"] for p in told) == 2
    assert {p["reason"] for p in told} == {"unserialisable"}


def test_a_long_line_loses_its_longest_values_and_says_which(events: Events, frame: Frame) -> None:
    emit.emit(frame, "x", payload={"kept": "short", "one": "a" * 60_000, "two": "b" * 50_000, "three": "ü" * 200})
    (event,) = events()
    assert event["payload"]["kept"] == "short"
    assert event["payload"]["payload_cut"] == ["one"]
    assert event["payload"]["two"] == "b" * 50_000
    emit.emit(frame, "x", payload={f"k{i}": "c" * 5000 for i in range(100)})
    assert len(json.dumps(events()[1])) <= emit.LINE_BYTES


def test_a_full_file_takes_no_more_and_the_drops_are_counted(tmp_path: Path, frame: Frame, monkeypatch: Any) -> None:
    writer = open_writer(str(tmp_path / "e"), 1000)
    assert [writer.write(b"x" * 399 + b"\n") for _ in range(4)] == [True, True, False, False]
    assert (tmp_path / "e").stat().st_size == 800
    assert writer.take_report() == {"file_full": 2}
    assert writer.take_report() == {}


@pytest.mark.parametrize("place", ["missing/folder/e", ".", "fifo", "link"])
def test_an_unwritable_place_is_counted_and_never_waited_for(tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    writer = open_writer(str(tmp_path / place), 10_000)
    assert [writer.write(b"a\n") for _ in range(3)] == [False] * 3
    assert writer.dropped == {"unwritable": 3}
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_becomes_writable_is_written_to(tmp_path: Path) -> None:
    writer = open_writer(str(tmp_path / "later" / "e"), 10_000)
    assert not writer.write(b"a\n")
    (tmp_path / "later").mkdir()
    writer._checked = 0.0
    assert writer.write(b"b\n")
    assert (tmp_path / "later" / "e").read_bytes() == b"b\n"


def test_a_replaced_file_is_followed_to_its_place(tmp_path: Path) -> None:
    writer = open_writer(str(tmp_path / "e"), 10_000)
    writer.write(b"a\n")
    (tmp_path / "e").rename(tmp_path / "moved")
    writer._checked = 0.0
    writer.write(b"b\n")
    assert ((tmp_path / "moved").read_bytes(), (tmp_path / "e").read_bytes()) == (b"a\n", b"b\n")


def test_a_truncated_file_goes_on_at_its_new_end(tmp_path: Path) -> None:
    writer = open_writer(str(tmp_path / "e"), 10_000)
    writer.write(b"a" * 100 + b"\n")
    os.truncate(tmp_path / "e", 0)
    writer.write(b"b\n")
    assert (tmp_path / "e").read_bytes() == b"b\n"


def test_a_torn_line_is_closed_before_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(b'{"torn": ')
    writer = open_writer(str(tmp_path / "e"), 10_000)
    writer.write(b'{"whole": 1}\n')
    assert (tmp_path / "e").read_bytes() == b'{"torn": \n{"whole": 1}\n'


def test_a_line_that_fits_into_a_page_never_lies_in_two(tmp_path: Path) -> None:
    writer = open_writer(str(tmp_path / "e"), 1_000_000)
    for size in (1500, 1500, 1500, 4000, 100, 4096, 5000, 300):
        writer.write(b"{" + b"x" * (size - 3) + b"}\n")
    at, data = 0, (tmp_path / "e").read_bytes()
    for line in data.splitlines(keepends=True):
        start, end = at + len(line) - len(line.lstrip()), at + len(line)
        assert start // emit.PAGE_BYTES == (end - 1) // emit.PAGE_BYTES or end - start > emit.PAGE_BYTES
        at = end
    assert [len(line.strip()) + 1 for line in data.splitlines()] == [1500, 1500, 1500, 4000, 100, 4096, 5000, 300]


def test_what_another_process_left_torn_is_closed_while_both_write(tmp_path: Path) -> None:
    writer = open_writer(str(tmp_path / "e"), 10_000)
    writer.write(b'{"a":1}\n')
    with (tmp_path / "e").open("ab") as other:
        other.write(b'{"torn')
    writer.write(b'{"b":2}\n')
    assert (tmp_path / "e").read_bytes() == b'{"a":1}\n{"torn\n{"b":2}\n'


@pytest.mark.parametrize("number, reason", [(errno.ENOSPC, "disk_full"), (errno.EIO, "unwritable")])
def test_errors_of_the_disk_are_counted_by_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    writer = open_writer(str(tmp_path / "e"), 10_000)
    writer.write(b"a\n")

    def fails(descriptor: int, data: bytes) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "write", fails)
    assert not writer.write(b"b\n")
    assert writer.dropped == {reason: 1}


def test_a_short_write_is_dropped_and_does_not_spoil_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, real = open_writer(str(tmp_path / "e"), 10_000), os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
        assert not writer.write(b'{"a":1}\n')
    assert writer.write(b'{"b":2}\n')
    assert (tmp_path / "e").read_bytes() == b'{"a\n{"b":2}\n'
    assert writer.dropped == {"disk_full": 1}


def test_a_descriptor_that_the_program_closed_is_opened_again_and_its_number_never_written_to(tmp_path: Path) -> None:
    writer = open_writer(str(tmp_path / "e"), 10_000)
    writer.write(b"a\n")
    os.close(writer._descriptor)
    assert writer.write(b"b\n")
    assert (tmp_path / "e").read_bytes() == b"a\nb\n"
    assert writer._descriptor > 500


def test_lines_of_threads_and_forked_processes_are_whole_and_all_there(tmp_path: Path) -> None:
    path = tmp_path / "e"
    program = f"""
import os, sys, threading
sys.path.insert(0, {str(Path(emit.__file__).parent.parent)!r})
os.environ.update(STRATUM_EVENTS_FILE={str(path)!r}, STRATUM_RUN_ID="r", STRATUM_REPO_ID="u")
from stratum_patcher import _start
_start.start()
from stratum_patcher import emit
from stratum_patcher.frame import Frame
frame = Frame("openai", "openai", "openai")
text = "y" * 20000
late = range(200)
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        threads = [
            threading.Thread(target=lambda: [emit.emit(frame, "x", payload={{"t": text[: n * 37]}}) for n in late])
            for _ in range(4)
        ]
        [t.start() for t in threads]
        [t.join() for t in threads]
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    found = [event for event in lines(path) if event["event_type"] == "x"]
    assert len(found) == 3 * 4 * 200
    assert len({event["event_id"] for event in found}) == len(found)


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)", "os.execv('/bin/true', ['true'])"])
def test_nothing_written_is_lost_however_the_process_ends(tmp_path: Path, end: str) -> None:
    path = tmp_path / "e"
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(emit.__file__).parent.parent)!r})
os.environ.update(STRATUM_EVENTS_FILE={str(path)!r}, STRATUM_RUN_ID="r", STRATUM_REPO_ID="u")
from stratum_patcher import _start
_start.start()
from stratum_patcher import emit
from stratum_patcher.frame import Frame
for n in range(1000):
    emit.emit(Frame("openai", "openai", "openai"), "x", payload={{"n": n}})
{end}
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode
    assert ended in (3, -signal.SIGKILL, 0)
    assert [event["payload"].get("n") for event in lines(path)[1:]] == list(range(1000))


def test_drops_are_told_when_writing_works_again(tmp_path: Path, events: Events, frame: Frame) -> None:
    emit.writer.count("disk_full", 5)
    emit.emit(frame, "x")
    assert [e["payload"] for e in events() if e["event_type"] == "patcher.dropped"] == [
        {"count": 5, "reason": "disk_full"}
    ]


def test_a_fault_is_told_once_then_counted(events: Events) -> None:
    for _ in range(5):
        emit.fault("hook", "KeyError")
    emit.at_exit()
    assert [e["payload"]["count"] for e in events()] == [1, 4]


def test_many_threads_dropping_at_once_lose_no_count(tmp_path: Path) -> None:
    writer = open_writer(str(tmp_path / "no" / "e"), 10_000)
    threads = [threading.Thread(target=lambda: [writer.write(b"a\n") for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(writer.take_report().values()) == 400
