"""Group chats of the classic AutoGen API: who is chosen to speak, by whom, and the messages all share.

The manager is the source of routing events; a turn is a delegation that ends with the speaker's reply. In group chats
of ag2 an internal executor runs tools between turns: its hop is left out, and the agent that asked speaks for it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .. import facts, spans
from ..stored import held
from ..wrap import NotApplied, Watch, every_subclass
from .autogen_classic_agents import VOICE, name_of, node_of, said

if TYPE_CHECKING:
    from ..nodes import Node
    from ..wrap import Call

EXECUTOR = "_Group_Tool_Executor"
"""Name of ag2's internal tool executor."""
MESSAGES = "messages"
"""State key of the messages that a group shares."""
_NOBODY = ("NoEligibleSpeaker", "NoEligibleSpeakerError")
"""Exceptions by which a selection says that the chat is over."""
_BASES = {"auto": "llm_output", "round_robin": "round_robin", "random": "random", "manual": "human"}
"""Speaker selection method -> decision basis."""


class Handover:
    """An agent has said who is to speak next.

    Attributes:
        source: Node of the agent that hands over.
        basis: What decided: `llm_output`, `explicit` or `state`.
    """

    __slots__ = ("basis", "source")

    def __init__(self, source: Node, basis: str) -> None:
        self.source = source
        self.basis = basis


class Group:
    """What is going on in one group chat, for as long as its manager lives.

    Attributes:
        turn: The open delegation of the turn, if any.
        speaker: Node of the agent whose turn it is.
        previous: Node of the agent that spoke before.
        handover: Who is to speak next by an agent's word.
        pattern: Decision basis of a pattern that sets every transition itself.
        asker: Node of the agent whose tools the executor runs.
    """

    __slots__ = ("asker", "handover", "pattern", "previous", "speaker", "turn")

    def __init__(self) -> None:
        self.turn: spans.Delegation | None = None
        self.speaker: Node | None = None
        self.previous: Node | None = None
        self.handover: Handover | None = None
        self.pattern: str | None = None
        self.asker: Node | None = None

    def finish(self, error: BaseException | None = None) -> None:
        """The turn is over."""
        turn, self.turn = self.turn, None
        if turn is not None:
            end(turn, error)


def end(turn: spans.Delegation, error: BaseException | None) -> None:
    """Close a delegation; the error that ended it was told where it arose."""
    if error is None:
        turn.close()
        return
    status = spans.status_of(VOICE, error)
    if status in (spans.ERROR, spans.TIMEOUT):
        turn.close(status, error=facts.message(error), error_type=facts.error_class(error))
    else:
        turn.close(status)


_groups: dict[int, tuple[Any, Group]] = {}


def group_of(manager: Any) -> Group:
    """The group that a manager leads."""
    identity = id(manager)
    entry = _groups.get(identity)
    if entry is not None and entry[0]() is manager:
        return entry[1]

    def forget(_: Any, identity: int = identity) -> None:
        _groups.pop(identity, None)

    made = Group()
    _groups[identity] = (weakref.ref(manager, forget), made)
    return made


class _Selection(Watch):
    """A choice of the next speaker; model calls inside it are the manager's."""

    def __init__(self, chat: Any, last: Any, manager: Any) -> None:
        self.chat = chat
        self.last = last
        self.manager = manager
        self.group = group_of(manager)
        self.scope = spans.Scope(VOICE, node_of(manager))
        self.asked = False
        _selecting[id(chat)] = self

    def _over(self) -> None:
        _selecting.pop(id(self.chat), None)
        self.scope.close()

    def done(self, result: Any) -> Any:
        self._over()
        if result is None:
            text = "speaker selection chose nobody"
            spans.error_text(VOICE, self.scope.node, "NoSpeakerSelected", text, handling="raised")
        elif name_of(result) == EXECUTOR:
            self.group.asker = node_of(self.last)
        else:
            self._tell(node_of(result))
        return result

    def failed(self, error: BaseException) -> None:
        self._over()
        self.group.handover = None
        if type(error).__name__ in _NOBODY:
            before = self._before()
            previous = None if before is None else before.name
            spans.route(VOICE, self.scope.node, None, "speaker_selection", self._basis(), previous_speaker=previous)

    def _tell(self, target: Node) -> None:
        group, manager = self.group, self.scope.node
        handover, group.handover = group.handover, None
        source, kind, basis = manager, "speaker_selection", self._basis()
        if handover is not None and handover.source is not target and not self.asked and group.pattern is None:
            source, kind, basis = handover.source, "handoff", handover.basis
        agents = held(self.chat, "agents")
        candidates = [name for agent in agents or () if (name := name_of(agent)) != EXECUTOR]
        group.previous = self._before()
        previous = None if group.previous is None else group.previous.name
        spans.route(VOICE, manager, target, kind, basis, candidates, previous)
        messages = held(self.chat, "messages")
        task = said(messages[-1]) if messages else None
        group.turn = spans.Delegation(VOICE, source, target, kind, task=task)
        group.speaker = target

    def _before(self) -> Node | None:
        """The last speaker; the agent that asked for a tool when the executor came last."""
        if self.last is None:
            return None
        return self.group.asker if name_of(self.last) == EXECUTOR else node_of(self.last)

    def _basis(self) -> str:
        if self.asked:
            return "llm_output"
        method = held(self.chat, "speaker_selection_method")
        if isinstance(method, str):
            basis = _BASES.get(method.lower(), "explicit")
            return "only_candidate" if basis == "llm_output" else basis
        return self.group.pattern or "explicit"


_selecting: dict[int, _Selection] = {}
"""Group chat -> its selection, so that the nested chat that asks a model can say so."""


def _select(call: Call) -> Watch | None:
    manager = call.get("selector", 1)
    if manager is None:
        return None
    group_of(manager).finish()
    return _Selection(call.instance, call.get("last_speaker", 0), manager)


def _ask(call: Call) -> Watch:
    """The nested chat between a checking agent and a selecting agent is how the library asks its model; only the
    model call is a fact."""
    selection = _selecting.get(id(call.instance))
    if selection is not None:
        selection.asked = True
    return spans.quiet("agent", "delegation", "execution", "state", "route")


def _append(call: Call) -> None:
    """A message is added to those that the whole group reads."""
    speaker, message = call.get("speaker", 1), call.get("message", 0)
    if speaker is None or spans.silent("state"):
        return
    node = node_of(speaker)
    if name_of(speaker) == EXECUTOR:
        node = group_of(held(speaker, "_group_manager")).asker or node
    spans.state(VOICE, node, MESSAGES, "write", said(message))


def read_messages(node: Node, message: Any) -> None:
    """A speaker takes the shared messages; the hash is that of the last, which was written before."""
    spans.state(VOICE, node, MESSAGES, "read", said(message))


def watch_groups(module: Any) -> None:
    """Watch the choice of speakers, in subclasses of the program too."""
    every_subclass(module.GroupChat, "select_speaker", _select)
    every_subclass(module.GroupChat, "a_select_speaker", _select)
    every_subclass(module.GroupChat, "append", _append)


def watch_questions(module: Any) -> None:
    """Watch the nested chat of the `auto` method.

    Raises:
        NotApplied: This version asks its model without a nested chat.
    """
    if not hasattr(module.GroupChat, "_auto_select_speaker"):
        raise NotApplied("GroupChat has no _auto_select_speaker")
    every_subclass(module.GroupChat, "_auto_select_speaker", _ask)
    every_subclass(module.GroupChat, "a_auto_select_speaker", _ask)
