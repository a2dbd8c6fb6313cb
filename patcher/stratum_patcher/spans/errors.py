"""Errors: told once where they arose, as propagated wherever they pass next (events.md 3.9)."""

from __future__ import annotations

import weakref

from .. import facts, nodes
from ..emit import emit
from ..wrap import INTERNAL
from .context import current, depth_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..frame import Frame
    from ..nodes import Node
    from .span import Span

SUCCESS, ERROR, TIMEOUT, CANCELLED, ABANDONED, ABORTED = (
    "success",
    "error",
    "timeout",
    "cancelled",
    "abandoned",
    "aborted",
)
"""Statuses of closing events."""


def status_of(frame: Frame, error: BaseException) -> str:
    """The status with which an exception ends a span."""
    kind = type(error)
    if frame.benign:
        for name in (base.__name__ for base in kind.__mro__):
            if name in frame.benign:
                return frame.benign[name]
    if isinstance(error, GeneratorExit):
        return ABANDONED
    if isinstance(error, (KeyboardInterrupt, SystemExit)) or kind.__name__ == "CancelledError":
        return CANCELLED
    if isinstance(error, TimeoutError) or "timeout" in kind.__name__.lower():
        return TIMEOUT
    return ERROR


class _Seen:
    """An exception that was told: its class, words and the line that raised it, where, by which event.

    The exception itself is not kept. The spans around it, innermost first, are referred to weakly, since spans hold
    what belongs to the program.
    """

    __slots__ = ("around", "depth", "event_id", "handling", "kind", "node", "raised", "text")

    def __init__(self, exc: BaseException, text: str, span: Span | None, node: Node, event_id: str) -> None:
        self.kind = type(exc)
        self.text = text
        self.raised = _raised_at(exc)
        self.node = node
        self.event_id = event_id
        self.depth = 0
        self.handling: str | None = None
        self.around: tuple[weakref.ref[Span], ...] = ()
        self.reached(span)

    def reached(self, span: Span | None) -> None:
        """The exception was seen at a span."""
        around = []
        while span is not None:
            around.append(weakref.ref(span))
            span = span.parent
        self.around = tuple(around)

    def is_of(self, exc: BaseException, text: str) -> bool:
        """Whether an exception at the same address is the one that was told: addresses are used again."""
        if self.kind is not type(exc) or self.text != text:
            return False
        raised = _raised_at(exc)
        return raised is None or self.raised is None or raised == self.raised

    def within(self, span: Span | None) -> bool:
        """Whether the exception was last seen at a span or inside it."""
        return span is None or any(each() is span for each in self.around)

    def made_good(self, handling: str | None, span: Span | None) -> bool:
        """Whether it was caught at this span for another try, and so is one that is caught there for another try now:
        each try has an error of its own, which may lie where the one before lay."""
        return handling == self.handling == _RETRIED and self.at(span)

    def at(self, span: Span | None) -> bool:
        """Whether the exception was last seen at this very span."""
        return not self.around if span is None else bool(self.around) and self.around[0]() is span


def _raised_at(exc: BaseException) -> tuple[str, int] | None:
    """File and line that raised an exception, which stay while it passes on; None before it was raised."""
    found, step = None, exc.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file != INTERNAL:
            found = (file, step.tb_lineno)
        step = step.tb_next
    return found


_seen: dict[int, _Seen] = {}
_SEEN = 256
_RETRIED = "caught_retry"
TRACEBACK_CHARACTERS, TRACEBACK_FRAMES = 1000, -20
"""Captured end of a traceback, in characters, and its innermost frames that are looked at."""


def error(
    frame: Frame, node: Node, exc: BaseException, *, handling: str | None = None, parent: Span | None = None
) -> str:
    """Tell an exception at a node, once where it arose and as propagated wherever it passes next.

    Args:
        frame: Who saw it.
        node: Node at which it was seen.
        exc: The exception.
        handling: What becomes of it: `raised`, `caught_retry`, `caught_default`, `caught_silent`.
        parent: Span at which it was seen; None: the current one.

    Returns:
        Id of the event that told where it arose.
    """
    return report(frame, node, exc, handling=handling, span=parent or current())


