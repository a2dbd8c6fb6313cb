"""Model calls of the classic AutoGen API that pass none of the watched client libraries.

The library's wrapper asks clients of many providers and of the program. A call is told here only if no client frame
told it; an answer from the wrapper's cache is no call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import nodes, spans
from ..stored import held
from ..wrap import Watch, method
from .autogen_classic_agents import FAMILY, VOICE

if TYPE_CHECKING:
    from ..wrap import Call


class _Asked(spans.Llm):
    """A call of the wrapper; `real` when a client was asked."""

    real = False


class _Answer(Watch):
    """The wrapper's answer."""

    def __init__(self, span: _Asked) -> None:
        self.span = span

    def done(self, result: Any) -> Any:
        span = self.span
        if not span.real:
            span.speaks = False
        span.served(_part(result, "model"))
        choices = _part(result, "choices")
        if isinstance(choices, list) and choices:
            span.answer(_part(_part(choices[0], "message"), "content"))
            span.finish(_part(choices[0], "finish_reason"))
        span.done(result)
        return result

    def failed(self, error: BaseException) -> None:
        self.span.failed(error)


def _part(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, dict) else held(thing, name)


def _ask(call: Call) -> Watch:
    configured = held(call.instance, "_config_list") or [None]
    first = configured[0] if isinstance(configured[0], dict) else {}
    node = nodes.node(FAMILY, "OpenAIWrapper", nodes.caller(("autogen",)), "capability")
    return _Answer(
        _Asked(
            VOICE,
            node,
            requested=call.kwargs.get("model") or first.get("model"),
            messages=call.kwargs.get("messages"),
            tools=bool(call.kwargs.get("tools") or first.get("tools")),
            tentative=True,
        )
    )


def _count(call: Call) -> None:
    """The wrapper counts what a call has used; nothing when the answer came from the cache."""
    span, used = spans.enclosing("llm"), call.get("actual_usage", 0)
    if isinstance(span, _Asked) and used is not None:
        span.real = True
        span.usage(_part(used, "prompt_tokens"), _part(used, "completion_tokens"))


def watch_models(module: Any) -> None:
    """Watch the wrapper."""
    method(module.OpenAIWrapper, "create", _ask)
    method(module.OpenAIWrapper, "_update_usage", _count)
