"""Pings made from scans: statuses, exact values on hand-made models, and no invalid ping from any model."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_lab.contract.events import Ping
from stratum_lab.contract.ping_fields import live
from stratum_lab.ping.attempt_facts import AttemptFacts
from stratum_lab.ping.build import complete, measured, scan_status
from stratum_lab.ping.pairs import pair_problems
from stratum_lab.ping.previous import PreviousPing
from stratum_lab.ping.validate import problems
from stratum_lab.scan.finding import Coverage, Finding, Instance
from stratum_lab.scan.graph import Severity
from stratum_lab.scan.model import (
    CallSite,
    Confidence,
    Crew,
    EnvReference,
    GroupChat,
    Learning,
    McpServer,
    MemoryStore,
    Model,
    ModelUse,
    Site,
    StoreAccess,
    Telemetry,
)
from stratum_lab.scan.result import FileFacts, IncidentMatch, Scan
from stratum_lab.scan.scanner import scan_tree
from stratum_lab.scan.topology import build
from stratum_lab.scan.view import view
from tests.support.static_models import ModelMaker, models

FIXTURES = Path(__file__).parents[2] / "fixtures" / "scan"
AT = datetime(2026, 11, 21, 13, 0, 0, 42, tzinfo=UTC)


def attempt(**fields: Any) -> AttemptFacts:
    return AttemptFacts(
        **{"scan_id": "1a2b3c4d", "emitted_at": AT, "seconds": 1.2341, "scanner_version": "0.1.0"} | fields
    )


def scan_of(model: Model, **files: Any) -> Scan:
    model.settle()
    model.frameworks = model.frameworks or {"CrewAI": 1}
    facts = FileFacts(
        repo_hash="251a61b1b78437bd", **{"files_total": 9, "files_scanned": 3, "python_file_count": 3} | files
    )
    return Scan(facts, model, build(model) if model.agents else None)


def ping_of(scan: Scan, previous: PreviousPing | None = None) -> Ping:
    # Measured values go through JSON, as between the scanning process and its supervisor.
    return complete(json.loads(json.dumps(measured(scan))), attempt(), previous)


def finding(rule: str, severity: Severity = "HIGH", *crews: Crew | None, coverage: Coverage | None = None) -> Finding:
    lowered: dict[str, Severity] = {"CRITICAL": "HIGH", "HIGH": "MEDIUM", "MEDIUM": "LOW", "LOW": "LOW"}
    instances = [
        Instance(Site("a.py", n + 1), crew, "text", severity, Confidence.CONFIRMED)
        for n, crew in enumerate(crews or (None,))
    ]
    adjusted = lowered[severity] if coverage is not None and coverage.coverage_pct >= 25 else severity
    return Finding(
        rule, rule, "architecture", "security", severity, adjusted, Confidence.CONFIRMED, "fix", instances, coverage
    )


@given(models())
@settings(max_examples=60, deadline=None)
def test_every_model_gives_a_valid_ping(model: Model) -> None:
    ping = ping_of(scan_of(model))
    assert problems(ping) == []
    assert Ping.from_json(ping.to_json()) == ping


@pytest.mark.parametrize("folder", sorted(p.name for p in FIXTURES.iterdir() if p.is_dir() and p.name != "partial_fix"))
def test_every_fixture_repository_gives_a_valid_ping(folder: str) -> None:
    assert problems(ping_of(scan_tree(FIXTURES / folder))) == []


@pytest.mark.check("V3", "V4", "M8")
def test_a_partial_fix_lowers_severities_and_score() -> None:
    before = ping_of(scan_tree(FIXTURES / "partial_fix" / "before"))
    after = complete(
        measured(scan_tree(FIXTURES / "partial_fix" / "after")),
        attempt(scan_id="5e6f7a8b"),
        PreviousPing.of_ping(before.to_json()),
    )
    assert after.finding_coverages is not None
    assert after.severity_downgrades is not None
    assert after.severity_downgrades["STRATUM-001"].original == "critical"
    assert after.severity_downgrades["STRATUM-001"].adjusted == "high"
    assert set(after.severity_downgrades) <= set(after.finding_coverages)
    assert after.rescan is not None
    assert after.rescan.score_delta is not None
    assert after.rescan.score_delta <= -5
    assert pair_problems(before.to_json(), after.to_json()) == []
    assert problems(after) == []


@pytest.mark.check("M9", "M10")
def test_an_unmitigated_repository_has_no_coverage_and_no_downgrade() -> None:
    ping = ping_of(scan_tree(FIXTURES / "partial_fix" / "before"))
    assert ping.finding_coverages == {}
    assert ping.severity_downgrades == {}


@pytest.mark.check("S13")
def test_agents_and_one_unparseable_file_make_it_partial(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from crewai import Agent\nwriter = Agent(role='Writer')\n")
    (tmp_path / "b.py").write_text("def broken(:\n")
    ping = ping_of(scan_tree(tmp_path))
    assert (ping.scan_status, ping.agent_count, ping.parser_errors) == ("partial", 1, 1)
    assert problems(ping) == []


@pytest.mark.check("S14")
def test_no_agent_makes_it_empty_whatever_else_fired(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import requests\nimport chromadb\nrequests.get('https://example.org')\n")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=x\n")
    (tmp_path / "b.py").write_text("def broken(:\n")
    ping = ping_of(scan_tree(tmp_path))
    assert (ping.scan_status, ping.finding_count, ping.finding_rules, ping.risk_score) == ("empty", 0, [], 0)
    assert (ping.graph_node_count, ping.archetype_class, ping.topology_signature_hash) == (0, "custom", None)
    assert ping.total_capabilities == 1
    assert ping.env_var_count == 1
    assert problems(ping) == []


@pytest.mark.parametrize(
    ("scanned", "errors", "agents", "status"),
    [
        (0, 3, 0, "failed"),
        (0, 3, 2, "failed"),
        (0, 0, 0, "empty"),
        (3, 2, 0, "empty"),
        (3, 1, 2, "partial"),
        (3, 0, 2, "success"),
    ],
)
def test_the_first_row_that_fits_decides_the_status(scanned: int, errors: int, agents: int, status: str) -> None:
    assert scan_status({"files_scanned": scanned, "parser_errors": errors, "agent_count": agents}) == status


def test_a_failed_scan_keeps_what_is_known_of_the_files() -> None:
    facts = FileFacts(
        "251a61b1b78437bd", files_total=9, files_scanned=2, parser_errors=1, python_file_count=3, total_loc=70
    )
    ping = complete(None, attempt(files=facts))
    assert problems(ping) == []
    assert (ping.scan_status, ping.repo_hash, ping.files_total, ping.repo_metadata.total_loc) == (
        "failed",
        facts.repo_hash,
        9,
        70,
    )
    for field in live():
        if field.nullable == "failed" and not field.conditional:
            assert getattr(ping, field.name) is None, field.name


def test_a_scan_of_which_nothing_is_known_fails_with_zeros() -> None:
    ping = complete(None, attempt())
    assert problems(ping) == []
    assert (ping.repo_hash, ping.files_total, ping.parser_errors) == (None, 0, 0)


def test_a_scan_that_parsed_nothing_fails_and_measures_nothing() -> None:
    ping = ping_of(scan_of(Model(), files_scanned=0, parser_errors=3))
    assert problems(ping) == []
    assert (ping.scan_status, ping.agent_count, ping.repo_hash) == ("failed", None, "251a61b1b78437bd")


def test_identity_comes_from_the_attempt() -> None:
    local = AT.astimezone(timezone(timedelta(hours=2)))
    ping = complete(None, attempt(emitted_at=local))
    assert ping.timestamp == "2026-11-21T13:00:00.000042+00:00"
    assert (ping.scan_id, ping.version, ping.schema_id, ping.schema_version) == ("1a2b3c4d", "0.1.0", 3, "0.3.0")


@pytest.mark.check("S15")
@pytest.mark.parametrize(("seconds", "shown"), [(0.0, 1), (0.0001, 1), (1.0, 1000), (1.0001, 1001)])
def test_durations_are_rounded_up_and_at_least_one(seconds: float, shown: int) -> None:
    assert complete(None, attempt(seconds=seconds)).scan_duration_ms == shown


def previous(**fields: Any) -> PreviousPing:
    return PreviousPing(
        **{"scan_id": "0a0b0c0d", "risk_score": 60, "finding_rules": frozenset({"A-001", "B-002"})} | fields
    )


@pytest.mark.check("V13", "M7")
def test_a_rescan_is_compared_with_the_ping_before() -> None:
    maker = ModelMaker()
    maker.agent("a")
    scan = scan_of(maker.model)
    scan.findings = [finding("STRATUM-002"), finding("STRATUM-003")]
    before = previous(finding_rules=frozenset({"STRATUM-001", "STRATUM-002", "STRATUM-004"}))
    ping = ping_of(scan, before)
    assert ping.is_rescan
    assert ping.rescan is not None
    assert ping.rescan.model_dump() == {
        "prev_score": 60,
        "score_delta": 17 - 60,
        "resolved_count": 2,
        "new_count": 1,
        "pre_scan_id": "0a0b0c0d",
    }
    assert list(ping.to_json())[list(ping.to_json()).index("is_rescan") + 1] == "prev_score"


def test_a_failed_rescan_says_what_it_was_to_be_compared_with() -> None:
    ping = complete(None, attempt(), previous())
    assert problems(ping) == []
    assert ping.rescan is not None
    assert ping.rescan.model_dump() == {
        "prev_score": 60,
        "score_delta": None,
        "resolved_count": None,
        "new_count": None,
        "pre_scan_id": "0a0b0c0d",
    }


def test_the_same_attempt_delivered_again_is_no_rescan() -> None:
    assert not complete(None, attempt(), previous(scan_id="1a2b3c4d")).is_rescan


def two_crews() -> tuple[Scan, Crew, Crew]:
    maker = ModelMaker()
    agents = [maker.agent(f"a{n}") for n in range(5)]
    first, second = maker.crew("one", *agents[:3]), maker.crew("two", *agents[3:])
    maker.tool("Search", *agents[:3])
    maker.tool("Mail", agents[0], agents[3])
    return scan_of(maker.model), first, second


def test_findings_are_counted_by_rule_and_attributed_to_crews() -> None:
    scan, first, second = two_crews()
    scan.findings = [
        finding("CONTEXT-001", "MEDIUM"),
        finding("STRATUM-001", "CRITICAL", first, first, coverage=Coverage(4, 1, 25)),
        finding("STRATUM-CR05", "HIGH", first, second),
        finding("STRATUM-BR01", "HIGH", first, coverage=Coverage(4, 0, 0)),
    ]
    ping = ping_of(scan)
    assert problems(ping) == []
    assert ping.finding_count == ping.finding_rule_count == 4
    assert ping.finding_severities == {"HIGH": 3, "MEDIUM": 1}
    assert ping.risk_score == 25  # raw 17
    assert ping.finding_co_occurrence == [
        ["STRATUM-001", "STRATUM-BR01"],
        ["STRATUM-001", "STRATUM-CR05"],
        ["STRATUM-BR01", "STRATUM-CR05"],
    ]
    assert ping.per_crew_finding_density is not None
    assert ping.per_crew_finding_density.model_dump() == {"max": 3, "min": 1, "mean": 2.0, "median": 2.0, "stddev": 1.0}
    assert (ping.crews_clean, ping.crews_with_findings) == (0, 2)
    assert list(ping.finding_coverages or {}) == ["STRATUM-001"]
    assert (ping.severity_downgrades or {})["STRATUM-001"].reason == "partial_mitigation_25pct"


def test_tools_are_counted_by_identity_and_shared_ones_by_crew() -> None:
    scan, _, _ = two_crews()
    ping = ping_of(scan)
    assert ping.total_tool_count == 2
    assert ping.agent_tool_count_distribution == [2, 1, 1, 1, 0]
    assert ping.crew_size_distribution == [3, 2]
    assert ping.blast_radius_distribution == [3]
    assert (ping.max_blast_radius, ping.shared_tool_max_agents) == (3, 3)
    assert ping.normalized_features is not None
    assert ping.normalized_features.tools_per_agent == 0.4


def test_a_tool_that_nobody_shares_counts_for_one_agent() -> None:
    maker = ModelMaker()
    maker.tool("Search", maker.agent("a"))
    ping = ping_of(scan_of(maker.model))
    assert (ping.blast_radius_distribution, ping.max_blast_radius, ping.shared_tool_max_agents) == ([], 0, 1)


def test_groups_without_agents_are_no_crews() -> None:
    maker = ModelMaker()
    maker.agent("a")
    maker.crew("flow")
    maker.model.chats.append(GroupChat(maker.site(), "autogen", "chat"))
    assert ping_of(scan_of(maker.model)).crew_count == 0


def test_trust_levels_cross_in_pairs() -> None:
    maker = ModelMaker()
    agent = maker.agent("a")
    for n in range(3):
        maker.capability(f"read{n}", "data_access", "postgresql", agent)
    maker.capability("send", "outbound", "web", agent)
    maker.capability("maybe", "outbound", "email", agent, confidence=Confidence.HEURISTIC)
    ping = ping_of(scan_of(maker.model))
    assert ping.trust_crossings == {"external→internal": 6}
    assert ping.total_trust_crossings == 6
    assert ping.trust_crossing_adjacency == {"external→internal": 3, "internal→external": 3}
    assert ping.normalized_features is not None
    assert ping.normalized_features.external_exposure_ratio == 0.4


def call(line: int, *, in_try: bool = False, timed: bool | None = None, validated: bool = False) -> CallSite:
    return CallSite(Site("a.py", line), "requests.get", "get", in_try, timed, validated, "")


def test_rates_count_call_sites() -> None:
    maker = ModelMaker()
    agent = maker.agent("a")
    web = maker.capability("fetch", "outbound", "web", agent)
    web.calls += [call(1, in_try=True, timed=True), call(2, timed=False), call(3, timed=False)]
    maker.capability("pay", "financial", "stripe", agent).calls += [call(4, validated=True), call(5)]
    maker.capability("same place", "data_access", "web", agent).calls.append(call(1, in_try=True))
    ping = ping_of(scan_of(maker.model))
    assert (ping.error_handling_rate, ping.timeout_rate, ping.financial_validation_rate) == (0.2, 0.33, 0.5)
    assert ping.has_financial_tools


def test_controls_cover_what_they_are_linked_to() -> None:
    maker = ModelMaker()
    guarded, bare = maker.agent("guarded"), maker.agent("bare")
    for agent in (guarded, bare):
        tool = maker.tool(f"Delete{agent.name}", agent)
        maker.capability(f"delete {agent.name}", "destructive", "postgresql", agent, tools=(tool,))
    maker.guard("hitl", guarded)
    maker.guard("rate_limit")
    maker.guard("input_filter", bare, active=False)
    ping = ping_of(scan_of(maker.model))
    assert (ping.guardrail_count, ping.guardrail_types, ping.guardrail_linked_count) == (2, ["hitl", "rate_limit"], 1)
    assert ping.has_hitl_anywhere
    assert ping.mitigation_coverage is not None
    assert ping.mitigation_coverage.destructive_hitl_rate == 0.5


def test_servers_are_counted_with_their_shares() -> None:
    maker = ModelMaker()
    maker.agent("a")
    maker.model.mcp_servers += [
        McpServer(maker.site(), "one", env_names=["GITHUB_TOKEN"], version="1.0"),
        McpServer(maker.site(), "two", url="https://mcp.example.org", remote=True),
        McpServer(maker.site(), "three"),
    ]
    ping = ping_of(scan_of(maker.model))
    assert (ping.mcp_server_count, ping.mcp_remote_count, ping.mcp_auth_ratio, ping.mcp_pinned_ratio) == (
        3,
        1,
        0.33,
        0.33,
    )


def access(scope: str, *arguments: str) -> StoreAccess:
    return StoreAccess(Site("a.py", 1), "add", scope, None, arguments)


def test_a_store_that_is_written_and_read_is_a_learning_loop() -> None:
    model = ModelMaker().model
    store = MemoryStore(Site("m.py", 1), "vector_memory", "chromadb", collection="notes")
    store.writes.append(access("writer", "documents", "metadatas"))
    store.reads.append(access("reader"))
    model.stores.append(store)
    ping = ping_of(scan_of(model))
    assert (ping.has_memory_store, ping.memory_store_types) == (True, ["vector_memory"])
    assert (ping.has_learning_loop, ping.learning_type) == (True, "context_level")
    assert (ping.has_context_provenance, ping.has_shared_context, ping.has_context_rollback) == (True, True, False)


@pytest.mark.parametrize(
    ("kind", "shown"), [("distillation", "experience_distillation"), ("fine_tuning", "trajectory_rl")]
)
def test_pipelines_on_run_data_are_learning_loops(kind: Any, shown: str) -> None:
    model = ModelMaker().model
    model.learning.append(Learning(kind, Site("a.py", 1)))
    assert ping_of(scan_of(model)).learning_type == shown


def test_stores_of_the_same_name_in_unrelated_places_are_not_shared() -> None:
    model = ModelMaker().model
    for unit in ("one", "two"):
        store = MemoryStore(Site(f"{unit}/m.py", 1), "vector_memory", "chromadb", unit=unit, collection="notes")
        store.writes.append(access(f"writer of {unit}"))
        model.stores.append(store)
    assert not ping_of(scan_of(model)).has_shared_context


def test_variables_telemetry_and_incidents_are_counted_once() -> None:
    maker = ModelMaker()
    maker.agent("a")
    maker.model.env_references += [EnvReference(name, maker.site()) for name in ("A", "B", "A")]
    maker.model.telemetry += [Telemetry("langfuse", maker.site(), True, "import") for _ in range(2)]
    scan = scan_of(maker.model)
    scan.incidents = [IncidentMatch("B-1", 0.5), IncidentMatch("A-1", 1.0), IncidentMatch("C-1", 0.49)]
    scan.regulations = ["GDPR Art. 35", "EU AI Act Art. 9"]
    ping = ping_of(scan)
    assert (ping.env_var_count, ping.telemetry_destination_count, ping.has_observability) == (2, 1, True)
    assert (ping.incident_ids, ping.incident_match_count) == (["A-1", "B-1"], 2)
    assert (ping.regulatory_surface, ping.regulatory_framework_count) == (["EU AI Act Art. 9", "GDPR Art. 35"], 2)


@pytest.mark.check("V11", "V10")
@pytest.mark.parametrize(
    ("uses", "names", "frameworks", "tier"),
    [
        ([ModelUse("openai", "gpt-4o", Site("a.py", 1))], ["GROQ_API_KEY"], {"CrewAI": 1}, "detected"),
        ([], ["GROQ_API_KEY", "HOME"], {"CrewAI": 1}, "inferred_env_var"),
        ([], ["HOME"], {"CrewAI": 1, "SmolAgents": 1}, "inferred_framework"),
        ([], [], {"SmolAgents": 1}, "unknown"),
    ],
)
def test_the_first_tier_with_a_provider_decides(
    uses: Any, names: list[str], frameworks: dict[str, int], tier: str
) -> None:
    model = ModelMaker().model
    model.model_uses += uses
    model.env_references += [EnvReference(name, Site("a.py", 1)) for name in names]
    model.frameworks = frameworks
    assert ping_of(scan_of(model)).provider_confidence == tier


@pytest.mark.check("V10")
def test_a_repository_that_names_no_model_and_no_key_has_its_frameworks_default_provider(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from crewai import Agent\nwriter = Agent(role='Writer')\n")
    scan = scan_tree(tmp_path)
    assert ping_of(scan).provider_confidence == "inferred_framework"
    assert view(scan, {}).providers == ["openai"]


@pytest.mark.parametrize(
    ("frameworks", "agents", "primary"),
    [
        ({"CrewAI": 1, "LangGraph": 9}, ["crewai"], "CrewAI"),
        ({"CrewAI": 1, "LangGraph": 9}, ["crewai", "langgraph"], "LangGraph"),
        ({"LangGraph": 3, "CrewAI": 3}, [], "CrewAI"),
    ],
)
def test_the_primary_framework_has_most_agents_then_files_then_the_first_name(
    frameworks: dict[str, int], agents: list[str], primary: str
) -> None:
    maker = ModelMaker()
    for n, framework in enumerate(agents):
        maker.agent(f"a{n}", framework)
    maker.model.frameworks = frameworks
    metadata = ping_of(scan_of(maker.model)).repo_metadata
    assert (metadata.primary_framework, metadata.framework_count) == (primary, len(frameworks))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_density_is_the_exact_statistic_rounded_half_up(sizes: list[int]) -> None:
    maker = ModelMaker()
    crews = [maker.crew(f"c{n}", maker.agent(f"a{n}")) for n in range(len(sizes))]
    scan = scan_of(maker.model)
    scan.findings = [
        finding(f"STRATUM-{n:03}", "LOW", *(crew for crew, size in zip(crews, sizes, strict=True) if size > n))
        for n in range(max(sizes))
    ]
    density = ping_of(scan).per_crew_finding_density
    assert density is not None
    mean = Fraction(sum(sizes), len(sizes))
    variance = sum((size - mean) ** 2 for size in sizes) / len(sizes)
    assert -Fraction(1, 200) < Fraction(str(density.mean)) - mean <= Fraction(1, 200)
    assert (density.max, density.min) == (max(sizes), min(sizes))
    # k/100 is the rounded root exactly when (k - 1/2)/100 <= root < (k + 1/2)/100.
    k = round(density.stddev * 100)
    assert Fraction(max(0, 2 * k - 1), 200) ** 2 <= variance < Fraction(2 * k + 1, 200) ** 2
