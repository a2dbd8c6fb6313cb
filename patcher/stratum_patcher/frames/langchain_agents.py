"""`AgentExecutor`: an agent of its own, with the tools it is given (langchain 0.x, langchain_classic)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import facts, nodes, spans, wrap
from ..wrap import Watch
from .langgraph_names import attributes, made_as

if TYPE_CHECKING:
    from ..frame import Frame
    from ..wrap import Call

FAMILY = "langchain"


class _Making(Watch):
    """An executor being made."""

    __slots__ = ("executor", "name", "place")

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.place = nodes.here()
        self.name = made_as()

    def done(self, result: Any) -> Any:
        """Give the agent its id: the name it was given, else the variable's."""
        given = attributes(self.executor).get("name")
        name = given if isinstance(given, str) and given else self.name or type(self.executor).__name__
        nodes.remember(self.executor, nodes.node(FAMILY, name, self.place))
        return result


def _make(call: Call) -> Watch:
    return _Making(call.instance)


class Work(spans.Agent):
    """One task of an executor."""

    def result_facts(self, result: Any) -> dict[str, Any]:
        """What it answered; a stream's last step holds it."""
        step = self.answered if result is None else result
        return spans.output_facts(step.get("output") if isinstance(step, dict) else step)

    def item(self, value: Any) -> None:
        """See `Span`."""
        super().item(value)
        if isinstance(value, dict) and "output" in value:
            self.answered = value

    answered: Any = None


def _work(frame: Frame, call: Call) -> Watch:
    executor, given = call.instance, call.get("inputs", 0, call.get("input", 0))
    tools = attributes(executor).get("tools")
    names = [attributes(tool).get("name") for tool in tools] if isinstance(tools, (list, tuple)) else []
    return Work(
        frame,
        nodes.of(executor, FAMILY, type(executor).__name__),
        tools=[name for name in names if isinstance(name, str)],
        payload={"input_shape": facts.shape(given)},
    )


def watch_executor(frame: Frame, module: Any) -> None:
    """Hook of the modules with `AgentExecutor`."""
    for name in ("_call", "_acall", "stream", "astream"):
        wrap.method(module.AgentExecutor, name, partial(_work, frame))
    wrap.method(module.AgentExecutor, "__init__", _make)
