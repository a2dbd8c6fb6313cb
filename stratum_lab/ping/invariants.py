"""Invariants of our own: what the fields of one ping say about each other (ping.md section 11, last part)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from stratum_lab.ping.checking import Fields, Registry
from stratum_lab.ping.checks import TOLERANCE
from stratum_lab.ping.rounding import ratio

registry = Registry()
check = registry.check

_EXACT = 1e-9
"""Distance of two floats that are the same rounded number."""


@check("rule_counts", "finding_rule_count is the number of finding_rules, and of findings")
def _rule_counts(f: Fields) -> Iterator[str]:
    rules = len(f["finding_rules"])
    if f["finding_rule_count"] != rules or f.findings != rules:
        yield f"{rules} finding_rules, finding_rule_count {f['finding_rule_count']}, {f.findings} findings"


@check("finding_sums", "findings per class, category and confidence sum to finding_count")
def _finding_sums(f: Fields) -> Iterator[str]:
    for name in ("findings_by_class", "findings_by_category", "finding_confidences"):
        if sum(f[name].values()) != f.findings:
            yield f"{name} sums to {sum(f[name].values())}, {f.findings} findings"


@check("guardrails", "has_any_guardrails, guardrail_types and has_hitl_anywhere follow from the guardrails")
def _guardrails(f: Fields) -> Iterator[str]:
    count, kinds = f["guardrail_count"], f["guardrail_types"]
    if f["has_any_guardrails"] != (count > 0) or bool(kinds) != (count > 0) or len(kinds) > count:
        yield f"guardrail_count {count}, has_any_guardrails {f['has_any_guardrails']}, {len(kinds)} guardrail_types"
    if f["has_hitl_anywhere"] != ("hitl" in kinds):
        yield f"has_hitl_anywhere is {f['has_hitl_anywhere']}, guardrail_types {', '.join(kinds) or 'none'}"


@check("guardrail_nodes", "guardrail_count is the number of guardrail nodes")
def _guardrail_nodes(f: Fields) -> Iterator[str]:
    nodes = f["graph_node_type_distribution"].get("guardrail", 0)
    if f["guardrail_count"] != nodes:
        yield f"guardrail_count {f['guardrail_count']}, {nodes} guardrail nodes"


@check("guardrail_links", "guardrail_linked_count is at most guardrail_count")
def _guardrail_links(f: Fields) -> Iterator[str]:
    if not 0 <= f["guardrail_linked_count"] <= f["guardrail_count"]:
        yield f"guardrail_linked_count {f['guardrail_linked_count']}, guardrail_count {f['guardrail_count']}"


@check("graph_sums", "node and edge types sum to the counts of the graph")
def _graph_sums(f: Fields) -> Iterator[str]:
    for kind in ("node", "edge"):
        total, parts = f[f"graph_{kind}_count"], sum(f[f"graph_{kind}_type_distribution"].values())
        if total != parts:
            yield f"graph_{kind}_count {total}, types sum to {parts}"


@check("external_sinks", "external_sink_count is the number of external and mcp_server nodes")
def _sinks(f: Fields) -> Iterator[str]:
    types = f["graph_node_type_distribution"]
    outside = types.get("external", 0) + types.get("mcp_server", 0)
    if f["external_sink_count"] != outside:
        yield f"external_sink_count {f['external_sink_count']}, {outside} such nodes"


@check("edge_density", "edge_density is E / (N(N-1)), 6 decimals")
def _density(f: Fields) -> Iterator[str]:
    n, e = f["graph_node_count"], f["graph_edge_count"]
    wanted = ratio(e, n * (n - 1), 6) if n >= 2 else 0.0
    if abs(f["edge_density"] - wanted) > _EXACT:
        yield f"edge_density is {f['edge_density']}, expected {wanted}"


@check("degrees", "avg_degree is 2E/N and hub_score max_degree/N, 2 decimals")
def _degrees(f: Fields) -> Iterator[str]:
    n, e, metrics = f["graph_node_count"], f["graph_edge_count"], f["graph_topology_metrics"]
    for name, wanted in (("avg_degree", ratio(2 * e, n)), ("hub_score", ratio(metrics["max_degree"], n))):
        if abs(metrics[name] - wanted) > _EXACT:
            yield f"{name} is {metrics[name]}, expected {wanted}"


@check("signature", "topology_signature_hash is null if and only if the graph has no node")
def _signature(f: Fields) -> Iterator[str]:
    if (f["topology_signature_hash"] is None) != (f["graph_node_count"] == 0):
        yield f"topology_signature_hash is {f['topology_signature_hash']!r} with {f['graph_node_count']} nodes"


@check("crew_sizes", "crew sizes are at least 1 and descending")
def _crew_sizes(f: Fields) -> Iterator[str]:
    yield from _descending(f, "crew_size_distribution", 1)


@check("tool_counts", "tool counts are at least 0 and descending")
def _tool_counts(f: Fields) -> Iterator[str]:
    yield from _descending(f, "agent_tool_count_distribution", 0)


@check("blast_radius", "blast radii are at least 2 and descending; the largest is max_blast_radius")
def _blast_radius(f: Fields) -> Iterator[str]:
    yield from _descending(f, "blast_radius_distribution", 2)
    largest = max(f["blast_radius_distribution"], default=0)
    if f["max_blast_radius"] != largest:
        yield f"max_blast_radius is {f['max_blast_radius']}, the largest is {largest}"
    held = any(f["agent_tool_count_distribution"])
    if f["shared_tool_max_agents"] != max(largest, int(held)):
        yield f"shared_tool_max_agents is {f['shared_tool_max_agents']}, expected {max(largest, int(held))}"


@check("tools", "agents hold tools if and only if there are tools")
def _tools(f: Fields) -> Iterator[str]:
    total, held = f["total_tool_count"], f["agent_tool_count_distribution"]
    if not max(held, default=0) <= total <= sum(held):
        yield f"total_tool_count is {total}, agents hold between {max(held, default=0)} and {sum(held)}"


@check("list_lengths", "counts of incidents and regulations are the lengths of their lists")
def _lengths(f: Fields) -> Iterator[str]:
    pairs = (("incident_match_count", "incident_ids"), ("regulatory_framework_count", "regulatory_surface"))
    for count, items in pairs:
        if f[count] != len(f[items]):
            yield f"{count} is {f[count]}, {items} has {len(f[items])}"


@check("status", "empty without agents, partial with parser errors, success without")
def _status(f: Fields) -> Iterator[str]:
    status, agents, errors = f["scan_status"], f["agent_count"], f["parser_errors"]
    wanted = "empty" if agents == 0 else "partial" if errors else "success"
    if status != wanted:
        yield f"scan_status is {status} with {agents} agents and {errors} parser errors"


@check("empty", "an empty ping has no graph, score, crew or finding")
def _empty(f: Fields) -> Iterator[str]:
    if f["scan_status"] != "empty":
        return
    for name in ("graph_node_count", "graph_edge_count", "risk_score", "crew_count", "total_tool_count"):
        if f[name]:
            yield f"{name} is {f[name]}"
    if any(f["graph_topology_metrics"].values()):
        yield "graph_topology_metrics are not all 0"
    if f["archetype_class"] != "custom":
        yield f"archetype_class is {f['archetype_class']}"


@check("co_occurrence", "pairs are ordered, sorted and unique")
def _co_occurrence(f: Fields) -> Iterator[str]:
    pairs = f["finding_co_occurrence"]
    if any(_bytes(a) >= _bytes(b) for a, b in pairs):
        yield "finding_co_occurrence has a pair that is not in byte order"
    if pairs != sorted(pairs, key=lambda pair: [_bytes(rule) for rule in pair]):
        yield "finding_co_occurrence is not sorted"
    if len({tuple(pair) for pair in pairs}) != len(pairs):
        yield "finding_co_occurrence has a pair twice"


@check("density", "statistics per crew are in order and agree with the clean crews")
def _crew_density(f: Fields) -> Iterator[str]:
    d, crews = f["per_crew_finding_density"], f["crew_count"]
    if not crews:
        if any(d.values()):
            yield "per_crew_finding_density is not 0 without crews"
        return
    if not (d["min"] <= d["median"] <= d["max"] and d["min"] - TOLERANCE <= d["mean"] <= d["max"] + TOLERANCE):
        yield f"min {d['min']}, median {d['median']}, mean {d['mean']}, max {d['max']} are not in order"
    if (d["min"] >= 1) != (f["crews_clean"] == 0):
        yield f"density minimum {d['min']} with {f['crews_clean']} clean crews"
    if (d["max"] >= 1) != (f["crews_with_findings"] > 0):
        yield f"density maximum {d['max']} with {f['crews_with_findings']} crews with findings"


@check("ratios", "normalized_features follow from the counts")
def _ratios(f: Fields) -> Iterator[str]:
    agents, findings, levels = f["agent_count"], f.findings, f["trust_level_distribution"]
    wanted = {
        "findings_per_crew": (findings, f["crew_count"]),
        "guardrails_per_agent": (f["guardrail_count"], agents),
        "tools_per_agent": (f["total_tool_count"], agents),
        "external_exposure_ratio": (levels.get("external", 0) + levels.get("public", 0), f["total_capabilities"]),
        "guardrail_coverage_ratio": (min(f["guardrail_linked_count"], findings), findings),
    }
    for name, (numerator, denominator) in wanted.items():
        said = f["normalized_features"][name]
        if abs(said - (numerator / denominator if denominator else 0.0)) > TOLERANCE:
            yield f"{name} is {said}, expected {ratio(numerator, denominator)}"


@check("capabilities", "capabilities per kind and per trust level sum to their number")
def _capabilities(f: Fields) -> Iterator[str]:
    for name in ("capability_distribution", "trust_level_distribution"):
        if sum(f[name].values()) != f["total_capabilities"]:
            yield f"{name} sums to {sum(f[name].values())}, total_capabilities {f['total_capabilities']}"
    if f["has_financial_tools"] != ("financial" in f["capability_distribution"]):
        yield f"has_financial_tools is {f['has_financial_tools']} against capability_distribution"


@check("trust_crossings", "crossings are the products of the counts per level")
def _crossings(f: Fields) -> Iterator[str]:
    levels, crossings = f["trust_level_distribution"], f["trust_crossings"]
    wanted = {f"{a}→{b}": levels[a] * levels[b] for a, b in combinations(sorted(levels), 2)}
    if crossings != wanted or f["total_trust_crossings"] != sum(wanted.values()):
        yield f"trust_crossings sum to {f['total_trust_crossings']}, the levels give {sum(wanted.values())}"
    for pair, count in f["trust_crossing_adjacency"].items():
        a, _, b = pair.partition("→")
        if count > levels.get(a, 0) * levels.get(b, 0) or f["trust_crossing_adjacency"].get(f"{b}→{a}") != count:
            yield f"trust_crossing_adjacency of {pair} is {count}"


@check("memory_store", "has_memory_store if and only if memory_store_types has an entry")
def _memory(f: Fields) -> Iterator[str]:
    if f["has_memory_store"] != bool(f["memory_store_types"]):
        yield f"has_memory_store is {f['has_memory_store']} beside {len(f['memory_store_types'])} memory_store_types"


@check("learning", "learning_type is null if and only if there is no learning loop")
def _learning(f: Fields) -> Iterator[str]:
    if f["has_learning_loop"] != (f["learning_type"] is not None):
        yield f"has_learning_loop is {f['has_learning_loop']}, learning_type {f['learning_type']!r}"


@check("fired_rules", "flags that mean that a rule fired agree with finding_rules")
def _flags(f: Fields) -> Iterator[str]:
    for name, rule in (("has_eval_conflict", "EVAL-001"), ("has_shared_credentials", "IDENTITY-001")):
        if f[name] != (rule in f["finding_rules"]):
            yield f"{name} is {f[name]}, {rule} {'fired' if rule in f['finding_rules'] else 'did not fire'}"


@check("paths", "uncontrolled paths have hops and sensitivities, and only they do")
def _paths(f: Fields) -> Iterator[str]:
    paths, hops = f["uncontrolled_path_count"], f["max_path_hops"]
    if (paths == 0) != (hops == 0) or (paths == 0 and f["data_sensitivity_types"]):
        yield f"uncontrolled_path_count {paths}, max_path_hops {hops}"


@check("frameworks", "primary_framework is null if and only if there is no framework")
def _frameworks(f: Fields) -> Iterator[str]:
    repo = f["repo_metadata"]
    if (repo["primary_framework"] is None) != (repo["framework_count"] == 0):
        yield f"primary_framework is {repo['primary_framework']!r} of {repo['framework_count']} frameworks"


@check("rescan", "a rescan names another scan, and score_delta is the difference", failed=True)
def _rescan(f: Fields) -> Iterator[str]:
    if f.values.get("is_rescan") is not True:
        return
    if f["pre_scan_id"] == f["scan_id"]:
        yield "pre_scan_id is the scan's own scan_id"
    if f.values.get("scan_status") != "failed" and f["score_delta"] != f["risk_score"] - f["prev_score"]:
        yield f"score_delta is {f['score_delta']}, expected {f['risk_score'] - f['prev_score']}"


@check("instances", "every rule has instances and an estimate, no other has", since=4)
def _instances(f: Fields) -> Iterator[str]:
    counts, impacts, rules = f["finding_instance_counts"], f["fix_impact_estimates"], set(f["finding_rules"])
    if set(counts) != rules or set(impacts) != rules:
        yield "finding_instance_counts or fix_impact_estimates have other keys than finding_rules"
    if min(counts.values(), default=1) < 1 or f["total_finding_instances"] != sum(counts.values()):
        yield f"total_finding_instances is {f['total_finding_instances']}, the counts sum to {sum(counts.values())}"
    if max(impacts.values(), default=0) > 0:
        yield "fix_impact_estimates has a positive value"


@check("deployment", "deployment_score is the number of true signals; crews are joined by edges of the graph", since=4)
def _deployment(f: Fields) -> Iterator[str]:
    signals = dict(f["deployment_signals"])
    score = signals.pop("deployment_score")
    if score != sum(signals.values()):
        yield f"deployment_score is {score} with {sum(signals.values())} signals"
    if not 0 <= f["inter_crew_edges"] <= f["graph_edge_count"]:
        yield f"inter_crew_edges is {f['inter_crew_edges']} of {f['graph_edge_count']} edges"


@check("versions", "framework_versions has the detected frameworks", since=4)
def _versions(f: Fields) -> Iterator[str]:
    if len(f["framework_versions"]) != f["repo_metadata"]["framework_count"]:
        yield f"{len(f['framework_versions'])} framework_versions, {f['repo_metadata']['framework_count']} frameworks"
    if f.schema >= 5 and sorted(f["framework_versions"]) != f["frameworks"]:
        yield "frameworks are not the sorted keys of framework_versions"


def _descending(f: Fields, name: str, least: int) -> Iterator[str]:
    sizes = f[name]
    if sizes != sorted(sizes, reverse=True):
        yield f"{name} is not descending"
    if min(sizes, default=least) < least:
        yield f"{name} has a value below {least}"


def _bytes(text: Any) -> bytes:
    return str(text).encode("utf-8", "surrogatepass")
