"""Known incidents whose pattern a repository shows, by the table in incidents.json (finding_rules.md D3).

Matching is per group: a crew, or one agent that is in none. Parts of unrelated sub-projects never make a match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from stratum_lab.scan.finding import Finding
from stratum_lab.scan.model import Agent, Capability, CapabilityKind, Crew
from stratum_lab.scan.result import IncidentMatch
from stratum_lab.scan.rules.facts import Facts, table

MATCH = 0.5
"""Confidence from which an incident matches."""
CITE = 0.75
"""Confidence from which a finding may tell its story."""
ACTING: tuple[CapabilityKind, ...] = ("outbound", "destructive", "financial", "code_exec")


class Group(NamedTuple):
    """Agents that run together: a crew's members, or one agent in no crew."""

    crew: Crew | None
    agents: tuple[Agent, ...]


class Matched(NamedTuple):
    """One incident with its confidence in every group where it reaches 0.5."""

    incident: str
    rules: frozenset[str]
    groups: tuple[tuple[Group, float], ...]

    @property
    def best(self) -> IncidentMatch:
        """The match of the repository: that of its best group."""
        return IncidentMatch(self.incident, max(confidence for _, confidence in self.groups))


def groups(facts: Facts) -> list[Group]:
    """Every group of a model."""
    alone = [Group(None, (agent,)) for agent in facts.model.agents if not facts.crews_of(agent)]
    return [Group(crew, tuple(crew.members)) for crew in facts.model.crews] + alone


def match(facts: Facts) -> list[Matched]:
    """Incidents that match somewhere, sorted by ID."""
    found: list[Matched] = []
    everyone = groups(facts)
    for entry in table("incidents.json"):
        reached = [(group, confidence) for group in everyone if (confidence := _confidence(entry, group, facts))]
        if reached:
            found.append(Matched(entry["id"], frozenset(entry["rules"]), tuple(reached)))
    return sorted(found, key=lambda matched: matched.incident)


def cite(findings: Iterable[Finding], matched: Iterable[Matched]) -> None:
    """Give a finding the most confident incident of its own rule that matched where it fired."""
    for finding in findings:
        crews = {instance.crew for instance in finding.instances}
        base = finding.rule.partition(".")[0]
        candidates = [
            (confidence, m.incident)
            for m in matched
            if base in m.rules
            for group, confidence in m.groups
            if confidence >= CITE and group.crew in crews
        ]
        finding.incident = min(candidates, key=lambda c: (-c[0], c[1]))[1] if candidates else None


def _confidence(entry: dict[str, Any], group: Group, facts: Facts) -> float:
    """Confidence of one incident in one group; 0.0 below the match. Any: rows of the table."""
    held = [capability for agent in group.agents for capability in facts.held(agent)]
    if not set(entry["kinds"]) <= {c.kind for c in held}:
        return 0.0
    if entry["fetches"] and not any(c.fetches for c in held):
        return 0.0
    if entry["link"] and not _links(group, facts):
        return 0.0
    confidence = MATCH
    services = frozenset(entry["services"])
    named = any(not services.isdisjoint(c.all_services) for c in held)
    confidence += 0.25 if named else 0.0
    confidence += 0.25 if _PATTERNS[entry["pattern"]](group, services, facts) else 0.0
    return confidence if named else min(confidence, float(entry["most_without_service"]))


def _links(group: Group, facts: Facts) -> list[tuple[Agent, Agent]]:
    members = set(group.agents)
    return [(h.source, h.target) for h in facts.handovers if h.source in members and h.target in members]


def _path(group: Group, services: frozenset[str], facts: Facts) -> bool:
    """A store of one of the services reaches an external sink inside the group."""
    members = set(group.agents)
    return any(
        path.external and facts.graph.nodes[path.nodes[0]].service in services and members.issuperset(path.agents)
        for path in facts.graph.paths
    )


def _escalation(group: Group, services: frozenset[str], facts: Facts) -> bool:
    """An agent that only reads and sends leads to one that acts."""
    return any(
        {c.kind for c in facts.held(source)} <= {"data_access", "outbound"}
        and facts.held(source)
        and facts.held(target, "destructive", "financial", "code_exec")
        for source, target in _links(group, facts)
    )


def _fetched_action(group: Group, services: frozenset[str], facts: Facts) -> bool:
    """An agent holds a fetching tool and another that acts, without a human asked."""
    return any(
        any(c.fetches for c in facts.held(agent))
        and any(_acts(c) and not facts.covered(c, agent, "hitl") for c in facts.held(agent, *ACTING))
        for agent in group.agents
    )


def _acts(capability: Capability) -> bool:
    return not (capability.fetches or capability.search_only)


_PATTERNS: dict[str, Callable[[Group, frozenset[str], Facts], bool]] = {
    "path": _path,
    "escalation": _escalation,
    "fetched_action": _fetched_action,
}
