"""Language models of crewai: redirected where the program makes them, and told when no transport tells the call.

1.x picks a native client by the model's name, some of which cannot be redirected; so a name that does not lead to the
OpenAI client becomes one that does, and the call is told here under the name the program gave. In 0.x every call
passes litellm, which is redirected itself.
"""

from __future__ import annotations

from typing import Any

from .. import nodes, redirect, spans, wrap
from ..frame import Frame, Hook
from ..wrap import Call, NotApplied, Watch
from . import crewai_names as names
from .crewai_made import DECLARED

KNOWN = "openai/gpt-4o-mini"
"""A name that every 1.x version leads to its OpenAI client; the transport replaces it by the served model."""
_OPENAI = ("gpt-", "o1", "o3", "o4")
_ELSEWHERE = ("base_url", "api_base", "api_version", "provider", "custom_openai", "is_litellm", "deployment_name")
PACKAGES = ("crewai",)


class _Answered(Watch):
    """A model call: what it answers is known when it returns."""

    def __init__(self, span: spans.Llm) -> None:
        self.span = span

    def done(self, result: Any) -> Any:
        if isinstance(result, str):
            self.span.answer(result)
        return self.span.done(result)

    def failed(self, error: BaseException) -> None:
        self.span.failed(error)


def _call(call: Call) -> Watch | None:
    model = call.instance
    declared = DECLARED.get(model)
    requested = declared or names.text(names.field(model, "model")) or type(model).__name__
    node = nodes.node(names.FAMILY, type(model).__name__, nodes.caller(PACKAGES), "capability")
    actual = None if declared is None else redirect.model_for(declared)[0]
    span = spans.Llm(
        FRAME,
        node,
        requested=requested,
        actual=actual,
        messages=call.get("messages", 0),
        tools=bool(call.get("tools", 1)) if "tools" in call.kwargs else False,
        tentative=declared is None,
    )
    return _Answered(span)


class _Made(Watch):
    def __init__(self, declared: str) -> None:
        self.declared = declared

    def done(self, result: Any) -> Any:
        DECLARED.put(result, self.declared)
        return result


def _make(call: Call) -> Watch | None:
    """`LLM.__new__`, the factory of 1.x."""
    declared = call.get("model", 1)
    if redirect.target() is None or not isinstance(declared, str) or _leads_to_openai(declared, call):
        return None
    call.set("model", 1, KNOWN)
    for name in _ELSEWHERE:
        call.kwargs.pop(name, None)
    if len(call.args) > 2:
        call.args = call.args[:2]
    call.kwargs["api_key"] = redirect.key()
    return _Made(str.__str__(declared))


def _leads_to_openai(model: str, call: Call) -> bool:
    if any(call.kwargs.get(name) for name in ("provider", "custom_openai", "is_litellm")):
        return False
    provider, slash, name = model.partition("/")
    return (name if slash else provider).startswith(_OPENAI) and (not slash or provider == "openai")


def _factory(module: Any) -> None:
    if "__new__" not in vars(module.LLM):
        raise NotApplied("LLM is no factory; litellm, which it calls, is redirected")
    wrap.method(module.LLM, "__new__", _make)


def _models(module: Any) -> None:
    for name in ("call", "acall"):
        if hasattr(module.BaseLLM, name):
            wrap.every_subclass(module.BaseLLM, name, _call)


def _only_model(module: Any) -> None:
    if len(module.LLM.__mro__) > 2:
        raise NotApplied("LLM has a base class")
    wrap.every_subclass(module.LLM, "call", _call)


FRAME = Frame(
    "crewai_llm",
    names.FAMILY,
    "crewai",
    (
        Hook("crewai.llm_call", "crewai.llms.base_llm", _models),
        Hook("crewai.llm_call@0.80", "crewai.llm", _only_model),
        Hook("crewai.llm_redirect", "crewai.llm", _factory),
    ),
    suppresses={"llm": ("openai", "litellm", "anthropic", "http")},
)
