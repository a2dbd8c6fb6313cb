"""Paired facts: what is open now, what opened it, and the events at both ends (events.md section 3).

A span is current in the context in which it was opened, by a context variable that holds the innermost one; spans
that were closed elsewhere are stepped over, so a value that leaked into another task does no harm.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

from . import facts, nodes
from .emit import emit
from .nodes import Node
from .wrap import Watch, guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Callable

    from .frame import Frame

    Describe = Callable[[Any], "Mapping[str, Any] | None"]
_innermost: ContextVar[Span | None] = ContextVar("stratum_span", default=None)
_unset: Any = object()
_open_delegations: dict[str, Delegation] = {}

SUCCESS, ERROR, TIMEOUT, CANCELLED, ABANDONED, ABORTED = (
    "success",
    "error",
    "timeout",
    "cancelled",
    "abandoned",
    "aborted",
)
"""Statuses of closing events."""


def current() -> Span | None:
    """The innermost open span of this context."""
    span = _innermost.get()
    while span is not None and span.closed:
        span = span.parent
    return span


def switch(span: Span | None) -> Span | None:
    """Make another span the innermost one of this context, where work goes on in another thread.

    Returns:
        The one before, to switch back to.
    """
    before = _innermost.get()
    _innermost.set(span)
    return before


def enclosing(kind: str) -> Span | None:
    """The innermost open span of a kind: `execution`, `agent`, `scope`, `llm`, `tool`, `external`, `quiet`."""
    span = current()
    while span is not None:
        if span.kind == kind and not span.closed:
            return span
        span = span.parent
    return None


def agent() -> Span | None:
    """The innermost open agent, or scope of a manager."""
    span = current()
    while span is not None:
        if span.counts and not span.closed:
            return span
        span = span.parent
    return None


def stack() -> list[str]:
    """Node ids of the open agents and scopes, outermost first."""
    return _stack(current())


def _stack(span: Span | None) -> list[str]:
    ids: list[str] = []
    while span is not None:
        if span.counts and not span.closed and (not ids or ids[-1] != span.node.id):
            ids.append(span.node.id)
        span = span.parent
    ids.reverse()
    return ids


def _depth(emitting: Node) -> int:
    ids = stack()
    return len(ids) - 1 if ids and ids[-1] == emitting.id else len(ids)


def silent(kind: str) -> bool:
    """Whether facts of a kind are silent here, inside a `quiet` span."""
    span = current()
    while span is not None:
        if isinstance(span, Quiet) and kind in span.kinds and not span.closed:
            return True
        span = span.parent
    return False


def status_of(frame: Frame, error: BaseException) -> str:
    """The status with which an exception ends a span."""
    kind = type(error)
    if frame.benign:
        for name in (base.__name__ for base in kind.__mro__):
            if name in frame.benign:
                return frame.benign[name]
    if isinstance(error, GeneratorExit):
        return ABANDONED
    if isinstance(error, (KeyboardInterrupt, SystemExit)) or kind.__name__ == "CancelledError":
        return CANCELLED
    if isinstance(error, TimeoutError) or "timeout" in kind.__name__.lower():
        return TIMEOUT
    return ERROR


class Span(Watch):
    """Something that begins and ends.

    Attributes:
        kind: Its kind.
        frame: Who saw it.
        node: Its own node, the source of its error events.
        parent: The span around it.
        event_id: Id of its opening event; "" while nothing was written.
        closed: Whether it has ended.
        counts: Whether its node is part of the active-node stack.
        speaks: Whether it writes events.
        asked_model: Whether a model was called directly in it, for agents and tools.
        describe: Gives further facts of the closing event from the result.
    """

    kind = "span"
    asked_model = False
    opening = ""
    closing = ""
    counts = False
    # What most spans keep is said once for all of them: a model call pays for each attribute that is set.
    event_id = ""
    closed = False
    last_item: Any = None
    items = 0

    def __init__(self, frame: Frame, node: Node, *, parent: Any = _unset, describe: Describe | None = None) -> None:
        inner = current()
        self.frame = frame
        self.node = node
        self.parent: Span | None = inner if parent is _unset else parent
        self.describe = describe
        self.speaks = inner is None or not silent(self.kind)
        self.depth = 0 if inner is None else _depth(node)
        self.started = time.perf_counter_ns()

    def source(self) -> Node:
        """Source node of both events."""
        return self.node

    def target(self) -> Node | None:
        """Target node of both events."""
        return None

    edge: str | None = None

    def _begin(self, payload: Mapping[str, Any]) -> None:
        """Write the opening event and become current."""
        if self.speaks:
            self.event_id = emit(
                self.frame,
                self.opening,
                source=self.source(),
                target=self.target(),
                edge=self.edge,
                payload=payload,
                depth=self.depth,
            )
        self.enter()

    def enter(self) -> None:
        """Become the innermost span of this context."""
        _innermost.set(self)

    def leave(self) -> None:
        """Stop being the innermost span of this context; the span stays open."""
        span = _innermost.get()
        while span is not None:
            if span is self:
                _innermost.set(self.parent)
                return
            span = span.parent

    def pause(self) -> None:
        """See `Watch`."""
        self.leave()

    def resume(self) -> None:
        """See `Watch`."""
        self.enter()

    def item(self, value: Any) -> None:
        """See `Watch`."""
        self.items += 1

    def done(self, result: Any) -> Any:
        """The watched call returned: close with what the result tells."""
        if not self.closed:
            told = guarded(self.closing, self._facts, result, default={})
            self.close(SUCCESS, **told)
        return result

    def _facts(self, result: Any) -> dict[str, Any]:
        told = dict(self.result_facts(result))
        if self.describe is not None:
            told.update(self.describe(result) or {})
        return told

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """What the closing event says of a result by itself."""
        return {"result_shape": facts.shape(result)}

    def failed(self, error: BaseException) -> None:
        """The watched call raised: tell the error, then close."""
        self.fail(error)

    def fail(self, error: BaseException, *, handling: str | None = None, **told: Any) -> None:
        """Tell an error that left the span, then close it.

        Args:
            error: The exception.
            handling: `raised` unless the caller knows better.
            told: Further facts of the closing event.
        """
        if self.closed:
            return
        status = status_of(self.frame, error)
        if status in (ERROR, TIMEOUT):
            if self.speaks:
                report(self.frame, self.node, error, handling=handling, span=self)
            told = {"error": facts.message(error), "error_type": facts.error_class(error), **told}
        self.close(status, **told)

    def fail_text(self, error_type: str, message: str, *, handling: str | None = None, **told: Any) -> None:
        """The same where a framework gives only the text of an error."""
        if self.closed:
            return
        if self.speaks:
            error_text(self.frame, self.node, error_type, message, handling=handling)
        text = facts.scrub(message)[: facts.MESSAGE_CHARACTERS]
        self.close(ERROR, error=text, error_type=facts.class_of_text(text), **told)

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """Write the closing event, once, and stop being current.

        Args:
            status: One of the closed list (events.md 3.4).
            told: Further facts.
        """
        if self.closed:
            return
        self.closed = True
        latency = round((time.perf_counter_ns() - self.started) / 1e6, 2)
        self.leave()
        if self.speaks:
            emit(
                self.frame,
                self.closing,
                source=self.source(),
                target=self.target(),
                edge=self.edge,
                parent=self.event_id,
                payload={"status": status, "latency_ms": latency, **self.end_facts(), **told},
                depth=self.depth,
            )

    def end_facts(self) -> Mapping[str, Any]:
        """What every closing event of this kind says."""
        return {}


class Execution(Span):
    """A run of a crew, graph, chat or runner: `execution.start` and `execution.end`."""

    kind, opening, closing = "execution", "execution.start", "execution.end"

    def __init__(
        self,
        frame: Frame,
        node: Node,
        payload: Mapping[str, Any],
        describe: Describe | None = None,
        *,
        parent: Any = _unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        outer = enclosing("execution")
        if outer is not None and outer.node is node and outer.frame is frame:
            self.speaks = False
        self._begin(payload)

    def end_facts(self) -> Mapping[str, Any]:
        """Chunks that were yielded, for streams."""
        return {"chunks_yielded": self.items} if self.items else {}


class Agent(Span):
    """An agent at a task, or a node of a graph: `agent.task_start` and `agent.task_end`."""

    kind, opening, closing, counts = "agent", "agent.task_start", "agent.task_end", True

    def __init__(
        self,
        frame: Frame,
        node: Node,
        *,
        task_name: str | None = None,
        description: str | None = None,
        goal: str | None = None,
        role: str | None = None,
        tools: Sequence[str] = (),
        input_source: str | None = None,
        payload: Mapping[str, Any] | None = None,
        describe: Describe | None = None,
        parent: Any = _unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        self.attempt = 1
        self.task_parent = self._around()
        told: dict[str, Any] = {
            "node_id": node.id,
            "parent_node_id": self.task_parent,
            "agent_name": node.name,
            "agent_role": None if role is None else nodes.clean(role),
            "task_name": None if task_name is None else nodes.clean(task_name),
            "tools_available": [nodes.clean(tool) for tool in tools],
            "input_source": input_source,
            "attempt": self.attempt if self.attempt > 1 else None,
        }
        if isinstance(description, str):
            told["task_description_hash"] = facts.sha(description)
            told["task_description"] = facts.captured(description, 500)
        if isinstance(goal, str):
            told["agent_goal_hash"] = facts.sha(goal)
            told["agent_goal"] = facts.captured(goal, 500)
        self._begin({**told, **(payload or {})})

    def _around(self) -> str:
        """Id of the agent around this one; an agent that enters itself again keeps the one around its first entry."""
        span = self.parent
        while span is not None and (span.closed or not isinstance(span, Agent)):
            span = span.parent
        if span is None:
            return ""
        if span.node.id == self.node.id:
            self.attempt = span.attempt + 1
            return span.task_parent
        return span.node.id

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """Hash, type and size of the output."""
        return output_facts(result)

    def end_facts(self) -> Mapping[str, Any]:
        """The node once more (events.md 3.3)."""
        return {"node_id": self.node.id}


def output_facts(result: Any) -> dict[str, Any]:
    """The facts of an agent's output (events.md 3.3): pass its text or structure."""
    told = facts.output(result)
    if told:
        told["output_data_hash"] = told["output_hash"]
        told["result_shape"] = facts.shape(result)
        if isinstance(result, str):
            told["output_text"] = facts.captured(result, facts.PREVIEW_CHARACTERS)
    return told


