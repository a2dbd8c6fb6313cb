"""The network of ag2 1.x: channels, whose adapters say after each accepted message who is expected to speak next.

The hub asks its adapter `on_accepted` once per accepted message, with the state after it; replays and probes only fold.
Each participant's client then has its agent answer, if it is the expected one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import nodes, spans, variables, wrap
from ..nodes import Node
from .ag2_agents import IDENTITY, Client, node_of

if TYPE_CHECKING:
    from ..wrap import Call, Watch

SHARED = "messages"
"""State key of the messages of a channel."""
_CONTEXT = "ag2.context.set"
_PACKET = "ag2.packet"
_OVER = ("closed", "expired")
_SILENT = ("ag2.channel.", "ag2.task.")
_KEPT = 10_000
_participants: dict[str, Node] = {}
_channels: dict[str, Node] = {}
_humans: set[str] = set()
_turns: dict[str, _Turn] = {}


class _Handed(spans.Delegation):
    """A turn that is handed to a participant; a human, who works without an agent, is at a task until it ends."""

    task: spans.Agent | None = None

    def to_human(self) -> None:
        """The participant is a human."""
        around = spans.current()
        self.task = spans.Agent(IDENTITY, self.delegate, parent=None)
        spans.switch(around)

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        if self.task is not None:
            self.task.close(status, **told)
        super().close(status, **told)


class _Turn:
    """Whose turn it is in a channel.

    Attributes:
        speaker: Id of the participant.
        envelope: Id of the message it answers.
        delegation: The delegation to it.
        begun: Its client handles the message.
        failure: What its agent's failure says on a closing event.
    """

    def __init__(self, speaker: str, envelope: str, delegation: _Handed) -> None:
        self.speaker = speaker
        self.envelope = envelope
        self.delegation = delegation
        if speaker in _humans:
            delegation.to_human()
        self.begun = False
        self.failure: dict[str, Any] = {}


class _Opening(wrap.Watch):
    """A channel that a participant opens: named by its variable, else by its kind."""

    def __init__(self) -> None:
        self.place = nodes.here()
        direct = nodes.caller(())
        self.variable = variables.assigned() if direct == self.place else None

    def done(self, result: Any) -> Any:
        channel = getattr(result, "_metadata", None)
        name = self.variable or getattr(getattr(channel, "manifest", None), "type", None)
        _put(_channels, getattr(channel, "channel_id", None), nodes.node("autogen", name or "channel", self.place))
        return result


class _Accepted(wrap.Watch):
    """A message that the hub accepted; its adapter says what comes of it."""

    def __init__(self, call: Call) -> None:
        self.metadata = call.get("metadata", 0)
        self.envelope = call.get("envelope", 1)
        self.state = call.get("state", 2)

    def done(self, result: Any) -> Any:
        closing = getattr(getattr(result, "next_state", None), "value", None) == "closed"
        _accepted(self.metadata, self.envelope, self.state, closing)
        return result


class _Answering(Client):
    """A participant's client at a message: its agent answers if it is its turn, which ends with it."""

    def __init__(self, channel: Node, reader: Node, turn: _Turn | None, channel_id: str) -> None:
        super().__init__(IDENTITY, channel)
        self.reader = reader
        self.turn = turn
        self.channel_id = channel_id

    def hear(self) -> None:
        super().hear()
        spans.state(IDENTITY, self.reader, SHARED, "read")

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        turn = self.turn
        if turn is not None and not turn.delegation.closed:
            quiet_end = spans.SUCCESS if self.heard else spans.ABORTED  # without an answer, or the channel was closed
            known: dict[str, Any] = {key: told[key] for key in ("error", "error_type") if key in told}
            failure = dict(turn.failure) or {"status": quiet_end if status == spans.SUCCESS else status, **known}
            turn.delegation.close(failure.pop("status"), **failure)
            if _turns.get(self.channel_id) is turn:
                del _turns[self.channel_id]
        super().close(status, **told)


def watch_hub(module: Any) -> None:
    """Apply to `ag2.network.hub.core`: the adapters of a hub are watched as they are registered."""

    def registered(call: Call) -> None:
        adapter = call.get("adapter", 0)
        with wrap.owned_by("ag2.speakers"):
            wrap.method(type(adapter), "on_accepted", _Accepted)

    wrap.method(module.Hub, "register_adapter", registered)
    wrap.method(module.Hub, "_transition_channel", _moved)


def watch_clients(module: Any) -> None:
    """Apply to `ag2.network.client.agent_client`."""
    wrap.method(module.AgentClient, "__init__", lambda call: _Joining(call.instance))
    wrap.method(module.AgentClient, "open", lambda call: _Opening())


def watch_humans(module: Any) -> None:
    """Apply to `ag2.network.client.human_client`."""
    wrap.method(module.HumanClient, "__init__", lambda call: _Joining(call.instance))
    wrap.method(module.HumanClient, "open", lambda call: _Opening())


def watch_answers(module: Any) -> None:
    """Apply to `ag2.network.client.handlers`."""
    wrap.method(module, "_process_substantive", _answer)
    wrap.method(module, "_report_turn_failure", _failed)