def report(frame: Frame, node: Node, exc: BaseException, *, handling: str | None, span: Span | None) -> str:
    """`error.occurred` for an exception that was not told before, `error.propagated` for one that reached an enclosing
    span, nothing for one that this span told already."""
    text = facts.message(exc)
    seen = _seen.get(id(exc))
    if seen is None or not seen.within(span) or not seen.is_of(exc, text) or seen.made_good(handling, span):
        event_id = emit(
            frame,
            "error.occurred",
            source=node,
            payload={
                "error_type": facts.error_type(exc),
                "error_message": text,
                "error_class": facts.error_class(exc),
                "error_handling": handling or "raised",
                **_where(exc),
            },
            depth=depth_of(node),
        )
        seen = _Seen(exc, text, span, node, event_id)
        seen.handling = handling
        _keep(exc, seen)
        return event_id
    if seen.at(span) or seen.node is node:
        seen.reached(span)
        return seen.event_id
    emit(
        frame,
        "error.propagated",
        source=node,
        payload={
            "propagation_path": [seen.node.id, node.id],
            "error_type": facts.error_type(exc),
            "error_message": text,
            "source_agent": seen.node.name,
            "downstream_agent": node.name,
            "chain_depth": seen.depth + 1,
            "downstream_impact": True,
            "origin_event_id": seen.event_id,
            "error_handling": handling,
        },
        depth=depth_of(node),
    )
    seen.node, seen.depth, seen.handling = node, seen.depth + 1, handling
    seen.reached(span)
    return seen.event_id


def _keep(exc: BaseException, seen: _Seen) -> None:
    """Note what was told of an exception, as the latest; the earliest of too many is forgotten."""
    _seen.pop(id(exc), None)
    if len(_seen) >= _SEEN:
        _seen.pop(next(iter(list(_seen))), None)  # a copy: other threads may add meanwhile
    _seen[id(exc)] = seen


def trace(exc: BaseException) -> Any:
    """What was told of an exception, to be kept without keeping the exception; None when nothing was. Its `node` is
    where the exception was seen last."""
    return _seen.get(id(exc)) if told(exc) else None


def forget(exc: BaseException) -> None:
    """An exception is not the one that was told at its address."""
    _seen.pop(id(exc), None)


def stands_for(exc: BaseException, known: Any) -> None:
    """An exception is another one in a new guise: what is told of it from here on continues what was told of that one.

    Args:
        exc: The new exception, not told yet.
        known: What `trace` gave for the other.
    """
    if known is not None and not told(exc):
        seen = _Seen(exc, facts.message(exc), None, known.node, known.event_id)
        seen.around, seen.depth = known.around, known.depth
        _keep(exc, seen)


def error_facts(frame: Frame, error: BaseException) -> dict[str, Any]:
    """What a closing event says of the exception that ended its span, for spans that tell no error of their own."""
    status = status_of(frame, error)
    if status not in (ERROR, TIMEOUT):
        return {"status": status}
    return {"status": status, "error": facts.message(error), "error_type": facts.error_class(error)}


def told(exc: BaseException) -> bool:
    """Whether this exception was told by a span."""
    seen = _seen.get(id(exc))
    return seen is not None and seen.is_of(exc, facts.message(exc))


def _where(exc: BaseException) -> dict[str, Any]:
    """File and line of the innermost frame of the repository that the exception passed, and captured traceback."""
    step = exc.__traceback__
    place: nodes.Place | None = None
    while step is not None:
        file = nodes.relative(step.tb_frame.f_code.co_filename)
        if file is not None:
            place = (file, step.tb_lineno)
        step = step.tb_next
    seen: dict[str, Any] = {} if place is None else {"file": place[0], "line": place[1]}
    if facts.CAPTURE:
        from traceback import format_tb

        seen["traceback_tail"] = facts.scrub("".join(format_tb(exc.__traceback__, TRACEBACK_FRAMES)))[
            -TRACEBACK_CHARACTERS:
        ]
    return seen


def error_text(
    frame: Frame,
    node: Node,
    error_type: str,
    message: str,
    *,
    handling: str | None = None,
    error_class: str | None = None,
) -> str:
    """Tell an error of which a framework gives only class and message.

    Args:
        frame: Who saw it.
        node: Node at which it was seen.
        error_type: Name of its exception class.
        message: What it says.
        handling: What becomes of it; None: `raised`.
        error_class: Its class (events.md section 5) where more than the message is known, such as an HTTP status.

    Returns:
        Id of the event.
    """
    text = facts.scrub(message)[: facts.MESSAGE_CHARACTERS]
    return emit(
        frame,
        "error.occurred",
        source=node,
        payload={
            "error_type": nodes.clean(error_type),
            "error_message": text,
            "error_class": error_class or facts.class_of_text(text),
            "error_handling": handling or "raised",
        },
        depth=depth_of(node),
    )
