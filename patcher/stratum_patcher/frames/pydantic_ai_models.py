"""Model calls of Pydantic AI that pass no client library of ours: test models, functions as models, other services."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..stored import held, text
from ..wrap import Call, Watch
from .pydantic_ai_nodes import FAMILY

if TYPE_CHECKING:
    from ..frame import Frame

_ROLES = {"SystemPromptPart": "system", "UserPromptPart": "user", "ToolReturnPart": "tool", "RetryPromptPart": "tool"}


class Generation(spans.Llm):
    """One model call, whole or streamed. A model that asks another one leaves it to that one to speak."""

    _streamed: Any = None

    def done(self, result: Any) -> Any:
        """The model answered, the context of a stream was made, or that context was left."""
        generator = held(result, "gen")
        if inspect.isasyncgen(generator):
            result.gen = wrap.adrive(generator, self, "pydantic_ai.model")
            return result
        if result is not None:
            self._tell(result)
        if self._streamed is not None:
            self._count(held(self._streamed, "_usage"))
        self._streamed = None
        return super().done(result)

    def item(self, value: Any) -> None:
        """The stream can be read."""
        self._streamed = value

    def _tell(self, response: Any) -> None:
        self._count(held(response, "usage"))
        self.served(held(response, "model_name"))
        parts = held(response, "parts")
        if not isinstance(parts, (list, tuple)):
            return
        texts = [held(part, "content") for part in parts if type(part).__name__ == "TextPart"]
        calls = [part for part in parts if type(part).__name__ == "ToolCallPart"]
        self.answer("".join(each for each in texts if isinstance(each, str)) if texts else None)
        self.tools_called([(held(part, "tool_name"), held(part, "args")) for part in calls])

    def _count(self, usage: Any) -> None:
        for names in (("input_tokens", "output_tokens"), ("request_tokens", "response_tokens")):
            self.usage(*(held(usage, name) for name in names))


def _messages(messages: Any) -> Any:
    """The messages as roles and contents."""
    if not isinstance(messages, list):
        return None
    told: list[dict[str, Any]] = []
    for message in messages:
        if held(message, "kind") == "response":
            told.append({"role": "assistant"})
        else:
            parts = held(message, "parts") or ()
            told += [{"role": _ROLES.get(type(part).__name__), "content": held(part, "content")} for part in parts]
    return told


def _begin(frame: Frame, call: Call) -> Watch | None:
    model = call.instance
    node = nodes.node(FAMILY, type(model).__name__, nodes.caller((FAMILY, "pydantic_graph")), "capability")
    parameters = call.get("model_request_parameters", 2)
    tools = held(parameters, "function_tools") or held(parameters, "output_tools")
    return Generation(
        frame,
        node,
        requested=text(model, "_model_name") or type(model).__name__,
        messages=_messages(call.get("messages", 0)),
        tools=bool(tools) if isinstance(tools, (list, tuple)) else False,
        tentative=True,
    )


def watch_models(frame: Frame, module: Any) -> None:
    """Apply to `pydantic_ai.models`."""
    for name in ("request", "request_stream"):
        wrap.every_subclass(module.Model, name, partial(_begin, frame))
