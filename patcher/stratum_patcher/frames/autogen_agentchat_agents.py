"""Agents of AutoGen 0.4 to 0.7: where they are made, each of their turns, and the runs that a program asks of one."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .. import facts, nodes, spans, wrap
from ..frame import Frame
from ..nodes import Node
from ..stored import held

if TYPE_CHECKING:
    from ..wrap import Call, Watch

IDENTITY = Frame("autogen_agentchat", "autogen", "autogen-agentchat", suppresses={"tool": ("langchain",)})
"""Who speaks in every event of this frame."""
input_of_turn: ContextVar[str | None] = ContextVar("stratum_autogen_input", default=None)
"""Id of the node whose words the turn of a group chat that runs here begins with."""
_CHUNK = "ModelClientStreamingChunkEvent"


def name_of(thing: Any) -> str:
    """The name of an agent, team or tool; its class's when it has none."""
    name = held(thing, "_name")
    return name if isinstance(name, str) and name.strip() else type(thing).__name__


def node_of(thing: Any) -> Node:
    """The node of an agent or team."""
    return nodes.of(thing, "autogen", name_of(thing))


def said(message: Any) -> str | None:
    """The text of a message, or of the message of a response."""
    content = held(held(message, "chat_message") or message, "content")
    return content if isinstance(content, str) else None


class Making(wrap.Watch):
    """A constructor at work: remembers the node of what it made."""

    def __init__(self, thing: Any, node_type: str = "agent") -> None:
        self.thing = thing
        self.node_type = node_type
        self.place = nodes.here()

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        nodes.remember(self.thing, nodes.node("autogen", self.name(), self.place, self.node_type))
        return result

    def name(self) -> str:
        """The name of its node."""
        return name_of(self.thing)


class Run(spans.Execution):
    """A run that the program asks for."""

    last: str | None = None

    def __init__(self, node: Node, task: Any) -> None:
        payload = {"initiator": "user", "recipient": node.name, "message_shape": facts.shape(task), "async": True}
        super().__init__(IDENTITY, node, payload)

    def item(self, value: Any) -> None:
        """See `Watch`."""
        super().item(value)
        self.last = type(value).__name__

    def result_facts(self, result: Any) -> Any:
        """See `Span`."""
        return {"result_shape": self.last} if result is None else super().result_facts(result)


class Task(spans.Agent):
    """A turn of an agent; its output is the text of its answer."""

    handed: spans.Delegation | None = None
    text: str | None = None

    def item(self, value: Any) -> None:
        """See `Watch`."""
        super().item(value)
        text = said(value)
        if text is not None and type(value).__name__ != _CHUNK:
            self.text = text

    def result_facts(self, result: Any) -> Any:
        """See `Span`."""
        return spans.output_facts(self.text if result is None else said(result))

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        """See `Span`."""
        super().close(status, **told)
        if self.handed is not None:
            self.handed.close(status, **{key: told[key] for key in ("error", "error_type") if key in told})


class TeamTask(Task):
    """A run of a team for somebody who is at work."""


def handed_down(node: Node, task: Any) -> spans.Delegation | None:
    """The delegation from an agent that, within its own turn, runs another agent or a team itself."""
    around = spans.current()
    if type(around) is not Task:
        return None
    return spans.Delegation(IDENTITY, around.node, node, "hierarchical", task=task)


def watch(module: Any) -> None:
    """Apply to `autogen_agentchat.agents._base_chat_agent`."""
    base = module.BaseChatAgent
    wrap.every_subclass(base, "on_messages_stream", _turn)
    wrap.every_subclass(base, "on_messages", _turn)
    wrap.every_subclass(base, "run", _run)
    wrap.every_subclass(base, "run_stream", _run)


def watch_making(module: Any) -> None:
    """Apply to the same module."""
    wrap.every_subclass(module.BaseChatAgent, "__init__", lambda call: Making(call.instance))


def _run(call: Call) -> Watch | None:
    return None if spans.inside(IDENTITY) else Run(node_of(call.instance), call.get("task", -1))


def _turn(call: Call) -> Watch | None:
    agent, node = call.instance, node_of(call.instance)
    around = spans.current()
    if isinstance(around, Task) and around.node is node:
        return None  # one of the two methods calls the other
    messages = call.get("messages", 0)
    handed = handed_down(node, said(messages[-1]) if isinstance(messages, list) and messages else None)
    task = Task(
        IDENTITY,
        node,
        tools=_tools(agent),
        input_source=input_of_turn.get(),
        payload={"input_shape": facts.shape(messages)},
    )
    task.handed = handed
    return task


def _tools(agent: Any) -> list[str]:
    tools = [*(held(agent, "_tools") or ()), *(held(agent, "_handoff_tools") or ())]
    return [name_of(tool) for tool in tools]
