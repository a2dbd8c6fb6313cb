"""Model calls: one fact each, whoever sees it, with the nodes around it."""

from __future__ import annotations

import time

from .. import facts, nodes
from ..emit import emit
from ..wrap import guarded
from .context import stack_of, unset
from .errors import SUCCESS
from .span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..frame import Frame
    from ..nodes import Node
    from .span import Describe

_TRUST_WORDS = ("verified", "confirmed", "factual", "accurate", "trusted", "reliable")


class Llm(Span):
    """A model call: `llm.call_start` and `llm.call_end`."""

    kind, opening, closing = "llm", "llm.call_start", "llm.call_end"
    covered = False

    def __init__(
        self,
        frame: Frame,
        node: Node,
        *,
        requested: Any,
        actual: Any = None,
        messages: Any = None,
        tools: bool = False,
        tentative: bool = False,
        payload: Mapping[str, Any] | None = None,
        describe: Describe | None = None,
        parent: Any = unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        self.requested = asked = _name(requested)
        self.stack = stack_of(self.parent)
        self.tentative = tentative
        self.at = time.time_ns()
        self._end: dict[str, Any] = {}
        if self.parent is not None:
            self._mark_outer()
        served = asked if actual is None else _name(actual)
        start = {
            "model_requested": asked,
            "model_actual": served,
            "model_mapped": served != asked,
            "has_tools": bool(tools),
        }
        self._unread = messages if tentative else None
        if self.speaks and not tentative:
            start.update(_message_facts(messages))
        if payload:
            start.update(payload)
        self._start = start
        self._begin(start)

    def _mark_outer(self) -> None:
        """Settle who speaks: a frame around this one that tells the same call, or this one."""
        outer = self.parent
        while outer is not None:
            if isinstance(outer, Llm) and not outer.closed:
                if outer.tentative:
                    outer.covered = True
                elif outer.frame.name == self.frame.name or self.frame.name in outer.frame.suppresses.get("llm", ()):
                    self.speaks = False
            elif outer.kind in ("tool", "agent"):
                outer.asked_model = True
                return
            outer = outer.parent

    def _begin(self, payload: Mapping[str, Any]) -> None:
        if self.speaks and not self.tentative:
            self.event_id = emit(
                self.frame, self.opening, source=self.node, payload=payload, depth=self.depth, at=self.at
            )
        self.enter()

    def usage(self, input_tokens: Any, output_tokens: Any) -> None:
        """Tokens of the call, where they are whole numbers."""
        if type(input_tokens) is int:
            self._end["input_tokens"] = input_tokens
        if type(output_tokens) is int:
            self._end["output_tokens"] = output_tokens

    def answer(self, content: Any) -> None:
        """What the model answered: a text or a structure."""
        if self.speaks:
            self._end.update(facts.output(content))

    def finish(self, reason: Any) -> None:
        """Why the model stopped."""
        if isinstance(reason, str):
            self._end["finish_reason"] = reason[:100]

    def served(self, model: Any) -> None:
        """The model that answered."""
        if isinstance(model, str):
            self._end["model_actual"] = _name(model)

    def tools_called(self, calls: Sequence[tuple[Any, Any]]) -> None:
        """Tools the model asked for, as (name, arguments as JSON text or structure); a text that is no JSON object is
        told as `tool.call_failure` when the call closes."""
        if calls:
            self._end["tool_calls_made"] = [
                {"tool_name": nodes.clean(name), "arguments_valid": _valid(arguments)}
                for name, arguments in calls[:100]
            ]

    def done(self, result: Any) -> Any:
        """See `Span`."""
        if self.describe is not None:
            return super().done(result)
        self.close()
        return result

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """Nothing: the frame tells by `answer`, `usage` and the like."""
        return {}

    def fail(self, error: BaseException, *, handling: str | None = None, **told: Any) -> None:
        """See `Span`."""
        if not self.closed:
            guarded(self.opening, self._settle)
        super().fail(error, handling=handling, **told)

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """See `Span`."""
        if self.closed:
            return
        if self.tentative:
            guarded(self.opening, self._settle)
        if not self.speaks:
            self._hand_up(told)
        elif "tool_calls_made" in self._end and not self.inherited():
            self._tell_bad_arguments()
        super().close(status, **told)

    def _tell_bad_arguments(self) -> None:
        for call in self._end["tool_calls_made"]:
            if call["arguments_valid"]:
                continue
            family, name = self.frame.family, call["tool_name"]
            emit(
                self.frame,
                "tool.call_failure",
                source=self.node,
                target=nodes.named(family, name, "capability") or nodes.node(family, name, node_type="capability"),
                edge="uses",
                parent=self.event_id,
                payload={"tool_name": name, "reason": "invalid_arguments_json"},
                depth=self.depth,
            )

    def _settle(self) -> None:
        """A tentative span speaks only when nobody else told the call."""
        if not self.tentative:
            return
        self.tentative = False
        messages, self._unread = self._unread, None
        if self.covered:
            self.speaks = False
        elif self.speaks and not self.inherited():
            self._start.update(_message_facts(messages))
            self.event_id = emit(
                self.frame, self.opening, source=self.node, payload=self._start, depth=self.depth, at=self.at
            )

    def _hand_up(self, told: Mapping[str, Any]) -> None:
        outer = self.parent
        while outer is not None and not (isinstance(outer, Llm) and outer.speaks and not outer.closed):
            if outer.kind in ("tool", "agent"):
                return
            outer = outer.parent
        if isinstance(outer, Llm):
            for key in ("input_tokens", "output_tokens", "finish_reason", "model_actual"):
                if key in self._end:
                    outer._end[key] = self._end[key]

    def end_facts(self) -> Mapping[str, Any]:
        """Model and the nodes around the call."""
        return {"model_requested": self.requested, "active_node_stack": self.stack, **self._end}


def _name(model: Any) -> str:
    return str.__str__(model)[:200] if isinstance(model, str) else ""


def _valid(arguments: Any) -> bool:
    if not isinstance(arguments, str):
        return True
    from json import loads

    try:
        return isinstance(loads(str.__str__(arguments) or "{}"), dict)
    except (ValueError, RecursionError):
        return False


def _message_facts(messages: Any) -> dict[str, Any]:
    """Number of messages, hashes of the system prompt and of the last user message."""
    if messages is None:
        return {"message_count": 0}
    if isinstance(messages, str):
        return {"message_count": 1, **_prompt("last_user_message", messages)}
    if not isinstance(messages, (list, tuple)):
        return {"message_count": 1}
    told: dict[str, Any] = {"message_count": len(messages)}
    system = user = None
    for message in messages:
        role = _part(message, "role")
        if not isinstance(role, str):
            role = _part(message, "type")
            if not isinstance(role, str):
                continue
        if system is None and role in ("system", "developer"):
            system = _text(_part(message, "content"))
        elif role in ("user", "human"):
            user = message
    if system is not None:
        told.update(_prompt("system_prompt", system))
        if facts.CAPTURE:
            low = system.lower()
            told["prompt_trust_signals"] = [word for word in _TRUST_WORDS if word in low]
    text = None if user is None else _text(_part(user, "content"))
    if text is not None:
        told.update(_prompt("last_user_message", text))
    return told


def _prompt(name: str, text: str) -> dict[str, Any]:
    told = {name + "_hash": facts.short(text)}
    if facts.CAPTURE:
        told[name + "_preview"] = facts.captured(text, 200) or ""
    return told


def _part(message: Any, name: str) -> Any:
    if isinstance(message, dict):
        return dict.get(message, name)
    try:
        held = object.__getattribute__(message, "__dict__")
    except AttributeError:
        return None
    return held.get(name)


def _text(content: Any) -> str | None:
    """The text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return str.__str__(content)
    if isinstance(content, (list, tuple)):
        parts = [_part(part, "text") if not isinstance(part, str) else part for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    return None
