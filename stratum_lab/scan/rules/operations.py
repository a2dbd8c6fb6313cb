"""STRATUM-OP01 and -OP02: one provider, no limits (finding_rules.md C2)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, label

MANY_CAPABILITIES = 5


@rule(
    "STRATUM-OP01",
    "Everything depends on one model provider",
    "MEDIUM",
    rule_class="operational",
    category="operational",
    crew=False,
    remediation="Configure a second provider as a fallback (with_fallbacks, LiteLLM fallbacks or a router).",
)
def single_provider(facts: Facts) -> Iterator[Hit]:
    """Exactly one provider is named by code or key variable, and there is no fallback."""
    if len(facts.providers) == 1 and not facts.model.provider_fallback:
        (provider,) = facts.providers
        text = f"{provider} is the only model provider; when it is down or throttles, nothing works."
        yield Hit(facts.provider_site(), text, "MEDIUM", subjects=(provider,))


@rule(
    "STRATUM-OP02",
    "A crew without limits",
    "MEDIUM",
    rule_class="operational",
    category="operational",
    crew=True,
    remediation="Set limits on iterations, turns, requests or tokens (max_iter, max_turns, recursion_limit, max_rpm).",
)
def unlimited_crew(facts: Facts) -> Iterator[Hit]:
    """One instance per crew without any rate limit, in a repository with at least five capabilities."""
    if len(facts.model.capabilities) < MANY_CAPABILITIES:
        return
    for crew in facts.model.crews:
        if not facts.limited(crew):
            text = f"Nothing in {label(crew.name)} limits iterations, requests or tokens."
            yield Hit(crew.site, text, "MEDIUM", crew, subjects=(label(crew.name),))