class _Joining(wrap.Watch):
    """A participant of the network."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.place = nodes.here()

    def done(self, result: Any) -> Any:
        agent, passport = getattr(self.client, "_agent", None), getattr(self.client, "_passport", None)
        name = getattr(passport, "name", None)
        node = node_of(agent) if agent is not None else nodes.node("autogen", name or "human", self.place)
        identity = getattr(passport, "agent_id", None)
        _put(_participants, identity, node)
        if agent is None and isinstance(identity, str):
            _humans.add(identity)
        return result


def _put(table: dict[str, Node], key: Any, node: Node) -> None:
    if isinstance(key, str):
        if len(table) >= _KEPT:
            table.pop(next(iter(table)))
        table[key] = node


def _participant(identity: Any) -> Node:
    return _participants.get(identity) or nodes.node("autogen", "remote agent")


def _accepted(metadata: Any, envelope: Any, state: Any, closing: bool) -> None:
    kind = envelope.event_type
    if kind.startswith(_SILENT):
        return
    sender = _participant(envelope.sender_id)
    data = envelope.event_data
    if kind == _CONTEXT:
        _set(sender, data)
        return
    channel_id = metadata.channel_id
    spans.state(IDENTITY, sender, SHARED, "write", data.get("text") or data.get("body"))
    if kind == _PACKET:
        _set(sender, data.get("context_updates"))
    turn = _turns.get(channel_id)
    if turn is not None and turn.speaker == envelope.sender_id:
        del _turns[channel_id]
        turn.delegation.close()
    if metadata.manifest.type == "consulting":
        _consulted(metadata, envelope, sender)
    else:
        _next(metadata, envelope, state, closing, sender)


def _set(sender: Node, changes: Any) -> None:
    """Context variables of a workflow that a participant sets or deletes."""
    if isinstance(changes, dict):
        for key, value in (changes.get("set") or {}).items():
            spans.state(IDENTITY, sender, key, "write", value)
        for key in changes.get("delete") or ():
            spans.state(IDENTITY, sender, key, "write")


def _consulted(metadata: Any, envelope: Any, sender: Node) -> None:
    """One question to one participant: its initiator delegates."""
    if envelope.sender_id != metadata.creator_id:
        return
    others = [p.agent_id for p in metadata.participants if p.agent_id != envelope.sender_id]
    if others:
        task = envelope.event_data.get("text")
        delegation = _Handed(IDENTITY, sender, _participant(others[0]), "explicit", task=task)
        _begin_turn(metadata.channel_id, _Turn(others[0], envelope.envelope_id, delegation))


def _next(metadata: Any, envelope: Any, state: Any, closing: bool, sender: Node) -> None:
    """The channel says who speaks next, or that it is over."""
    if not hasattr(state, "expected_next_speaker"):
        return  # anybody may speak
    channel = _channel(metadata)
    members = [p.agent_id for p in sorted(metadata.participants, key=lambda p: p.order)]
    candidates = [_participant(member).name for member in members]
    routing = envelope.event_data.get("routing") or {}
    by_tool = routing.get("kind") in ("handoff", "finish")
    basis = "round_robin" if metadata.manifest.type == "discussion" else "llm_output" if by_tool else "state"
    chosen = state.expected_next_speaker
    if closing or chosen is None:
        spans.route(IDENTITY, channel, None, "speaker_selection", basis, candidates, sender.name)
        return
    target = _participant(chosen)
    handoff = routing.get("kind") == "handoff" and chosen != envelope.sender_id
    kind = "handoff" if handoff else "speaker_selection"
    spans.route(IDENTITY, channel, target, kind, basis, candidates, sender.name)
    task = envelope.event_data.get("text") or envelope.event_data.get("body")
    delegation = _Handed(IDENTITY, sender if handoff else channel, target, kind, task=task)
    _begin_turn(metadata.channel_id, _Turn(chosen, envelope.envelope_id, delegation))


def _begin_turn(channel_id: str, turn: _Turn) -> None:
    """It is somebody's turn; whoever had it and did not begin will not have it any more."""
    before = _turns.get(channel_id)
    if before is not None and not before.begun:
        before.delegation.close(spans.ABORTED)
    _turns[channel_id] = turn


def _channel(metadata: Any) -> Node:
    return _channels.get(metadata.channel_id) or nodes.node("autogen", metadata.manifest.type)


def _moved(call: Call) -> None:
    """A channel that is over has no turn to come; one that goes on ends by itself."""
    channel_id, state = call.get("channel_id", 0), call.get("new_state", 1)
    turn = _turns.get(channel_id)
    if turn is not None and not turn.begun and getattr(state, "value", None) in _OVER:
        del _turns[channel_id]
        turn.delegation.close(spans.ABORTED)


def _answer(call: Call) -> Watch:
    envelope, client = call.get("envelope", 0), call.get("client", 1)
    me = getattr(getattr(client, "_passport", None), "agent_id", None)
    turn = _turns.get(envelope.channel_id)
    if turn is not None and (turn.speaker != me or turn.envelope != envelope.envelope_id):
        turn = None
    if turn is not None:
        turn.begun = True
    channel = _channels.get(envelope.channel_id) or nodes.node("autogen", "channel")
    return _Answering(channel, _participant(me), turn, envelope.channel_id)


def _failed(call: Call) -> None:
    envelope, error = call.get("envelope", 1), call.get("exc", 2)
    turn = _turns.get(envelope.channel_id)
    if turn is not None and turn.envelope == envelope.envelope_id:
        turn.failure = spans.error_facts(IDENTITY, error)
