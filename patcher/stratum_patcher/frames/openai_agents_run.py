"""What is known of one run of the OpenAI Agents SDK while it lasts: its agents, handoffs, tool calls and answer."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, spans, wrap
from ..stored import held
from ..wrap import Call, Watch

if TYPE_CHECKING:
    from ..frame import Frame

FAMILY = "openai_agents"


class Run:
    """One run.

    Attributes:
        first: Whether no agent has begun yet.
        target: Node of the agent that the last handoff went to, until it begins.
        handed: The delegation by handoff to the agent that comes next.
        inbound: The delegation to the agent at work.
        asked: The delegation to the run as a whole, by an agent that uses this one as a tool.
        output: Final answer of the agent at work.
    """

    def __init__(self, agent: Any = None) -> None:
        self.first = True
        self.target: nodes.Node | None = None
        self.handed: spans.Delegation | None = None
        self.inbound: spans.Delegation | None = None
        self.asked: spans.Delegation | None = None
        self.output: Any = None
        self._agent: Any = None
        self._calls: dict[str, list[tuple[nodes.Node, Any]]] = {}
        self.follow(agent)

    def follow(self, agent: Any) -> None:
        """Note which agent comes next, without keeping it alive."""
        self._agent = None if agent is None else weakref.ref(agent)

    def agent(self, name: str) -> Any:
        """The agent that comes next, if it is called so."""
        agent = None if self._agent is None else self._agent()
        return agent if held(agent, "name") == name else None

    @property
    def next(self) -> nodes.Node | None:
        """The node of the agent that comes next."""
        agent = None if self._agent is None else self._agent()
        name = held(agent, "name")
        return node(agent, name) if isinstance(name, str) else None

    def wanted(self, call: Any, tool: Any) -> None:
        """The model wants a tool called."""
        name = held(tool, "name")
        if isinstance(name, str):
            self._calls.setdefault(name, []).append((node(tool, name, "capability"), held(call, "arguments")))

    def called(self, name: str) -> tuple[nodes.Node, Any]:
        """Node and arguments of the next call of a tool that the model wanted."""
        waiting = self._calls.get(name) or self._calls.get(name.rpartition(".")[2])
        if waiting:
            return waiting.pop(0)
        return node(None, name, "capability"), None

    def end(self, status: str, **told: Any) -> None:
        """The run is over: what was handed on and not taken up has ended with it."""
        for delegation in (self.handed, self.inbound, self.asked):
            if delegation is not None:
                delegation.close(status, **told)
        self.handed = self.inbound = self.asked = None

    def answering(self) -> None:
        """The model is asked: tool calls that it wanted before are done with."""
        self._calls.clear()


_current: ContextVar[Run | None] = ContextVar("stratum_openai_agents_run", default=None)


def current() -> Run | None:
    """The run of this context."""
    return _current.get()


def started() -> Run:
    """The run of this context; one of its own for agents that were started in a way that nobody saw."""
    run = _current.get()
    if run is None:
        run = Run()
        _current.set(run)
    return run


def node(thing: Any, name: str, kind: str = "agent") -> nodes.Node:
    """The node of an agent or tool; None where only its name is known."""
    if thing is None:
        return nodes.named(FAMILY, name, kind) or nodes.node(FAMILY, name, nodes.NOWHERE, kind)
    return nodes.of(thing, FAMILY, name, kind)


def names(things: Any) -> list[str]:
    """Names of tools, agents or handoffs; their classes' where they hold none."""
    if not isinstance(things, (list, tuple)):
        return []
    found = [held(each, "name") or held(each, "agent_name") or type(each).__name__ for each in things]
    return [name for name in found if isinstance(name, str)]


