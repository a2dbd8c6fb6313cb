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
    GuardrailKind,
    Model,
    Site,
    Task,
)
from stratum_lab.scan.topology import links_of
from stratum_lab.scan.topology_controls import Controls
from stratum_lab.scan.topology_ids import Ids

LABEL = 60
"""Characters of a name in a text; what comes from a repository can be of any length."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")


class SourceFile(Protocol):
    """What rules ask of a Python file: its path and the dotted names it imports."""

    @property
    def path(self) -> str: ...

    @property
    def imported(self) -> set[str]: ...


class SourceTree(Protocol):
    """What rules ask of the project: its Python files."""

    @property
    def modules(self) -> Sequence[SourceFile]: ...


class Owner(NamedTuple):
    """Agents concerned, with the crew they are in; None for those in no crew."""

    crew: Crew | None
    agents: tuple[Agent, ...]


class Handover(NamedTuple):
    """One agent hands work to another; `crew` is where, None across crews."""

    source: Agent
    target: Agent
    edge_type: str
    crew: Crew | None


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
    """What a developer knows an agent by; an anonymous one by its place."""
    if agent.identified or ":" not in agent.symbol:
        return label(agent.name or agent.symbol)
    return f"agent at {label(agent.symbol)}"


def capability_label(capability: Capability) -> str:
    """The tool a capability comes from, else the function."""
    return label(capability.tools[0].name) if capability.tools else code_label(capability.symbol)


def code_label(symbol: str) -> str:
    """A function as a developer says it: with its class, without its module."""
    parts = symbol.split(".")
    return label(".".join(parts[-2:] if len(parts) > 1 and parts[-2][:1].isupper() else parts[-1:]))


def site_of(capability: Capability, agents: Sequence[Agent] = ()) -> Site | None:
    """Where a developer looks: the call, else the tool as the first of these agents that holds it was given it."""
    if not capability.calls:
        keys = {tool.key for tool in capability.tools}
        for agent in agents:
            for tool in agent.tools:
                if tool.key in keys:
                    return tool.site
    return min(capability.sites, default=agents[0].site if agents else None)


class Facts:
    """A model and its graph, with the look-ups rules need; made once for a scan."""

    def __init__(self, model: Model, graph: Topology, project: SourceTree) -> None:
        self.model = model
        self.graph = graph
        self.project = project
        self._ids = Ids(model)
        self._controls = Controls(model, self._ids)

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
    def _direct(self) -> dict[int, set[GuardrailKind]]:
        """Kinds of active guardrails by the identity of what they are given to."""
        found: dict[int, set[GuardrailKind]] = {}
        for guard in self.model.guardrails:
            if guard.active:
                for target in guard.targets:
                    found.setdefault(id(target), set()).add(guard.kind)
        return found

    @cached_property
    def handovers(self) -> list[Handover]:
        """Where one agent feeds or delegates to another: as found, and down the line of crews that work in a row."""
        found: dict[Handover, None] = {}
        for link in links_of(self.model):
            source, target = link.source, link.target
            if isinstance(source, Agent) and isinstance(target, Agent) and source is not target:
                crews: list[Crew | None] = [link.crew]
                if link.crew is None and not link.flow:
                    crews = [crew for crew in self.crews_of(source) if target in crew.members] or [None]
                found.update((Handover(source, target, link.edge_type, crew), None) for crew in crews)
        return list(found)

    def crews_of(self, agent: Agent) -> list[Crew]:
        """Crews an agent is a member of."""
        return self._crews.get(agent, [])

    def held(self, agent: Agent, *kinds: CapabilityKind) -> list[Capability]:
        """Capabilities of an agent, of some kinds or all."""
        return [c for c in self._held.get(agent, ()) if not kinds or c.kind in kinds]

    def reachable(self, *kinds: CapabilityKind) -> list[Capability]:
        """Capabilities of some kinds that an agent holds; others are out of reach of most rules."""
        return [c for c in self.model.capabilities if c.agents and c.kind in kinds]

    def owners(self, agents: Iterable[Agent]) -> list[Owner]:
        """The owner rule: one entry per crew that has some of these agents, one more for those in none."""
        by_crew: dict[Crew | None, list[Agent]] = {}
        for agent in agents:
            crews: list[Crew | None] = [*self.crews_of(agent)] or [None]
            for crew in crews:
                by_crew.setdefault(crew, []).append(agent)
        return [Owner(crew, tuple(found)) for crew, found in by_crew.items()]

    def guarded(self, agent: Agent, *kinds: GuardrailKind) -> bool:
        """Whether an agent is linked to an active guardrail of these kinds: its own, its tasks', crew's or unit's."""
        return self._controls.has(self._ids.agents[agent], *kinds)

    def covered(self, capability: Capability, agent: Agent, *kinds: GuardrailKind) -> bool:
        """Whether a guardrail of these kinds covers a capability as an agent holds it: on the tool, node or agent."""
        return self._controls.has(self._ids.capabilities[capability], *kinds) or self.guarded(agent, *kinds)

    def limited(self, crew: Crew) -> bool:
        """Whether a crew, a run of it, a task or a member has a rate limit."""
        return (
            crew.rate_limited
            or any("rate_limit" in self._direct.get(id(what), ()) for what in (crew, *crew.tasks))
            or any(self.guarded(agent, "rate_limit") for agent in crew.members)
        )

    def validated(self, step: Task | Agent) -> bool:
        """Whether the output of one task, or of an agent that has none, is checked."""
        if "validation" in self._direct.get(id(step), ()):
            return True
        if isinstance(step, Agent):
            return self.guarded(step, "validation")
        return step.validated or (step.agent is not None and self.validated_itself(step.agent))

    def validated_itself(self, agent: Agent) -> bool:
        """Whether a validation was given to an agent and not to one of its tasks."""
        return "validation" in self._direct.get(id(agent), ())

    def unit_has(self, unit: str, *kinds: GuardrailKind) -> bool:
        """Whether an active guardrail of one of these kinds stands anywhere in a project unit."""
        return not self._unit_kinds.get(unit, frozenset()).isdisjoint(kinds)

    @cached_property
    def _unit_kinds(self) -> dict[str, set[GuardrailKind]]:
        found: dict[str, set[GuardrailKind]] = {}
        for guard in self.model.guardrails:
            if guard.active:
                found.setdefault(guard.unit, set()).add(guard.kind)
        return found

    @cached_property
    def _sinks(self) -> dict[str, set[str]]:
        """External nodes by the capability that sends to them."""
        found: dict[str, set[str]] = {}
        for edge in self.graph.edges:
            if edge.edge_type == "sends_to" and self.graph.nodes[edge.target].node_type == "external":
                found.setdefault(edge.source, set()).add(edge.target)
        return found

    @cached_property
    def _after(self) -> dict[Agent, list[Agent]]:
        found: dict[Agent, list[Agent]] = {}
        for handover in self.handovers:
            found.setdefault(handover.source, []).append(handover.target)
        return found

    def externals_below(self, agents: Iterable[Agent]) -> set[str]:
        """External nodes that agents, or agents after them, send to."""
        todo = list(agents)
        seen = set(todo)
        while todo:
            further = [agent for agent in self._after.get(todo.pop(), ()) if agent not in seen]
            seen.update(further)
            todo += further
        return {
            sink
            for agent in seen
            for capability in self.held(agent)
            for sink in self._sinks.get(self._ids.capabilities[capability], ())
        }

    @cached_property
    def providers(self) -> frozenset[str]:
        """Model providers of tier detected, else those whose key name is referenced (A10)."""
        if self.model.model_uses:
            return frozenset(use.slug for use in self.model.model_uses if use.slug)
        keys: dict[str, str] = table("companies.json")["provider_keys"]
        return frozenset(keys[ref.name] for ref in self.model.env_references if ref.name in keys)

    def provider_site(self) -> Site | None:
        """First place that names a model provider."""
        keys: dict[str, str] = table("companies.json")["provider_keys"]
        sites = [use.site for use in self.model.model_uses if use.slug]
        return min(sites or [ref.site for ref in self.model.env_references if ref.name in keys], default=None)


def strongest(capabilities: Iterable[Capability]) -> Confidence:
    """Best confidence among facts any of which is enough."""
    return max((c.confidence for c in capabilities), default=Confidence.HEURISTIC)
