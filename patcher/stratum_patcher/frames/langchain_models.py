"""Models of LangChain: told only where no watched client library tells the same call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from .langgraph_names import attributes

if TYPE_CHECKING:
    from ..frame import Frame
    from ..wrap import Call

FAMILY = "langchain"
PACKAGES = ("langchain", "langchain_classic", "langchain_community", "langchain_core", "langgraph")
"""A caller inside these packages is the library itself."""


class Asking(spans.Llm):
    """One call of a model, whole or streamed."""

    def done(self, result: Any) -> Any:
        """See `Span`. The result is a `ChatResult`, an `LLMResult` or, for streams, None."""
        if self.covered:
            return super().done(result)
        generations = attributes(result).get("generations")
        while isinstance(generations, list) and generations and isinstance(generations[0], list):
            generations = generations[0]
        if isinstance(generations, list) and generations:
            self.hear(generations[0])
        return super().done(result)

    def item(self, value: Any) -> None:
        """See `Span`. A chunk of the answer; the texts are put together at the end."""
        super().item(value)
        if self.covered:
            return
        self._read(value)
        content = value if isinstance(value, str) else attributes(value).get("content")
        if isinstance(content, str):
            self.heard.append(content)

    def hear(self, generation: Any) -> None:
        """Read one generation: what the model answered, tokens, tools it asks for."""
        held = attributes(generation)
        message = held.get("message")
        if message is None:
            self.answer(held.get("text"))
            return
        self._read(message)
        told = attributes(message)
        self.answer(told.get("content") or None)
        calls = told.get("tool_calls")
        if isinstance(calls, list):
            asked = [(call.get("name"), call.get("args")) for call in calls if isinstance(call, dict)]
            broken = told.get("invalid_tool_calls")
            for call in broken if isinstance(broken, list) else ():
                asked.append((call.get("name"), call.get("args")) if isinstance(call, dict) else (None, None))
            self.tools_called(asked)

    def _read(self, message: Any) -> None:
        told = attributes(message)
        usage = told.get("usage_metadata")
        if isinstance(usage, dict):
            self.usage(usage.get("input_tokens"), usage.get("output_tokens"))
        about = told.get("response_metadata")
        if isinstance(about, dict):
            self.finish(about.get("finish_reason") or about.get("stop_reason"))
            self.served(about.get("model_name"))

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        """See `Span`."""
        if not self.closed and self.heard:
            self.answer("".join(self.heard))
        super().close(status, **told)

    def __init__(self, frame: Frame, node: nodes.Node, **told: Any) -> None:
        self.heard: list[str] = []
        super().__init__(frame, node, tentative=True, **told)


def _model_name(model: Any) -> str:
    """Name of the model that an object asks: `model`, `model_name` or `model_id` of its fields, else its class."""
    held = attributes(model)
    for field in ("model", "model_name", "model_id"):
        name = held.get(field)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__


def _messages(given: Any) -> Any:
    """What the model is given: messages, prompts, or a prompt value that holds them."""
    held = attributes(given)
    found = held.get("messages", held.get("text"))
    if found is not None:
        return found
    if isinstance(given, (list, tuple)) and given and isinstance(given[0], str):
        return [{"role": "user", "content": each} for each in given]
    return given


def _ask(frame: Frame, position: int, argument: str, call: Call) -> Asking:
    model = call.instance
    return Asking(
        frame,
        nodes.node(FAMILY, type(model).__name__, nodes.caller(PACKAGES), "capability"),
        requested=_model_name(model),
        messages=_messages(call.get(argument, position)),
        tools=bool(call.kwargs.get("tools")),
    )


def watch_chat_models(frame: Frame, module: Any) -> None:
    """Hook of the module with the base class of chat models."""
    for name in ("_generate_with_cache", "_agenerate_with_cache"):
        wrap.method(module.BaseChatModel, name, partial(_ask, frame, 0, "messages"))
    for name in ("stream", "astream"):
        wrap.method(module.BaseChatModel, name, partial(_ask, frame, 0, "input"))


def watch_text_models(frame: Frame, module: Any) -> None:
    """Hook of the module with the base class of models of plain text."""
    for name in ("_generate_helper", "_agenerate_helper"):
        wrap.method(module.BaseLLM, name, partial(_ask, frame, 0, "prompts"))
    for name in ("stream", "astream"):
        wrap.method(module.BaseLLM, name, partial(_ask, frame, 0, "input"))
