"""Data paths from sensitive stores to sinks (finding_rules.md part B), their missing controls (D4) and severity.

Of the paths between one store and one sender that differ in nothing a rule or the ping asks for (last agent, length,
missing controls, guard, crew) one is kept: the surest, then the first. So a crew in which everyone hands over to
everyone costs its edges times the stores, not the number of its routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from stratum_lab.scan.graph import DataPath, Severity
from stratum_lab.scan.model import Agent, Capability, Crew, Model, Sensitivity
from stratum_lab.scan.topology_controls import Controls
from stratum_lab.scan.topology_ids import Ids

MAX_HOPS: Final = 6
"""Edges of the longest data path, the virtual hop included; it leaves two edges between agents."""
_BETWEEN: Final = MAX_HOPS - 4
"""reads_from, tool_of, virtual hop and sends_to are the other four."""
_NEEDS_HITL: Final[frozenset[Sensitivity]] = frozenset({"personal", "health", "financial", "credentials"})

Control = Literal["output_filter", "hitl", "validation"]


class Reader(NamedTuple):
    """A data_access capability with the store it reads, of a sensitivity at which paths start."""

    store: str
    sensitivity: Sensitivity
    capability: Capability


class Sender(NamedTuple):
    """An outbound or financial capability with the node it sends to."""

    sink: str
    capability: Capability


class Flow(NamedTuple):
    """What the search needs of a graph: who reads, who sends, and who hands over to whom in each crew."""

    readers: dict[Agent, list[Reader]]
    senders: dict[Agent, list[Sender]]
    routes: dict[Crew, dict[Agent, list[Agent]]]


class _Way(NamedTuple):
    """A way from a store to an agent; ordered by how sure its reader is, then by nodes."""

    doubt: int
    nodes: tuple[str, ...]
    agents: tuple[Agent, ...]

    @property
    def order(self) -> tuple[int, tuple[str, ...]]:
        return self.doubt, self.nodes


_Controlled = tuple[bool, bool]
"""Whether an output filter, and whether a human, lies on the way so far."""
_Ways = dict[Agent, dict[_Controlled, list[_Way]]]
_Key = tuple[str, Capability, str, Agent, int, frozenset[str], bool]


def missing_controls(
    sensitivity: Sensitivity, *, output_filter: bool, hitl: bool, validation: bool
) -> frozenset[Control]:
    """Controls of table D4 that a path lacks.

    Args:
        sensitivity: Of its source.
        output_filter: An effective output filter lies on it.
        hitl: A human review lies on it.
        validation: The sending task is validated.
    """
    missing: set[Control] = set()
    if not output_filter:
        missing.add("output_filter")
    if not hitl and sensitivity in _NEEDS_HITL:
        missing.add("hitl")
    if not validation and sensitivity == "financial":
        missing.add("validation")
    return frozenset(missing)


def path_severity(sensitivity: Sensitivity, external: bool, missing: frozenset[str]) -> Severity | None:
    """Severity of a path: the first row of part B that fits, None when nothing is missing."""
    unfiltered = "output_filter" in missing
    if external and unfiltered and sensitivity in ("personal", "health", "credentials"):
        return "CRITICAL"
    if external and sensitivity == "financial" and "hitl" in missing:
        return "CRITICAL"
    if unfiltered and sensitivity in ("personal", "health", "financial"):
        return "HIGH"
    if unfiltered and external and sensitivity == "internal":
        return "HIGH"
    return "MEDIUM" if missing else None


class PathFinder:
    """Finds the data paths of one model."""

    def __init__(self, model: Model, ids: Ids, flow: Flow, controls: Controls) -> None:
        self._ids, self._flow, self._controls = ids, flow, controls
        self._confidence = {node_id: capability.confidence for capability, node_id in ids.capabilities.items()}
        self._crews: dict[Agent, list[Crew]] = {}
        for crew in model.crews:
            for agent in crew.members:
                self._crews.setdefault(agent, []).append(crew)

    def find(self) -> list[DataPath]:
        """All data paths, in order of their nodes."""
        found = [*self._within_agents(), *self._across_agents()]
        return sorted(found, key=lambda path: (path.nodes, [agent.site for agent in path.agents]))

    def _within_agents(self) -> Iterator[DataPath]:
        """Reader and sender of one agent: a shares_with edge lies between them."""
        for agent, readers in self._flow.readers.items():
            for reader in readers:
                for sender in self._flow.senders.get(agent, ()):
                    way = _Way(0, (reader.store, self._ids.capabilities[reader.capability]), (agent,))
                    passed = self._passed(self._ids.capabilities[reader.capability], self._ids.agents[agent])
                    crews = tuple(self._crews.get(agent, ()))
                    yield self._path(way, passed, reader.sensitivity, sender, agent, crews)

    def _across_agents(self) -> Iterator[DataPath]:
        """Reader and sender of two agents of one crew, at most two edges apart."""
        found: dict[tuple[tuple[str, ...], tuple[Agent, ...]], tuple[DataPath, list[Crew]]] = {}
        for crew, leads_to in self._flow.routes.items():
            best: dict[_Key, DataPath] = {}
            for path in self._of_crew(leads_to):
                key = (
                    path.nodes[0],
                    path.sender,
                    path.nodes[-1],
                    path.agents[-1],
                    path.hops,
                    path.missing,
                    path.guarded,
                )
                known = best.get(key)
                if known is None or self._order(path) < self._order(known):
                    best[key] = path
            for path in best.values():
                found.setdefault((path.nodes, path.agents), (path, []))[1].append(crew)
        for path, crews in found.values():
            yield replace(path, crews=tuple(crews))

    def _of_crew(self, leads_to: dict[Agent, list[Agent]]) -> Iterator[DataPath]:
        stores = {
            (reader.store, reader.sensitivity) for agent in leads_to for reader in self._flow.readers.get(agent, ())
        }
        for store, sensitivity in sorted(stores):
            ways = self._start(store, leads_to)
            for _ in range(_BETWEEN):
                ways = self._next(ways, leads_to)
                for agent, by_control in ways.items():
                    for sender in self._flow.senders.get(agent, ()):
                        for passed, reached in by_control.items():
                            yield self._path(reached[0], passed, sensitivity, sender, agent, ())

    def _start(self, store: str, agents: dict[Agent, list[Agent]]) -> _Ways:
        ways: _Ways = {}
        for agent in agents:
            agent_id = self._ids.agents[agent]
            for reader in self._flow.readers.get(agent, ()):
                if reader.store == store:
                    capability = self._ids.capabilities[reader.capability]
                    way = _Way(-int(reader.capability.confidence), (store, capability, agent_id), (agent,))
                    _keep(ways.setdefault(agent, {}).setdefault(self._passed(capability, agent_id), []), way)
        return ways

    def _next(self, ways: _Ways, leads_to: dict[Agent, list[Agent]]) -> _Ways:
        """One edge further; two ways with different first agents are kept, so that none returns to its own."""
        further: _Ways = {}
        for agent, by_control in ways.items():
            for target in leads_to.get(agent, ()):
                target_id = self._ids.agents[target]
                filtered, human = self._passed(target_id)
                for passed, reached in by_control.items():
                    now = (passed[0] or filtered, passed[1] or human)
                    for way in reached:
                        if way.agents[0] is not target:
                            longer = _Way(way.doubt, (*way.nodes, target_id), (*way.agents, target))
                            _keep(further.setdefault(target, {}).setdefault(now, []), longer)
        return further

    def _passed(self, *node_ids: str) -> _Controlled:
        return (
            any(self._controls.has(node_id, "output_filter") for node_id in node_ids),
            any(self._controls.has(node_id, "hitl") for node_id in node_ids),
        )

    def _path(
        self,
        way: _Way,
        passed: _Controlled,
        sensitivity: Sensitivity,
        sender: Sender,
        agent: Agent,
        crews: tuple[Crew, ...],
    ) -> DataPath:
        ends = (self._ids.capabilities[sender.capability], self._ids.agents[agent])
        filtered, human = self._passed(*ends)
        missing = missing_controls(
            sensitivity,
            output_filter=passed[0] or filtered,
            hitl=passed[1] or human,
            validation=any(self._controls.has(end, "validation") for end in ends),
        )
        nodes = (*way.nodes, ends[0], sender.sink)
        return DataPath(
            nodes=nodes,
            hops=len(nodes) - 1,
            sensitivity=sensitivity,
            external=True,  # outbound and financial capabilities end at an external or an MCP server, nothing else
            missing=missing,
            guarded=human or "output_filter" not in missing,
            severity=path_severity(sensitivity, True, missing),
            crews=crews,
            agents=way.agents,
            sender=sender.capability,
        )

    def _order(self, path: DataPath) -> tuple[int, tuple[str, ...]]:
        return -int(self._confidence[path.nodes[1]]), path.nodes


def _keep(reached: list[_Way], way: _Way) -> None:
    """Keep the best way and the best of those that begin with another agent."""
    reached.append(way)
    reached.sort(key=lambda w: w.order)
    second = next((w for w in reached if w.agents[0] is not reached[0].agents[0]), None)
    reached[:] = reached[:1] if second is None else [reached[0], second]
