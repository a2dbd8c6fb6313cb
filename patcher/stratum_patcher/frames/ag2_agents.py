"""Agents of ag2 1.x: where they are made, their turns, tools, subtasks and agents that are tools of others.

The library's middleware would see the same, but stands in the agent's `middleware`, which programs compare; so the
functions that run turns and tools are watched instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .. import facts, nodes, spans, wrap
from ..frame import Frame
from ..nodes import Node
from ..stored import held

if TYPE_CHECKING:
    from ..wrap import Call, Watch

IDENTITY = Frame("ag2", "autogen", "ag2")
"""Who speaks in every event of this frame."""
AGENT_KEY = "__ag2_agent__"
"""Key under which a context holds its agent."""
_SUBTASK = re.compile(r"subtask-[0-9a-f]{8}")


def name_of(agent: Any) -> str:
    """An agent's name; that of a subtask, which the library draws by lot, is made of its parent's."""
    name = held(agent, "name")
    if not isinstance(name, str):
        return type(agent).__name__
    return "subtask" if _SUBTASK.fullmatch(name) else name


def node_of(agent: Any) -> Node:
    """The node of an agent."""
    return nodes.of(agent, "autogen", name_of(agent))


def agent_of(context: Any) -> Any:
    """The agent whose turn a context belongs to."""
    dependencies = getattr(context, "dependencies", None)
    return dependencies.get(AGENT_KEY) if isinstance(dependencies, dict) else None


class _MakingAgent(wrap.Watch):
    """The constructor of an agent. A subtask stands where its parent does, under its parent's name."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.place = nodes.here()

    def done(self, result: Any) -> Any:
        name, place, parent = name_of(self.agent), self.place, spans.agent()
        if name == "subtask" and parent is not None:
            _, file, line = parent.node.id.rsplit(":", 2)
            name, place = f"{parent.node.name} subtask", (file, int(line))
        nodes.remember(self.agent, nodes.node("autogen", name, place))
        return result


class _MakingTool(wrap.Watch):
    """The constructor of a tool: where its function is defined, else where the call that makes it stands."""

    def __init__(self, tool: Any) -> None:
        self.tool = tool
        self.place = nodes.here()

    def done(self, result: Any) -> Any:
        defined = nodes.place_of(_function(self.tool))
        name = getattr(self.tool, "name", None)
        if isinstance(name, str):
            place = self.place if defined == nodes.NOWHERE else defined
            nodes.remember(self.tool, nodes.node("autogen", name, place, "capability"))
        return result


class Client(spans.Scope):
    """The client of a participant of a network, at a message."""

    heard = False

    def hear(self) -> None:
        """Its agent begins to answer."""
        self.heard = True


class _Turn(spans.Agent):
    """A turn of an agent; where the program asked for it itself, the run of the program too."""

    run: spans.Execution | None = None

    def result_facts(self, result: Any) -> Any:
        content = held(held(result, "message"), "content")
        return spans.output_facts(content if isinstance(content, str) else None)

    def failed(self, error: BaseException) -> None:
        super().failed(error)
        if self.run is not None:
            self.run.failed(error)

    def done(self, result: Any) -> Any:
        super().done(result)
        return result if self.run is None else self.run.done(result)


class _Use(spans.Tool):
    """A tool at work. The library tells its failure as a result; what it sets among the context's variables is told."""

    def __init__(self, node: Node, name: str, arguments: Any, variables: Any) -> None:
        super().__init__(IDENTITY, node, tool_name=name, arguments=arguments)
        self.variables = variables
        self.before = dict(variables) if isinstance(variables, dict) else {}

    def done(self, result: Any) -> Any:
        if isinstance(self.variables, dict):
            for key, value in list(self.variables.items()):
                if isinstance(key, str) and self.before.get(key, self) is not value:
                    spans.state(IDENTITY, self.user, key, "write", value)
        self.before = {}
        error = held(result, "error")
        if isinstance(error, BaseException):
            self.fail(error, handling="caught_default")
        return super().done(result)


class _Subtask(wrap.Watch):
    """A task that an agent has another one do; the library tells its failure in the result."""

    def __init__(self, delegation: spans.Delegation) -> None:
        self.delegation = delegation

    def done(self, result: Any) -> Any:
        error = held(result, "error")
        told = spans.error_facts(IDENTITY, error) if isinstance(error, BaseException) else {"status": spans.SUCCESS}
        self.delegation.close(told.pop("status"), **told)
        return result

    def failed(self, error: BaseException) -> None:
        told = spans.error_facts(IDENTITY, error)
        self.delegation.close(told.pop("status"), **told)


def watch_turns(module: Any) -> None:
    """Apply to `ag2.agent`."""
    wrap.method(module, "_execute_turn", _turn)


def watch_agents(module: Any) -> None:
    """Apply to the same module."""
    wrap.every_subclass(module.Agent, "__init__", lambda call: _MakingAgent(call.instance))


def watch_uses(module: Any) -> None:
    """Apply to `ag2.tools.executor`."""
    wrap.method(module, "_execute_call", _use)


def watch_tools(module: Any) -> None:
    """Apply to `ag2.tools.final.function_tool`."""
    wrap.every_subclass(module.FunctionTool, "__init__", lambda call: _MakingTool(call.instance))


def watch_subtasks(module: Any) -> None:
    """Apply to `ag2.tools.subagents.run_task`, before others take the function from it."""
    wrap.method(module, "run_task", _subtask)


def _turn(call: Call) -> Watch | None:
    event, context = call.get("event", 0), call.get("context", 1)
    agent = agent_of(context)
    if agent is None:
        return None
    around = spans.current()
    if isinstance(around, Client):
        around.hear()
    node, shape = node_of(agent), facts.shape(held(event, "parts"))
    run = None
    if not spans.inside(IDENTITY):
        payload = {"initiator": "user", "recipient": node.name, "message_shape": shape, "async": True}
        run = spans.Execution(IDENTITY, node, payload)
    tools = [name for tool in held(agent, "tools") or () if isinstance(name := getattr(tool, "name", None), str)]
    turn = _Turn(IDENTITY, node, tools=tools, payload={"input_shape": shape})
    turn.run = run
    return turn


def _use(call: Call) -> Watch | None:
    context, wanted = call.get("context", 0), call.get("call", 1)
    name = held(wanted, "name")
    if not isinstance(name, str):
        return None
    return _Use(
        _tool_node(agent_of(context), name), name, held(wanted, "arguments"), getattr(context, "variables", None)
    )


def _function(tool: Any) -> Any:
    """The function of a tool; the library keeps it in slots."""
    return getattr(getattr(tool, "model", None), "call", None)


def _tool_node(agent: Any, name: str) -> Node:
    """The node of an agent's tool: agents hold copies of the tools they were given."""
    known = nodes.named("autogen", name, "capability")
    if known is not None:
        return known
    for tool in held(agent, "tools") or ():
        if getattr(tool, "name", None) == name:
            place = nodes.place_of(_function(tool))
            return nodes.node("autogen", name, place, "capability")
    return nodes.node("autogen", name, nodes.NOWHERE, "capability")


def _subtask(call: Call) -> Watch | None:
    agent, parent = call.get("agent", 0), spans.agent()
    if agent is None or parent is None:
        return None
    task = call.get("objective", 1)
    return _Subtask(spans.Delegation(IDENTITY, parent.node, node_of(agent), "explicit", task=task))
