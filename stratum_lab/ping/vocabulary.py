"""Closed vocabularies, forms, ranges and rounding of single fields; a name of somebody's code fits none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from stratum_lab.ping.checking import Fields, NotThere, Registry
from stratum_lab.ping.checks import PROVIDER_TIERS
from stratum_lab.scan.finding import Category, RuleClass
from stratum_lab.scan.graph import SEVERITIES, EdgeType, NodeType
from stratum_lab.scan.model import CapabilityKind, Checkpoint, Confidence, GuardrailKind, Sensitivity, Trust

registry = Registry()
check = registry.check

ARCHETYPES = (
    "multi_agent_orchestrator", "code_agent", "email_processor", "data_pipeline", "rag_chatbot", "research_agent",
    "custom",
)  # fmt: skip
LEARNING_TYPES = ("trajectory_rl", "experience_distillation", "context_level")
STORE_TYPES = ("agent_memory", "conversation_memory", "index_memory", "kv_memory", "vector_memory")

_WORDS: Mapping[str, frozenset[str]] = {
    "capability_distribution": frozenset(get_args(CapabilityKind)),
    "trust_level_distribution": frozenset(get_args(Trust)),
    "guardrail_types": frozenset(get_args(GuardrailKind)),
    "finding_severities": frozenset(SEVERITIES),
    "finding_confidences": frozenset(c.label for c in Confidence),
    "findings_by_class": frozenset(get_args(RuleClass)),
    "findings_by_category": frozenset(get_args(Category)),
    "graph_node_type_distribution": frozenset(get_args(NodeType)),
    "graph_edge_type_distribution": frozenset(get_args(EdgeType)),
    "data_sensitivity_types": frozenset(get_args(Sensitivity)) - {"public", "unknown"},
    "memory_store_types": frozenset(STORE_TYPES),
    "archetype_class": frozenset(ARCHETYPES),
    "checkpoint_type": frozenset(get_args(Checkpoint)),
    "learning_type": frozenset(LEARNING_TYPES),
    "provider_confidence": frozenset(PROVIDER_TIERS),
}
"""Field -> every word its value, entries or keys may be."""

_FORMS: Mapping[str, re.Pattern[str]] = {
    "scan_id": re.compile(r"[0-9a-f]{8}"),
    "pre_scan_id": re.compile(r"[0-9a-f]{8}"),
    "repo_hash": re.compile(r"[0-9a-f]{16}"),
    "topology_signature_hash": re.compile(r"[0-9a-f]{16}"),
    "timestamp": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"),
    "version": re.compile(r"[0-9A-Za-z.+_-]{1,64}"),
    "scanner_version": re.compile(r"[0-9A-Za-z.+_-]{1,64}"),
    "finding_rules": re.compile(r"[A-Z]+-[A-Z]{0,2}\d{2,3}(\.\d)?"),
    "incident_ids": re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*"),
    "regulatory_surface": re.compile(r"[A-Za-z0-9 .(),:-]{1,80}"),
    "llm_providers": re.compile(r"[a-z0-9_]{1,40}"),
    "llm_models": re.compile(r"[A-Za-z0-9._:+-]{1,100}"),
    "frameworks": re.compile(r"[A-Za-z0-9_ .-]{1,40}"),
    "framework_versions": re.compile(r"[A-Za-z0-9_ .-]{1,40}"),
}
"""Field -> form of its value, entries or keys, as a whole."""
_FRAMEWORK = _FORMS["frameworks"]

_SETS = (
    "guardrail_types", "finding_rules", "memory_store_types", "data_sensitivity_types", "incident_ids",
    "regulatory_surface", "llm_providers", "llm_models", "frameworks",
)  # fmt: skip
_COUNTS = (
    "capability_distribution", "trust_level_distribution", "trust_crossings", "trust_crossing_adjacency",
    "finding_severities", "finding_confidences", "findings_by_class", "findings_by_category",
    "graph_node_type_distribution", "graph_edge_type_distribution",
)  # fmt: skip
_NOT_NEGATIVE = (
    "total_capabilities", "total_trust_crossings", "mcp_server_count", "mcp_remote_count", "guardrail_count",
    "env_var_count", "agent_count", "crew_count", "crews_clean", "crews_with_findings", "telemetry_destination_count",
    "graph_node_count", "graph_edge_count", "uncontrolled_path_count", "max_path_hops", "downward_trust_crossings",
    "control_bypass_count", "incident_match_count", "total_tool_count", "finding_count", "finding_rule_count",
    "resolved_count", "new_count", "edge_density", "parser_errors", "files_scanned", "files_total",
)  # fmt: skip
_RATES = ("mcp_auth_ratio", "mcp_pinned_ratio", "error_handling_rate", "timeout_rate", "financial_validation_rate")
_NESTED_RATES = {
    "mitigation_coverage": ("outbound_output_filter_rate", "destructive_hitl_rate", "financial_validation_rate"),
    "normalized_features": ("external_exposure_ratio", "guardrail_coverage_ratio"),
}


def _entries(value: Any) -> list[str]:
    """The words of a value: itself, its entries or its keys."""
    return [value] if isinstance(value, str) else list(value or ())


def _present(f: Fields, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        try:
            value = f[name]
        except NotThere:
            continue
        if value is not None:
            yield name, value


@check("vocabulary", "words are those of the closed lists")
def _vocabulary(f: Fields) -> Iterator[str]:
    for name, value in _present(f, _WORDS):
        strange = [word for word in _entries(value) if word not in _WORDS[name]]
        if strange:
            yield f"{name} has {strange[0]!r:.60}, expected one of {', '.join(sorted(_WORDS[name]))}"


@check("forms", "ids, hashes, times and names have their forms", failed=True)
def _forms(f: Fields) -> Iterator[str]:
    for name, value in _present(f, _FORMS):
        strange = [text for text in _entries(value) if not _FORMS[name].fullmatch(text)]
        if strange:
            yield f"{name} has {strange[0]!r:.60}, expected the form {_FORMS[name].pattern}"
    primary = f["repo_metadata"]["primary_framework"]
    if primary is not None and not _FRAMEWORK.fullmatch(primary):
        yield f"repo_metadata.primary_framework is {primary!r:.60}"


@check("sorted_sets", "lists that are sets are sorted and have no entry twice")
def _sorted(f: Fields) -> Iterator[str]:
    for name, value in _present(f, _SETS):
        if value != sorted(value, key=lambda text: text.encode("utf-8", "surrogatepass")):
            yield f"{name} is not sorted"
        if len(set(value)) != len(value):
            yield f"{name} has an entry twice"


@check("zero_counts", "maps of counts omit zero")
def _zero_counts(f: Fields) -> Iterator[str]:
    for name, value in _present(f, _COUNTS):
        if min(value.values(), default=1) < 1:
            yield f"{name} has a count below 1"


@check("ranges", "counts are not negative, shares lie between 0 and 1 and are rounded", failed=True)
def _ranges(f: Fields) -> Iterator[str]:
    for name, value in _present(f, _NOT_NEGATIVE):
        if value < 0:
            yield f"{name} is {value}"
    rates = dict(_present(f, _RATES))
    for name, outer in _present(f, _NESTED_RATES):
        rates |= {f"{name}.{key}": outer[key] for key in _NESTED_RATES[name]}
    for name, value in rates.items():
        if not 0 <= value <= 1 or abs(value * 100 - round(value * 100)) > 1e-6:
            yield f"{name} is {value}, expected 0 to 1 with 2 decimals"
    for name, value in _present(f, ("control_coverage_pct",)):
        if not 0 <= value <= 100 or abs(value * 10 - round(value * 10)) > 1e-6:
            yield f"{name} is {value}, expected 0 to 100 with 1 decimal"
    for name, metrics in _present(f, ("graph_topology_metrics",)):
        clustering, chain = metrics["clustering_coefficient"], metrics["longest_chain"]
        if not 0 <= clustering <= 1 or abs(clustering * 10_000 - round(clustering * 10_000)) > 1e-6:
            yield f"{name}.clustering_coefficient is {clustering}, expected 0 to 1 with 4 decimals"
        if chain < -1:
            yield f"{name}.longest_chain is {chain}"
