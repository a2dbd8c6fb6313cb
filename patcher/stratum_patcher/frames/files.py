"""Files of the repository that the program reads and writes: `file.read` and `file.write`.

The interpreter's audit event `open` shows every opening without a change that the program could see; `_start` listens
and hands over what lies in the repository. Told is one fact per file, way of access and agent or tool at work, at most
1,000 per process. Python sources that are read are not data: they are imported, or shown in tracebacks. Nothing is
told of the output folder, the events file, installed libraries and version control.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Any

from .. import emit, nodes, spans
from .._start import SETTINGS
from ..frame import Frame

FRAME = Frame("files", "generic", "python")
MOST = 1000
"""Facts told of one process; what comes later is counted as dropped."""
_WRITING = frozenset("wax+")
_ACCESS = os.O_WRONLY | os.O_RDWR
_SOURCES = (".py", ".pyc", ".pyi", ".so", ".pyd")
_UNTOLD = (".git/", "__pycache__/", ".hg/", ".svn/")

_told: set[tuple[str, str, str]] = set()


def _folder(path: str) -> str:
    return os.path.realpath(path).rstrip(os.sep) + os.sep


def _apart() -> tuple[str, ...]:
    """Folders and files of which nothing is told."""
    events = os.path.realpath(SETTINGS.get("STRATUM_EVENTS_FILE", ""))
    output = SETTINGS.get("STRATUM_OUTPUT_DIR") or os.path.dirname(events)
    folders = [_folder(output), _folder(sys.prefix)]
    return (events, *(folder for folder in folders if not nodes.ROOT.startswith(folder)))


_APART = _apart()


def opened(path: str, mode: Any, flags: Any) -> None:
    """A file is about to be opened.

    Args:
        path: As the program gave it.
        mode: Mode of `open`; None where only flags are given.
        flags: Flags of `os.open`.
    """
    shown = mode if isinstance(mode, str) and mode else _mode(flags)
    writes = not _WRITING.isdisjoint(shown)
    whole = os.path.abspath(path)
    file = nodes.relative(whole)
    if file is None or (not writes and file.endswith(_SOURCES)) or any(part in file for part in _UNTOLD):
        return
    if os.path.join(nodes.ROOT, file).startswith(_APART) or not _is_file(whole, writes, flags):
        return
    kind = "file.write" if writes else "file.read"
    fact = (kind, file, _at_work())
    if fact in _told:
        return
    if len(_told) >= MOST:
        emit.writer.count("files_beyond_limit")
        return
    _told.add(fact)
    node = nodes.node("generic", "file_io", (file, 0), "data_store")
    emit.emit(FRAME, kind, source=node, payload={"path": file, "mode": shown[:10]}, depth=len(spans.stack()))


def _mode(flags: Any) -> str:
    """The mode of `open` that flags stand for."""
    if not isinstance(flags, int) or not flags & _ACCESS:
        return "r"
    if flags & os.O_APPEND:
        return "a"
    return "w" if flags & _ACCESS == os.O_WRONLY else "r+"


def _is_file(path: str, writes: bool, flags: Any) -> bool:
    """Whether opening will find a plain file, or can make one."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        made = writes and isinstance(flags, int) and flags & os.O_CREAT != 0
        return made and os.path.isdir(os.path.dirname(path))
    except OSError:
        return False


def _at_work() -> str:
    """Id of the tool or agent at work."""
    span = spans.current()
    while span is not None:
        if not span.closed and (span.counts or span.kind == "tool"):
            return span.node.id
        span = span.parent
    return ""
