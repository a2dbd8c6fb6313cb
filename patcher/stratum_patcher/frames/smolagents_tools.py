"""Tools of smolagents agents, and the code that a CodeAgent writes and runs (the tool `python_interpreter`)."""

from __future__ import annotations

import contextvars
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from .. import facts, nodes, spans, wrap
from ..wrap import Call, NotApplied, Watch
from . import smolagents_nodes

if TYPE_CHECKING:
    from ..frame import Frame

INTERPRETER = "python_interpreter"
"""What the library itself calls the tool that runs code."""


class Use(spans.Tool):
    """A tool at work. Its errors come back to the model, which is asked to do better."""

    def fail(self, error: BaseException, *, handling: str | None = None, **more: Any) -> None:
        """See `Span`; code that failed because a tool in it failed does not tell that error again."""
        if spans.status_of(self.frame, error) == spans.ERROR and smolagents_nodes.told(error):
            self.close(spans.ERROR, error=facts.message(error), error_type=facts.error_class(error), **more)
            return
        super().fail(error, handling=handling or ("caught_retry" if self.agent_id else None), **more)


class _Made(Watch):
    """A tool was constructed, or made of a function by the decorator."""

    def __init__(self, tool: Any = None) -> None:
        self._tool = tool

    def done(self, result: Any) -> Any:
        smolagents_nodes.made(result if self._tool is None else self._tool, "capability")
        return result


def _begin(frame: Frame, call: Call) -> Watch | None:
    node = smolagents_nodes.tool(call.instance)
    keywords = {name: value for name, value in call.kwargs.items() if name != "sanitize_inputs_outputs"}
    final = {"final_answer": True} if node.name == "final_answer" else None
    return Use(frame, node, tool_name=node.name, arguments=call.args, keywords=keywords, payload=final)


def _code(frame: Frame, call: Call) -> Watch | None:
    node = nodes.node(smolagents_nodes.FAMILY, INTERPRETER, nodes.NOWHERE, "capability")
    return Use(frame, node, tool_name=INTERPRETER, arguments=call.args[:1])


class _InThread(Watch):
    """Code with a time limit runs in a thread of its own, which is told who runs it."""

    def done(self, result: Any) -> Any:
        """The decorator that sets the limit.

        Args:
            result: It, as the library made it.
        """

        def limited(function: Callable[..., Any]) -> Any:
            return result(partial(contextvars.copy_context().run, function))

        return limited


def watch_tools(frame: Frame, module: Any) -> None:
    """Apply to `smolagents.tools`."""
    wrap.method(module.Tool, "__init__", lambda call: _Made(call.instance))
    wrap.method(module, "tool", lambda call: _Made())
    wrap.every_subclass(module.Tool, "__call__", partial(_begin, frame))


def watch_code(frame: Frame, module: Any) -> None:
    """Apply to `smolagents.local_python_executor`."""
    begin = partial(_code, frame)
    if "PythonExecutor" in vars(module):
        wrap.every_subclass(module.PythonExecutor, "__call__", begin)
    elif "LocalPythonInterpreter" in vars(module):
        wrap.method(module.LocalPythonInterpreter, "__call__", begin)
    else:
        raise NotApplied("no executor of code")
    if "timeout" in vars(module):
        wrap.method(module, "timeout", lambda call: _InThread())


def watch_remote_code(frame: Frame, module: Any) -> None:
    """Apply to `smolagents.e2b_executor`, where the first versions run code elsewhere."""
    wrap.method(module.E2BExecutor, "__call__", partial(_code, frame))