class Scope(Span):
    """A manager at work without a task of its own: no events, but its node counts as the enclosing one."""

    kind, counts = "scope", True

    def __init__(self, frame: Frame, node: Node, *, parent: Any = _unset) -> None:
        super().__init__(frame, node, parent=parent)
        self.speaks = False
        self.enter()


class Quiet(Span):
    """Facts of some kinds are silent inside it."""

    kind = "quiet"

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__(_NO_FRAME, nodes.program())
        self.kinds = kinds
        self.speaks = False
        self.enter()

    def failed(self, error: BaseException) -> None:
        """Nothing is told."""
        self.close()


def quiet(*kinds: str) -> Quiet:
    """A span in which facts of these kinds are silent: `agent`, `delegation`, `llm`, `tool`, `state`, `route`, ..."""
    return Quiet(kinds)


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
        parent: Any = _unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        self.requested = asked = _name(requested)
        self.stack = _stack(self.parent)
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
        if self.speaks:
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
            self._settle()
        super().fail(error, handling=handling, **told)

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """See `Span`."""
        if self.closed:
            return
        if self.tentative:
            self._settle()
        if not self.speaks:
            self._hand_up(told)
        elif "tool_calls_made" in self._end:
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
        if self.covered:
            self.speaks = False
        elif self.speaks:
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
        if type(message) is dict:
            role = message.get("role") or message.get("type")
        else:
            role = _part(message, "role") or _part(message, "type")
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


