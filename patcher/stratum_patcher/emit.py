"""The writer: one whole line in the events file for each event, by one unbuffered write.

What cannot be written is dropped, counted and told by `patcher.dropped`; nothing here blocks the program or raises
into it. Lines of several threads and processes do not mix, since each is one `write` on a descriptor opened for
appending; what a full disk tore off is closed by a line break before the next event.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from _thread import allocate_lock

from ._start import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable

    from .frame import Frame
    from .nodes import Node

try:
    from _json import encode_basestring as _quote
    from _json import make_encoder as _make_encoder
except ImportError:  # an interpreter without the accelerator
    _make_encoder = None  # type: ignore[assignment,misc]
    from json.encoder import encode_basestring as _quote

quote: Callable[[str], str] = _quote
"""A text as JSON text."""
LINE_BYTES = 65536
"""Largest event line (README, Sizes); longer payloads lose their longest values."""
FILE_BYTES = 64 * 1024 * 1024
"""Default size at which a run's file is full (`STRATUM_EVENTS_MAX_BYTES`)."""
PAGE_BYTES = 4096
"""Unit in which the kernel writes without looking at signals."""
SETTLE_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
"""How long to wait, time after time, for a line that somebody else may be writing just now."""
CHECK_SECONDS = 0.25
"""How often the file is looked at: is it still the one at its path, how large is it."""
REPORT_SECONDS = 1.0
"""How often dropped events are told while it goes on; the last ones at exit."""
LOCK_SECONDS = 0.5
"""How long a thread waits for another one that opens the file."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HIGH_DESCRIPTOR = 64
"""How far below the limit of descriptors ours lies, out of the way of programs that close all they did not open."""


def _name_type(value: Any) -> str:
    return "<" + type(value).__name__ + ">"


def _encoder() -> Any:
    if _make_encoder is None:
        from json import JSONEncoder

        return JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_name_type).encode
    encode = _make_encoder(None, _name_type, quote, None, ":", ",", False, True, False)
    return lambda value: "".join(encode(value, 0))


encode = _encoder()
"""A payload as JSON text. Raises ValueError for NaN and infinite numbers, RecursionError for endless nesting."""


class Writer:
    """The events file of this process, opened when first written to."""

    def __init__(self, path: str, limit: int) -> None:
        self.path = path
        self.limit = limit
        self.dropped: dict[str, int] = {}
        self._descriptor = -1
        self._identity = (0, 0)
        self._end = -1
        self._checked = 0.0
        self._told = 0.0
        self.new_process()

    def new_process(self) -> None:
        """In a forked child: its parent's other threads hold no lock here."""
        self._lock = allocate_lock()

    def write(self, line: bytes, again: bool = False) -> bool:
        """Write one line, its line break included.

        Args:
            line: The line.
            again: Whether this is the second try, after the program closed our descriptor.

        Returns:
            False when it was dropped; it is counted then.
        """
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._look()
        if self._descriptor < 0:
            return self._drop("unwritable")
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_END)
            if end + len(line) > self.limit:
                return self._drop("file_full")
            whole = self._placed(line, end)
            written = os.write(self._descriptor, whole)
        except OSError as error:
            if error.errno == errno.EBADF and not again:  # the program closed our descriptor
                self._descriptor, self._checked = -1, 0.0
                return self.write(line, again=True)
            return self._drop("disk_full" if error.errno in _FULL else "unwritable")
        if written != len(whole):
            self._end = -1
            return self._drop("disk_full")
        self._end = end + written
        return True

    def _placed(self, line: bytes, end: int) -> bytes:
        """A line as it goes to the end of the file.

        A kill stops a write only between two pages, so a line that fits into a page gets blanks before it rather than
        lie in two. A larger one can be cut off; that it has no line break shows whoever writes or reads next.
        """
        if end != self._end and not self._whole(end):
            end = self._settled(end)
            if not self._whole(end):
                line, end = b"\n" + line, end + 1
        room = PAGE_BYTES - end % PAGE_BYTES
        return b" " * room + line if room < len(line) <= PAGE_BYTES else line

    def _settled(self, end: int) -> int:
        """The end of the file once nobody is at a line any more: a line that is being written grows, a torn one does
        not. Whoever is at one keeps all others from writing meanwhile, so the wait costs nothing that was not lost."""
        for pause in SETTLE_SECONDS:
            time.sleep(pause)
            end = os.lseek(self._descriptor, 0, os.SEEK_END)
            if self._whole(end):
                break
        return end

    def _whole(self, end: int) -> bool:
        """Whether the file ends with a whole line, or is empty."""
        return end == 0 or os.pread(self._descriptor, 1, end - 1) == b"\n"

    def report_due(self) -> bool:
        """Whether dropped events are to be told now."""
        return bool(self.dropped) and time.monotonic() - self._told >= REPORT_SECONDS

    def take_report(self) -> dict[str, int]:
        """Reason -> events dropped since the last report."""
        self._told = time.monotonic()
        taken, self.dropped = self.dropped, {}
        return taken

    def _drop(self, reason: str) -> bool:
        self.count(reason)
        return False

    def count(self, reason: str, number: int = 1) -> None:
        """Count events that were not written."""
        if reason in self.dropped or len(self.dropped) < 100:
            self.dropped[reason] = self.dropped.get(reason, 0) + number

    def _look(self) -> None:
        """Have the file ready; one thread looks, and only while there is no file do the others wait for it."""
        if not self._lock.acquire(self._descriptor < 0, LOCK_SECONDS if self._descriptor < 0 else -1):
            return
        try:
            if time.monotonic() - self._checked >= CHECK_SECONDS:
                self._ready()
                self._checked = time.monotonic()
        finally:
            self._lock.release()

    def _ready(self) -> bool:
        """Open the file; again when the one at the path is another one now, or when ours was closed."""
        if self._descriptor >= 0 and self._is_there():
            return True
        self._close_ours()
        return self._open()

    def _is_there(self) -> bool:
        """Whether the open file is the one at the path."""
        try:
            there, ours = os.stat(self.path), os.fstat(self._descriptor)
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == self._identity == (there.st_dev, there.st_ino)

    def close(self) -> None:
        """Give the descriptor back; the next event opens the file again."""
        self._close_ours()
        self._checked = 0.0

    def _close_ours(self) -> None:
        """Close the descriptor, unless the program closed it and it is another file's now."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) == self._identity:
                os.close(descriptor)
        except OSError:
            return

    def _open(self) -> bool:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self.path, flags, 0o644)
        except OSError:
            return False
        found = os.fstat(descriptor)
        if found.st_mode & 0o170000 != 0o100000:
            os.close(descriptor)
            return False
        self._descriptor = _moved_up(descriptor)
        self._identity = (found.st_dev, found.st_ino)
        self._end = -1
        return True


def _moved_up(descriptor: int) -> int:
    """The same file under a high number."""
    try:
        import fcntl
        import resource

        lowest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536) - _HIGH_DESCRIPTOR
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, max(lowest, 3))
    except (ImportError, OSError, ValueError):
        return descriptor
    os.close(descriptor)
    return moved


def _limit() -> int:
    text = SETTINGS.get("STRATUM_EVENTS_MAX_BYTES", "")
    return int(text) if text.isdigit() else FILE_BYTES


writer = Writer(SETTINGS.get("STRATUM_EVENTS_FILE", ""), _limit())
"""This process's writer."""
_numbers = itertools.count(1)
_prefix = ""
_head = ""
_faults: set[tuple[str, str]] = set()


