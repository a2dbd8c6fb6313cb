"""Which node a Pydantic AI object is, and what objects of the library hold."""

from __future__ import annotations

from typing import Any

from .. import nodes
from ..stored import held, text
from ..wrap import Watch

FAMILY = "pydantic_ai"
UNNAMED = "agent"
"""What the library itself calls an agent whose name was neither given nor found."""


def agent(thing: Any) -> nodes.Node:
    """The node of an agent; the library finds the name of an unnamed one when it first runs."""
    name = text(thing, "_name") or text(thing, "name") or UNNAMED
    found = nodes.known(thing)
    if found is None:
        return nodes.of(thing, FAMILY, name)
    if found.name == nodes.clean(name):
        return found
    rest, _, line = found.id.rpartition(":")
    return nodes.remember(thing, nodes.node(FAMILY, name, (rest.rpartition(":")[2], int(line))))


def tool(name: str, from_toolset: Any) -> nodes.Node:
    """The node of a tool.

    Args:
        name: Its name.
        from_toolset: What a toolset holds of it, by which the tool itself is found.
    """
    inner = held(from_toolset, "source_tool")
    for _ in range(5):
        if inner is None:
            break
        from_toolset, inner = inner, held(inner, "source_tool")
    tools = held(held(from_toolset, "toolset"), "tools")
    made = dict.get(tools, name) if isinstance(tools, dict) else None
    found = nodes.known(made) if made is not None else None
    return found or nodes.named(FAMILY, name, "capability") or nodes.node(FAMILY, name, nodes.NOWHERE, "capability")


def tools_of(thing: Any) -> list[str]:
    """Names of the tools of an agent's own toolsets."""
    toolsets = [held(thing, "_function_toolset"), *(held(thing, "_user_toolsets") or ())]
    found = [held(each, "tools") for each in toolsets]
    return [name for each in found if isinstance(each, dict) for name in dict.keys(each) if isinstance(name, str)]


class MadeAgent(Watch):
    """An agent was constructed."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def done(self, result: Any) -> Any:
        name = text(self._thing, "_name") or text(self._thing, "name") or UNNAMED
        nodes.remember(self._thing, nodes.node(FAMILY, name, nodes.here()))
        return result


class MadeTool(Watch):
    """A tool was made of a function: its place is the function's, else where that happened."""

    def __init__(self, thing: Any, function: Any) -> None:
        self._thing = thing
        self._function = function

    def done(self, result: Any) -> Any:
        name = held(self._thing, "name")
        if isinstance(name, str):
            place = nodes.place_of(self._function)
            place = nodes.here() if place == nodes.NOWHERE else place
            nodes.remember(self._thing, nodes.node(FAMILY, name, place, "capability"))
        return result