class Tool(Span):
    """A tool at work: `tool.invoked` and `tool.completed`, from the agent that uses it to the tool."""

    kind, opening, closing = "tool", "tool.invoked", "tool.completed"
    edge = "uses"

    def __init__(
        self,
        frame: Frame,
        node: Node,
        *,
        tool_name: Any,
        arguments: Any = None,
        keywords: Any = None,
        agent: Node | None = None,
        payload: Mapping[str, Any] | None = None,
        describe: Describe | None = None,
        parent: Any = _unset,
    ) -> None:
        super().__init__(frame, node, parent=parent, describe=describe)
        user = agent
        if user is None:
            span = self.parent
            while span is not None and (span.closed or not (span.counts or span.kind == "execution")):
                span = span.parent
            user = span.node if span is not None and span.counts else None
            self.user = user or (nodes.program() if span is None else span.node)
        else:
            self.user = user
        self.depth = _depth(self.user)
        self.tool_name = nodes.clean(tool_name)
        self.agent_id = "" if user is None else user.id
        if self._told_outside():
            self.speaks = False
        self._begin(
            {
                **self.end_facts(),
                "args_shape": facts.shape(arguments),
                "kwargs_shape": facts.shape(keywords),
                **(payload or {}),
            }
        )

    def _told_outside(self) -> bool:
        """Whether a frame around this one tells the same use of the same tool."""
        outer = self.parent
        while outer is not None and not outer.counts:
            if (
                isinstance(outer, Tool)
                and not outer.closed
                and self.frame.name in outer.frame.suppresses.get("tool", ())
                and _same_tool(outer.tool_name, self.tool_name)
            ):
                return True
            outer = outer.parent
        return False

    def source(self) -> Node:
        """The agent that uses the tool; outside an agent the graph, crew or program."""
        return self.user

    def target(self) -> Node | None:
        """The tool."""
        return self.node

    def end_facts(self) -> Mapping[str, Any]:
        """Both nodes, on both events."""
        return {"tool_name": self.tool_name, "tool_node_id": self.node.id, "agent_node_id": self.agent_id}


