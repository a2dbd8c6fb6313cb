"""Where threads hand over the exceptions that they did not catch; read in every program that has threads, so it
imports nothing.

`threading.excepthook` is not replaced, since programs compare it with the original and set their own. Each thread calls
a function that `threading._make_invoke_excepthook` made for it, while the exception is being handled; that factory is
compared nowhere, so it is the place to listen. What is told, and of what, is `frames.errors`'s.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

FACTORY = "_make_invoke_excepthook"
MARK = "__stratum_original__"


def watch(module: "Any") -> bool:
    """Listen in `threading`.

    Returns:
        False when this Python hands exceptions over in another way.
    """
    make = getattr(module, FACTORY, None)
    if make is None:
        return False
    if not hasattr(make, MARK):
        setattr(module, FACTORY, _told(make))
    return True


def _told(make: "Callable[[], Any]") -> "Callable[[], Any]":
    def _make_invoke_excepthook() -> "Any":
        invoke = make()

        def invoke_excepthook(thread: "Any") -> "Any":
            _tell(sys.exc_info()[1])
            return invoke(thread)

        return invoke_excepthook

    _make_invoke_excepthook.__module__ = make.__module__
    setattr(_make_invoke_excepthook, MARK, make)
    return _make_invoke_excepthook


def _tell(error: "BaseException | None") -> None:
    if error is None or sys.is_finalizing():
        return
    try:
        from . import wrap
        from .frames import errors
    except ImportError:  # the program forbids imports
        return
    wrap.guarded("errors.threads", errors.tell_uncaught, error, ends_thread=True)
