"""Errors: told once where they arose, as propagated wherever they pass next (events.md 3.9)."""

from __future__ import annotations

from .. import facts, nodes
from ..emit import emit
from .context import around, current, depth_of

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
    """An exception that was told: its class and words, where, by which event."""

    __slots__ = ("depth", "event_id", "kind", "node", "span", "text")

    def __init__(self, kind: type, text: str, span: Span | None, node: Node, event_id: str, depth: int) -> None:
        self.kind = kind
        self.text = text
        self.span = span
        self.node = node
        self.event_id = event_id
        self.depth = depth


_seen: dict[int, _Seen] = {}
_SEEN = 256
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
    if seen is not None and (seen.kind is not type(exc) or seen.text != text or not around(span, seen.span)):
        seen = None
    if seen is None:
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
        if len(_seen) >= _SEEN:
            _seen.pop(next(iter(_seen)), None)
        _seen.pop(id(exc), None)
        _seen[id(exc)] = _Seen(type(exc), text, span, node, event_id, 0)
        return event_id
    if seen.span is span or seen.node is node:
        seen.span = span
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
    seen.span, seen.node, seen.depth = span, node, seen.depth + 1
    return seen.event_id


def trace(exc: BaseException) -> Any:
    """What was told of an exception, to be kept without keeping the exception; None when nothing was."""
    return _seen.get(id(exc)) if told(exc) else None


def stands_for(exc: BaseException, known: Any) -> None:
    """An exception is another one in a new guise: what is told of it from here on continues what was told of that one.

    Args:
        exc: The new exception, not told yet.
        known: What `trace` gave for the other.
    """
    if known is not None and not told(exc):
        _seen[id(exc)] = _Seen(type(exc), facts.message(exc), known.span, known.node, known.event_id, known.depth)


def error_facts(frame: Frame, error: BaseException) -> dict[str, Any]:
    """What a closing event says of the exception that ended its span, for spans that tell no error of their own."""
    status = status_of(frame, error)
    if status not in (ERROR, TIMEOUT):
        return {"status": status}
    return {"status": status, "error": facts.message(error), "error_type": facts.error_class(error)}


def told(exc: BaseException) -> bool:
    """Whether this exception was told by a span."""
    seen = _seen.get(id(exc))
    return seen is not None and seen.kind is type(exc) and seen.text == facts.message(exc)


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