def _same_tool(one: str, other: str) -> bool:
    return _letters(one) == _letters(other)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


class Delegation(Span):
    """Work handed from one agent to another: `delegation.initiated` and `delegation.completed`.

    It is not current by itself: whoever opened it closes it when the delegate's turn ends. One that is open when the
    program ends is closed as `aborted`.
    """

    kind, opening, closing = "delegation", "delegation.initiated", "delegation.completed"
    edge = "delegates_to"

    def __init__(
        self,
        frame: Frame,
        source: Node,
        target: Node,
        kind: str,
        *,
        task: Any = None,
        context: Any = None,
        payload: Mapping[str, Any] | None = None,
        describe: Describe | None = None,
    ) -> None:
        self.delegate = target
        super().__init__(frame, source, describe=describe)
        told: dict[str, Any] = {**self.end_facts(), "delegation_type": kind}
        if task is not None:
            told["task_hash"] = told["input_data_hash"] = facts.hashed(task)
        if context is not None:
            seen = facts.output(context)
            told["context_hash"] = seen.get("output_hash")
            told["context_type"] = seen.get("output_type")
            told["context_size_bytes"] = seen.get("output_size_bytes")
        self._begin({**told, **(payload or {})})
        if self.speaks:
            _open_delegations[self.event_id] = self

    def enter(self) -> None:
        """Nothing: a delegation is not current."""

    def target(self) -> Node | None:
        """The delegate."""
        return self.delegate

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """See `Span`."""
        _open_delegations.pop(self.event_id, None)
        super().close(status, **told)

    def end_facts(self) -> Mapping[str, Any]:
        """Both nodes, on both events."""
        return {
            "delegator": self.node.name,
            "delegate": self.delegate.name,
            "source_node_id": self.node.id,
            "target_node_id": self.delegate.id,
        }


