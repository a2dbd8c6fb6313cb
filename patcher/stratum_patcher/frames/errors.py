"""Exceptions that nobody caught: the one that ended the program, and those that ended its threads.

Neither `sys.excepthook` nor `threading.excepthook` is replaced, since programs compare them with the originals and set
their own. The interpreter leaves an exception that ends the program in `sys.last_value`, which is read at exit; of
`SystemExit` nothing is left there. Threads are `threads`'s, which is there before this is loaded. Exceptions that a
span told already are not told again.
"""

from __future__ import annotations

from typing import Any

from .. import nodes, spans, threads
from ..frame import Frame, Hook
from ..wrap import NotApplied

_ENDINGS = (SystemExit, KeyboardInterrupt, GeneratorExit)
_NAME = "unhandled_exception"


def tell_uncaught(error: BaseException | None, *, ends_thread: bool = False) -> None:
    """Tell an exception that nobody caught.

    Args:
        error: The exception; ways to end a program, None, and what was told before give nothing.
        ends_thread: Whether it ends a thread. An exception ends one thread at most, so one that seems to have ended
            another is a new one in the place of the old.
    """
    if error is None or isinstance(error, _ENDINGS):
        return
    known = spans.trace(error)
    if known is not None:
        if not ends_thread or known.node.name != _NAME:
            return
        spans.forget(error)
    spans.error(FRAME, _node(error), error)


def _node(error: BaseException) -> nodes.Node:
    """The place it comes from: the innermost frame of the repository."""
    file, line = nodes.NOWHERE
    step = error.__traceback__
    while step is not None:
        inside = nodes.relative(step.tb_frame.f_code.co_filename)
        if inside is not None:
            file, line = inside, step.tb_lineno
        step = step.tb_next
    return nodes.Node(f"generic:exception:{file}:{line}", "agent", _NAME)


def watch_threads(module: Any) -> None:
    """Listen where threads hand over what they did not catch.

    Raises:
        NotApplied: This Python hands it over in another way.
    """
    if not threads.watch(module):
        raise NotApplied(f"threading has no {threads.FACTORY}")


FRAME = Frame("errors", "generic", "python", (Hook("errors.threads", "threading", watch_threads),))
