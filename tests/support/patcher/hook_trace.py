"""Notes in a file which hook wrote each event; put beside the patcher where `STRATUM_HOOK_TRACE` asks for it.

Runs inside the watched program, so it is standard library only. A hook is known by the watching wrapper that called
the patcher's code; what a framework calls back by itself is known by the frame's module.
"""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

VARIABLE = "STRATUM_HOOK_TRACE"
_PACKAGE = os.sep + "stratum_patcher" + os.sep
_WRAPPERS = "<stratum_patcher"


def start() -> None:
    """Begin to note."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    from stratum_patcher import emit

    write = emit.Writer.write
    if write.__module__ == __name__:
        return  # path files may be read twice

    def noted(self: emit.Writer, line: bytes, *rest: Any) -> bool:
        name = hook(sys._getframe(1))
        trace = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(trace, line.split(b'"event_id":"', 1)[-1][:20] + b" " + name.encode() + b"\n")
        os.close(trace)
        return write(self, line, *rest)

    emit.Writer.write = noted  # type: ignore[assignment,method-assign]


def hook(frame: FrameType | None) -> str:
    """The hook on whose behalf this part of the stack runs.

    Args:
        frame: Innermost frame, inside the patcher.
    """
    module, named = "", ""
    while frame is not None:
        path = frame.f_code.co_filename
        if _PACKAGE not in path and not path.startswith(_WRAPPERS):
            break
        if os.sep + "frames" + os.sep in path:
            module = path.rpartition(os.sep)[2].partition(".")[0]
        named = str(frame.f_locals.get("what") or named)
        frame = frame.f_back
    return f"{module} {named}"
