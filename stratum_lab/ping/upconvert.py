"""Reads pings of schemas 1 to 5 as pings of schema 3. What an old ping does not say stays NOT_RECORDED.

Up-conversion is a view: the ping itself is never rewritten (ping.md section 10).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from stratum_lab.contract.ping_fields import SCHEMA_ID, SCHEMA_IDS, live
from stratum_lab.errors import DecodeError
from stratum_lab.ping.rounding import ratio
from stratum_lab.ping.schemas import schema_of
from stratum_lab.ping.shape import misfit


class _Missing(Enum):
    NOT_RECORDED = "not recorded"

    def __bool__(self) -> bool:
        raise TypeError("a value that was not recorded is neither true nor false; compare with NOT_RECORDED")


NOT_RECORDED: Final = _Missing.NOT_RECORDED
"""Value of a field that the ping's schema did not know: not null, not 0, not empty, and refuses to be a condition."""


class ReadPing(NamedTuple):
    """A ping as schema 3 sees it.

    Attributes:
        schema: Schema it was written at.
        values: Every field live at schema 3 with its value, null or NOT_RECORDED. The five fields of rescans are
            absent on a first scan.
        beyond: Fields that only the ping's own schema knows, as they came.
        original: The ping as it came.
    """

    schema: int
    values: dict[str, Any]
    beyond: dict[str, Any]
    original: Mapping[str, Any]


def parse(text: str | bytes) -> dict[str, Any]:
    """The JSON object of one line.

    Raises:
        DecodeError: Reason `invalid`: it is no JSON object.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise DecodeError("invalid", f"not JSON: {exc}") from exc
    if not isinstance(values, dict):
        raise DecodeError("invalid", f"expected one JSON object, found {type(values).__name__}")
    return values


def read(original: Mapping[str, Any]) -> ReadPing:
    """A ping of any schema as schema 3 sees it.

    Readers are lenient about what a ping says (`validate` is not) and strict about its form: a value of another type
    than the catalogue's, or no scan_id, makes it unreadable. Fields of a schema above the known ones are kept apart.

    Raises:
        DecodeError: Reason `invalid`.
    """
    schema = schema_of(original)
    if schema == 0:
        raise DecodeError("invalid", f"schema_id is {original.get('schema_id')!r}, expected a whole number from 1")
    known = {field.name: field for field in live(min(schema, SCHEMA_IDS[-1]))} | {f.name: f for f in live()}
    for name, field in known.items():
        value = original.get(name)
        problem = misfit(value, field) if value is not None else None
        if problem is not None:
            raise DecodeError("invalid", f"{name} {problem}")
    if not isinstance(original.get("scan_id"), str):
        raise DecodeError("invalid", "scan_id is missing")
    return _converted(schema, original)


def _converted(schema: int, original: Mapping[str, Any]) -> ReadPing:
    rescan = original.get("is_rescan") is True
    values: dict[str, Any] = {}
    for field in live(SCHEMA_ID):
        if field.name in original:
            values[field.name] = original[field.name]
        elif not field.conditional or rescan:
            values[field.name] = _recomputed(field.name, original)
    live_here = {field.name for field in live(min(schema, SCHEMA_IDS[-1]))}
    beyond = {
        name: value
        for name, value in original.items()
        if name not in values and (name in live_here or schema > SCHEMA_IDS[-1])
    }
    if schema < SCHEMA_ID:
        beyond = {}  # display state and fleet-wide counts, dropped by every reader
    return ReadPing(schema, values, beyond, original)


def _count(original: Mapping[str, Any]) -> int:
    if "finding_count" in original or "finding_rule_count" in original:
        return int(original.get("finding_count", original.get("finding_rule_count")))
    return sum(original["finding_severities"].values())


def _features(original: Mapping[str, Any]) -> dict[str, Any]:
    """The ratios that old pings have the numbers for; the other two stay not recorded."""
    agents, levels = original["agent_count"], original["trust_level_distribution"]
    return {
        "findings_per_agent": ratio(_count(original), agents),
        "findings_per_crew": ratio(_count(original), original["crew_count"]),
        "guardrails_per_agent": ratio(original["guardrail_count"], agents),
        "tools_per_agent": NOT_RECORDED,
        "external_exposure_ratio": ratio(
            levels.get("external", 0) + levels.get("public", 0), original["total_capabilities"]
        ),
        "guardrail_coverage_ratio": NOT_RECORDED,
    }


def _density(original: Mapping[str, Any]) -> float:
    nodes, edges = original["graph_node_count"], original["graph_edge_count"]
    return ratio(edges, nodes * (nodes - 1), 6) if nodes >= 2 else 0.0


def _metrics(original: Mapping[str, Any]) -> dict[str, Any]:
    names = ("diameter", "max_degree", "clustering_coefficient", "connected_components", "longest_chain", "hub_score")
    average = ratio(2 * original["graph_edge_count"], original["graph_node_count"])
    return {**dict.fromkeys(names, NOT_RECORDED), "avg_degree": average}


def _sinks(original: Mapping[str, Any]) -> int:
    types = original["graph_node_type_distribution"]
    return int(types.get("external", 0) + types.get("mcp_server", 0))


_RECOMPUTED: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "version": lambda p: p["scanner_version"],
    "finding_count": _count,
    "finding_rule_count": lambda p: len(p["finding_rules"]),
    "has_any_guardrails": lambda p: p["guardrail_count"] > 0,
    "normalized_features": _features,
    "edge_density": _density,
    "graph_topology_metrics": _metrics,
    "external_sink_count": _sinks,
    "is_rescan": lambda p: False,
    "schema_id": schema_of,
}
"""Fields that follow exactly from others; a source that is missing or null leaves the field not recorded."""


def _recomputed(name: str, original: Mapping[str, Any]) -> Any:
    if name not in _RECOMPUTED:
        return NOT_RECORDED
    try:
        return _RECOMPUTED[name](original)
    except (KeyError, TypeError):
        return NOT_RECORDED
