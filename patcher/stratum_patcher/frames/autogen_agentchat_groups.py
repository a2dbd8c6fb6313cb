"""Teams of AutoGen 0.4 to 0.7 at work: who is chosen to speak by whom, handoffs, the messages that all share.

The manager asks its choice to speak by publishing `GroupChatRequestPublish`, whatever its kind (Magentic-One never
calls `select_speaker`, a graph chooses several at once); the container of the chosen one receives it and publishes the
answer. Both know the id of their team, by which what belongs together is found while the team runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import spans, wrap
from ..nodes import Node
from ..stored import held
from .autogen_agentchat_agents import IDENTITY, input_of_turn, node_of, said

if TYPE_CHECKING:
    from ..wrap import Call, Watch

SHARED = "messages"
"""State key of the messages that a team shares."""
_SELECTING = frozenset({"GroupChatStart", "GroupChatAgentResponse", "GroupChatTeamResponse"})
_ANSWERS = frozenset({"GroupChatAgentResponse", "GroupChatTeamResponse"})
_DECISIONS = frozenset({"GroupChatRequestPublish", "GroupChatTermination"})
groups: dict[str, Group] = {}
"""Id of a team -> the team, while it runs."""


class Group:
    """A team that runs.

    Attributes:
        node: Its node.
        span: Its run.
        members: Topic of a participant -> its node.
        asked: Topic -> delegations that it has not taken up yet.
        turns: Topic -> its open turn.
        previous: Node of the participant that spoke last.
        failure: Trace of the error that ended a turn.
    """

    def __init__(self, team: Any, span: spans.Span) -> None:
        self.node = span.node
        self.span = span
        topics = held(team, "_participant_topic_types") or ()
        members = held(team, "_participants") or ()
        self.members: dict[str, Node] = {topic: node_of(member) for topic, member in zip(topics, members)}
        self.asked: dict[str, list[spans.Delegation]] = {}
        self.turns: dict[str, Turn] = {}
        self.previous: Node | None = None
        self.failure: Any = None

    def end(self, status: str, **told: Any) -> None:
        """The run is over: what was asked for and never begun has ended with it."""
        for delegations in self.asked.values():
            for delegation in delegations:
                delegation.close(status, **told)


class Choosing(spans.Scope):
    """The manager at work; its model calls are the team's own.

    Attributes:
        by_model: A model was asked since the last choice.
        decided: Somebody was chosen, or the run was ended.
    """

    by_model = False
    decided = False

    def __init__(self, group: Group, manager: Any) -> None:
        super().__init__(IDENTITY, group.node)
        self.group = group
        self.manager = manager

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        waits = held(self.manager, "_active_speakers") or self.group.turns
        if not self.decided and not waits and not self.closed:
            _nobody(self.group, "the team chose nobody to speak")
        return super().done(result)

    def failed(self, error: BaseException) -> None:
        """Nobody was chosen: an error of the team."""
        if spans.status_of(self.frame, error) in (spans.ERROR, spans.TIMEOUT):
            spans.error(self.frame, self.node, error, parent=self)
        super().failed(error)


class Turn(wrap.Watch):
    """A participant's turn, from the request to its answer; the delegation ends with it."""

    def __init__(self, group: Group, topic: str, delegation: spans.Delegation | None) -> None:
        self.group = group
        self.topic = topic
        self.delegation = delegation
        self.before = input_of_turn.get()
        group.turns[topic] = self
        input_of_turn.set(None if group.previous is None else group.previous.id)

    def answered(self, text: str | None) -> None:
        """The participant publishes its answer."""
        node = self.group.members.get(self.topic)
        if node is not None and self.group.turns.get(self.topic) is self:
            spans.state(IDENTITY, node, SHARED, "write", text)
            self.group.previous = node
        self._end(spans.SUCCESS)

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        self._end(spans.SUCCESS)
        return result

    def failed(self, error: BaseException) -> None:
        """See `Watch`."""
        self.group.failure = spans.trace(error)
        told = spans.error_facts(IDENTITY, error)
        self._end(told.pop("status"), **told)

    def _end(self, status: str, **told: Any) -> None:
        if self.group.turns.get(self.topic) is self:
            del self.group.turns[self.topic]
            input_of_turn.set(self.before)
        if self.delegation is not None:
            self.delegation.close(status, **told)


def watch_requests(module: Any) -> None:
    """Apply to `autogen_core._base_agent`."""
    wrap.method(module.BaseAgent, "publish_message", _published)


def _group(actor: Any) -> Group | None:
    identity = held(actor, "_id")
    return groups.get(identity.key) if identity is not None else None


def _is_container(actor: Any) -> bool:
    return "_agent" in vars(actor) and "_parent_topic_type" in vars(actor)


