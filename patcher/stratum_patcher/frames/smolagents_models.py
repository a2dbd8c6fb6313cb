"""Model calls of smolagents models that pass no client library of ours: local models, other services, users' own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..stored import held, text
from ..wrap import Call, Watch
from . import smolagents_nodes

if TYPE_CHECKING:
    from ..frame import Frame

METHODS = ("generate", "generate_stream", "__call__")
"""What a model class may define; the first versions know only the last."""


class Generation(spans.Llm):
    """One model call, whole or streamed. One that calls up to another one leaves it to that one to speak."""

    model: Any = None
    _text = ""

    def done(self, result: Any) -> Any:
        """The model answered, or its stream ended."""
        if result is not None:
            self._tell(result)
        elif self._text:
            self.answer(self._text)
        if "input_tokens" not in self._end:
            self.usage(held(self.model, "last_input_token_count"), held(self.model, "last_output_token_count"))
        self.model = None
        return super().done(result)

    def fail(self, error: BaseException, *, handling: str | None = None, **more: Any) -> None:
        """See `Span`."""
        self.model = None
        super().fail(error, handling=handling, **more)

    def item(self, value: Any) -> None:
        """A piece of a streamed answer."""
        content = held(value, "content")
        if isinstance(content, str):
            self._text += content
        self._count(value)

    def _tell(self, message: Any) -> None:
        content = message if isinstance(message, str) else held(message, "content")
        self.answer(content if isinstance(content, str) else None)
        self._count(message)
        calls = held(message, "tool_calls")
        if isinstance(calls, list):
            functions = [held(each, "function") for each in calls]
            self.tools_called([(held(each, "name"), held(each, "arguments")) for each in functions])

    def _count(self, message: Any) -> None:
        tokens = held(message, "token_usage")
        if tokens is not None:
            self.usage(held(tokens, "input_tokens"), held(tokens, "output_tokens"))


def _begin(frame: Frame, call: Call) -> Watch | None:
    model = call.instance
    name = text(model, "model_id")
    node = nodes.node(
        smolagents_nodes.FAMILY, type(model).__name__, nodes.caller((smolagents_nodes.FAMILY,)), "capability"
    )
    tools = call.kwargs.get("tools_to_call_from") or call.kwargs.get("available_tools")
    span = Generation(
        frame,
        node,
        requested=name,
        messages=call.get("messages", 0),
        tools=isinstance(tools, list) and bool(tools),
        tentative=True,
    )
    span.model = model
    return span


def watch_models(frame: Frame, module: Any) -> None:
    """Apply to `smolagents.models`."""
    begin = partial(_begin, frame)

    def adopt(cls: type) -> None:
        with wrap.owned_by("smolagents.model"):
            for name in METHODS:
                if name in vars(cls):
                    wrap.method(cls, name, begin)

    def walk(cls: type) -> None:
        adopt(cls)
        below: list[type] = type.__subclasses__(cls)
        for subclass in below:
            walk(subclass)

    walk(module.Model)
    wrap.on_subclass(module.Model, adopt)