def _new_process() -> None:
    """Give this process event ids of its own."""
    global _prefix, _numbers, _head
    writer.new_process()
    _prefix = os.urandom(4).hex()
    _numbers = itertools.count(1)
    run = quote(SETTINGS.get("STRATUM_RUN_ID") or "unknown")
    _head = f',"run_id":{run},"repo_id":{quote(SETTINGS.get("STRATUM_REPO_ID") or "unknown")},"framework":"'


_new_process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_process)


def new_id() -> str:
    """An event id: `evt_` and 16 hexadecimal digits, unique within a run."""
    return f"evt_{_prefix}{next(_numbers):08x}"


def emit(
    frame: Frame,
    event_type: str,
    *,
    source: Node | None = None,
    target: Node | None = None,
    edge: str | None = None,
    parent: str | None = None,
    payload: Mapping[str, Any] | None = None,
    depth: int = 0,
    at: int | None = None,
    event_id: str | None = None,
) -> str:
    """Write one event (envelope: events.md section 1).

    Args:
        frame: Who emits.
        event_type: Its type.
        source: Source node; required on everything but `patcher.*`.
        target: Target node.
        edge: Edge type; required with a target.
        parent: Id of the opening event, on closing events.
        payload: Facts of plain types; None values are left out.
        depth: Length of the active-node stack, without the emitting node.
        at: Nanoseconds since the epoch; None: now.
        event_id: Id drawn before by `new_id`.

    Returns:
        The event's id, whether or not it could be written.
    """
    identity = event_id or new_id()
    body = {} if payload is None else {key: value for key, value in payload.items() if value is not None}
    line = _line(frame.family, event_type, source, target, edge, parent, body, depth, at or time.time_ns(), identity)
    if line is not None:
        writer.write(line)
    if writer.dropped and writer.report_due():
        _report()
    return identity


