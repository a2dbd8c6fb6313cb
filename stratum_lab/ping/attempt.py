"""One scan attempt under supervision: starts the scanning child, watches it, and always returns a ping."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pydantic import ValidationError

from stratum_lab.contract.events import Ping, StructuralGraph
from stratum_lab.ping.attempt_facts import AttemptFacts
from stratum_lab.ping.build import complete
from stratum_lab.ping.frames import EXIT_MEMORY, BrokenFrames, Frame, FrameReader, Order, environment
from stratum_lab.ping.previous import PreviousPing
from stratum_lab.scan.model import Skipped
from stratum_lab.scan.result import FileFacts
from stratum_lab.scan.source.limits import Limits
from stratum_lab.scan.structure import PACKAGE
from stratum_lab.scan.view import ScanView

Reason = Literal[
    "timeout", "memory", "cpu", "killed", "crashed", "cancelled", "broken_result", "too_many_files", "unreadable",
    "no_candidate_parsed",
]  # fmt: skip
"""Why an attempt failed after its source was fetched; never part of a ping."""

_STDERR_TAIL: Final = 8_192
_POLL_SECONDS: Final = 0.25
_CONTENT_SECONDS: Final = 60.0
"""Time to read a tree once more when its scan died before it was read to the end; the attempt takes as much longer."""
_CONTENT_MAY_BE_READ: Final = ("timeout", "memory", "cpu", "killed", "crashed", "broken_result")
_TREE_REASONS: Final[dict[str, Reason]] = {"too_many_files": "too_many_files", "unreadable": "unreadable"}


class Attempted(NamedTuple):
    """What an attempt gave.

    Attributes:
        ping: Its ping, whatever happened.
        view: For reports; None when the scan failed.
        graph: The structural graph; None when the scan failed or no repo_id was given.
        reason: Why it failed; None when it did not.
        detail: More about the failure, for logs: last lines the child wrote, or the message of the error.
    """

    ping: Ping
    view: ScanView | None
    graph: StructuralGraph | None
    reason: str | None
    detail: str = ""


@dataclass(slots=True)
class _Heard:
    """What the child has said so far."""

    files: FileFacts | None = None
    measured: dict[str, Any] | None = None
    view: ScanView | None = None
    graph: StructuralGraph | None = None
    tree_error: dict[str, Any] | None = None
    ended: bool = False
    tail: bytearray = field(default_factory=bytearray)

    def take(self, frame: Frame) -> None:
        """Keep one frame. Raises ValueError or TypeError when it does not hold what it should."""
        values = frame.values
        if frame.name == "files":
            skipped = [Skipped(str(file), str(reason)) for file, reason in values.pop("skipped")]
            self.files = FileFacts(**values, skipped=skipped)
        elif frame.name == "measured":
            self.measured = values
        elif frame.name == "view":
            self.view = ScanView.model_validate(values)
        elif frame.name == "graph":
            self.graph = StructuralGraph.model_validate(values)
        elif frame.name == "tree_error":
            self.tree_error = values
        else:
            self.ended = True


def run_attempt(
    root: Path,
    limits: Limits,
    *,
    scan_id: str,
    started: float,
    previous: PreviousPing | None = None,
    repo_id: str | None = None,
    commit: str | None = None,
    cancelled: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Attempted:
    """Scan a tree in a child process and make its ping.

    Args:
        root: Folder to scan; it is only read.
        limits: The wall time counts from `started`, so fetching is part of it.
        scan_id: 8 hex of this attempt.
        started: When the attempt began, by `clock`.
        previous: The ping a rescan is compared with.
        repo_id: Repository of the structural graph.
        commit: Its commit.
        cancelled: Set from another thread to end the attempt early.
        clock: Monotonic seconds.
    """
    order = Order(os.fsdecode(os.path.abspath(root)), limits, os.getpid(), repo_id, commit)  # noqa: PTH100 - keeps links
    heard = _Heard()
    reason, code = _supervise(order, heard, started + limits.timeout_seconds, cancelled, clock)
    if reason is None:
        reason = _verdict(heard, code)
    detail = _detail(heard, code)
    if reason is None:
        try:
            ping = complete(heard.measured, _facts(scan_id, started, clock, heard.files), previous)
        except (ValidationError, KeyError, TypeError) as exc:
            reason, detail = "broken_result", str(exc)[:_STDERR_TAIL]
        else:
            failed = ping.scan_status == "failed"
            return Attempted(
                ping, heard.view, None if failed else heard.graph, "no_candidate_parsed" if failed else None
            )
    if reason in _CONTENT_MAY_BE_READ and heard.files is None:
        heard.files = _content(order, cancelled, clock)
    return Attempted(complete(None, _facts(scan_id, started, clock, heard.files), previous), None, None, reason, detail)


def _facts(scan_id: str, started: float, clock: Callable[[], float], files: FileFacts | None) -> AttemptFacts:
    """Facts of the attempt at the moment of emission."""
    return AttemptFacts(scan_id, datetime.now(UTC), clock() - started, version(PACKAGE), files)


def _content(order: Order, cancelled: threading.Event | None, clock: Callable[[], float]) -> FileFacts | None:
    """Hash and number of the files, by a second child that parses nothing; None when that fails too."""
    heard = _Heard()
    seconds = min(_CONTENT_SECONDS, order.limits.timeout_seconds)
    _supervise(replace(order, files_only=True), heard, clock() + seconds, cancelled, clock)
    return heard.files if heard.ended else None


def failed_attempt(scan_id: str, started: float, previous: PreviousPing | None = None) -> Ping:
    """The ping of an attempt that did not get as far as a scan: its source could not be fetched."""
    return complete(None, _facts(scan_id, started, time.monotonic, None), previous)


def _supervise(
    order: Order,
    heard: _Heard,
    deadline: float,
    cancelled: threading.Event | None,
    clock: Callable[[], float],
) -> tuple[Reason | None, int]:
    """Run the child until it ends or its time is up; returns why it was ended, and its exit code."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-B", "-X", "utf8", "-m", "stratum_lab.ping.child", order.to_json()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=environment(),
        start_new_session=True,
    )
    reason: Reason | None = None
    try:
        reason = _listen(child, heard, deadline, cancelled, clock)
    finally:
        _kill_group(child)
        code = child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
    return reason, code


