"""TELEMETRY-001 to -003: who sees the traces, or nobody (finding_rules.md C5, companies in companies.json)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.model import Confidence, Telemetry
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, table

NAMED = 3
"""Providers that a text names."""


def hosted(facts: Facts) -> list[Telemetry]:
    """The first place of each telemetry provider that is hosted somewhere, by import or by environment."""
    first: dict[str, Telemetry] = {}
    for found in sorted(facts.model.telemetry, key=lambda t: t.site):
        if found.hosted:
            first.setdefault(found.provider, found)
    return list(first.values())


@rule(
    "TELEMETRY-001",
    "Traces leave for a hosted service",
    "MEDIUM",
    rule_class="hygiene",
    category="compliance",
    crew=False,
    remediation="Host the trace collector yourself, or mask prompts and results before they are exported.",
)
def hosted_traces(facts: Facts) -> Iterator[Hit]:
    """One instance per hosted telemetry provider."""
    for found in hosted(facts):
        text = f"Traces, with prompts and results in them, go to {found.provider}."
        yield Hit(found.site, text, "MEDIUM", subjects=(found.provider,))


@rule(
    "TELEMETRY-002",
    "Model and traces are in the same hands",
    "HIGH",
    rule_class="operational",
    category="compliance",
    crew=False,
    remediation="Send traces to a collector of your own, or to a company that does not see the model traffic.",
)
def same_hands(facts: Facts) -> Iterator[Hit]:
    """One instance per trace receiver that is the model provider, or a framework's tracer beside a hosted model."""
    companies = table("companies.json")
    remote = sorted(facts.providers.difference(companies["local_providers"]))
    parents = {companies["provider_parent"].get(slug, slug) for slug in remote}
    for found in hosted(facts):
        owner = companies["telemetry_parent"].get(found.provider, found.provider)
        if owner in parents:
            text = f"{found.provider} traces and the model belong to the same company."
        elif found.provider in companies["framework_tracers"] and remote:
            more = f" and {len(remote) - NAMED} more" if len(remote) > NAMED else ""
            text = f"{found.provider} traces every call to {', '.join(remote[:NAMED])}{more}: outsiders see it twice."
        else:
            continue
        yield Hit(found.site, text, "HIGH", subjects=(found.provider, *remote))


@rule(
    "TELEMETRY-003",
    "Nothing observes the agents",
    "LOW",
    rule_class="hygiene",
    category="operational",
    crew=False,
    confidence=Confidence.PROBABLE,
    remediation="Add tracing, for example OpenTelemetry with a collector of your own.",
)
def unobserved(facts: Facts) -> Iterator[Hit]:
    """No telemetry provider is imported or switched on."""
    if not facts.model.telemetry:
        yield Hit(None, "No tracing or telemetry is set up.", "LOW")
