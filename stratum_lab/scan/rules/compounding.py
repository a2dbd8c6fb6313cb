"""STRATUM-CR01 to -CR06: risks that arise between agents of one crew (finding_rules.md C3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from stratum_lab.scan.graph import Severity
from stratum_lab.scan.model import Agent, Capability, Confidence, Crew, Task, Tool
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import (
    Facts,
    agent_label,
    capability_label,
    label,
    labels_of,
    site_of,
    starts,
    strongest,
)

INGESTING = ("read", "filter", "ingest", "parse", "scan", "fetch", "scrape", "monitor")
ACTING = ("send", "respond", "write", "execute", "post", "notify", "dispatch")
SCREENING = ("filter", "screen", "validat", "sanitis", "sanitiz", "moderat", "review", "verif")
WIDE = 3
"""Agents from which a shared tool with an external sink is critical."""


class Shared(NamedTuple):
    """A tool that several agents of a crew hold."""

    tool: Tool
    agents: tuple[Agent, ...]


def shared_tools(crew: Crew) -> list[Shared]:
    """Tools held by at least two members of a crew, in order of first holder."""
    holders: dict[tuple[str, str], tuple[Tool, list[Agent]]] = {}
    for agent in crew.members:
        for tool in agent.tools:
            holders.setdefault(tool.key, (tool, []))[1].append(agent)
    return [Shared(tool, tuple(agents)) for tool, agents in holders.values() if len(agents) > 1]


def _role(agent: Agent) -> str:
    return agent.role or agent.name


def _ingests(agent: Agent, facts: Facts) -> Confidence | None:
    """How well it is established that an agent takes in untrusted content."""
    held = [c for c in facts.held(agent) if c.kind == "data_access" or c.fetches]
    if held:
        return strongest(held)
    return Confidence.PROBABLE if starts(_role(agent), INGESTING) else None


def _acts(agent: Agent, facts: Facts) -> Confidence | None:
    """How well it is established that an agent acts outside without approval."""
    held = [
        c
        for c in facts.held(agent)
        if not c.search_only and (c.kind in ("destructive", "financial") or (c.kind == "outbound" and c.channel))
    ]
    free = [c for c in held if not facts.covered(c, agent, "hitl")]
    if free:
        return strongest(free)
    if held or facts.guarded(agent, "hitl"):
        return None
    return Confidence.PROBABLE if starts(_role(agent), ACTING) else None


def _filtered(agent: Agent, facts: Facts) -> bool:
    return facts.guarded(agent, "input_filter", "output_filter")


@rule(
    "STRATUM-CR01",
    "A reader of untrusted content and an actor share a tool",
    "HIGH",
    rule_class="architecture",
    category="compounding",
    crew=True,
    remediation="Give reader and actor tools of their own, put a filter between them, or have a person approve "
    "what the actor does.",
)
def shared_with_actor(facts: Facts) -> Iterator[Hit]:
    """One instance per crew and shared tool whose holders have a reader and another that acts.

    An approval on the actor, or a filter on either side, is the fix and ends it.
    """
    roles = {
        agent: (None, None) if _filtered(agent, facts) else (_ingests(agent, facts), _acts(agent, facts))
        for crew in facts.model.crews
        for agent in crew.members
    }
    for crew in facts.model.crews:
        for tool, agents in shared_tools(crew):
            # The surest pair has one of the two surest readers and one of the two surest actors.
            readers = sorted((-reads, i) for i, agent in enumerate(agents) if (reads := roles[agent][0]) is not None)
            actors = sorted((-acts, i) for i, agent in enumerate(agents) if (acts := roles[agent][1]) is not None)
            pairs = [
                (Confidence(min(-reads, -acts)), agents[reader], agents[actor])
                for reads, reader in readers[:2]
                for acts, actor in actors[:2]
                if reader != actor
            ]
            if pairs:
                confidence, reader, actor = max(pairs, key=lambda pair: pair[0])
                text = (
                    f"{agent_label(reader)} takes in untrusted content and {agent_label(actor)} acts outside; both "
                    f"hold {label(tool.name)}."
                )
                subjects = (agent_label(reader), agent_label(actor), label(tool.name))
                yield Hit(tool.site, text, "HIGH", crew, min(confidence, tool.confidence), subjects)


@rule(
    "STRATUM-CR02",
    "A chain of agents passes on unchecked output",
    "MEDIUM",
    rule_class="architecture",
    category="compounding",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Give the intermediate tasks an output schema or guardrail, so that an error stops where it arises.",
)
def unchecked_chain(facts: Facts) -> Iterator[Hit]:
    """One instance per sequential crew or linear graph of at least three agents with no validation before the end."""
    for crew in facts.model.crews:
        if len(crew.members) < 3 or not (crew.process == "sequential" or (crew.process == "graph" and crew.ordered)):
            continue
        steps: list[Task] | list[Agent] = crew.tasks or crew.members
        if not any(facts.validated(step) for step in steps[:-1]):
            text = f"{len(crew.members)} agents of {label(crew.name)} work in a row and no step checks the one before."
            yield Hit(crew.site, text, "MEDIUM", crew, subjects=(label(crew.name),))


@rule(
    "STRATUM-CR03",
    "A weak agent steers a strong one",
    "HIGH",
    rule_class="architecture",
    category="compounding",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Put an approval at the boundary: on the target's task, node or acting tool.",
)
def steering(facts: Facts) -> Iterator[Hit]:
    """One instance per link from an agent that only reads and sends to one that acts without approval.

    An agent without capabilities takes nothing in from outside, so its links are left out.
    """
    for source, target, edge_type, crew in facts.handovers:
        weak = facts.held(source)
        strong = [
            c
            for c in facts.held(target, "destructive", "financial", "code_exec")
            if not facts.covered(c, target, "hitl")
        ]
        if not weak or not strong or not {c.kind for c in weak} <= {"data_access", "outbound"}:
            continue
        verb = "delegates to" if edge_type == "delegates_to" else "feeds"
        yield Hit(
            target.site,
            f"{agent_label(source)}, which only reads and sends, {verb} {agent_label(target)}, which can act through "
            f"{capability_label(strong[0])} unapproved.",
            "HIGH",
            crew,
            min(strongest(weak), strongest(strong)),
            (agent_label(source), agent_label(target)),
        )


@rule(
    "STRATUM-CR04",
    "Two agents speak on one channel",
    "MEDIUM",
    rule_class="architecture",
    category="compounding",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Let one agent or a queue do the sending, so that people get no duplicate or contradicting messages.",
)
def crossed_messages(facts: Facts) -> Iterator[Hit]:
    """One instance per crew and people-facing channel through which at least two of its agents send."""
    for crew in facts.model.crews:
        senders: dict[str, dict[Agent, Capability]] = {}
        for agent in crew.members:
            for capability in facts.held(agent, "outbound"):
                if capability.channel and not capability.draft:
                    senders.setdefault(capability.channel, {}).setdefault(agent, capability)
        for channel, holders in senders.items():
            if len(holders) > 1:
                first = next(iter(holders.values()))
                yield Hit(
                    site_of(first, list(holders)),
                    f"{labels_of(holders)} of {label(crew.name)} all send through {channel}.",
                    "MEDIUM",
                    crew,
                    min(c.confidence for c in holders.values()),
                    tuple(agent_label(agent) for agent in holders),
                )


@rule(
    "STRATUM-CR05",
    "The most shared tool of a crew has a wide blast radius",
    "CRITICAL",
    "HIGH",
    rule_class="architecture",
    category="compounding",
    crew=True,
    sub_titles=(
        "The second most shared tool of a crew has a wide blast radius",
        "The third most shared tool of a crew has a wide blast radius",
    ),
    remediation="Let one agent hold the tool, check its output once and hand the result on; or give each agent a tool "
    "of its own, restricted to what that agent needs.",
)
def blast_radius(facts: Facts) -> Iterator[Hit]:
    """One instance per crew for each of its three widest shared tools."""
    for crew in facts.model.crews:
        ranked = sorted(
            ((shared, len(facts.externals_below(shared.agents))) for shared in shared_tools(crew)),
            key=lambda item: (-len(item[0].agents), -item[1], item[0].tool.key),
        )
        for rank, (shared, externals) in enumerate(ranked[:3]):
            count = len(shared.agents)
            severity: Severity = "CRITICAL" if count >= WIDE and externals else "HIGH"
            below = f", and through them {externals} external service{'s' * (externals != 1)}" if externals else ""
            yield Hit(
                shared.tool.site,
                f"{count} of the {len(crew.members)} agents of {label(crew.name)} hold {label(shared.tool.name)}: what "
                f"it returns reaches all of them{below}.",
                severity,
                crew,
                shared.tool.confidence,
                (*map(agent_label, shared.agents), label(shared.tool.name)),
                rank,
            )


class Bypass(NamedTuple):
    """A later agent reads a store that an earlier one screens."""

    upstream: Agent
    downstream: Agent
    unit: str
    service: str
    confidence: Confidence
    reader: Capability

    @property
    def triple(self) -> tuple[Agent, Agent, str, str]:
        """What makes two bypasses one."""
        return self.upstream, self.downstream, self.unit, self.service


def _screens(agent: Agent, crew: Crew) -> bool:
    own = (task for task in crew.tasks if task.agent is agent)
    return starts(_role(agent), SCREENING) or any(starts(f"{task.name} {task.text}", SCREENING) for task in own)


def _readers(held: Iterable[Capability]) -> dict[tuple[str, str], Capability]:
    """Of the capabilities that read one store the surest, then the first in place: no order of finding matters."""
    by_place = sorted(held, key=lambda c: (c.sites[:1], c.symbol), reverse=True)
    return {(c.unit, s): c for c in sorted(by_place, key=lambda c: c.confidence) for s in c.all_services}


def control_bypasses(facts: Facts, crew: Crew) -> Iterator[Bypass]:
    """Bypasses of a sequential crew, by position of upstream, then downstream agent, then store."""
    if crew.process != "sequential":
        return
    reads = [_readers(facts.held(agent, "data_access")) for agent in crew.members]
    for i, upstream in enumerate(crew.members):
        stores = sorted(reads[i])
        if not stores or not _screens(upstream, crew):
            continue
        for downstream, read in zip(crew.members[i + 1 :], reads[i + 1 :], strict=True):
            for store in stores:
                if store in read:
                    confidence = min(reads[i][store].confidence, read[store].confidence)
                    yield Bypass(upstream, downstream, *store, confidence, read[store])


@rule(
    "STRATUM-CR06",
    "An agent reads past the filter before it",
    "HIGH",
    rule_class="architecture",
    category="compounding",
    crew=True,
    confidence=Confidence.PROBABLE,
    sub_titles=("A second agent reads past a filter before it",),
    remediation="Take direct access to the source from the later agent and pass it the filtered result.",
)
def bypassed_control(facts: Facts) -> Iterator[Hit]:
    """The first two bypasses of each crew; the rest only count."""
    for crew in facts.model.crews:
        for rank, bypass in enumerate(islice(control_bypasses(facts, crew), 2)):
            yield Hit(
                site_of(bypass.reader, (bypass.downstream,)),
                f"{agent_label(bypass.downstream)} reads {label(bypass.service)} directly, which "
                f"{agent_label(bypass.upstream)} is there to screen.",
                "HIGH",
                crew,
                bypass.confidence,
                (agent_label(bypass.upstream), agent_label(bypass.downstream)),
                rank,
            )
