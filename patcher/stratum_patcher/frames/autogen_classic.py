"""The classic AutoGen API (`import autogen`): pyautogen 0.2 and ag2 0.x.

Agents reply (`generate_reply`), talk to one another (`initiate_chat`) and sit in group chats; the parts of the frame
are `autogen_classic_agents`, `_groups`, `_handoffs`, `_models` and `_tools`. A chat handed to a group's manager from
outside any agent is no delegation by itself: the manager's choices say who works.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import spans
from ..frame import Hook
from ..wrap import Watch, every_subclass
from . import autogen_classic_agents as agents
from . import autogen_classic_groups as groups
from . import autogen_classic_handoffs as handoffs
from . import autogen_classic_models as models
from . import autogen_classic_tools as tools
from .autogen_classic_agents import VOICE, name_of, node_of

if TYPE_CHECKING:
    from ..nodes import Node
    from ..wrap import Call


class _Reply(Watch):
    """An agent's turn: its task, and the delegation that ends with it."""

    def __init__(self, agent: Any, span: spans.Span, asker: Node | None, group: groups.Group | None = None) -> None:
        self.span = span
        self.group = group
        self.led = groups.group_of(agent) if agents.is_manager(agent) else None
        self.key = id(agent)
        self.turn = (span, asker)
        tools.replies.setdefault(self.key, []).append(self.turn)
        self.asked_before = tools.asker.get()
        tools.asker.set(asker)

    def done(self, result: Any) -> Any:
        self._end(None)
        self.span.done(result)
        if self.group is not None:
            self.group.finish()
        return result

    def failed(self, error: BaseException) -> None:
        self._end(error)
        self.span.failed(error)
        if self.group is not None:
            self.group.finish(error)

    def _end(self, error: BaseException | None) -> None:
        tools.asker.set(self.asked_before)
        turns = tools.replies.get(self.key, [])
        if self.turn in turns:
            turns.remove(self.turn)
        if not turns:
            tools.replies.pop(self.key, None)
        if self.led is not None:
            self.led.finish(error)


def _reply(call: Call) -> Watch | None:
    if spans.silent("agent"):
        return None
    agent, sender = call.instance, call.get("sender", 1)
    message = agents.last_message(agent, call.get("messages", 0), sender)
    asker = node_of(agents.author(message, sender)) if sender is not None and agents.asks_for_tools(message) else None
    if name_of(agent) == groups.EXECUTOR:
        return _Reply(agent, spans.Scope(VOICE, asker or node_of(agent)), asker)
    node = node_of(agent)
    group = groups.group_of(sender) if agents.is_manager(sender) else None
    writer = None if sender is None else _writer(message, sender, group)
    span = spans.Agent(
        VOICE,
        node,
        description=agents.said_text(message),
        tools=agents.tools_of(agent),
        input_source=None if writer is None or writer is node else writer.id,
    )
    if group is not None:
        groups.read_messages(node, message)
        group = group if group.speaker is node else None
    return _Reply(agent, span, asker, group)


def _writer(message: Any, sender: Any, group: groups.Group | None) -> Node:
    """Node of the agent whose words are answered; in a group its manager only passes them on."""
    if group is not None and group.previous is not None:
        return group.previous
    return node_of(agents.author(message, sender))


def watch_replies(module: Any) -> None:
    """Watch the replies of all agents, in subclasses of the program too."""
    every_subclass(module.ConversableAgent, "generate_reply", _reply)
    every_subclass(module.ConversableAgent, "a_generate_reply", _reply)


class _Chat(Watch):
    """A chat from its first message to its summary."""

    def __init__(self, execution: spans.Execution, delegation: spans.Delegation | None) -> None:
        self.execution = execution
        self.delegation = delegation

    def done(self, result: Any) -> Any:
        if self.delegation is not None:
            groups.end(self.delegation, None)
        self.execution.done(result)
        return result

    def failed(self, error: BaseException) -> None:
        if self.delegation is not None:
            groups.end(self.delegation, error)
        self.execution.failed(error)


def _chat(asynchronous: bool, call: Call) -> Watch | None:
    recipient = call.get("recipient", 0)
    if recipient is None or spans.silent("execution"):
        return None
    message = call.get("message", 7)
    source, target = node_of(call.instance), node_of(recipient)
    payload = {
        "initiator": source.name,
        "recipient": target.name,
        "message_shape": agents.shape(message),
        "async": asynchronous,
    }
    execution = spans.Execution(VOICE, source, payload)
    delegation = None
    if source is not target and (spans.agent() is not None or not agents.is_manager(recipient)):
        task = agents.said(message) if isinstance(message, (str, dict)) else None
        delegation = spans.Delegation(VOICE, source, target, "explicit", task=task)
    return _Chat(execution, delegation)