class External(Span):
    """A request to another service: `external.call` with phase `start`, then `end`; silent inside a model call."""

    kind, opening, closing = "external", "external.call", "external.call"

    def __init__(self, frame: Frame, node: Node, *, method: str, domain: str, library: str | None = None) -> None:
        super().__init__(frame, node)
        self._facts_of_both = {"method": method, "domain": domain, "library": library}
        outer = self.parent
        while outer is not None and outer.kind not in ("tool", "agent"):
            if outer.kind in ("llm", "external") and not outer.closed:
                self.speaks = False
            outer = outer.parent
        self._begin({"phase": "start", **self._facts_of_both})

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """Nothing but what the frame describes."""
        return {}

    def close(self, status: str = SUCCESS, **told: Any) -> None:
        """See `Span`; an error's text is shorter here (events.md 3.10)."""
        if isinstance(told.get("error"), str):
            told["error"] = told["error"][:300]
        super().close(status, **told)

    def end_facts(self) -> Mapping[str, Any]:
        """Phase and what the start said."""
        return {"phase": "end", **self._facts_of_both}


def state(frame: Frame, accessor: Node, key: str, access: str, value: Any = _unset) -> None:
    """Tell a `state.access`.

    Args:
        frame: Who saw it.
        accessor: Node that reads or writes.
        key: State key, channel or store.
        access: `read` or `write`.
        value: What was read or written, for its hash.
    """
    if silent("state"):
        return
    emit(
        frame,
        "state.access",
        source=accessor,
        payload={
            "accessor_node": accessor.id,
            "state_key": nodes.clean(key),
            "access_type": access,
            "data_hash": None if value is _unset else facts.hashed(value),
        },
        depth=_depth(accessor),
    )


def route(
    frame: Frame,
    source: Node,
    target: Node | None,
    kind: str,
    basis: str,
    candidates: Sequence[str] | None = None,
    previous_speaker: str | None = None,
) -> None:
    """Tell a `routing.decision`.

    Args:
        frame: Who saw it.
        source: Node that decides, or whose output is routed.
        target: Node that comes next; None: the end.
        kind: `manager_delegation`, `conditional_edge`, `speaker_selection` or `handoff`.
        basis: `explicit`, `llm_output`, `state`, `round_robin`, ...
        candidates: Names that could have been chosen.
        previous_speaker: Name of the agent that spoke before.
    """
    if silent("route"):
        return
    emit(
        frame,
        "routing.decision",
        source=source,
        target=target,
        edge=None if target is None else "delegates_to",
        payload={
            "source_node": source.id,
            "selected_target": "__end__" if target is None else target.id,
            "routing_type": kind,
            "decision_basis": basis,
            "candidates": None if candidates is None else [nodes.clean(name) for name in candidates],
            "previous_speaker": None if previous_speaker is None else nodes.clean(previous_speaker),
        },
        depth=_depth(source),
    )


class _Seen:
    """An exception that was told: its class and words, where, by which event."""

    __slots__ = ("depth", "event_id", "kind", "node", "span", "text")

    def __init__(self, kind: type, text: str, span: Span | None, node: Node, event_id: str, depth: int) -> None:
        self.kind = kind
        self.text = text
        self.span = span
        self.node = node
        self.event_id = event_id
        self.depth = depth


_seen: dict[int, _Seen] = {}
_SEEN = 256


def error(
    frame: Frame, node: Node, exc: BaseException, *, handling: str | None = None, parent: Span | None = None
) -> str:
    """Tell an exception at a node, once where it arose and as propagated wherever it passes next.

    Args:
        frame: Who saw it.
        node: Node at which it was seen.
        exc: The exception.
        handling: What becomes of it: `raised`, `caught_retry`, `caught_default`, `caught_silent`.
        parent: Span at which it was seen; None: the current one.

    Returns:
        Id of the event that told where it arose.
    """
    return report(frame, node, exc, handling=handling, span=parent or current())


