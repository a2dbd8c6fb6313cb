"""The view against a supplied graph: which structural edges the facts of a run show (table of section 2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from stratum_lab.contract.events.graph import StructuralGraph
from stratum_lab.fold.join import normal_name, parse_id
from stratum_lab.fold.joined import JoinedRun, KeyIndex
from stratum_lab.fold.state import (
    BY_INPUT,
    BY_ROUTING,
    BY_STATE,
    BY_TRAVERSAL,
    DELEGATES,
    READS,
    USES,
    WRITES,
    Edge,
    RunStats,
)
from stratum_lab.fold.structure import AGENT, CAPABILITY, DATA_STORE, FEEDS, GUARDRAIL, MCP_SERVER, STEP, Structure
from stratum_lab.fold.view import Run, StructuralEdge

Pair = tuple[str, str]
_HIDDEN = (STEP, GUARDRAIL)
"""Node types that lists leave out."""


class RunFindings:
    """What one run showed, as pairs of structural ids.

    Attributes:
        join: The run's ids in structural terms.
        delegations: (source, target) of delegations, steps passed through.
        feeds: (source, target) of hand-overs, steps passed through.
        uses: (agent, tool).
        invoked: Tools invoked.
        accesses: (store, type of access).
        contacts: (tool, external).
        direct: (source, target, type) of every run-time edge.
    """

    def __init__(self, stats: RunStats, structure: Structure, index: KeyIndex) -> None:
        self.join = JoinedRun(stats, index)
        self._steps = structure.steps
        delegations: dict[Pair, None] = {}
        feeds: dict[Pair, None] = {}
        self.direct: set[Edge] = set()
        self.accesses: set[Pair] = set()
        for (source, target, kind), bits in stats.edges.items():
            if bits & BY_STATE:
                self.accesses.update((store, kind) for store in index.store(target))
            pairs = list(product(self.join.nodes(source), self.join.nodes(target)))
            self.direct.update((a, b, kind) for a, b in pairs)
            if kind == DELEGATES:
                delegations.update(dict.fromkeys(pairs))
            if bits & (BY_INPUT | BY_ROUTING | BY_TRAVERSAL):
                feeds.update(dict.fromkeys(pairs))
        for previous, chosen in stats.turns:
            feeds.update(dict.fromkeys(product(self._speaker(previous, stats), self.join.nodes(chosen))))
        self.invoked = {n for tool in stats.tools for n in self.join.nodes(tool)}
        self.uses = {(a, b) for a, b, kind in self.direct if kind == USES}
        self.contacts = {
            pair for tool, domain in stats.contacts for pair in product(self.join.nodes(tool), index.external(domain))
        }
        hops = [*feeds, *delegations]
        self.delegations = self._through(delegations, hops)
        self.feeds = self._through(feeds, hops)
        self.hops = self._through(hops, hops)

    def _speaker(self, previous: str, stats: RunStats) -> tuple[str, ...]:
        """A previous speaker is given by id or by bare name."""
        found = self.join.nodes(previous)
        if found:
            return found
        name = normal_name(previous)
        return tuple(
            n for node in stats.agents if normal_name(parse_id(node).name) == name for n in self.join.nodes(node)
        )

    def _through(self, pairs: Iterable[Pair], hops: Iterable[Pair]) -> dict[Pair, None]:
        """The pairs, and those that come about by passing through steps, whatever kind each hop was."""
        leaving: dict[str, list[str]] = {}
        entering: dict[Pair, None] = {}
        for source, target in hops:
            if source in self._steps:
                leaving.setdefault(source, []).append(target)
            elif target in self._steps:
                entering[source, target] = None
        found = {p: None for p in pairs if p[0] not in self._steps and p[1] not in self._steps}
        for source, step in entering:
            queue, done = [step], {step}
            while queue:
                for target in leaving.get(queue.pop(0), ()):
                    if target not in self._steps:
                        found[source, target] = None
                    elif target not in done:
                        done.add(target)
                        queue.append(target)
        return found


class SuppliedView:
    """Runs against the scanner's graph, compared by join key; see `stratum_lab.fold.view.View`."""

    def __init__(self, runs: Sequence[Run], graph: StructuralGraph) -> None:
        self.runs = runs
        self.structure = Structure(graph)
        self.index = KeyIndex(self.structure)
        self.edges = self.structure.observable
        self.nodes = [i for i, n in self.structure.nodes.items() if n.node_type not in _HIDDEN]
        self._found = [RunFindings(run.stats, self.structure, self.index) for run in runs]
        self._pairs = {(e.source, e.target) for e in self.edges}
        self._servers = self._tools_of_servers()

    def traversed(self, edge: StructuralEdge) -> int:
        """Number of runs that show at least one fact of the edge's row."""
        return sum(self._shows(found, edge) for found in self._found)

    def seen(self, run: int) -> set[str]:
        """Structural ids of joined nodes, run-time ids of the others; what is only a step is left out."""
        ids: set[str] = set()
        join = self._found[run].join
        for node in self.runs[run].stats.seen:
            found = join.nodes(node)
            ids.update(i for i in found if self.structure.type_of(i) not in _HIDDEN)
            if not found:
                ids.add(node)
        return ids

    def joinable(self, run: int) -> set[str]:
        """Those of `seen` that could have a structural counterpart."""
        join = self._found[run].join
        seen = self.runs[run].stats.seen
        return self.seen(run) - {node for node in seen if not join.nodes(node) and not join.joinable(node)}

    def emergent(self, run: int) -> list[Edge]:
        """Agent-agent and agent-tool edges whose joined pair is not structural."""
        found, edges = self._found[run], self.runs[run].stats.edges
        order: dict[Edge, None] = {}
        passed: set[Pair] = set()
        for (source, target, kind), bits in edges.items():
            if kind == USES:
                fits = self._is_agent(run, source) and not found.join.is_model(target)
            else:
                by_agents = kind == DELEGATES or (kind == READS and bits & BY_INPUT)
                fits = bool(by_agents) and self._is_agent(run, source) and self._is_agent(run, target)
            if fits and not self._structural(found.join, source, target):
                order[self.name_of(run, source), self.name_of(run, target), kind] = None
            passed.update(product(found.join.nodes(source), found.join.nodes(target)))
        for source, target in found.hops:  # hand-overs through a step
            agents = self.structure.type_of(source) == self.structure.type_of(target) == AGENT
            if agents and (source, target) not in passed and (source, target) not in self._pairs:
                order[source, target, DELEGATES] = None
        return list(order)

    def name_of(self, run: int, node: str) -> str:
        """The structural id where the node is joined, the first one where the match is ambiguous."""
        found = self._found[run].join.nodes(node)
        return found[0] if found else node

    def starts(self, run: int, node: str) -> list[str]:
        """All structural ids of the node, or its own."""
        return list(self._found[run].join.nodes(node)) or [node]

    def _is_agent(self, run: int, node: str) -> bool:
        join = self._found[run].join
        if join.is_container(node):
            return False
        found = join.nodes(node)
        if found:
            return any(self.structure.type_of(i) == AGENT for i in found)
        return self.runs[run].stats.seen.get(node) == AGENT

    def _structural(self, join: JoinedRun, source: str, target: str) -> bool:
        sources, targets = join.nodes(source) or (source,), join.nodes(target) or (target,)
        return any(
            (a, b) in self._pairs or (self.structure.type_of(b) != AGENT and (b, a) in self._pairs)
            for a, b in product(sources, targets)
        )

    def _shows(self, found: RunFindings, edge: StructuralEdge) -> bool:
        source, target, kind = edge.source, edge.target, edge.edge_type
        if kind == "tool_of":
            return (target, source) in found.uses
        if kind == DELEGATES:
            return (source, target) in found.delegations
        if kind == FEEDS:
            return (source, target) in found.feeds
        if kind in (READS, WRITES):
            ends = {self.structure.type_of(source): source, self.structure.type_of(target): target}
            if ends.keys() == {DATA_STORE, CAPABILITY}:
                return ends[CAPABILITY] in found.invoked or (ends[DATA_STORE], kind) in found.accesses
        if kind == "sends_to":
            return (source, target) in found.contacts
        if kind == "connects_to":
            return any((source, tool) in found.uses for tool in self._servers.get(target, ()))
        if not kind:
            return any(e[:2] == (source, target) for e in found.direct)
        return (source, target, kind) in found.direct

    def _tools_of_servers(self) -> dict[str, set[str]]:
        """MCP server -> itself and the capabilities that name it as their service, group or own name."""
        tools: dict[str, set[str]] = {}
        nodes = self.structure.nodes.values()
        for server in (n for n in nodes if n.node_type == MCP_SERVER):
            names = {normal_name(server.name), normal_name(server.node_id)}
            tools[server.node_id] = {server.node_id} | {
                n.node_id
                for n in nodes
                if n.node_type == CAPABILITY
                and names & {normal_name(t) for t in (n.name, n.service or "", *n.groups) if t}
            }
        return tools