def _line(
    family: str,
    event_type: str,
    source: Node | None,
    target: Node | None,
    edge: str | None,
    parent: str | None,
    payload: dict[str, Any],
    depth: int,
    at: int,
    identity: str,
) -> bytes | None:
    who = "" if source is None else f',"source_node":{source.json}'
    if target is not None:
        who += f',"target_node":{target.json}'
    if edge is not None:
        who += f',"edge_type":"{edge}"'
    if parent:
        who += f',"parent_event_id":"{parent}"'
    start = (
        f'{{"event_id":"{identity}","timestamp_ns":{at}{_head}{family}","event_type":"{event_type}"{who}'
        f',"stack_depth":{depth},"payload":'
    )
    try:
        line = f"{start}{encode(payload)}}}\n".encode("utf-8", "replace")
        if len(line) > LINE_BYTES:
            room = LINE_BYTES - len(start.encode("utf-8", "replace")) - 3
            line = f"{start}{encode(_shortened(payload, room))}}}\n".encode("utf-8", "replace")
    except (ValueError, RecursionError, MemoryError):
        writer.count("unserialisable")
        return None
    return line


def _shortened(payload: dict[str, Any], room: int) -> dict[str, Any]:
    """A payload without its longest values, whose names stand in `payload_cut`."""
    sizes = {key: len(encode(value).encode("utf-8", "replace")) + len(key) + 8 for key, value in payload.items()}
    cut: list[str] = []
    left = sum(sizes.values())
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        if left + 64 * (len(cut) + 1) <= room:
            break
        left -= sizes[key]
        cut.append(key)
    return {**{key: value for key, value in payload.items() if key not in cut}, "payload_cut": [k[:40] for k in cut]}


def _tell(event_type: str, payload: Mapping[str, Any]) -> None:
    line = _line("generic", event_type, None, None, None, None, dict(payload), 0, time.time_ns(), new_id())
    if line is not None:
        writer.write(line)


def _report() -> None:
    for reason, count in writer.take_report().items():
        _tell("patcher.dropped", {"count": count, "reason": reason})


def fault(what: str, kind: str) -> None:
    """Count a fault of ours; the first of each kind in each part is told at once.

    Args:
        what: The part.
        kind: Name of the exception class.
    """
    reason = f"fault:{what}:{kind}"
    if (what, kind) in _faults:
        writer.count(reason)
        return
    _faults.add((what, kind))
    _tell("patcher.dropped", {"count": 1, "reason": reason})


def write_status(payload: str) -> None:
    """Write `patcher.status` where the hand-written form at start-up does not do."""
    line = _line("generic", "patcher.status", None, None, None, None, {}, 0, time.time_ns(), new_id())
    if line is not None:
        writer.write(line.replace(b'"payload":{}', b'"payload":' + payload.encode()))


def at_exit() -> None:
    """Tell what was dropped and not told yet."""
    if writer.dropped:
        _report()
