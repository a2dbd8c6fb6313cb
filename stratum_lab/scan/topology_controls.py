"""Which guardrail covers which node: the filtered_by and gated_by edges, and what they mean for data that passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from stratum_lab.scan.graph import Edge, EdgeType
from stratum_lab.scan.model import Agent, Capability, Crew, Guardrail, GuardrailKind, Model, Step, Task, Tool
from stratum_lab.scan.topology_ids import Ids

_EDGE: Final[dict[GuardrailKind, EdgeType]] = {
    "input_filter": "filtered_by",
    "output_filter": "filtered_by",
    "validation": "filtered_by",
    "hitl": "gated_by",
    "rate_limit": "gated_by",
}


class Controls:
    """Active guardrails by the node they are evidently linked to.

    A guardrail of a task covers the task's agent, one of a crew its members, one of a tool the tool's capabilities, and
    one of a graph node that is no agent the capabilities its code runs. One that is linked to nothing covers nothing.
    """

    def __init__(self, model: Model, ids: Ids) -> None:
        self.edges: set[Edge] = set()
        self.guardrails: dict[str, Guardrail] = {}
        self._kinds: dict[str, set[GuardrailKind]] = {}
        by_unit: dict[str, list[Agent]] = {}
        for agent in model.agents:
            by_unit.setdefault(agent.unit, []).append(agent)
        by_tool: dict[Tool, list[Capability]] = {}
        by_step: dict[Step, list[Capability]] = {}
        for capability in model.capabilities:
            for tool in capability.tools:
                by_tool.setdefault(tool, []).append(capability)
            for step in capability.steps:
                by_step.setdefault(step, []).append(capability)
        self._by_tool, self._by_step, self._ids = by_tool, by_step, ids
        for guardrail in model.guardrails:
            if not guardrail.active:
                continue
            target = ids.guardrail(guardrail)
            self.guardrails.setdefault(target, guardrail)
            covered: Iterable[Agent | Tool | Task | Crew | Step] = guardrail.targets
            if not guardrail.targets and guardrail.by_unit:
                covered = by_unit.get(guardrail.unit, ())
            for source in self._nodes(covered):
                self._kinds.setdefault(source, set()).add(guardrail.kind)
                self.edges.add(Edge(source, target, _EDGE[guardrail.kind]))

    def has(self, node_id: str, *kinds: GuardrailKind) -> bool:
        """Whether a node is linked to a guardrail of one of these kinds."""
        known = self._kinds.get(node_id)
        return known is not None and not known.isdisjoint(kinds)

    def linked(self, node_id: str) -> bool:
        """Whether a node has any filtered_by or gated_by edge."""
        return node_id in self._kinds

    def blocks(self, source: str, target: str) -> bool:
        """Whether an effective filter stops data from a node to the next: at the way out or at the way in."""
        return self.has(source, "output_filter") or self.has(target, "input_filter")

    def _nodes(self, covered: Iterable[Agent | Tool | Task | Crew | Step]) -> Iterator[str]:
        for what in covered:
            if isinstance(what, Agent):
                agents = [what]
            elif isinstance(what, Task):
                agents = [what.agent] if what.agent is not None else []
            elif isinstance(what, Crew):
                agents = what.members
            else:
                found = self._by_tool.get(what, ()) if isinstance(what, Tool) else self._by_step.get(what, ())
                yield from (self._ids.capabilities[capability] for capability in found)
                continue
            yield from (self._ids.agents[agent] for agent in agents if agent in self._ids.agents)