def report(frame: Frame, node: Node, exc: BaseException, *, handling: str | None, span: Span | None) -> str:
    """`error.occurred` for an exception that was not told before, `error.propagated` for one that reached an enclosing
    span, nothing for one that this span told already."""
    text = facts.message(exc)
    seen = _seen.get(id(exc))
    if seen is not None and (seen.kind is not type(exc) or seen.text != text or not _around(span, seen.span)):
        seen = None
    if seen is None:
        event_id = emit(
            frame,
            "error.occurred",
            source=node,
            payload={
                "error_type": facts.error_type(exc),
                "error_message": text,
                "error_class": facts.error_class(exc),
                "error_handling": handling or "raised",
                **_where(exc),
            },
            depth=_depth(node),
        )
        if len(_seen) >= _SEEN:
            _seen.pop(next(iter(_seen)), None)
        _seen.pop(id(exc), None)
        _seen[id(exc)] = _Seen(type(exc), text, span, node, event_id, 0)
        return event_id
    if seen.span is span or seen.node is node:
        seen.span = span
        return seen.event_id
    emit(
        frame,
        "error.propagated",
        source=node,
        payload={
            "propagation_path": [seen.node.id, node.id],
            "error_type": facts.error_type(exc),
            "error_message": text,
            "source_agent": seen.node.name,
            "downstream_agent": node.name,
            "chain_depth": seen.depth + 1,
            "downstream_impact": True,
            "origin_event_id": seen.event_id,
            "error_handling": handling,
        },
        depth=_depth(node),
    )
    seen.span, seen.node, seen.depth = span, node, seen.depth + 1
    return seen.event_id


def trace(exc: BaseException) -> Any:
    """What was told of an exception, to be kept without keeping the exception; None when nothing was."""
    return _seen.get(id(exc)) if told(exc) else None


def stands_for(exc: BaseException, known: Any) -> None:
    """An exception is another one in a new guise: what is told of it from here on continues what was told of that one.

    Args:
        exc: The new exception, not told yet.
        known: What `trace` gave for the other.
    """
    if known is not None and not told(exc):
        _seen[id(exc)] = _Seen(type(exc), facts.message(exc), known.span, known.node, known.event_id, known.depth)


def error_facts(frame: Frame, error: BaseException) -> dict[str, Any]:
    """What a closing event says of the exception that ended its span, for spans that tell no error of their own."""
    status = status_of(frame, error)
    if status not in (ERROR, TIMEOUT):
        return {"status": status}
    return {"status": status, "error": facts.message(error), "error_type": facts.error_class(error)}


def _around(outer: Span | None, inner: Span | None) -> bool:
    """Whether one span is another one or encloses it."""
    if outer is None:
        return True
    while inner is not None:
        if inner is outer:
            return True
        inner = inner.parent
    return False


def told(exc: BaseException) -> bool:
    """Whether this exception was told by a span."""
    seen = _seen.get(id(exc))
    return seen is not None and seen.kind is type(exc) and seen.text == facts.message(exc)


def _where(exc: BaseException) -> dict[str, Any]:
    """File and line of the innermost frame of the repository that the exception passed, and captured traceback."""
    step = exc.__traceback__
    place: nodes.Place | None = None
    while step is not None:
        file = nodes.relative(step.tb_frame.f_code.co_filename)
        if file is not None:
            place = (file, step.tb_lineno)
        step = step.tb_next
    return {} if place is None else {"file": place[0], "line": place[1]}


def error_text(
    frame: Frame,
    node: Node,
    error_type: str,
    message: str,
    *,
    handling: str | None = None,
    error_class: str | None = None,
) -> str:
    """Tell an error of which a framework gives only class and message.

    Args:
        frame: Who saw it.
        node: Node at which it was seen.
        error_type: Name of its exception class.
        message: What it says.
        handling: What becomes of it; None: `raised`.
        error_class: Its class (events.md section 5) where more than the message is known, such as an HTTP status.

    Returns:
        Id of the event.
    """
    text = facts.scrub(message)[: facts.MESSAGE_CHARACTERS]
    return emit(
        frame,
        "error.occurred",
        source=node,
        payload={
            "error_type": nodes.clean(error_type),
            "error_message": text,
            "error_class": error_class or facts.class_of_text(text),
            "error_handling": handling or "raised",
        },
        depth=_depth(node),
    )


def at_exit() -> None:
    """Close the delegations that are open when the program ends."""
    for delegation in list(_open_delegations.values()):
        guarded("delegation.completed", delegation.close, ABORTED)


class _NoFrame:
    name, family, suppresses, benign = "", "generic", {}, {}  # type: ignore[var-annotated]


_NO_FRAME: Any = _NoFrame()
