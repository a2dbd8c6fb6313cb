"""Agents of `autogen_core` that a program writes itself: the messages they handle, and who asked them to.

Every message of theirs, and of the group chats, passes `on_message_impl`; those of group chats go to their own module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import facts, nodes, spans, wrap
from ..nodes import Node
from ..stored import held
from . import autogen_agentchat_groups as groups
from .autogen_agentchat_agents import IDENTITY, Making, Task, said

if TYPE_CHECKING:
    from ..wrap import Call, Watch

_CHATS = "autogen_agentchat."


class _MakingActor(Making):
    """An agent's constructor; its name is that under which its type is registered."""

    def name(self) -> str:
        """See `Making`."""
        return _type_of(held(self.thing, "_id")) or type(self.thing).__name__


def watch_making(module: Any) -> None:
    """Apply to `autogen_core._routed_agent`."""
    wrap.every_subclass(module.RoutedAgent, "__init__", _made)


def watch_messages(module: Any) -> None:
    """Apply to the same module."""
    wrap.every_subclass(module.RoutedAgent, "on_message_impl", _received)


def _made(call: Call) -> Watch | None:
    return None if _of_chats(call.instance) else _MakingActor(call.instance)


def _of_chats(actor: Any) -> bool:
    return any(kind.__module__.startswith(_CHATS) for kind in type(actor).__mro__)


def _type_of(identity: Any) -> str | None:
    kind = getattr(identity, "type", None)
    return kind if isinstance(kind, str) else None


def _node(actor: Any) -> Node:
    return nodes.of(actor, "autogen", _type_of(held(actor, "_id")) or type(actor).__name__)


def _received(call: Call) -> Watch | None:
    actor, message = call.instance, call.get("message", 0)
    if _of_chats(actor):
        return groups.received(call)
    if type(message) not in (held(actor, "_handlers") or ()):
        return None
    node, context = _node(actor), call.get("ctx", 1)
    sender_type = _type_of(getattr(context, "sender", None))
    sender = None if sender_type is None else nodes.named("autogen", sender_type)
    handed = None
    if sender is not None and getattr(context, "is_rpc", False) is True:
        handed = spans.Delegation(IDENTITY, sender, node, "explicit", task=said(message))
    task = Task(
        IDENTITY,
        node,
        input_source=None if sender is None else sender.id,
        payload={"input_shape": facts.shape(message)},
    )
    task.handed = handed
    return task
