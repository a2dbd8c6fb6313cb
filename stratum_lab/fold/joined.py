"""Run-time ids of one run looked up in a supplied graph: to which structural nodes each belongs."""

from __future__ import annotations

from collections.abc import Iterable

from stratum_lab.contract.events.graph import GraphNode
from stratum_lab.fold.join import (
    MODEL_FAMILIES,
    NamePattern,
    NodeKey,
    comparable,
    family_of,
    node_key,
    normal_name,
    parse_id,
)
from stratum_lab.fold.state import BY_PARENT, BY_ROUTING, RunStats
from stratum_lab.fold.structure import AGENT, CAPABILITY, DATA_STORE, EXTERNAL, GUARDRAIL, Structure

_CONTAINER_FAMILIES = frozenset({"crewai", "langgraph"})
"""Frameworks whose `execution.*` source is a crew or graph; elsewhere it is the agent that opens a chat."""
_WEB = NodeKey("", EXTERNAL, "web")
_ENDS = ("__end__", "__start__")


class KeyIndex:
    """The structural nodes by id, key and name pattern."""

    def __init__(self, structure: Structure) -> None:
        self._nodes = structure.nodes
        self._by_id: dict[str, list[str]] = {}
        self._by_key: dict[NodeKey, list[str]] = {}
        self._patterns: list[tuple[NodeKey, NamePattern, str]] = []
        for node in structure.nodes.values():
            if node.node_type == GUARDRAIL:
                continue
            self._by_id.setdefault(node.node_id.partition("#")[0], []).append(node.node_id)
            key = comparable(key_of(node))
            if NamePattern.in_name(node.name):
                self._patterns.append((key, NamePattern(node.name), node.node_id))
            self._by_key.setdefault(key, []).append(node.node_id)
        self.ambiguous = sum(len(self._apart(ids)) for ids in self._by_key.values() if len(self._apart(ids)) > 1)
        """Structural nodes that share a key with a node of another place."""

    def find(self, node_id: str, node_type: str, enclosing: Iterable[str] = ()) -> tuple[str, ...]:
        """Structural ids of a run-time node: none, one, or several when the match is ambiguous.

        Args:
            node_id: Run-time id.
            node_type: Its type.
            enclosing: Names of the crews, graphs or teams it ran in, where run time shows them.
        """
        same = [i for i in self._by_id.get(node_id, ()) if self._fits(i, node_type)]
        if same:
            return tuple(same)
        key = comparable(node_key(node_id, node_type))
        found = self._by_key.get(key)
        if found is None:
            name = parse_id(node_id).name
            found = [i for k, pattern, i in self._patterns if k[:2] == key[:2] and pattern.matches(name)]
            if not found and node_type == EXTERNAL:
                found = self._by_key.get(_WEB, [])
        if len(self._apart(found)) > 1:
            found = self._narrow(found, node_id, {normal_name(e) for e in enclosing})
        return tuple(found)

    def store(self, state_key: str) -> tuple[str, ...]:
        """Data stores that a state key names, by id, name or service."""
        known = self._by_id.get(state_key)
        return tuple(known) if known else tuple(self._by_key.get(node_key(state_key, DATA_STORE), ()))

    def external(self, domain: str) -> tuple[str, ...]:
        """Externals whose service has this domain; else the web, which stands for hosts the source does not spell."""
        return tuple(self._by_key.get(node_key(domain, EXTERNAL), self._by_key.get(_WEB, [])))

    def _fits(self, structural: str, node_type: str) -> bool:
        kind = comparable(NodeKey("", self._nodes[structural].node_type, "")).node_type
        return not node_type or kind == node_type

    def _apart(self, ids: list[str]) -> set[tuple[str, int, str]]:
        """Distinct definition sites: one capability has a node per kind, all of one place."""
        return {(n.file, n.line, n.node_id.partition("#")[0]) for n in map(self._nodes.__getitem__, ids)}

    def _narrow(self, ids: list[str], node_id: str, enclosing: set[str]) -> list[str]:
        """The enclosing crew, graph or team decides, then file and line; nothing decides an ambiguous match."""
        parts = parse_id(node_id)
        nodes = [self._nodes[i] for i in ids]
        for known in (
            [n for n in nodes if any(normal_name(g) in enclosing for g in n.groups)],
            [n for n in nodes if any((f, str(line)) == (parts.file, parts.line) for f, line in _places(n))],
            [n for n in nodes if any(f == parts.file for f, _ in _places(n))],
        ):
            nodes = [n for n in nodes if n in known] or nodes
        return [n.node_id for n in nodes]


def _places(node: GraphNode) -> list[tuple[str, int]]:
    return [(node.file, node.line), *((p.file, p.line) for p in node.places)]


def key_of(node: GraphNode) -> NodeKey:
    """The join key of a structural node."""
    return node_key(node.node_id, node.node_type, name=node.name, service=node.service)


class JoinedRun:
    """One run's ids in the terms of the structure."""

    def __init__(self, stats: RunStats, index: KeyIndex) -> None:
        self._stats, self._index = stats, index
        self._found: dict[str, tuple[str, ...]] = {}
        self._parents: dict[str, list[str]] = {}
        self._chats = set(stats.chats)
        for (source, target, _), bits in stats.edges.items():
            if bits & BY_PARENT:
                self._parents.setdefault(target, []).append(parse_id(source).name)
            # In AutoGen only the chat routes, also where an agent hands over (events.md section 4).
            if bits & BY_ROUTING and family_of(parse_id(source).framework) == "autogen":
                self._chats.add(source)

    def nodes(self, node_id: str) -> tuple[str, ...]:
        """Structural ids of a run-time id; empty when it is not joined."""
        found = self._found.get(node_id)
        if found is None:
            found = self._found[node_id] = self._find(node_id)
        return found

    def type_of(self, node_id: str) -> str:
        """Type of a run-time node: what events said, else what it was used as, else an agent."""
        if node_id in self._stats.tools:
            return CAPABILITY
        return self._stats.seen.get(node_id) or AGENT

    def is_container(self, node_id: str) -> bool:
        """Whether the node is a crew, graph or group chat, or an end of a graph."""
        parts = parse_id(node_id)
        if node_id in self._chats or parts.name in _ENDS or node_id in _ENDS:
            return True
        executes = node_id in self._stats.executors and node_id not in self._stats.agents
        return executes and family_of(parts.framework) in _CONTAINER_FAMILIES

    def is_model(self, node_id: str) -> bool:
        """Whether the node is a model endpoint."""
        if node_id in self._stats.tools or self.type_of(node_id) != CAPABILITY:
            return False
        parts = parse_id(node_id)
        return family_of(parts.framework) in MODEL_FAMILIES or parts.name.startswith("http:")

    def joinable(self, node_id: str) -> bool:
        """Whether the node could have a structural counterpart at all."""
        return not self.is_model(node_id) and (node_id in self._chats or not self.is_container(node_id))

    def _find(self, node_id: str) -> tuple[str, ...]:
        if not self.joinable(node_id):
            return ()
        kind = self.type_of(node_id)
        found = self._index.find(node_id, kind, self._parents.get(node_id, ()))
        if not found and kind == CAPABILITY and node_id in self._stats.tools and self._stats.seen.get(node_id):
            found = self._index.find(node_id, self._stats.seen[node_id])  # an agent or a server used as a tool
        return found