def watch_chats(module: Any) -> None:
    """Watch chats from their first message to their summary."""
    every_subclass(module.ConversableAgent, "initiate_chat", partial(_chat, False))
    every_subclass(module.ConversableAgent, "a_initiate_chat", partial(_chat, True))


_handed: dict[tuple[int, int], spans.Span] = {}
"""(agent, messages) -> span in which an agent asked its model from another thread."""


class _Handed(Watch):
    """An async reply asks its model in a thread of the event loop's pool, where no span is known."""

    def __init__(self, key: tuple[int, int], span: spans.Span) -> None:
        self.key = key
        _handed[key] = span

    def done(self, result: Any) -> Any:
        _handed.pop(self.key, None)
        return result

    def failed(self, error: BaseException) -> None:
        _handed.pop(self.key, None)


class _Taken(Watch):
    """The same call, in that thread."""

    def __init__(self, span: spans.Span) -> None:
        self.before = spans.switch(span)

    def done(self, result: Any) -> Any:
        spans.switch(self.before)
        return result

    def failed(self, error: BaseException) -> None:
        spans.switch(self.before)


def _hand_over(call: Call) -> Watch | None:
    span = spans.current()
    return None if span is None else _Handed((id(call.instance), id(call.get("messages", 0))), span)


def _take(call: Call) -> Watch | None:
    span = _handed.get((id(call.instance), id(call.get("messages", 0))))
    return None if span is None or spans.current() is span else _Taken(span)


def watch_threads(module: Any) -> None:
    """Carry the current span into the thread in which an async reply asks its model."""
    every_subclass(module.ConversableAgent, "a_generate_oai_reply", _hand_over)
    every_subclass(module.ConversableAgent, "generate_oai_reply", _take)


def _reflect(call: Call) -> Watch:
    agent = call.get("llm_agent", 2)
    return spans.Scope(VOICE, node_of(call.instance if agent is None else agent))


def watch_summaries(module: Any) -> None:
    """A summary by a model belongs to the agent whose model is asked."""
    every_subclass(module.ConversableAgent, "_reflection_with_llm", _reflect)


_AGENT = "autogen.agentchat.conversable_agent"
_GROUP = "autogen.agentchat.group"
_CODING = "autogen.coding"

FRAME = VOICE.with_hooks(
    (
        Hook("autogen.agents", _AGENT, agents.watch_construction),
        Hook("autogen.replies", _AGENT, watch_replies),
        Hook("autogen.chats", _AGENT, watch_chats),
        Hook("autogen.tools", _AGENT, tools.watch_tools),
        Hook("autogen.code", _AGENT, tools.watch_agents_code),
        Hook("autogen.threads", _AGENT, watch_threads),
        Hook("autogen.summaries", _AGENT, watch_summaries),
        Hook("autogen.groups", "autogen.agentchat.groupchat", groups.watch_groups),
        Hook("autogen.questions", "autogen.agentchat.groupchat", groups.watch_questions),
        Hook("autogen.models", "autogen.oai.client", models.watch_models),
        Hook("autogen.transitions", f"{_GROUP}.events.transition_events", handoffs.watch_transitions),
        Hook("autogen.context", f"{_GROUP}.context_variables", handoffs.watch_context),
        Hook(
            "autogen.pattern@round_robin",
            f"{_GROUP}.patterns.round_robin",
            partial(handoffs.watch_pattern, "RoundRobinPattern", "round_robin"),
        ),
        Hook(
            "autogen.pattern@random",
            f"{_GROUP}.patterns.random",
            partial(handoffs.watch_pattern, "RandomPattern", "random"),
        ),
        Hook(
            "autogen.executor@local",
            f"{_CODING}.local_commandline_code_executor",
            partial(tools.watch_executor, "LocalCommandLineCodeExecutor"),
        ),
        Hook(
            "autogen.executor@docker",
            f"{_CODING}.docker_commandline_code_executor",
            partial(tools.watch_executor, "DockerCommandLineCodeExecutor"),
        ),
        Hook(
            "autogen.executor@jupyter",
            f"{_CODING}.jupyter.jupyter_code_executor",
            partial(tools.watch_executor, "JupyterCodeExecutor"),
        ),
    )
)
