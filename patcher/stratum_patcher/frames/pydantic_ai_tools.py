"""Tool calls of Pydantic AI agents, arguments that do not fit included; and the tools that stand for an output."""

from __future__ import annotations

import weakref
from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import spans, wrap
from ..stored import held
from ..wrap import Call, NotApplied, Watch
from . import pydantic_ai_nodes

if TYPE_CHECKING:
    from ..frame import Frame

_wrapped: MutableMapping[BaseException, BaseException] = weakref.WeakKeyDictionary()
"""What the library raises to ask the model again -> what was wrong."""


class Use(spans.Tool):
    """A tool at work. What asks the model to try again, or tells it of a failure, is caught by the library."""

    def fail(self, error: BaseException, *, handling: str | None = None, **more: Any) -> None:
        """See `Span`."""
        kind = type(error).__name__
        caught = {"ToolRetryError": "caught_retry", "ToolFailedError": "caught_default"}.get(kind)
        if caught is not None:
            error = _wrapped.get(error) or error.__cause__ or error.__context__ or error
        super().fail(error, handling=handling or caught, **more)


class Output(spans.Quiet):
    """A tool that stands for the agent's output at work: no tool to be told, but an agent that runs in it is handed
    the conversation."""

    def __init__(self) -> None:
        super().__init__(())


class _Wrapping(Watch):
    """What was wrong is wrapped into what asks the model again."""

    def __init__(self, error: Any) -> None:
        self._error = error

    def done(self, result: Any) -> Any:
        if isinstance(result, BaseException) and isinstance(self._error, BaseException):
            _wrapped[result] = self._error
        return result


def _use(frame: Frame, call: Any, tool: Any) -> Watch | None:
    name, arguments = held(call, "tool_name"), held(call, "args")
    if not isinstance(name, str):
        return None
    if held(held(tool, "tool_def"), "kind") == "output":
        return Output()
    keywords = arguments if isinstance(arguments, dict) else _parsed(arguments)
    node = pydantic_ai_nodes.tool(name, tool)
    return Use(frame, node, tool_name=name, arguments=None if keywords is not None else arguments, keywords=keywords)


def _parsed(arguments: Any) -> Any:
    from json import loads

    try:
        found = loads(arguments) if isinstance(arguments, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _validated(frame: Frame, call: Call) -> Watch | None:
    validated = call.get("validated", 0)
    return _use(frame, held(validated, "call"), held(validated, "tool"))


def _called(frame: Frame, call: Call) -> Watch | None:
    wanted, tools = call.get("call", 0), held(call.instance, "tools")
    tool = dict.get(tools, held(wanted, "tool_name")) if isinstance(tools, dict) else None
    return _use(frame, wanted, tool)


def watch_manager(frame: Frame, module: Any) -> None:
    """Apply to the module of `ToolManager`."""
    manager = module.ToolManager
    if "execute_tool_call" in vars(manager):
        wrap.method(manager, "execute_tool_call", partial(_validated, frame))
        if "execute_output_tool_call" in vars(manager):
            wrap.method(manager, "execute_output_tool_call", lambda call: Output())
    elif "_call_tool" in vars(manager):
        wrap.method(manager, "_call_tool", partial(_called, frame))
    else:
        raise NotApplied("ToolManager executes no tool calls")
    if "_wrap_error_as_retry" in vars(manager):
        wrap.method(manager, "_wrap_error_as_retry", lambda call: _Wrapping(call.get("error", 2)))


def watch_tools(module: Any) -> None:
    """Apply to `pydantic_ai.tools`."""
    wrap.method(
        module.Tool, "__init__", lambda call: pydantic_ai_nodes.MadeTool(call.instance, call.get("function", 0))
    )
