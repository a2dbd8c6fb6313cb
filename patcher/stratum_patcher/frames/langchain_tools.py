"""Tools of LangChain: every use passes `BaseTool.run` or `arun`, from a graph, a chain or the program itself.

A `ToolNode` may turn a tool's error into an answer for the model; what becomes of the error is known when it is done
with the call, so the end of a failed use is told then.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..wrap import Watch
from .langgraph_names import attributes, place_of

if TYPE_CHECKING:
    from ..frame import Frame
    from ..wrap import Call

FAMILY = "langchain"
STAND_INS = {"ExceptionTool": None, "InvalidTool": "InvalidTool"}
"""Tools by which an `AgentExecutor` answers the model's mistakes -> error that they stand for; None: the one caught."""


class Answering(spans.Span):
    """A `ToolNode` at one call of the model: silent, knows the use of a tool that failed inside it."""

    kind = "answering"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame, nodes.program())
        self.speaks = False
        self.failures: list[tuple[Use, BaseException]] = []
        self.enter()

    def settle(self, handling: str) -> None:
        """Tell the failed uses, now that it is known what becomes of their errors."""
        failures, self.failures = self.failures, []
        for use, error in failures:
            use.fail(error, handling=handling)

    def done(self, result: Any) -> Any:
        """The model gets an answer whatever the tool did."""
        self.settle("caught_default")
        self.close()
        return result

    def failed(self, error: BaseException) -> None:
        """The error goes on."""
        self.settle("raised")
        self.close()


class Use(spans.Tool):
    """One use of a tool.

    Attributes:
        caught: The error that the tool itself made an answer of.
    """

    caught: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        """See `Span`."""
        around = self.parent
        while around is not None and not around.counts:
            if isinstance(around, Answering) and not around.closed:
                break
            around = around.parent
        if isinstance(around, Answering) and spans.status_of(self.frame, error) in (spans.ERROR, spans.TIMEOUT):
            around.failures.append((self, error))
            self.leave()
        else:
            self.fail(error)

    def done(self, result: Any) -> Any:
        """See `Span`. A tool may have turned its own error into an answer."""
        if self.caught is not None:
            self.fail(self.caught, handling="caught_default")
        return super().done(result)


def _name(tool: Any) -> str:
    name = attributes(tool).get("name")
    return name if isinstance(name, str) else type(tool).__name__


class _Making(Watch):
    """A tool being made."""

    __slots__ = ("tool",)

    def __init__(self, tool: Any) -> None:
        self.tool = tool

    def done(self, result: Any) -> Any:
        """Give the tool its id."""
        place = nodes.here()
        held = attributes(self.tool)
        if place == nodes.NOWHERE:
            place = place_of(held.get("func") or held.get("coroutine"))
        nodes.remember(self.tool, nodes.node(FAMILY, _name(self.tool), place, "capability"))
        return result


def _make(call: Call) -> Watch:
    return _Making(call.instance)


def _use(frame: Frame, call: Call) -> Watch | None:
    tool, given = call.instance, call.get("tool_input", 0)
    agent = spans.agent()
    kind = type(tool).__name__
    if kind in STAND_INS and type(tool).__module__.partition(".")[0].startswith("langchain"):
        _stand_in(frame, kind, given, agent)
        return None
    around = spans.enclosing("answering")
    if isinstance(around, Answering):
        around.settle("caught_retry")
    known = nodes.known(tool)
    name = _name(tool)
    if known is None or known.name != nodes.clean(name):
        known = nodes.node(FAMILY, name, place_of(attributes(tool).get("func")), "capability")
    keywords = given if isinstance(given, dict) else None
    return Use(
        frame,
        known,
        tool_name=name,
        arguments=None if keywords is given else (given,),
        keywords=keywords,
        agent=getattr(agent, "on_behalf", None),
    )


def _caught(call: Call) -> None:
    """A tool makes an answer of an error."""
    use, error = spans.enclosing("tool"), call.get("e", 0)
    if isinstance(use, Use) and isinstance(error, BaseException):
        use.caught = error


def _stand_in(frame: Frame, kind: str, given: Any, agent: spans.Span | None) -> None:
    """The model's answer could not be read, or names a tool that is not there; the model is told so."""
    node = nodes.program() if agent is None else agent.node
    caught = sys.exc_info()[1]
    if STAND_INS[kind] is None and caught is not None:
        spans.error(frame, node, caught, handling="caught_default")
        return
    asked = given.get("requested_tool_name") if isinstance(given, dict) else None
    text = f"{nodes.clean(asked)} is not a valid tool" if isinstance(asked, str) else "not a valid tool"
    spans.error_text(frame, node, STAND_INS[kind] or kind, text, handling="caught_default")


def _answer(frame: Frame, call: Call) -> Watch:
    return Answering(frame)


def watch_tools(frame: Frame, module: Any) -> None:
    """Hook of the module with the base class of tools."""
    wrap.method(module.BaseTool, "run", partial(_use, frame))
    wrap.method(module.BaseTool, "arun", partial(_use, frame))
    wrap.method(module.BaseTool, "__init__", _make)
    wrap.method(module, "_handle_tool_error", _caught)
    wrap.method(module, "_handle_validation_error", _caught)


def watch_tool_node(frame: Frame, module: Any) -> None:
    """Hook of the module with LangGraph's node that runs tools."""
    wrap.method(module.ToolNode, "_run_one", partial(_answer, frame))
    wrap.method(module.ToolNode, "_arun_one", partial(_answer, frame))
