"""Answers to what several rules ask of a model: who holds what, what is gated or filtered, where a place belongs.

Only links that the model states count. A guardrail without targets covers nothing, a filter of a unit its agents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from stratum_lab.scan.graph import Topology
from stratum_lab.scan.model import (
    Agent,
    Capability,
    CapabilityKind,
    Confidence,
    Crew,
    Guardrail,
    GuardrailKind,
    Model,
    Site,
    Step,
    Task,
    Tool,
)

LABEL = 60
"""Characters of a name in a text; what comes from a repository can be of any length."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")


class SourceFile(Protocol):
    """What rules ask of a Python file: its path and the import roots it uses."""

    @property
    def path(self) -> str: ...

    @property
    def roots(self) -> set[str]: ...


class SourceTree(Protocol):
    """What rules ask of the project: its Python files."""

    @property
    def modules(self) -> Sequence[SourceFile]: ...


class Owner(NamedTuple):
    """Agents concerned, with the crew they are in; None for those in no crew."""

    crew: Crew | None
    agents: tuple[Agent, ...]


@cache
def table(name: str) -> Any:
    """A data table of the catalogue. Any: each has a shape of its own, checked by tests."""
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def words(text: str) -> Iterator[str]:
    """Lower-case words of a text or identifier, split at case changes, digits and underscores."""
    for found in _WORD.finditer(text):
        yield found.group().lower()


def starts(text: str, stems: Iterable[str]) -> bool:
    """Whether a word of the text starts with one of the stems."""
    stems = tuple(stems)
    return any(word.startswith(stems) for word in words(text))


