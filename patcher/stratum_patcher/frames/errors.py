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


def tell_uncaught(error: BaseException | None) -> None:
    """Tell an exception that nobody caught.

    Args:
        error: The exception; ways to end a program, None, and what was told before give nothing.
    """
    if error is None or isinstance(error, _ENDINGS) or spans.told(error):
        return
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
    return nodes.Node(f"generic:exception:{file}:{line}", "agent", "unhandled_exception")


def watch_threads(module: Any) -> None:
    """Listen where threads hand over what they did not catch.

    Raises:
        NotApplied: This Python hands it over in another way.
    """
    if not threads.watch(module):
        raise NotApplied(f"threading has no {threads.FACTORY}")


FRAME = Frame("errors", "generic", "python", (Hook("errors.threads", "threading", watch_threads),))
