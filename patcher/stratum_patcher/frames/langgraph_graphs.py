"""Where graphs are made: `add_node`, `compile` and the functions that build agents give nodes their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import nodes, wrap
from ..wrap import NotApplied, Watch
from . import langgraph_names as names

if TYPE_CHECKING:
    from ..wrap import Call

UNNAMED = "LangGraph"
"""What the library calls a graph without a name."""


class _Adding(Watch):
    """A node being added to a builder."""

    __slots__ = ("action", "before", "builder")

    def __init__(self, builder: Any, action: Any) -> None:
        self.builder = builder
        self.action = action
        self.before = frozenset(builder.nodes)

    def done(self, result: Any) -> Any:
        """Give what was added its id: that of the object itself when it bears the same name."""
        graph = names.graph_of(self.builder)
        place = names.place_of(self.action)
        if place == nodes.NOWHERE:
            place = nodes.here()
        for name in self.builder.nodes:
            if name in self.before:
                continue
            known = nodes.known(self.action)
            agent = names.graph_within(self.action, name)
            if agent is not None:
                inner = names.graph_of(names.owner_of(agent))
                known = known or nodes.known(agent) or inner.node
                if inner.prebuilt:
                    graph.offered[name] = inner.all_tools()
            graph.members[name] = (
                known if known is not None and known.name == name else nodes.node(names.FAMILY, name, place)
            )
            held = names.attributes(self.action)
            tools = held.get("_tools_by_name", held.get("tools_by_name"))
            if isinstance(tools, dict):
                graph.tools[name] = [tool for tool in tools if isinstance(tool, str)]
        return result


def _add(call: Call) -> Watch:
    action = call.get("action", 1)
    return _Adding(call.instance, call.get("node", 0) if action is None else action)


class _Compiling(Watch):
    """A builder being compiled."""

    __slots__ = ("name", "place")

    def __init__(self, name: str, place: nodes.Place) -> None:
        self.name = name
        self.place = place

    def done(self, result: Any) -> Any:
        """Give the graph its id."""
        node = nodes.node(names.FAMILY, self.name, self.place)
        graph = names.graph_of(names.owner_of(result))
        graph.node, graph.read = node, False
        nodes.remember(result, node)
        return result


def _compile(call: Call) -> Watch:
    name = call.kwargs.get("name")
    if not isinstance(name, str) or not name:
        name = names.made_as() or UNNAMED
    return _Compiling(name, nodes.here())


class _Building(Watch):
    """An agent being built by the library."""

    def done(self, result: Any) -> Any:
        """Mark the graph as an agent."""
        names.graph_of(names.owner_of(result)).prebuilt = True
        return result


def _build(call: Call) -> Watch:
    return _Building()


def node_of(graph: names.Graph, runnable: Any) -> nodes.Node:
    """A graph's own node; completes what is known of the graph when it runs first: nodes, edges, state keys.

    Args:
        graph: What is known so far.
        runnable: The compiled graph.
    """
    if graph.node is not None and graph.read:
        return graph.node
    graph.read = True
    graph.follows.clear()
    builder = names.owner_of(runnable)
    processes = getattr(runnable, "nodes", {})
    for name, process in processes.items():
        if name != names.START:
            graph.member(name, names.attributes(process).get("bound"))
    found = graph.node = graph.node or nodes.known(runnable) or _unbuilt(graph, runnable)
    graph.caught = frozenset(getattr(runnable, "node_error_handler_map", None) or ())
    held = names.attributes(builder)
    channels = held.get("channels")
    if builder is runnable or not isinstance(channels, dict):
        return found
    graph.keys = frozenset(channels)
    for key, channel in channels.items():
        merge = getattr(channel, "operator", None)
        if merge is not None:
            graph.reduced[key] = getattr(merge, "__name__", "")
    pairs = list(held.get("edges") or ())
    pairs.extend((start, end) for starts, end in held.get("waiting_edges") or () for start in starts)
    for start, end in pairs:
        graph.follows.setdefault(start, []).append(end)
    return found


def _unbuilt(graph: names.Graph, runnable: Any) -> nodes.Node:
    """The node of a graph that no builder made: an entry point has the name and place of its function."""
    only = list(graph.members.values())
    if len(only) == 1:
        return only[0]
    name = getattr(runnable, "name", None)
    return nodes.node(names.FAMILY, name if isinstance(name, str) else UNNAMED)


def watch_builder(module: Any) -> None:
    """Hook of the module with `StateGraph`."""
    wrap.method(module.StateGraph, "add_node", _add)
    wrap.method(module.StateGraph, "compile", _compile)


def watch_plain_builder(module: Any) -> None:
    """Hook of the module with the builder of graphs without a state (until 0.5)."""
    if not hasattr(module, "Graph"):
        raise NotApplied("no class Graph")
    wrap.method(module.Graph, "add_node", _add)
    wrap.method(module.Graph, "compile", _compile)


def watch_prebuilt(module: Any) -> None:
    """Hook of the module with `create_react_agent`."""
    wrap.method(module, "create_react_agent", _build)


def watch_created(module: Any) -> None:
    """Hook of the module with `create_agent`."""
    wrap.method(module, "create_agent", _build)
