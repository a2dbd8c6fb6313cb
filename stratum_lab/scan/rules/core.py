"""STRATUM-001 to -003 and -007 to -010: paths of data, acting tools, calls that break (finding_rules.md C1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stratum_lab.scan.finding import Coverage
from stratum_lab.scan.graph import DataPath, Severity
from stratum_lab.scan.model import Agent, CallSite, Capability, CapabilityKind, Confidence, Crew, Site
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import (
    Facts,
    agent_label,
    capability_label,
    code_label,
    label,
    labels_of,
    site_of,
    strongest,
)
from stratum_lab.scan.rules.score import coverage


def _guarded(path: DataPath) -> bool:
    return path.guarded or not path.missing


def path_coverage(facts: Facts) -> Coverage | None:
    """Crews and crewless agents with a sensitive path to an external sink: how many have all of them guarded."""
    paths: dict[Crew | Agent, bool] = {}
    for path in facts.graph.paths:
        if path.external:
            for owner in path.crews or path.agents[-1:]:
                paths[owner] = paths.get(owner, True) and _guarded(path)
    return coverage(len(paths), sum(paths.values()))


@rule(
    "STRATUM-001",
    "Sensitive data reaches an external service with nobody in between",
    "CRITICAL",
    "HIGH",
    "MEDIUM",
    rule_class="architecture",
    category="security",
    crew=True,
    coverage=path_coverage,
    remediation="Have a person confirm the sending step (human_input=True on its task, interrupt_before on its node, "
    "an approval on the tool), or pass what leaves through an output filter.",
)
def unreviewed_path(facts: Facts) -> Iterator[Hit]:
    """One instance per unguarded path to an external sink and crew in which it runs."""
    for path in facts.graph.paths:
        if not path.external or _guarded(path) or path.severity is None:
            continue
        nodes = [facts.graph.nodes[node_id] for node_id in path.nodes]
        through = [node.thing for node in nodes if isinstance(node.thing, Capability)] or [path.sender]
        confidence = min(
            (*(c.confidence for c in (*through, path.sender)), *(a.confidence for a in path.agents)),
        )
        ends = tuple(dict.fromkeys(agent_label(agent) for agent in (path.agents[0], path.agents[-1])))
        who = f", and {ends[1]} can" if len(ends) > 1 else " and can"
        text = (
            f"{ends[0]} reads {path.sensitivity} data from {label(nodes[0].name)}{who} send it to "
            f"{label(nodes[-1].name)} through {capability_label(path.sender)}: no review, no output filter."
        )
        for crew in path.crews or (None,):
            yield Hit(
                site_of(path.sender, path.agents[-1:]),
                text,
                path.severity,
                crew,
                confidence,
                ends,
            )


@rule(
    "STRATUM-002",
    "An agent can destroy data without being asked",
    "CRITICAL",
    "HIGH",
    rule_class="architecture",
    category="security",
    crew=True,
    remediation="Put an approval step before the destructive call, delete softly (mark, keep, purge later), or run it "
    "dry first and show what would change.",
)
def unasked_destruction(facts: Facts) -> Iterator[Hit]:
    """One instance per destructive capability and crew of holders that nobody gates."""
    for capability in facts.reachable("destructive"):
        free = [agent for agent in capability.agents if not facts.covered(capability, agent, "hitl")]
        severity: Severity = "HIGH" if facts.unit_has(capability.unit, "hitl") else "CRITICAL"
        for crew, agents in facts.owners(free):
            yield Hit(
                site_of(capability, agents),
                f"{labels_of(agents)} can change or delete data through {capability_label(capability)}, and no human "
                "approves it.",
                severity,
                crew,
                capability.confidence,
                tuple(agent_label(agent) for agent in agents),
            )


@rule(
    "STRATUM-003",
    "An agent runs code that nobody checks",
    "HIGH",
    rule_class="architecture",
    category="security",
    crew=True,
    remediation="Run generated code in a container or hosted sandbox, restrict commands to an allow list, or require "
    "an approval for each run.",
)
def code_on_host(facts: Facts) -> Iterator[Hit]:
    """Code execution that an agent holds or a setting enables, unless it is contained or approved.

    The specification's condition has no way out; a container (trust restricted) or a human approval is taken as one,
    because they are the fixes it names.
    """
    text = "{} can execute code{} without an approval or a container around it."
    seen: set[Agent] = set()
    for capability in facts.reachable("code_exec"):
        seen.update(capability.agents)
        if capability.trust != "privileged":
            continue
        free = [agent for agent in capability.agents if not facts.covered(capability, agent, "hitl")]
        name = capability_label(capability)
        for crew, agents in facts.owners(free):
            yield Hit(
                site_of(capability, agents),
                text.format(labels_of(agents), f" through {name}" if name not in map(agent_label, agents) else ""),
                "HIGH",
                crew,
                capability.confidence,
                tuple(agent_label(agent) for agent in agents),
            )
    for agent in facts.model.agents:
        if agent.code_execution == "local" and agent not in seen and not facts.guarded(agent, "hitl"):
            for crew, _ in facts.owners([agent]):
                what = text.format(agent_label(agent), " by its configuration")
                yield Hit(agent.site, what, "HIGH", crew, agent.confidence, (agent_label(agent),))


@rule(
    "STRATUM-007",
    "Money moves on unchecked input",
    "HIGH",
    "MEDIUM",
    rule_class="operational",
    category="business",
    crew=True,
    remediation="Check amount, currency and recipient against bounds before the call; ask for approval above a limit.",
)
def unchecked_money(facts: Facts) -> Iterator[Hit]:
    """One instance per financial capability with an unvalidated call and crew of holders without approval."""
    for capability in facts.reachable("financial"):
        if capability.calls and all(call.validated for call in capability.calls):
            continue
        free = [agent for agent in capability.agents if not facts.covered(capability, agent, "hitl")]
        severity: Severity = "MEDIUM" if facts.unit_has(capability.unit, "hitl", "validation") else "HIGH"
        for crew, agents in facts.owners(free):
            yield Hit(
                site_of(capability, agents),
                f"{capability_label(capability)} makes payments from whatever {labels_of(agents)} passes: no bounds, "
                "no approval.",
                severity,
                crew,
                capability.confidence,
                tuple(agent_label(agent) for agent in agents),
            )


def _places(
    facts: Facts, kinds: tuple[CapabilityKind, ...], careless: Callable[[CallSite], bool], how: str
) -> Iterator[Hit]:
    """A hit for each careless call and crew, in units that have at least two of them."""
    for calls in _calls(facts, *kinds).values():
        found = {call: capabilities for call, capabilities in calls.items() if careless(call)}
        if len(found) < 2:
            continue
        for call, capabilities in found.items():
            name = code_label(capabilities[0].symbol)
            text = f"{name} calls {label(call.library)} {how}."
            for crew in _crews(capabilities, facts):
                yield Hit(call.site, text, "MEDIUM", crew, subjects=(name,))


def _calls(facts: Facts, *kinds: str) -> dict[str, dict[CallSite, list[Capability]]]:
    """Confirmed call sites of library calls by project unit, each with the capabilities it belongs to.

    A chain such as `connect().execute().fetchone()` is one place and counts once, with its first call.
    """
    found: dict[str, dict[Site, tuple[CallSite, list[Capability]]]] = {}
    for capability in facts.model.capabilities:
        if capability.kind in kinds and capability.confidence is Confidence.CONFIRMED:
            for call in capability.calls:
                if call.site.line > 0:
                    place = found.setdefault(capability.unit, {}).setdefault(call.site, (call, []))
                    place[1].append(capability)
    return {unit: dict(sites.values()) for unit, sites in found.items()}


def _crews(capabilities: list[Capability], facts: Facts) -> list[Crew | None]:
    agents = {agent: None for capability in capabilities for agent in capability.agents}
    return [owner.crew for owner in facts.owners(agents)] or [None]


@rule(
    "STRATUM-008",
    "External calls without error handling",
    "MEDIUM",
    rule_class="operational",
    category="operational",
    crew=True,
    remediation="Catch the library's errors around the call and return a message the agent can act on.",
)
def unhandled_calls(facts: Facts) -> Iterator[Hit]:
    """One instance per call outside a try, in units that have at least two of them."""
    yield from _places(facts, ("outbound", "data_access", "financial"), lambda c: not c.in_try, "outside any try")


@rule(
    "STRATUM-009",
    "Outbound calls that can hang for ever",
    "MEDIUM",
    rule_class="operational",
    category="operational",
    crew=True,
    remediation="Pass an explicit timeout to every call.",
)
def endless_calls(facts: Facts) -> Iterator[Hit]:
    """One instance per outbound call without effective timeout, in units that have at least two of them."""
    yield from _places(facts, ("outbound",), lambda c: c.timed is False, "without a timeout")


@rule(
    "STRATUM-010",
    "Acting agents that lose their state on a crash",
    "MEDIUM",
    rule_class="operational",
    category="operational",
    crew=True,
    remediation="Give the graph a durable checkpointer (Postgres, SQLite, Redis), or the crew memory or flow "
    "persistence, so that a restart does not repeat what was already done.",
)
def lost_state(facts: Facts) -> Iterator[Hit]:
    """One instance per crew of at least two agents that acts outside and persists nothing but memory."""
    for crew in facts.model.crews:
        acting = [c for a in crew.members for c in facts.held(a, "outbound", "destructive", "financial")]
        if len(crew.members) < 2 or not acting or crew.memory or crew.checkpoint == "durable":
            continue
        state = "keeps its state in process memory only" if crew.checkpoint == "memory_only" else "persists no state"
        yield Hit(
            crew.site,
            f"{label(crew.name)} acts outside through {capability_label(acting[0])} but {state}.",
            "MEDIUM",
            crew,
            strongest(acting),
            (label(crew.name),),
        )
