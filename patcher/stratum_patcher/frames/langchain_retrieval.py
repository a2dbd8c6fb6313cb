"""Retrievers of LangChain: what they give is read from a store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..wrap import Watch
from .langgraph_names import attributes

if TYPE_CHECKING:
    from ..frame import Frame
    from ..wrap import Call


class Reading(spans.Span):
    """A retriever at work: no events of its own but the read; an error is told."""

    kind = "reading"

    def __init__(self, frame: Frame, node: nodes.Node, accessor: nodes.Node) -> None:
        super().__init__(frame, node)
        self.accessor = accessor
        self.enter()

    def done(self, result: Any) -> Any:
        """Tell what was read."""
        self.stop()
        spans.state(self.frame, self.accessor, self.node.name, "read", result)
        return result

    def failed(self, error: BaseException) -> None:
        """Tell the error."""
        if not self.closed and spans.status_of(self.frame, error) in (spans.ERROR, spans.TIMEOUT):
            spans.error(self.frame, self.node, error, parent=self)
        self.stop()

    def stop(self) -> None:
        """End without an event."""
        self.speaks = False
        self.close()


def _read(frame: Frame, call: Call) -> Watch | None:
    retriever = call.instance
    if isinstance(spans.current(), Reading):
        return None
    store = attributes(retriever).get("vectorstore")
    place = nodes.place_of(type(retriever)) if store is None else nodes.NOWHERE
    kind = type(retriever if store is None else store).__name__
    agent = spans.agent()
    reader = getattr(agent, "on_behalf", None) or (nodes.program() if agent is None else agent.node)
    return Reading(frame, nodes.node("generic", kind, place, "data_store"), reader)


def watch_retrievers(frame: Frame, module: Any) -> None:
    """Hook of the module with the base class of retrievers."""
    wrap.method(module.BaseRetriever, "invoke", partial(_read, frame))
    wrap.method(module.BaseRetriever, "ainvoke", partial(_read, frame))
