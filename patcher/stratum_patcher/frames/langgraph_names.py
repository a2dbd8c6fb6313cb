"""Names and places of graphs and their nodes: what is known of a graph, kept by its builder, with one id per node."""

from __future__ import annotations

import functools
import sys
import types
import weakref
from typing import Any

from .. import nodes, variables

FAMILY = "langgraph"
START, END = "__start__", "__end__"
_KEPT = 10_000

_graphs: dict[int, tuple[Any, Graph]] = {}


class Graph:
    """What is known of one graph.

    Attributes:
        node: The graph's own node; None before it is compiled.
        prebuilt: Whether it is an agent that the library built.
        members: Node name -> node.
        tools: Name of a node that runs tools -> names of its tools.
        offered: Name of a node that is an agent of the library -> names of that agent's tools.
        follows: Node name -> names of the nodes that follow it by plain edges.
        keys: State keys; None when the graph has no state of named keys.
        reduced: State keys whose writes are merged -> name of the merging function.
        caught: Names of nodes whose errors another node handles.
    """

    __slots__ = ("caught", "follows", "keys", "members", "node", "offered", "prebuilt", "read", "reduced", "tools")

    def __init__(self) -> None:
        self.node: nodes.Node | None = None
        self.prebuilt = False
        self.members: dict[str, nodes.Node] = {}
        self.tools: dict[str, list[str]] = {}
        self.offered: dict[str, list[str]] = {}
        self.follows: dict[str, list[str]] = {}
        self.keys: frozenset[str] | None = None
        self.reduced: dict[str, str] = {}
        self.caught: frozenset[str] = frozenset()
        self.read = False

    def member(self, name: str, runnable: Any = None) -> nodes.Node:
        """The node of that name; one that was not added by name (a task) has its function's place."""
        found = self.members.get(name)
        if found is None:
            found = self.members[name] = nodes.node(FAMILY, name, place_of(runnable))
        return found

    def all_tools(self) -> list[str]:
        """Names of the tools of all its nodes."""
        return [tool for names in self.tools.values() for tool in names]


def graph_of(owner: Any) -> Graph:
    """What is known of the graph with this builder, or of a graph that has none; kept while the object lives."""
    entry = _graphs.get(id(owner))
    if entry is not None and entry[0]() is owner:
        return entry[1]
    graph = Graph()
    identity = id(owner)

    def forget(_: Any) -> None:
        _graphs.pop(identity, None)

    try:
        _graphs[identity] = (weakref.ref(owner, forget), graph)
    except TypeError:
        return graph
    return graph


def owner_of(runnable: Any) -> Any:
    """The builder of a compiled graph, else the graph itself; copies of a graph share their builder."""
    builder = getattr(runnable, "builder", None)
    return runnable if builder is None else builder


def attributes(thing: Any) -> dict[str, Any]:
    """An object's own attributes, read without its class having a say; empty when it keeps none in a dictionary."""
    try:
        held = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return held if isinstance(held, dict) else {}


def function_of(action: Any) -> Any:
    """The function that a node, router or task runs: through partials, runnables around functions, sequences of
    them; None when there is none."""
    for _ in range(8):
        if isinstance(action, (types.FunctionType, types.MethodType)):
            return action
        if isinstance(action, functools.partial):
            action = action.func
            continue
        if isinstance(action, type):
            return None
        held = attributes(action)
        steps = held.get("steps")
        first = steps[0] if isinstance(steps, list) and steps else None
        action = held.get("__wrapped__") or held.get("func") or held.get("afunc") or first
    return None


def graph_within(action: Any, name: str) -> Any:
    """The graph that a node is: the compiled graph itself, or the one of that name that a library's function calls."""
    if "builder" in attributes(action):
        return action
    function = function_of(action)
    if function is None or nodes.place_of(function) != nodes.NOWHERE:
        return None
    for cell in getattr(function, "__closure__", None) or ():
        held = _content(cell)
        known = None if held is None else nodes.known(held)
        if known is not None and known.name == name and "builder" in attributes(held):
            return held
    return None


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def place_of(action: Any) -> nodes.Place:
    """Where the function of a node is defined, when that is inside the repository."""
    function = function_of(action)
    return nodes.NOWHERE if function is None else nodes.place_of(function)


def made_as() -> str | None:
    """What the program calls the object that it makes now: the variable's name, else its function's; None outside."""
    name = variables.assigned()
    if name is not None:
        return name
    frame = sys._getframe(1)
    while frame is not None and nodes.relative(frame.f_code.co_filename) is None:
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or frame.f_code.co_name.startswith("<"):
        return None
    return frame.f_code.co_name
