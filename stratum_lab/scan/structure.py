"""The published structural graph (`scan.graphs`): the topology with its steps and group chats, under run-time ids."""

from __future__ import annotations

from hashlib import sha256
from importlib.metadata import version

from stratum_lab.contract.events.graph import GraphEdge, GraphNode, Place, StructuralGraph
from stratum_lab.scan.graph import Node, Topology
from stratum_lab.scan.model import Agent, Capability, GroupChat, Model, Site, Step
from stratum_lab.scan.topology import Edges

PACKAGE = "stratum-lab"
MAX_TEXT = 500
"""Characters of a name or group that are published; names with placeholders are matched in full."""


def structural_graph(model: Model, topology: Topology | None, repo_id: str, commit: str | None) -> StructuralGraph:
    """The graph as run time is compared with it.

    Args:
        model: The static model.
        topology: Its topology; None for a repository without agents, which has an empty graph.
        repo_id: 12 hex.
        commit: Commit that was scanned.
    """
    if topology is None:
        return StructuralGraph(repo_id=repo_id, commit=commit, scanner_version=version(PACKAGE), nodes=[], edges=[])
    edges = Edges(model)
    groups = _groups(model)
    nodes = [_published(node, groups) for node in topology.nodes.values()]
    nodes += [_plain(i, "step", step, step.name, groups) for step, i in edges.ids.steps.items()]
    nodes += [_plain(i, "group_chat", chat, chat.name, groups) for chat, i in edges.ids.chats.items()]
    return StructuralGraph(
        repo_id=repo_id,
        commit=commit,
        scanner_version=version(PACKAGE),
        nodes=sorted(nodes, key=lambda node: node.node_id),
        edges=[
            GraphEdge(
                edge_id=edge_id(edge.source, edge.target, edge.edge_type),
                source=edge.source,
                target=edge.target,
                edge_type=edge.edge_type,
            )
            for edge in edges.all(published=True)
        ],
    )


def edge_id(source: str, target: str, edge_type: str) -> str:
    """The id of an edge: 16 hex of its triple, so that it stays when other edges come and go."""
    return sha256("\n".join((source, target, edge_type)).encode()).hexdigest()[:16]


_Grouped = Agent | GroupChat | Step


def _groups(model: Model) -> dict[_Grouped, list[str]]:
    """Names of the crews each agent, chat and step belongs to; a step belongs where its links run."""
    groups: dict[_Grouped, dict[str, None]] = {}
    for crew in model.crews:
        members: list[_Grouped] = [*crew.members]
        if crew.chat is not None:
            members.append(crew.chat)
        for member in members:
            groups.setdefault(member, {})[crew.name[:MAX_TEXT]] = None
    for link in model.links:
        for end in (link.source, link.target):
            if isinstance(end, Step) and link.crew is not None:
                groups.setdefault(end, {})[link.crew.name[:MAX_TEXT]] = None
    return {thing: list(names) for thing, names in groups.items()}


def _published(node: Node, groups: dict[_Grouped, list[str]]) -> GraphNode:
    thing = node.thing
    name, places, of = node.name, list[Site](), list[str]()
    if isinstance(thing, Agent):
        name, places, of = thing.name or thing.symbol, thing.places, groups.get(thing, [])
    elif isinstance(thing, Capability):
        places = [*sorted(thing.sites), *(tool.site for tool in thing.tools)]
        of = list(dict.fromkeys(group for agent in thing.agents for group in groups.get(agent, ())))
    return GraphNode(
        node_id=node.node_id,
        node_type=node.node_type,
        name=name[:MAX_TEXT],
        file=node.file,
        line=node.line,
        places=_places(places, node.file, node.line),
        groups=of,
        service=node.service or None,
    )


def _plain(
    node_id: str, node_type: str, thing: Step | GroupChat, name: str, groups: dict[_Grouped, list[str]]
) -> GraphNode:
    site = thing.site
    return GraphNode(
        node_id=node_id,
        node_type=node_type,
        name=name[:MAX_TEXT],
        file=site.file,
        line=site.line,
        groups=groups.get(thing, []),
    )


def _places(sites: list[Site], file: str, line: int) -> list[Place]:
    distinct = dict.fromkeys((site.file, site.line) for site in sites)
    return [Place(file=f, line=n) for f, n in distinct if (f, n) != (file, line)]
