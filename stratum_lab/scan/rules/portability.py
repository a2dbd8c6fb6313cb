"""PORTABILITY-001 to -003: what ties the agents to one company (finding_rules.md C5)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, agent_label, label, table


@rule(
    "PORTABILITY-001",
    "One provider's SDK is called directly",
    "LOW",
    rule_class="hygiene",
    category="operational",
    crew=False,
    remediation="Call models through an abstraction (LiteLLM, LangChain, LlamaIndex, Haystack), so that changing the "
    "provider is a setting.",
)
def one_sdk(facts: Facts) -> Iterator[Hit]:
    """Every model is one provider's, named in a file that imports its SDK, and nothing abstracts from it."""
    slugs = {use.slug for use in facts.model.model_uses if use.slug}
    if len(slugs) != 1 or facts.model.abstraction:
        return
    (slug,) = slugs
    sdks: list[str] = table("companies.json")["provider_sdks"].get(slug, [])
    importing = {
        file.path
        for file in facts.project.modules
        if any(name == sdk or name.startswith(f"{sdk}.") for name in file.imported for sdk in sdks)
    }
    sites = [use.site for use in facts.model.model_uses if use.slug and use.site.file in importing]
    if sites:
        yield Hit(
            min(sites), f"{slug}'s SDK is called directly and nothing abstracts from it.", "LOW", subjects=(slug,)
        )


@rule(
    "PORTABILITY-002",
    "All filters come from one vendor",
    "MEDIUM",
    rule_class="hygiene",
    category="operational",
    crew=False,
    remediation="Add a filter of another vendor or of your own, so that one blind spot does not open everything.",
)
def one_filter_vendor(facts: Facts) -> Iterator[Hit]:
    """One instance per filter, when all come from one library; a filter of the repository's own has no vendor."""
    filters = [g for g in facts.model.guardrails if g.active and g.kind in ("input_filter", "output_filter")]
    vendors = {guard.vendor for guard in filters}
    if len(vendors) == 1 and "" not in vendors:
        (vendor,) = vendors
        for guard in filters:
            yield Hit(guard.site, f"Every filter comes from {label(vendor)}.", "MEDIUM", subjects=(label(vendor),))


@rule(
    "PORTABILITY-003",
    "An agent lives in a hosted proprietary format",
    "LOW",
    rule_class="hygiene",
    category="operational",
    crew=False,
    remediation="Keep the agent's definition in your code and use the provider for the model only.",
)
def hosted_agent(facts: Facts) -> Iterator[Hit]:
    """One instance per agent defined in a hosted format such as the Assistants API."""
    for agent in facts.model.agents:
        if agent.hosted:
            text = f"{agent_label(agent)} is defined at the provider and cannot be moved."
            yield Hit(agent.site, text, "LOW", confidence=agent.confidence, subjects=(agent_label(agent),))
