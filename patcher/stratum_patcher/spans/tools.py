"""Tools and requests to other services."""

from __future__ import annotations

from .. import facts, nodes
from .context import depth_of, unset
from .errors import SUCCESS
from .span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..frame import Frame
    from ..nodes import Node
    from .span import Describe


class Tool(Span):
    """A tool at work: `tool.invoked` and `tool.completed`, from the agent that uses it to the tool."""

    kind, opening, closing = "tool", "tool.invoked", "tool.completed"
    edge = "uses"

    def __init__(
        self,
        frame: Frame,
        node: Node,
        *,
        tool_name: Any,
        arguments: Any = None,
        keywords: Any = None,
        agent: Node | None = None,
        payload: Mapping[str, Any] | None = None,
        describe: Describe | None = None,
        parent: Any = unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        user = agent
        if user is None:
            span = self.parent
            while span is not None and (span.closed or not (span.counts or span.kind == "execution")):
                span = span.parent
            user = span.node if span is not None and span.counts else None
            self.user = user or (nodes.program() if span is None else span.node)
        else:
            self.user = user
        self.depth = depth_of(self.user)
        self.tool_name = nodes.clean(tool_name)
        self.agent_id = "" if user is None else user.id
        if self._told_outside():
            self.speaks = False
        self._begin(
            {
                **self.end_facts(),
                "args_shape": facts.shape(arguments),
                "kwargs_shape": facts.shape(keywords),
                **(payload or {}),
            }
        )

    def _told_outside(self) -> bool:
        """Whether a frame around this one tells the same use of the same tool."""
        outer = self.parent
        while outer is not None and not outer.counts:
            if (
                isinstance(outer, Tool)
                and not outer.closed
                and self.frame.name in outer.frame.suppresses.get("tool", ())
                and _same_tool(outer.tool_name, self.tool_name)
            ):
                return True
            outer = outer.parent
        return False

    def source(self) -> Node:
        """The agent that uses the tool; outside an agent the graph, crew or program."""
        return self.user

    def target(self) -> Node | None:
        """The tool."""
        return self.node

    def end_facts(self) -> Mapping[str, Any]:
        """Both nodes, on both events."""
        return {"tool_name": self.tool_name, "tool_node_id": self.node.id, "agent_node_id": self.agent_id}


def _same_tool(one: str, other: str) -> bool:
    return _letters(one) == _letters(other)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


class External(Span):
    """A request to another service: `external.call` with phase `start`, then `end`; silent inside a model call."""

    kind, opening, closing = "external", "external.call", "external.call"

    def __init__(self, frame: Frame, node: Node, *, method: str, domain: str, library: str | None = None) -> None:
        super().__init__(frame, node)
        self._facts_of_both = {"method": method, "domain": domain, "library": library}
        outer = self.parent
        while outer is not None and outer.kind not in ("tool", "agent"):
            if outer.kind in ("llm", "external") and not outer.closed:
                self.speaks = False
            outer = outer.parent
        self._begin({"phase": "start", **self._facts_of_both})

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """Nothing but what the frame describes."""
        return {}

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """See `Span`; an error's text is shorter here (events.md 3.10)."""
        if isinstance(told.get("error"), str):
            told["error"] = told["error"][:300]
        super().close(status, **told)

    def end_facts(self) -> Mapping[str, Any]:
        """Phase and what the start said."""
        return {"phase": "end", **self._facts_of_both}
