"""Checks of a record before it goes anywhere (behavioral-record.md section 5); all problems are reported."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeGuard

from stratum_lab.fold.record.derive import SCHEMA_VERSION
from stratum_lab.fold.record.failures import FINDINGS

KEYS = (
    "repo_full_name", "schema_version", "execution_metadata", "edge_validation", "emergent_edges", "node_activation",
    "error_propagation", "failure_modes", "monitoring_baselines",
)  # fmt: skip
_IMPACT = ("nodes_affected", "cascade_depth", "downstream_errors", "downstream_tasks_failed")
_NODE_LISTS = ("always_active", "conditional", "never_active")
_TYPES: dict[str, type] = {
    "repo_full_name": str, "execution_metadata": dict, "edge_validation": dict, "emergent_edges": list,
    "node_activation": dict, "error_propagation": list, "failure_modes": list, "monitoring_baselines": list,
}  # fmt: skip


def validate_record(record: Any) -> list[str]:
    """Find everything that makes a record invalid.

    Args:
        record: A record as derived, or anything that was read as one (Any: it may be no record at all).

    Returns:
        One sentence per problem; empty for a valid record.
    """
    if not isinstance(record, dict):
        return [f"the record is a {type(record).__name__}, expected an object"]
    return list(_problems(record))


def non_trivial_edge_validation(record: dict[str, Any]) -> bool:
    """Whether at least one activated structural edge joins two different nodes."""
    rates = record["edge_validation"]["activation_rates"].values()
    return any(r["traversal_count"] > 0 and r["source"] != r["target"] for r in rates)


def _problems(record: dict[str, Any]) -> Iterator[str]:
    for key in KEYS:
        if key not in record:
            yield f"key {key} is missing"
    for key in sorted(map(str, record.keys() - set(KEYS))):
        yield f"key {key} is not one of the nine"
    if record.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        yield f"schema_version is {record['schema_version']!r}, expected {SCHEMA_VERSION!r}"
    for key, kind in _TYPES.items():
        if key in record and not isinstance(record[key], kind):
            yield f"{key} is a {type(record[key]).__name__}, expected {kind.__name__}"
    for key, check in (("execution_metadata", _execution), ("edge_validation", _edges), ("node_activation", _nodes)):
        if isinstance(record.get(key), dict):
            yield from check(record[key])
    yield from _emergent(record)
    for n, trace in enumerate(_list(record, "error_propagation")):
        yield from _trace(f"error_propagation[{n}]", trace)
    if "failure_modes" in record:
        yield from _failures(_list(record, "failure_modes"))
    for n, baseline in enumerate(_list(record, "monitoring_baselines")):
        yield from _baseline(f"monitoring_baselines[{n}]", baseline)


def _dict(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    return value if isinstance(value, list) else []


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _rate(where: str, value: Any) -> Iterator[str]:
    if not _number(value) or not 0 <= value <= 1:
        yield f"{where} is {value!r}, expected a rate between 0 and 1"


def _execution(meta: dict[str, Any]) -> Iterator[str]:
    yield from _rate("execution_metadata.success_rate", meta.get("success_rate"))
    statuses, total = meta.get("statuses"), meta.get("total_runs")
    if not isinstance(statuses, list) or not _count(total) or len(statuses) != total:
        yield f"execution_metadata: {total!r} runs, but statuses is {statuses!r}"


def _edges(edges: dict[str, Any]) -> Iterator[str]:
    total, active = edges.get("structural_edges_total"), edges.get("structural_edges_activated")
    rates, dead = _dict(edges, "activation_rates"), _list(edges, "dead_edges")
    if not _count(total) or not _count(active) or active + len(dead) != total:
        yield f"edge_validation: {active!r} activated + {len(dead)} dead edges are not {total!r} structural edges"
    if len(rates) != total:
        yield f"edge_validation: {len(rates)} activation_rates for {total!r} structural edges"
    for edge_id, entry in rates.items():
        rate = entry.get("activation_rate") if isinstance(entry, dict) else None
        yield from _rate(f"edge_validation.activation_rates[{edge_id}].activation_rate", rate)


def _emergent(record: dict[str, Any]) -> Iterator[str]:
    rates = _dict(_dict(record, "edge_validation"), "activation_rates").values()
    pairs = {(e.get("source"), e.get("target")) for e in rates if isinstance(e, dict)}
    for n, edge in enumerate(_list(record, "emergent_edges")):
        if not isinstance(edge, dict):
            yield f"emergent_edges[{n}] is a {type(edge).__name__}, expected an object"
            continue
        if (edge.get("source"), edge.get("target")) in pairs:
            yield f"emergent_edges[{n}]: the pair {edge.get('source')!r} -> {edge.get('target')!r} is structural"
        yield from _rate(f"emergent_edges[{n}].observation_rate", edge.get("observation_rate"))


def _nodes(nodes: dict[str, Any]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in _NODE_LISTS:
        ids = nodes.get(name)
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
            yield f"node_activation.{name} is not a list of ids"
            continue
        if ids != sorted(ids):
            yield f"node_activation.{name} is not sorted"
        for i in ids:
            if i in seen:
                yield f"node_activation: {i!r} is in {seen[i]} and in {name}"
            seen[i] = name
    yield from _rate("node_activation.structural_prediction_match_rate", nodes.get("structural_prediction_match_rate"))


def _trace(where: str, trace: Any) -> Iterator[str]:
    if not isinstance(trace, dict):
        yield f"{where} is a {type(trace).__name__}, expected an object"
        return
    if not trace.get("error_source_node"):
        yield f"{where}: error_source_node is missing"
    for key in ("structural_predicted_path", "actual_observed_path"):
        if not isinstance(trace.get(key), list):
            yield f"{where}: {key} is not a list"
    if not isinstance(trace.get("stop_mechanism"), str):
        yield f"{where}: stop_mechanism is not a string"
    impact = trace.get("downstream_impact")
    if not isinstance(impact, dict):
        yield f"{where}: downstream_impact is not an object"
        return
    for key in _IMPACT:
        if not _count(impact.get(key)):
            yield f"{where}: downstream_impact.{key} is {impact.get(key)!r}, expected a count"


def _failures(modes: list[Any]) -> Iterator[str]:
    ids = [m.get("finding_id") if isinstance(m, dict) else None for m in modes]
    expected = [f.finding_id for f in FINDINGS]
    if ids != expected:
        yield f"failure_modes are {ids}, expected {expected}"
    for n, mode in enumerate(modes):
        if not isinstance(mode, dict):
            continue
        shown, count = mode.get("manifestation_observed"), mode.get("occurrences")
        if not _count(count) or shown is not (count > 0):
            yield f"failure_modes[{n}]: manifestation_observed is {shown!r} with {count!r} occurrences"


def _baseline(where: str, baseline: Any) -> Iterator[str]:
    if not isinstance(baseline, dict):
        yield f"{where} is a {type(baseline).__name__}, expected an object"
        return
    metric, size = baseline.get("metric"), baseline.get("sample_size")
    if not _count(size) or size < 1:
        yield f"{where} ({metric}): sample_size is {size!r}, expected at least 1"
    elif baseline.get("confidence") != ("medium" if size >= 3 else "low"):
        yield f"{where} ({metric}): confidence is {baseline.get('confidence')!r} with {size} values"
    stddev = baseline.get("observed_stddev")
    if not _number(stddev) or stddev < 0:
        yield f"{where} ({metric}): observed_stddev is {stddev!r}, expected a number of at least 0"
    if str(metric).endswith("_rate"):
        yield from _rate(f"{where} ({metric}).observed_baseline", baseline.get("observed_baseline"))
