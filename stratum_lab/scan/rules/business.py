"""STRATUM-BR01 to -BR04: messages, payments, records and judgements (finding_rules.md C2)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.finding import Coverage
from stratum_lab.scan.graph import Severity
from stratum_lab.scan.model import Agent, Capability, Confidence, Crew
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, agent_label, capability_label, label, labels_of, site_of, starts
from stratum_lab.scan.rules.score import coverage

JUDGING = ("approv", "classif", "scor", "evaluat", "filter", "triage", "review", "assess", "judge", "rate", "rank")


def _reviewed(capability: Capability, agent: Agent, facts: Facts) -> bool:
    return facts.covered(capability, agent, "hitl", "output_filter")


def _senders(facts: Facts) -> list[Capability]:
    return [c for c in facts.reachable("outbound") if c.channel]


def sender_coverage(facts: Facts) -> Coverage | None:
    """Crews and crewless agents with a people-facing sender: how many have all of them reviewed."""
    owners: dict[Crew | Agent, bool] = {}
    for capability in _senders(facts):
        for agent in capability.agents:
            for owner in (*facts.crews_of(agent),) or (agent,):
                owners[owner] = owners.get(owner, True) and _reviewed(capability, agent, facts)
    return coverage(len(owners), sum(owners.values()))


@rule(
    "STRATUM-BR01",
    "An agent writes to people without review",
    "HIGH",
    "MEDIUM",
    rule_class="architecture",
    category="business",
    crew=True,
    coverage=sender_coverage,
    remediation="Let a person confirm a message before it is sent, or pass it through an output filter; a draft folder "
    "is a good first step.",
)
def unreviewed_messages(facts: Facts) -> Iterator[Hit]:
    """One instance per people-facing sender and crew of holders without review or output filter."""
    for capability in _senders(facts):
        free = [agent for agent in capability.agents if not _reviewed(capability, agent, facts)]
        strong = capability.confidence is Confidence.CONFIRMED and not capability.draft
        severity: Severity = "HIGH" if strong else "MEDIUM"
        verb = "drafts messages for" if capability.draft else "sends messages through"
        for crew, agents in facts.owners(free):
            yield Hit(
                site_of(capability, agents),
                f"{labels_of(agents)} {verb} {capability.channel} with {capability_label(capability)}; no human or "
                "filter sees them first.",
                severity,
                crew,
                capability.confidence,
                tuple(agent_label(agent) for agent in agents),
            )


@rule(
    "STRATUM-BR02",
    "Payments without approval",
    "HIGH",
    "MEDIUM",
    rule_class="architecture",
    category="business",
    crew=True,
    remediation="Require a human approval for payments, at least above an amount.",
)
def unapproved_payments(facts: Facts) -> Iterator[Hit]:
    """One instance per financial capability and crew of holders that nobody gates."""
    for capability in facts.reachable("financial"):
        free = [agent for agent in capability.agents if not facts.covered(capability, agent, "hitl")]
        severity: Severity = "HIGH" if capability.confidence is Confidence.CONFIRMED else "MEDIUM"
        for crew, agents in facts.owners(free):
            yield Hit(
                site_of(capability, agents),
                f"{labels_of(agents)} can move money through {capability_label(capability)} without approval.",
                severity,
                crew,
                capability.confidence,
                tuple(agent_label(agent) for agent in agents),
            )


@rule(
    "STRATUM-BR03",
    "Agents act and nothing records it",
    "MEDIUM",
    rule_class="operational",
    category="business",
    crew=False,
    remediation="Add tracing with a retention time, so that what an agent did to the outside can be told afterwards.",
)
def unrecorded_actions(facts: Facts) -> Iterator[Hit]:
    """At least two confirmed acting capabilities held by agents, and no observability."""
    acting = [
        c for c in facts.reachable("destructive", "financial", "outbound") if c.confidence is Confidence.CONFIRMED
    ]
    if len(acting) < 2 or facts.model.telemetry:
        return
    names = tuple(dict.fromkeys(capability_label(c) for c in acting))
    for capability in acting:
        text = f"What {capability_label(capability)} does leaves no trace: no telemetry is configured."
        yield Hit(site_of(capability, capability.agents), text, "MEDIUM", subjects=names)


@rule(
    "STRATUM-BR04",
    "A judging agent answers in free text",
    "MEDIUM",
    rule_class="operational",
    category="business",
    crew=True,
    confidence=Confidence.PROBABLE,
    remediation="Give its task a schema (output_pydantic, output_type, response_format) with the allowed verdicts.",
)
def unstructured_verdict(facts: Facts) -> Iterator[Hit]:
    """One instance per agent and crew: its role or name says that it judges, and nothing validates its output.

    Of the symbol only the last part counts, so that a class name does not make judges of all its methods.
    """
    for agent in facts.model.agents:
        symbol = "" if ":" in agent.symbol else agent.symbol.rpartition(".")[2]
        if not (starts(agent.role or agent.name, JUDGING) or starts(symbol, JUDGING)):
            continue
        if facts.guarded(agent, "validation"):
            continue
        for crew, _ in facts.owners([agent]):
            text = f"{agent_label(agent)} judges, but its verdict has no schema."
            yield Hit(agent.site, text, "MEDIUM", crew, agent.confidence, (label(agent.symbol),))