def received(call: Call) -> Watch | None:
    """A message reaches a manager or the container of a participant."""
    message = call.get("message", 0)
    kind = type(message).__name__
    if kind != "GroupChatRequestPublish" and kind not in _SELECTING:
        return None
    actor = call.instance
    group = _group(actor)
    if group is None:
        return None
    if _is_container(actor):
        return _begin_turn(group, actor) if kind == "GroupChatRequestPublish" else None
    _join(group)
    given = held(message, "messages") if kind == "GroupChatStart" else None
    if isinstance(given, list) and given:
        spans.state(IDENTITY, group.node, SHARED, "write", [said(message) for message in given])
    return Choosing(group, actor)


def _join(group: Group) -> None:
    """In a runtime that was started elsewhere, make the team's run the one around this message."""
    span = spans.current()
    while span is not None and span is not group.span:
        span = span.parent
    if span is None and not group.span.closed:
        group.span.enter()


def _begin_turn(group: Group, container: Any) -> Watch | None:
    topic = held(container, "_id").type
    node = group.members.get(topic)
    if node is None:
        return None
    _join(group)
    asked = group.asked.get(topic)
    turn = Turn(group, topic, asked.pop(0) if asked else None)
    if held(container, "_message_buffer"):
        spans.state(IDENTITY, node, SHARED, "read")
    return turn


def _published(call: Call) -> None:
    message = call.get("message", 0)
    kind = type(message).__name__
    if kind not in _DECISIONS and kind not in _ANSWERS:
        return
    actor = call.instance
    group = _group(actor)
    if group is None:
        return
    if not _is_container(actor):
        choosing = spans.agent()
        if isinstance(choosing, Choosing) and kind in _DECISIONS:
            choosing.decided = True
        if kind == "GroupChatRequestPublish":
            _chosen(group, actor, call.get("topic_id", 1).type)
        return
    turn = group.turns.get(held(actor, "_id").type)
    if turn is not None and kind in _ANSWERS:
        answer = held(message, "response") or held(message, "agent_response") or held(message, "result")
        turn.answered(_answer(answer))


def _answer(answer: Any) -> str | None:
    messages = held(answer, "messages")
    return said(messages[-1] if isinstance(messages, list) and messages else answer)


def _nobody(group: Group, words: str) -> None:
    spans.error_text(IDENTITY, group.node, "NoSpeakerSelected", words, handling="raised")


def _chosen(group: Group, manager: Any, topic: str) -> None:
    """The manager asks a participant to speak: the choice, then the delegation."""
    node = group.members.get(topic)
    if node is None:
        _nobody(group, f"the team chose {topic}, who takes no part")
        return
    thread = held(manager, "_message_thread") or []
    giver = _giver(group, manager, thread, node)
    kind = "speaker_selection" if giver is None else "handoff"
    previous = None if group.previous is None else group.previous.name
    candidates = [member.name for member in group.members.values()]
    spans.route(IDENTITY, group.node, node, kind, _basis(manager, thread, giver), candidates, previous)
    task = said(thread[-1]) if thread else None
    delegation = spans.Delegation(IDENTITY, giver or group.node, node, kind, task=task)
    group.asked.setdefault(topic, []).append(delegation)


def _kinds(manager: Any) -> set[str]:
    return {kind.__name__ for kind in type(manager).__mro__}


def _giver(group: Group, manager: Any, thread: Any, chosen: Node) -> Node | None:
    """The participant that handed over to the chosen one; only swarms go by handoffs."""
    if "SwarmGroupChatManager" not in _kinds(manager) or not thread:
        return None
    last = thread[-1]
    if type(last).__name__ != "HandoffMessage" or held(last, "target") != chosen.name:
        return None
    return next((node for node in group.members.values() if node.name == held(last, "source")), None)


def _basis(manager: Any, thread: Any, giver: Node | None) -> str:
    """What the choice rests on."""
    if giver is not None:
        by_tool = any(type(message).__name__ == "ToolCallExecutionEvent" for message in thread[-2:])
        return "llm_output" if by_tool else "explicit"
    choosing = spans.agent()
    if isinstance(choosing, Choosing) and choosing.by_model:
        choosing.by_model = False
        return "llm_output"
    kinds = _kinds(manager)
    if "RoundRobinGroupChatManager" in kinds:
        return "round_robin"
    if held(manager, "_selector_func") is not None:
        return "explicit"
    return "only_candidate" if "SelectorGroupChatManager" in kinds else "state"


def asks_model() -> None:
    """A model is called; inside a manager the choice rests on it."""
    span = spans.agent()
    if isinstance(span, Choosing):
        span.by_model = True