class _Within(Watch):
    """A run lasts: from the call to its end, or, for a streamed one, while its task is made."""

    def __init__(self, frame: Frame, agent: Any, streamed: bool) -> None:
        self._frame = frame
        self._streamed = streamed
        self._before = _current.get()
        self._run = Run(agent)
        _current.set(self._run)

    def done(self, result: Any) -> Any:
        _current.set(self._before)
        if not self._streamed:
            self._run.end(spans.ABORTED)
        return result

    def failed(self, error: BaseException) -> None:
        _current.set(self._before)
        self._run.end(**spans.error_facts(self._frame, error))


class _Made(Watch):
    """An agent or tool was constructed."""

    def __init__(self, thing: Any, kind: str) -> None:
        self._thing = thing
        self._kind = kind

    def done(self, result: Any) -> Any:
        name = held(self._thing, "name")
        if isinstance(name, str):
            nodes.remember(self._thing, nodes.node(FAMILY, name, nodes.here(), self._kind))
        return result


def _made(owner: type, kind: str) -> None:
    name = "__post_init__" if "__post_init__" in vars(owner) else "__init__"
    wrap.method(owner, name, lambda call: _Made(call.instance, kind))


def watch_agents(module: Any) -> None:
    """Apply to `agents.agent`."""
    _made(module.Agent, "agent")


def watch_function_tools(module: Any) -> None:
    """Apply to `agents.tool`."""
    _made(module.FunctionTool, "capability")


def watch_runner(frame: Frame, module: Any) -> None:
    """Apply to `agents.run`."""

    def begin(streamed: bool, call: Call) -> Watch | None:
        return _Within(frame, call.get("starting_agent", 0), streamed)

    owner = vars(module).get("AgentRunner") or module.Runner
    for name in ("run", "run_streamed"):
        wrap.method(owner, name, partial(begin, name == "run_streamed"))


def watch_items(module: Any) -> None:
    """Apply to `agents.items`: the item that a handoff leaves behind names both agents."""

    def begin(call: Call) -> Watch | None:
        run, target = _current.get(), call.kwargs.get("target_agent")
        name = held(target, "name")
        if run is not None and isinstance(name, str):
            run.follow(target)
            run.target = node(target, name)
        return None

    wrap.method(module.HandoffOutputItem, "__init__", begin)


def watch_steps(module: Any) -> None:
    """Apply to the module that defines what a turn comes to: tool calls, or the final answer."""

    def wanted(call: Call) -> Watch | None:
        run = _current.get()
        if run is not None:
            run.wanted(call.get("tool_call", 0), call.get("function_tool", 1))
        return None

    def answered(call: Call) -> Watch | None:
        run = _current.get()
        if run is not None:
            run.output = call.get("output", 0)
        return None

    wrap.method(module.ToolRunFunction, "__init__", wanted)
    wrap.method(module.NextStepFinalOutput, "__init__", answered)


class _Access(spans.Quiet):
    """A session is read or written; what it does for that inside is no further access."""

    def __init__(self, frame: Frame, node: nodes.Node, key: str, access: str, value: Any) -> None:
        self._told = (frame, node, key, access)
        self._value = value
        super().__init__(("state",))

    def done(self, result: Any) -> Any:
        """Tell it."""
        self.close()
        spans.state(*self._told, self._value if self._told[3] == "write" else result)
        return result


def watch_sessions(frame: Frame, module: Any) -> None:
    """Apply to `agents.memory.session`.

    What an agent's run does to a session is an access by that agent; what the program does by itself is not told.
    """

    def begin(access: str, call: Call) -> Watch | None:
        inside, run = spans.agent(), _current.get()
        if inside is not None:
            accessor = inside.node
        elif run is not None and run.next is not None:
            accessor = run.next
        else:
            return None
        name = held(call.instance, "session_id")
        key = f"session:{name}" if isinstance(name, str) else "session"
        return _Access(frame, accessor, key, access, call.get("items", 0))

    wrap.every_subclass(module.SessionABC, "get_items", lambda call: begin("read", call))
    for name in ("add_items", "pop_item", "clear_session"):
        wrap.every_subclass(module.SessionABC, name, lambda call: begin("write", call))
