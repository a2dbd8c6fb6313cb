"""Which node a smolagents object is: by its name, else its variable's, else its class's; and which errors are told."""

from __future__ import annotations

from typing import Any

from .. import nodes, spans
from ..stored import held, text

FAMILY = "smolagents"
MAX_CHAIN = 20
"""How many causes of an exception are looked at."""


def keys(mapping: Any) -> list[str]:
    """The texts among the keys of a dict; nothing for anything else."""
    return [key for key in dict.keys(mapping) if isinstance(key, str)] if isinstance(mapping, dict) else []


def agent(thing: Any) -> nodes.Node:
    """The node of an agent."""
    found = nodes.known(thing)
    name = text(thing, "name")
    if found is None:
        return nodes.of(thing, FAMILY, name or type(thing).__name__)
    return found if name is None or found.name == nodes.clean(name) else renamed(thing, found, name)


def made(thing: Any, kind: str, variable: str | None = None) -> nodes.Node:
    """Remember where an agent or tool was constructed.

    Args:
        thing: It.
        kind: Type of its node.
        variable: Name of the variable that it is kept in.
    """
    name = text(thing, "name") or variable or type(thing).__name__
    return nodes.remember(thing, nodes.node(FAMILY, name, nodes.here(), kind))


def renamed(thing: Any, found: nodes.Node, name: str) -> nodes.Node:
    """The same place under another name."""
    rest, _, line = found.id.rpartition(":")
    return nodes.remember(thing, nodes.node(FAMILY, name, (rest.rpartition(":")[2], int(line)), found.type))


def tool(thing: Any) -> nodes.Node:
    """The node of a tool; where none was seen constructed, the place of its class."""
    found = nodes.known(thing)
    if found is not None:
        return found
    name = text(thing, "name") or type(thing).__name__
    return nodes.remember(thing, nodes.node(FAMILY, name, nodes.place_of(type(thing)), "capability"))


def managed(thing: Any) -> list[nodes.Node]:
    """The nodes of the agents that an agent manages; in the first versions a `ManagedAgent` stands for each."""
    members = held(thing, "managed_agents")
    if not isinstance(members, dict):
        return []
    inner = (held(each, "agent") if type(each).__name__ == "ManagedAgent" else each for each in dict.values(members))
    return [agent(each) for each in inner]


def told(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from or during, was told already."""
    step: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if step is None:
            return False
        if spans.told(step):
            return True
        step = step.__cause__ or step.__context__
    return False
