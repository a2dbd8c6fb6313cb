"""What every span does: an event at each end, and errors between them."""

from __future__ import annotations

import time

from .. import facts, nodes
from ..emit import emit
from ..wrap import Watch, guarded
from . import context
from .context import current, depth_of, innermost, silent, unset
from .errors import ERROR, SUCCESS, TIMEOUT, error_facts, error_text, report, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable

    from ..frame import Frame
    from ..nodes import Node

    Describe = Callable[[Any], "Mapping[str, Any] | None"]


class Span(Watch):
    """Something that begins and ends.

    Attributes:
        kind: Its kind.
        frame: Who saw it.
        node: Its own node, the source of its error events.
        parent: The span around it.
        event_id: Id of its opening event; "" while nothing was written.
        closed: Whether it has ended.
        counts: Whether its node is part of the active-node stack.
        speaks: Whether it writes events.
        asked_model: Whether a model was called directly in it, for agents and tools.
        describe: Gives further facts of the closing event from the result; forgotten when the span is closed.
        kinds: Kinds of facts that are silent inside it.
    """

    kind = "span"
    asked_model = False
    opening = ""
    closing = ""
    counts = False
    kinds: tuple[str, ...] = ()
    # What most spans keep is said once for all of them: a model call pays for each attribute that is set.
    event_id = ""
    closed = False
    last_item: Any = None
    items = 0

    def __init__(self, frame: Frame, node: Node, *, parent: Any = unset, describe: Describe | None = None) -> None:
        inner = current()
        self.frame = frame
        self.node = node
        self.parent: Span | None = inner if parent is unset else parent
        self.describe = describe
        self.speaks = inner is None or not silent(self.kind)
        self.depth = 0 if inner is None else depth_of(node)
        self.started = time.perf_counter_ns()

    def source(self) -> Node:
        """Source node of both events."""
        return self.node

    def target(self) -> Node | None:
        """Target node of both events."""
        return None

    edge: str | None = None

    def _begin(self, payload: Mapping[str, Any]) -> None:
        """Write the opening event and become current."""
        if self.speaks:
            self.event_id = emit(
                self.frame,
                self.opening,
                source=self.source(),
                target=self.target(),
                edge=self.edge,
                payload=payload,
                depth=self.depth,
            )
        self.enter()

    def enter(self) -> None:
        """Become the innermost span of this context."""
        innermost.set(self)

    def leave(self) -> None:
        """Stop being the innermost span of this context; the span stays open."""
        span = innermost.get()
        while span is not None:
            if span is self:
                innermost.set(self.parent)
                return
            span = span.parent

    def pause(self) -> None:
        """See `Watch`."""
        self.leave()

    def resume(self) -> None:
        """See `Watch`."""
        self.enter()

    def item(self, value: Any) -> None:
        """See `Watch`."""
        self.items += 1

    def done(self, result: Any) -> Any:
        """The watched call returned: close with what the result tells."""
        if not self.closed:
            told = guarded(self.closing, self._facts, result, default={})
            self.close(SUCCESS, **told)
        return result

    def _facts(self, result: Any) -> dict[str, Any]:
        told = dict(self.result_facts(result))
        if self.describe is not None:
            told.update(self.describe(result) or {})
        return told

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """What the closing event says of a result by itself."""
        return {"result_shape": facts.shape(result)}

    def failed(self, error: BaseException) -> None:
        """The watched call raised: tell the error, then close."""
        self.fail(error)

    def broken(self, error: BaseException | None) -> None:
        """See `Watch`: close with nothing but how the call ended."""
        told = {"status": SUCCESS} if error is None else error_facts(self.frame, error)
        self.close(**told)

    def fail(self, error: BaseException, *, handling: str | None = None, **told: Any) -> None:
        """Tell an error that left the span, then close it.

        Args:
            error: The exception.
            handling: `raised` unless the caller knows better.
            told: Further facts of the closing event.
        """
        if self.closed:
            return
        status = status_of(self.frame, error)
        if status in (ERROR, TIMEOUT):
            if self.speaks and not self.inherited():
                guarded("error", report, self.frame, self.node, error, handling=handling, span=self)
            told = {"error": facts.message(error), "error_type": facts.error_class(error), **told}
        self.close(status, **told)

    def fail_text(self, error_type: str, message: str, *, handling: str | None = None, **told: Any) -> None:
        """The same where a framework gives only the text of an error."""
        if self.closed:
            return
        if self.speaks and not self.inherited():
            error_text(self.frame, self.node, error_type, message, handling=handling)
        text = facts.scrub(message)[: facts.MESSAGE_CHARACTERS]
        self.close(ERROR, error=text, error_type=facts.class_of_text(text), **told)

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """Write the closing event, once, and stop being current.

        Args:
            status: One of the closed list (events.md 3.4).
            told: Further facts.
        """
        if self.closed:
            return
        self.closed = True
        self.describe = None
        latency = round((time.perf_counter_ns() - self.started) / 1e6, 2)
        self.leave()
        if self.speaks and not self.inherited():
            emit(
                self.frame,
                self.closing,
                source=self.source(),
                target=self.target(),
                edge=self.edge,
                parent=self.event_id,
                payload={"status": status, "latency_ms": latency, **self.end_facts(), **told},
                depth=self.depth,
            )

    def inherited(self) -> bool:
        """Whether it was opened before this process was forked: its end in the parent is the one that is told."""
        return self.started < context.forked

    def end_facts(self) -> Mapping[str, Any]:
        """What every closing event of this kind says."""
        return {}


class Scope(Span):
    """A manager at work without a task of its own: no events, but its node counts as the enclosing one."""

    kind, counts = "scope", True

    def __init__(self, frame: Frame, node: Node, *, parent: Any = unset) -> None:
        super().__init__(frame, node, parent=parent)
        self.speaks = False
        self.enter()


class Quiet(Span):
    """Facts of some kinds are silent inside it."""

    kind = "quiet"

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__(_NO_FRAME, nodes.program())
        self.kinds = kinds
        self.speaks = False
        self.enter()

    def failed(self, error: BaseException) -> None:
        """Nothing is told."""
        self.close()


def quiet(*kinds: str) -> Quiet:
    """A span in which facts of these kinds are silent: `agent`, `delegation`, `llm`, `tool`, `state`, `route`, ..."""
    return Quiet(kinds)


class _NoFrame:
    name, family, suppresses, benign = "", "generic", {}, {}  # type: ignore[var-annotated]


_NO_FRAME: Any = _NoFrame()
