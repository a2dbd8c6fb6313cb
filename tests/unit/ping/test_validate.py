"""Every check names the ping that breaks it, and valid pings of each status break none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_lab.contract.events import Ping
from stratum_lab.contract.ping_fields import SCHEMA_IDS, live
from stratum_lab.ping.validate import CHECKS, SHAPE_CHECKS, problems
from tests.support.pings import empty_scan, failed_scan, first_scan, rescan

PINGS = Path(__file__).parents[2] / "fixtures" / "pings"

Values = dict[str, Any]


def named(values: Values) -> set[str]:
    return {problem.check for problem in problems(values)}


def golden(name: str) -> Values:
    loaded = json.loads((PINGS / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.check("S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S14", "S15", "S18")
@pytest.mark.check("V3", "V7", "V11", "V14", "V15", "V16", "M6", "M8", "M11", "M12", "M18")
@pytest.mark.parametrize("make", [first_scan, rescan, empty_scan, failed_scan], ids=lambda make: make.__name__)
def test_a_valid_ping_breaks_no_check(make: Callable[[], Values]) -> None:
    assert problems(make()) == []
    assert problems(Ping.from_json(make())) == []


@pytest.mark.check("M13", "M14")
@pytest.mark.parametrize("name", ["schema1", "schema1-rescan", "schema2", "schema2-rescan", "schema4", "schema5"])
def test_golden_pings_of_every_schema_break_no_check(name: str) -> None:
    assert problems(golden(name)) == []


def test_the_earlier_writers_first_scan_is_named_with_every_known_problem() -> None:
    found = {(p.check, p.message) for p in problems(golden("schema5-first-scan"))}
    assert found == {
        ("fields", "is_rescan is missing"),
        ("M18", "risk_score is 69, the formula gives 62"),
        ("guardrail_nodes", "guardrail_count 13, 12 guardrail nodes"),
        ("edge_density", "edge_density is 0.011108456760630674, expected 0.011108"),
        ("co_occurrence", "finding_co_occurrence is not sorted"),
        ("density", "density minimum 0 with 0 clean crews"),
        ("memory_store", "has_memory_store is True beside 0 memory_store_types"),
        ("sorted_sets", "incident_ids is not sorted"),
    }


def test_the_earlier_writers_rescan_is_named_with_every_known_problem() -> None:
    found = {(p.check, p.message) for p in problems(golden("schema5-rescan"))}
    assert found == {
        ("guardrail_nodes", "guardrail_count 47, 12 guardrail nodes"),
        ("edge_density", "edge_density is 0.011108456760630674, expected 0.011108"),
        ("co_occurrence", "finding_co_occurrence is not sorted"),
        ("memory_store", "has_memory_store is True beside 0 memory_store_types"),
        ("sorted_sets", "guardrail_types is not sorted"),
        ("sorted_sets", "incident_ids is not sorted"),
    }


def changed(**fields: Any) -> Callable[[], Values]:
    """A first scan with other values; `a__b` is key b of field a."""

    def make() -> Values:
        out = first_scan()
        for name, value in fields.items():
            outer, _, key = name.partition("__")
            if key:
                out[outer] = {**out[outer], key: value}
            else:
                out[outer] = value
        return out

    return make


def golden_with(name: str, **fields: Any) -> Callable[[], Values]:
    return lambda: golden(name) | fields


def without(name: str) -> Callable[[], Values]:
    return lambda: {k: v for k, v in first_scan().items() if k != name}


BROKEN: list[tuple[str, Callable[[], Values]]] = [
    ("S2", changed(scan_status="done")),
    ("S3", changed(files_scanned=13)),
    ("S3", changed(parser_errors=5)),
    ("S3", lambda: failed_scan() | {"files_scanned": -1}),
    ("S4", changed(schema_id=6)),
    ("S4", changed(schema_id="3")),
    ("S4", changed(schema_id=True)),
    ("S4", changed(schema_id=0)),
    ("S5", changed(finding_count=5)),
    ("S6", changed(normalized_features__findings_per_agent=1.02)),
    ("S7", changed(progress_card_shown=False)),
    ("S7", lambda: failed_scan() | {"provider_confidence_breakdown": {}}),
    ("S8", changed(graph_topology_metrics__diameter=0)),
    ("S9", changed(graph_topology_metrics__connected_components=0)),
    ("S10", changed(crew_size_distribution=[2])),
    ("S11", changed(agent_tool_count_distribution=[2, 1, 1])),
    ("S12", changed(finding_co_occurrence=[["STRATUM-001", "STRATUM-009"]])),
    ("S14", lambda: empty_scan() | {"finding_rules": ["TELEMETRY-003"]}),
    ("S15", changed(scan_duration_ms=0)),
    ("S15", lambda: failed_scan() | {"scan_duration_ms": 0}),
    ("S18", changed(schema_version="0.3.1")),
    ("S18", lambda: failed_scan() | {"schema_version": "0.2"}),
    ("V3", changed(finding_coverages={})),
    ("V3", changed(finding_coverages={"STRATUM-001": {"total_paths": 2, "guarded_paths": 1, "coverage_pct": 51}})),
    ("V3", changed(finding_coverages={"STRATUM-001": {"total_paths": 1, "guarded_paths": 2, "coverage_pct": 200}})),
    ("V3", changed(severity_downgrades={"STRATUM-001": {"original": "high", "adjusted": "low", "reason": "x"}})),
    ("V7", changed(risk_score=0)),
    ("V7", changed(risk_score=101)),
    ("V11", changed(provider_confidence="inferred_from_framework")),
    ("V14", without("finding_coverages")),
    ("V15", without("severity_downgrades")),
    ("V16", without("checkpoint_type")),
    ("M6", lambda: rescan() | {"risk_score": 18, "score_delta": -22}),
    ("M8", changed(finding_severities={"MEDIUM": 3, "LOW": 1})),
    ("M11", without("crews_clean")),
    ("M12", changed(crews_clean=2)),
    ("M13", golden_with("schema2", progress_card_shown=True)),
    ("M14", golden_with("schema2", provider_confidence_breakdown={"detected": 1})),
    ("M18", changed(risk_score=18)),
    ("M18", changed(finding_severities={"BAD": 4})),
    ("fields", without("version")),
    ("fields", changed(agent_count=None)),
    ("fields", changed(agent_count="4")),
    ("fields", changed(agent_count=True)),
    ("fields", changed(agent_count=2**63)),
    ("fields", changed(edge_density=float("nan"))),
    ("fields", changed(guardrail_types=[1])),
    ("fields", changed(finding_co_occurrence=[["STRATUM-001"]])),
    ("fields", changed(normalized_features={})),
    ("fields", changed(finding_coverages={"STRATUM-001": 3})),
    ("fields", changed(prev_score=3)),
    ("fields", lambda: failed_scan() | {"agent_count": 0}),
    ("fields", lambda: {k: v for k, v in rescan().items() if k != "pre_scan_id"}),
    ("unknown", changed(finding_instance_counts={})),
    ("unknown", changed(anything=1)),
    ("privacy", changed(repo_name="x")),
    ("privacy", changed(incident_ids=["src/agents.py"])),
    ("privacy", changed(version="C:\\x")),
    ("privacy", changed(version="https://example.org")),
    ("privacy", changed(version="me@host")),
    ("privacy", changed(capability_distribution={"lib/tool.py": 4})),
    ("privacy", changed(finding_coverages={"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}})),
    ("rule_counts", changed(finding_rule_count=3)),
    ("finding_sums", changed(findings_by_class={"hygiene": 1})),
    ("guardrails", changed(has_any_guardrails=False)),
    ("guardrails", changed(has_hitl_anywhere=False)),
    ("guardrail_nodes", changed(guardrail_count=3)),
    ("guardrail_links", changed(guardrail_linked_count=3)),
    ("graph_sums", changed(graph_edge_count=12)),
    ("external_sinks", changed(external_sink_count=1)),
    ("edge_density", changed(edge_density=0.07)),
    ("degrees", changed(graph_topology_metrics__avg_degree=1.7)),
    ("degrees", changed(graph_topology_metrics__hub_score=0.3)),
    ("signature", changed(topology_signature_hash=None)),
    ("crew_sizes", changed(crew_size_distribution=[1, 3])),
    ("crew_sizes", changed(crew_size_distribution=[4, 0])),
    ("tool_counts", changed(agent_tool_count_distribution=[1, 2, 1, 0])),
    ("blast_radius", changed(max_blast_radius=3)),
    ("blast_radius", changed(shared_tool_max_agents=1)),
    ("tools", changed(total_tool_count=9)),
    ("list_lengths", changed(incident_match_count=2)),
    ("status", changed(scan_status="partial")),
    ("status", changed(scan_status="empty")),
    ("status", changed(parser_errors=1)),
    ("empty", lambda: empty_scan() | {"archetype_class": "code_agent"}),
    ("empty", lambda: empty_scan() | {"risk_score": 8}),
    ("co_occurrence", changed(finding_co_occurrence=[["STRATUM-BR01", "STRATUM-001"]])),
    ("co_occurrence", changed(finding_co_occurrence=[["STRATUM-001", "STRATUM-BR01"]] * 2)),
    ("density", changed(per_crew_finding_density__min=1)),
    ("density", changed(per_crew_finding_density__median=4.0)),
    ("density", lambda: empty_scan() | {"per_crew_finding_density": first_scan()["per_crew_finding_density"]}),
    ("ratios", changed(normalized_features__guardrail_coverage_ratio=0.5)),
    ("capabilities", changed(total_capabilities=5)),
    ("capabilities", changed(has_financial_tools=False)),
    ("trust_crossings", changed(trust_crossings={})),
    ("trust_crossings", changed(trust_crossing_adjacency={"external→internal": 1})),
    ("memory_store", changed(memory_store_types=[])),
    ("learning", changed(learning_type=None)),
    ("fired_rules", changed(has_eval_conflict=True)),
    ("paths", changed(max_path_hops=0)),
    ("frameworks", changed(repo_metadata__primary_framework=None)),
    ("rescan", lambda: rescan() | {"pre_scan_id": "1a2b3c4d"}),
    ("rescan", lambda: rescan() | {"score_delta": 23}),
    ("instances", golden_with("schema4", total_finding_instances=0)),
    ("instances", golden_with("schema4", fix_impact_estimates={})),
    ("deployment", golden_with("schema4", inter_crew_edges=-1)),
    ("versions", golden_with("schema4", framework_versions={})),
    ("versions", golden_with("schema5", frameworks=["LangChain", "CrewAI"])),
    ("vocabulary", changed(guardrail_types=["hitl", "isinstance"])),
    ("vocabulary", changed(archetype_class="my_agent")),
    ("vocabulary", changed(findings_by_class={"security": 4})),
    ("forms", changed(scan_id="XYZ")),
    ("forms", changed(timestamp="2026-02-14T01:35:42Z")),
    ("forms", changed(finding_rules=["CONTEXT-001", "STRATUM-001", "STRATUM-BR01", "my_function"])),
    ("forms", changed(repo_metadata__primary_framework="acme/secret")),
    ("sorted_sets", changed(guardrail_types=["output_filter", "hitl"])),
    ("sorted_sets", changed(incident_ids=["ECHOLEAK-2025"] * 2)),
    ("zero_counts", changed(capability_distribution={"outbound": 4, "financial": 0})),
    ("ranges", changed(env_var_count=-1)),
    ("ranges", changed(error_handling_rate=1.2)),
    ("ranges", changed(error_handling_rate=0.333)),
    ("ranges", changed(control_coverage_pct=33.333)),
    ("ranges", changed(graph_topology_metrics__clustering_coefficient=0.12345)),
]


@pytest.mark.parametrize(
    ("check", "make"),
    [pytest.param(c, m, id=f"{c}-{n}", marks=pytest.mark.check(c)) for n, (c, m) in enumerate(BROKEN)],
)
def test_a_check_names_the_ping_that_breaks_it(check: str, make: Callable[[], Values]) -> None:
    assert check in named(make())


def test_every_check_has_a_ping_that_breaks_it() -> None:
    assert {check for check, _ in BROKEN} == {check.id for check in CHECKS} | set(SHAPE_CHECKS)


def test_a_missing_field_is_named_once_and_silences_what_needs_it() -> None:
    assert named(without("agent_count")()) == {"fields", "V16"}


@pytest.mark.parametrize("schema", SCHEMA_IDS)
def test_fields_of_another_schema_are_unknown(schema: int) -> None:
    extra = {field.name for field in live(5 if schema < 5 else 4)} - {field.name for field in live(schema)}
    late = {name for name in extra if schema >= 3 or name not in {f.name for f in live(3)}}
    ping = golden({1: "schema1", 2: "schema2", 4: "schema4", 5: "schema5"}[schema]) if schema != 3 else first_scan()
    for name in late:
        assert "unknown" in named(ping | {name: None}), name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from(sorted(first_scan())))
def test_no_value_of_a_field_breaks_validation(value: Any, name: str) -> None:
    problems(first_scan() | {name: value})


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_no_object_breaks_validation(values: Values) -> None:
    assert problems(values)
