"""Start-up in an instrumented interpreter: one import finder and one line in the events file, nothing else.

Everything here runs before the program, in every interpreter, so it imports nothing that is not already loaded or
built in. Without an events file in the environment (or in `run.env` beside this file, for processes whose parent
scrubbed the environment) it does nothing.
"""

import os
import sys
import time
from _thread import get_ident

from . import __version__
from .finder import Finder
from .targets import TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

SETTINGS: "dict[str, str]" = {}
"""The variables of the runner, as they were when the interpreter started."""
NAMES = (
    "STRATUM_EVENTS_FILE",
    "STRATUM_RUN_ID",
    "STRATUM_REPO_ID",
    "STRATUM_REPO_ROOT",
    "STRATUM_OUTPUT_DIR",
    "STRATUM_CAPTURE_PROMPTS",
    "STRATUM_EVENTS_MAX_BYTES",
    "STRATUM_VLLM_MODEL",
    "STRATUM_PATCHER",
    "VLLM_HOST",
)
"""The variables that are read (events.md section 7)."""
LIBRARY_SETTINGS = "run.env"
"""Name of the fallback file: lines `NAME=value`."""


def start() -> bool:
    """Begin to watch this interpreter.

    Returns:
        False when it is watched already, or is not to be watched: no events file is named, or `STRATUM_PATCHER=off`.
    """
    if any(type(finder).__name__ == "Finder" and hasattr(finder, "stratum") for finder in sys.meta_path):
        return False
    SETTINGS.update(_settings())
    if not SETTINGS.get("STRATUM_EVENTS_FILE") or SETTINGS.get("STRATUM_PATCHER") == "off":
        return False
    SETTINGS["start_directory"] = _directory()
    finder = Finder(TARGETS)
    sys.meta_path.insert(0, finder)
    _tell_status()
    finder.look_at_loaded()
    _at_start()
    return True


def _at_start() -> None:
    import atexit

    atexit.register(_at_exit)
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(_audit(SETTINGS.get("STRATUM_REPO_ROOT") or SETTINGS["start_directory"]))


def _audit(folder: str) -> "Callable[[str, tuple[Any, ...]], None]":
    """A hook that hands over files of a folder that are opened; every other audit event costs one comparison."""
    root = folder.rstrip("/") + "/"

    def audit(event: str, args: "tuple[Any, ...]") -> None:
        if event == "open":
            path = args[0]
            if type(path) is not str or (path[:1] == "/" and not path.startswith(root)) or "__pycache__" in path:
                return
            if path[-3:] != ".py" or args[1] not in ("r", "rb"):
                _opened(path, args[1], args[2])

    return audit


_looking: "set[int]" = set()
"""Threads in which an opened file is looked at: what is opened or imported meanwhile is not the program's."""


def _opened(path: str, mode: "Any", flags: "Any") -> None:
    thread = get_ident()
    if thread in _looking or sys.is_finalizing():
        return
    _looking.add(thread)
    try:
        from . import wrap
        from .frames import files

        wrap.guarded("files.opened", files.opened, path, mode, flags)
    except (ImportError, RecursionError):  # the interpreter is being taken apart, or there is no room left
        return
    finally:
        _looking.discard(thread)


def _at_exit() -> None:
    """Tell an uncaught exception and close what is open; runs last, since it was registered first."""
    uncaught = getattr(sys, "last_value", None)
    if isinstance(uncaught, KeyboardInterrupt):
        uncaught = None
    if uncaught is None and __package__ + ".emit" not in sys.modules:
        return
    from . import emit, spans, wrap

    if uncaught is not None:
        from .frames import errors

        wrap.guarded("exit.errors", errors.tell_uncaught, uncaught)
    wrap.guarded("exit.spans", spans.at_exit)
    wrap.guarded("exit.emit", emit.at_exit)


def _settings() -> "dict[str, str]":
    found = {name: os.environ[name] for name in NAMES if name in os.environ}
    if "STRATUM_EVENTS_FILE" in found:
        return found
    try:
        descriptor = os.open(os.path.join(os.path.dirname(__file__), LIBRARY_SETTINGS), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return found
    try:
        text = os.read(descriptor, 65536).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name in NAMES:
            found.setdefault(name, value)
    return found


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _tell_status() -> None:
    """Write `patcher.status`; plain values are written by hand, since the encoder costs more than the whole start."""
    payload = '{"version":"%s","pid":%d,"python":"%d.%d.%d"}' % ((__version__, os.getpid(), *sys.version_info[:3]))
    run, repo = SETTINGS.get("STRATUM_RUN_ID", ""), SETTINGS.get("STRATUM_REPO_ID", "")
    if not (_plain(run) and _plain(repo)):
        from . import emit

        emit.write_status(payload)
        return
    line = '{"event_id":"evt_%s","timestamp_ns":%d,"run_id":"%s","repo_id":"%s","framework":"generic",' % (
        os.urandom(8).hex(),
        time.time_ns(),
        run or "unknown",
        repo or "unknown",
    )
    line += '"event_type":"patcher.status","stack_depth":0,"payload":%s}\n' % payload
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(SETTINGS["STRATUM_EVENTS_FILE"], flags, 0o644)
    except OSError:
        return
    try:
        found = os.fstat(descriptor)
        if found.st_mode & 0o170000 == 0o100000:
            torn = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + line.encode())
    except OSError:
        return
    finally:
        os.close(descriptor)


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
