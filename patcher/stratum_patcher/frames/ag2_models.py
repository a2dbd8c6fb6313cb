"""Model clients of ag2 1.x; a call speaks here only when no client library below it tells it."""

from __future__ import annotations

import inspect
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..stored import held
from .ag2_agents import IDENTITY

if TYPE_CHECKING:
    from ..wrap import Call, Watch

_CONFIG_KEY = "__ag2_model_config__"
"""Key under which a context holds the configuration of its model."""
_ROLES = {"ModelRequest": "user", "DrainedModelRequest": "user", "ModelResponse": "assistant"}


class _Prepared(wrap.Watch):
    """A turn has its model client: from now on its class is watched, the program's own classes too."""

    def done(self, result: Any) -> Any:
        kind = type(result)
        if inspect.iscoroutinefunction(inspect.getattr_static(kind, "__call__", None)):
            with wrap.owned_by("ag2.models"):
                wrap.method(kind, "__call__", _ask)
        return result


class _ModelCall(spans.Llm):
    """A call of a model client."""

    def done(self, result: Any) -> Any:
        usage, message = held(result, "usage"), held(result, "message")
        self.usage(held(usage, "prompt_tokens"), held(usage, "completion_tokens"))
        self.finish(held(result, "finish_reason"))
        self.served(held(result, "model"))
        self.answer(held(message, "content"))
        calls = held(held(result, "tool_calls"), "calls") or ()
        self.tools_called([(held(call, "name"), held(call, "arguments")) for call in calls])
        return super().done(result)


def watch(module: Any) -> None:
    """Apply to `ag2.agent`."""
    wrap.method(module.Agent, "_prepare_turn", lambda call: _Prepared())


def _ask(call: Call) -> Watch | None:
    client = type(call.instance).__name__
    dependencies = getattr(call.get("context", 1), "dependencies", None)
    config = dependencies.get(_CONFIG_KEY) if isinstance(dependencies, dict) else None
    model = _model(config)
    events = call.get("messages", 0)
    return _ModelCall(
        IDENTITY,
        nodes.node("autogen", client, nodes.caller(("ag2",)), "capability"),
        requested=model if isinstance(model, str) else client,
        messages=[_message(event) for event in events] if isinstance(events, (list, tuple)) else None,
        tools=bool(call.kwargs.get("tools")),
        tentative=True,
    )


def _model(config: Any) -> Any:
    """The model of a configuration, where it holds one itself; a property may raise."""
    slot = inspect.getattr_static(type(config), "model", None)
    if isinstance(slot, MemberDescriptorType):
        return slot.__get__(config)
    return held(config, "model")


def _message(event: Any) -> dict[str, Any]:
    said = held(event, "parts") or held(held(event, "message"), "content")
    if isinstance(said, list):
        said = [{"text": held(part, "content")} for part in said]
    return {"role": _ROLES.get(type(event).__name__), "content": said}
