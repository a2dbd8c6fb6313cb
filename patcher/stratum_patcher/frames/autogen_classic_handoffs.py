"""Group chats by pattern in ag2 0.x: who hands over to whom, and the context variables that agents share.

The library announces each transition that an agent itself causes by an event object; its construction is the hook.
Transitions that a pattern laid down for all agents (round robin, random) are the group's choice, not the agents'.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .. import spans
from ..stored import held
from ..wrap import NotApplied, Watch, method
from .autogen_classic_agents import VOICE, is_manager, name_of, node_of, participants
from .autogen_classic_groups import Handover, group_of

if TYPE_CHECKING:
    from ..wrap import Call

_TRANSITIONS = {
    "OnConditionLLMTransitionEvent": "llm_output",
    "OnContextConditionTransitionEvent": "state",
    "ReplyResultTransitionEvent": "explicit",
    "AfterWorksTransitionEvent": "explicit",
}
"""Event class -> what decided."""


def _transition(basis: str, call: Call) -> None:
    source = call.kwargs.get("source_agent")
    manager = held(source, "_group_manager")
    if manager is not None:
        group_of(manager).handover = Handover(node_of(source), basis)


def watch_transitions(module: Any) -> None:
    """Note who hands over.

    Raises:
        NotApplied: The library announces no transition.
    """
    found = {name: basis for name, basis in _TRANSITIONS.items() if hasattr(module, name)}
    if not found:
        raise NotApplied("no transition events")
    for name, basis in found.items():
        method(getattr(module, name), "__init__", partial(_transition, basis))


def is_handoff(executor: Any, asker: str, function: str) -> bool:
    """Whether a function that ag2's executor runs only hands over to another agent.

    Args:
        executor: The executor.
        asker: Name of the agent whose model asked for it.
        function: Name of the function.
    """
    for agent in participants(held(executor, "_group_manager")):
        if name_of(agent) == asker:
            conditions = held(held(agent, "handoffs"), "llm_conditions") or ()
            return any(held(condition, "llm_function_name") == function for condition in conditions)
    return False


class _Prepared(Watch):
    """A pattern that sets up its group chat."""

    def __init__(self, basis: str) -> None:
        self.basis = basis

    def done(self, result: Any) -> Any:
        for part in result if isinstance(result, tuple) else ():
            if is_manager(part):
                group_of(part).pattern = self.basis
        return result


def watch_pattern(name: str, basis: str, module: Any) -> None:
    """Note that a pattern decides every transition of its group."""
    method(getattr(module, name), "prepare_group_chat", lambda call: _Prepared(basis))


def _access(access: str, key: Any, variables: Any, value: Any) -> None:
    accessor = spans.agent()
    if accessor is not None and type(key) is str:
        spans.state(VOICE, accessor.node, key, access, value)


def _read(call: Call) -> None:
    data, key = held(call.instance, "data"), call.get("key", 0)
    if isinstance(data, dict) and type(key) is str and key in data:
        _access("read", key, call.instance, data[key])


def _write(call: Call) -> None:
    data, key, value = held(call.instance, "data"), call.get("key", 0), call.get("value", 1)
    if isinstance(data, dict) and type(key) is str and not _same(data.get(key, _Unset), value):
        _access("write", key, call.instance, value)


def _update(call: Call) -> None:
    data, other = held(call.instance, "data"), call.get("other", 0)
    if isinstance(data, dict) and isinstance(other, dict):
        for key, value in list(other.items()):
            if type(key) is str and not _same(data.get(key, _Unset), value):
                _access("write", key, call.instance, value)


def _remove(call: Call) -> None:
    data, key = held(call.instance, "data"), call.get("key", 0)
    if isinstance(data, dict) and type(key) is str and key in data:
        _access("write", key, call.instance, None)


class _Unset:
    """Stands for no value."""


def _same(one: Any, other: Any) -> bool:
    """Whether a value stays what it was; objects of the program are compared by identity only."""
    return one is other or (type(one) is type(other) and type(one) in (str, int, float, bool, bytes) and one == other)


_ACCESSES = {
    "get": _read,
    "__getitem__": _read,
    "set": _write,
    "__setitem__": _write,
    "update": _update,
    "remove": _remove,
    "__delitem__": _remove,
}


def watch_context(module: Any) -> None:
    """Watch the variables that the agents of a group share."""
    for name, begin in _ACCESSES.items():
        method(module.ContextVariables, name, begin)