def label(text: str) -> str:
    """A name fit for a sentence: whitespace collapsed, cut at 60 characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LABEL else flat[: LABEL - 1] + "…"


def labels_of(agents: Iterable[Agent]) -> str:
    """Names of agents joined for a sentence."""
    return ", ".join(agent_label(agent) for agent in agents)


def agent_label(agent: Agent) -> str:
    """What a developer knows an agent by."""
    return label(agent.name or agent.symbol)


def capability_label(capability: Capability) -> str:
    """The tool a capability comes from, else the function."""
    return label(capability.tools[0].name if capability.tools else capability.symbol)


def site_of(capability: Capability, agents: Sequence[Agent] = ()) -> Site | None:
    """First place of a capability, else its tool, else a holder."""
    if capability.sites:
        return min(capability.sites)
    if capability.tools:
        return capability.tools[0].site
    return agents[0].site if agents else None


class Facts:
    """A model and its graph, with the look-ups rules need; made once for a scan."""

    def __init__(self, model: Model, graph: Topology, project: SourceTree) -> None:
        self.model = model
        self.graph = graph
        self.project = project

    @cached_property
    def _crews(self) -> dict[Agent, list[Crew]]:
        found: dict[Agent, list[Crew]] = {}
        for crew in self.model.crews:
            for agent in crew.members:
                found.setdefault(agent, []).append(crew)
        return found

    @cached_property
    def _held(self) -> dict[Agent, list[Capability]]:
        found: dict[Agent, list[Capability]] = {}
        for capability in self.model.capabilities:
            for agent in capability.agents:
                found.setdefault(agent, []).append(capability)
        return found

    @cached_property
    def _tasks(self) -> dict[Agent, list[Task]]:
        found: dict[Agent, list[Task]] = {}
        for task in self.model.tasks:
            if task.agent is not None:
                found.setdefault(task.agent, []).append(task)
        return found

    @cached_property
    def _guards(self) -> dict[int, list[Guardrail]]:
        """Active guardrails by the identity of what they are linked to."""
        found: dict[int, list[Guardrail]] = {}
        for guard in self.model.guardrails:
            if guard.active:
                for target in guard.targets:
                    found.setdefault(id(target), []).append(guard)
        return found

    @cached_property
    def _tool_guards(self) -> dict[tuple[tuple[str, str], Site], set[GuardrailKind]]:
        found: dict[tuple[tuple[str, str], Site], set[GuardrailKind]] = {}
        for guard in self.model.guardrails:
            if guard.active:
                for target in guard.targets:
                    if isinstance(target, Tool):
                        found.setdefault((target.key, target.site), set()).add(guard.kind)
        return found

    @cached_property
    def _unit_filters(self) -> dict[str, set[GuardrailKind]]:
        """Filters that reach every agent of their unit because they were given to none."""
        found: dict[str, set[GuardrailKind]] = {}
        for guard in self.model.guardrails:
            if guard.active and guard.by_unit and not guard.targets:
                found.setdefault(guard.unit, set()).add(guard.kind)
        return found

    @cached_property
    def _gated_steps(self) -> dict[Agent, set[GuardrailKind]]:
        """Guardrails of a tool node, for the agents whose tools it runs: those with an edge to it."""
        found: dict[Agent, set[GuardrailKind]] = {}
        for link in self.model.links:
            if isinstance(link.target, Step) and not link.target.code and isinstance(link.source, Agent):
                found.setdefault(link.source, set()).update(g.kind for g in self._guards.get(id(link.target), ()))
        return found

    def crews_of(self, agent: Agent) -> list[Crew]:
        """Crews an agent is a member of."""
        return self._crews.get(agent, [])

    def held(self, agent: Agent, *kinds: CapabilityKind) -> list[Capability]:
        """Capabilities of an agent, of some kinds or all."""
        return [c for c in self._held.get(agent, ()) if not kinds or c.kind in kinds]

    def reachable(self, *kinds: CapabilityKind) -> list[Capability]:
        """Capabilities that some agent holds."""
        return [c for c in self.model.capabilities if c.agents and (not kinds or c.kind in kinds)]

    def tasks_of(self, agent: Agent) -> list[Task]:
        """Tasks assigned to an agent."""
        return self._tasks.get(agent, [])

    def owners(self, agents: Iterable[Agent]) -> list[Owner]:
        """The owner rule: one entry per crew that has some of these agents, one more for those in none."""
        by_crew: dict[Crew | None, list[Agent]] = {}
        for agent in agents:
            crews: list[Crew | None] = [*self.crews_of(agent)] or [None]
            for crew in crews:
                by_crew.setdefault(crew, []).append(agent)
        return [Owner(crew, tuple(found)) for crew, found in by_crew.items()]

    def guards(self, agent: Agent) -> set[GuardrailKind]:
        """Kinds of active guardrails on an agent, its tasks or its crews, or over its unit."""
        kinds: set[GuardrailKind] = set(self._unit_filters.get(agent.unit, ()))
        for what in (agent, *self.crews_of(agent)):
            kinds.update(guard.kind for guard in self._guards.get(id(what), ()))
        for task in self.tasks_of(agent):
            kinds |= self.task_guards(task)
        return kinds

    def crew_guards(self, crew: Crew) -> set[GuardrailKind]:
        """Kinds of active guardrails on a crew itself, its tasks or its members."""
        kinds: set[GuardrailKind] = {guard.kind for guard in self._guards.get(id(crew), ())}
        for task in crew.tasks:
            kinds |= self.task_guards(task)
        for agent in crew.members:
            kinds |= self.guards(agent)
        return kinds

    def task_guards(self, task: Task) -> set[GuardrailKind]:
        """Kinds of active guardrails on one task."""
        kinds: set[GuardrailKind] = {guard.kind for guard in self._guards.get(id(task), ())}
        if task.validated:
            kinds.add("validation")
        if task.hitl:
            kinds.add("hitl")
        return kinds

    def covers(self, capability: Capability, agent: Agent) -> set[GuardrailKind]:
        """Kinds of active guardrails on a capability as one agent holds it: tool, agent, task, tool node."""
        kinds = self.guards(agent)
        held = {tool.key for tool in agent.tools}
        for tool in capability.tools:
            if tool.key in held:
                kinds |= self._tool_guards.get((tool.key, tool.site), set())
        if capability.tools:
            kinds |= self._gated_steps.get(agent, set())
        return kinds

    def unit_has(self, unit: str, *kinds: GuardrailKind) -> bool:
        """Whether an active guardrail of one of these kinds stands anywhere in a project unit."""
        if any(g.active and g.unit == unit and g.kind in kinds for g in self.model.guardrails):
            return True
        tasks = [task for task in self.model.tasks if task.agent is not None and task.agent.unit == unit]
        return ("hitl" in kinds and any(t.hitl for t in tasks)) or (
            "validation" in kinds and any(t.validated for t in tasks)
        )

    @cached_property
    def _sinks(self) -> dict[int, set[str]]:
        """External nodes a capability sends to, by the identity of the capability."""
        capabilities = {n.node_id: n.thing for n in self.graph.nodes.values() if isinstance(n.thing, Capability)}
        found: dict[int, set[str]] = {}
        for edge in self.graph.edges:
            if edge.edge_type == "sends_to" and edge.source in capabilities:
                found.setdefault(id(capabilities[edge.source]), set()).add(edge.target)
        return found

    def externals_below(self, agents: Iterable[Agent]) -> set[str]:
        """External nodes that agents, or agents after them, send to."""
        reached: list[Agent] = list(agents)
        seen = set(reached)
        while reached:
            agent = reached.pop()
            for link in self._out.get(agent, ()):
                if link not in seen:
                    seen.add(link)
                    reached.append(link)
        return {sink for agent in seen for c in self.held(agent) for sink in self._sinks.get(id(c), ())}

    @cached_property
    def _out(self) -> dict[Agent, list[Agent]]:
        found: dict[Agent, list[Agent]] = {}
        for link in self.model.links:
            if isinstance(link.source, Agent) and isinstance(link.target, Agent):
                found.setdefault(link.source, []).append(link.target)
        return found

    @cached_property
    def providers(self) -> frozenset[str]:
        """Model providers of tier detected, else those whose key name is referenced (A10)."""
        detected = frozenset(use.slug for use in self.model.model_uses if use.slug)
        if detected:
            return detected
        keys: dict[str, str] = table("companies.json")["provider_keys"]
        return frozenset(keys[ref.name] for ref in self.model.env_references if ref.name in keys)

    def provider_site(self) -> Site | None:
        """First place that names a model provider."""
        sites = [use.site for use in self.model.model_uses if use.slug]
        keys: dict[str, str] = table("companies.json")["provider_keys"]
        return min(sites or [ref.site for ref in self.model.env_references if ref.name in keys], default=None)


def strongest(capabilities: Iterable[Capability]) -> Confidence:
    """Best confidence among facts any of which is enough."""
    return max((c.confidence for c in capabilities), default=Confidence.HEURISTIC)