def _listen(
    child: subprocess.Popen[bytes],
    heard: _Heard,
    deadline: float,
    cancelled: threading.Event | None,
    clock: Callable[[], float],
) -> Reason | None:
    """Read frames until the child closes its pipe, says it is done, or has to be stopped."""
    assert child.stdout is not None
    assert child.stderr is not None
    frames = FrameReader()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, "frames")
        selector.register(child.stderr, selectors.EVENT_READ, "log")
        while selector.get_map() and not heard.ended:
            left = deadline - clock()
            if left <= 0:
                return "timeout"
            if cancelled is not None and cancelled.is_set():
                return "cancelled"
            for key, _ in selector.select(min(left, _POLL_SECONDS)):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.data == "log":
                    heard.tail += data
                    del heard.tail[:-_STDERR_TAIL]
                else:
                    try:
                        for frame in frames.feed(data):
                            heard.take(frame)
                    except (BrokenFrames, ValueError, TypeError, KeyError):
                        return "broken_result"
    return None


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started; its session is its own."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # all of them have ended


def _verdict(heard: _Heard, code: int) -> Reason | None:
    """Why a child that ended by itself failed; None when it brought everything."""
    if heard.ended:
        return None if heard.measured is not None else "broken_result"
    if heard.tree_error is not None:
        return _TREE_REASONS.get(str(heard.tree_error.get("reason")), "unreadable")
    if code == EXIT_MEMORY:
        return "memory"
    if code == -signal.SIGXCPU:
        return "cpu"
    return "killed" if code == -signal.SIGKILL else "crashed"


def _detail(heard: _Heard, code: int) -> str:
    if heard.tree_error is not None:
        return str(heard.tree_error.get("message", ""))
    tail = heard.tail.decode("utf-8", "replace").strip()
    return tail or (f"exit code {code}" if code else "")
