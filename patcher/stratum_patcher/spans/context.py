"""Which spans are open where: the innermost one of this context, and what lies around it.

A span is current in the context in which it was opened, by a context variable that holds the innermost one; spans
that were closed elsewhere are stepped over, so a value that leaked into another task does no harm.
"""

from __future__ import annotations

import os
import time
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..frame import Frame
    from ..nodes import Node
    from .span import Span

innermost: ContextVar[Span | None] = ContextVar("stratum_span", default=None)
"""The innermost span of this context, open or closed."""
unset: Any = object()
"""Stands for an argument that was not given."""
forked = 0
"""When this process was forked from another one, on the clock of spans; what was opened before is told by that one."""


def _new_process() -> None:
    global forked
    forked = time.perf_counter_ns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_process)


def current() -> Span | None:
    """The innermost open span of this context."""
    span = innermost.get()
    while span is not None and span.closed:
        span = span.parent
    return span


def switch(span: Span | None) -> Span | None:
    """Make another span the innermost one of this context, where work goes on in another thread.

    Returns:
        The one before, to switch back to.
    """
    before = innermost.get()
    innermost.set(span)
    return before


def enclosing(kind: str) -> Span | None:
    """The innermost open span of a kind: `execution`, `agent`, `scope`, `llm`, `tool`, `external`, `quiet`."""
    span = current()
    while span is not None:
        if span.kind == kind and not span.closed:
            return span
        span = span.parent
    return None


def agent() -> Span | None:
    """The innermost open agent, or scope of a manager."""
    span = current()
    while span is not None:
        if span.counts and not span.closed:
            return span
        span = span.parent
    return None


def inside(frame: Frame) -> bool:
    """Whether any span of a frame is open around here."""
    span = current()
    while span is not None:
        if span.frame is frame and not span.closed:
            return True
        span = span.parent
    return False


def stack() -> list[str]:
    """Node ids of the open agents and scopes, outermost first."""
    return stack_of(current())


def stack_of(span: Span | None) -> list[str]:
    """Node ids of the open agents and scopes from a span outwards, outermost first."""
    ids: list[str] = []
    while span is not None:
        if span.counts and not span.closed and (not ids or ids[-1] != span.node.id):
            ids.append(span.node.id)
        span = span.parent
    ids.reverse()
    return ids


def depth_of(emitting: Node) -> int:
    """Length of the active-node stack, without the node that emits."""
    ids = stack()
    return len(ids) - 1 if ids and ids[-1] == emitting.id else len(ids)


def silent(kind: str) -> bool:
    """Whether facts of a kind are silent here, inside a `quiet` span."""
    span = current()
    while span is not None:
        if kind in span.kinds and not span.closed:
            return True
        span = span.parent
    return False
