"""The S, V and M checks of ping.md section 11 that one ping decides.

Checks about a pair of pings or a batch are in `pairs`; those about terminal output, fleet reports and fixture
repositories are tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from stratum_lab.contract.ping_fields import SCHEMA_IDS, SCHEMA_VERSIONS, live
from stratum_lab.contract.score import score_of_counts
from stratum_lab.ping.checking import Fields, Registry
from stratum_lab.ping.rounding import percent, ratio
from stratum_lab.scan.graph import SEVERITIES

registry = Registry()
check = registry.check

STATUSES = ("success", "partial", "failed", "empty")
PROVIDER_TIERS = ("detected", "inferred_env_var", "inferred_framework", "unknown")
PATH_COVERAGE_RULES = ("STRATUM-001", "STRATUM-BR01")
"""Base IDs that partial mitigation applies to."""
TOLERANCE = 0.005 + 1e-9
"""Of a quotient that was rounded to two decimals."""

_REMOVED_AT_3 = ("provider_confidence_breakdown", "progress_card_shown")


@check("S2", "scan_status is one of the four values", failed=True)
def _status(f: Fields) -> Iterator[str]:
    if f["scan_status"] not in STATUSES:
        yield f"scan_status is {f['scan_status']!r}, expected one of {', '.join(STATUSES)}"


@check("S3", "0 <= files_scanned, files_scanned + parser_errors <= files_total", failed=True)
def _files(f: Fields) -> Iterator[str]:
    scanned, errors, total = f["files_scanned"], f["parser_errors"], f["files_total"]
    if min(scanned, errors) < 0 or scanned + errors > total:
        yield f"files_scanned {scanned}, parser_errors {errors}, files_total {total}"


@check("S4", "schema_id is a schema", since=0, until=10**9, failed=True)
def _schema(f: Fields) -> Iterator[str]:
    if f.schema not in SCHEMA_IDS:
        yield f"schema_id is {f.values.get('schema_id')!r}, known are {', '.join(map(str, SCHEMA_IDS))}"


@check("S5", "finding_count equals the sum of finding_severities")
def _finding_count(f: Fields) -> Iterator[str]:
    counted = sum(f["finding_severities"].values())
    if f.findings != counted:
        yield f"{f.findings} findings, finding_severities sum to {counted}"


@check("S6", "findings_per_agent is finding_count / agent_count")
def _findings_per_agent(f: Fields) -> Iterator[str]:
    said, agents = f["normalized_features"]["findings_per_agent"], f["agent_count"]
    wanted = f.findings / agents if agents else 0.0
    if abs(said - wanted) > TOLERANCE:
        yield f"findings_per_agent is {said}, expected {ratio(f.findings, agents)}"


@check("S7", "fields removed at schema 3 are absent", failed=True)
def _removed(f: Fields) -> Iterator[str]:
    yield from (f"{name} was removed at schema 3" for name in _REMOVED_AT_3 if name in f.values)


@check("S8", "agents imply a diameter of at least 1")
def _diameter(f: Fields) -> Iterator[str]:
    if f["agent_count"] > 0 and f["graph_topology_metrics"]["diameter"] < 1:
        yield f"diameter {f['graph_topology_metrics']['diameter']} with {f['agent_count']} agents"


@check("S9", "agents imply at least one component")
def _components(f: Fields) -> Iterator[str]:
    if f["agent_count"] > 0 and f["graph_topology_metrics"]["connected_components"] < 1:
        yield f"connected_components is 0 with {f['agent_count']} agents"


@check("S10", "crew_size_distribution has crew_count entries")
def _crew_sizes(f: Fields) -> Iterator[str]:
    if len(f["crew_size_distribution"]) != f["crew_count"]:
        yield f"{len(f['crew_size_distribution'])} crew sizes, crew_count {f['crew_count']}"


@check("S11", "agent_tool_count_distribution has agent_count entries")
def _tool_counts(f: Fields) -> Iterator[str]:
    if len(f["agent_tool_count_distribution"]) != f["agent_count"]:
        yield f"{len(f['agent_tool_count_distribution'])} tool counts, agent_count {f['agent_count']}"


@check("S12", "co-occurring rules are in finding_rules")
def _co_occurring(f: Fields) -> Iterator[str]:
    strange = sorted({rule for pair in f["finding_co_occurrence"] for rule in pair} - set(f["finding_rules"]))
    if strange:
        yield f"{', '.join(strange)} not in finding_rules"


@check("S14", "an empty ping has no findings")
def _empty(f: Fields) -> Iterator[str]:
    if f["scan_status"] == "empty" and (f.findings or f["finding_rules"]):
        yield f"{f.findings} findings although scan_status is empty"


@check("S15", "scan_duration_ms > 0", failed=True)
def _duration(f: Fields) -> Iterator[str]:
    if f["scan_duration_ms"] <= 0:
        yield f"scan_duration_ms is {f['scan_duration_ms']}"


@check("S18", "schema_version is the label of the schema", since=1, failed=True)
def _label(f: Fields) -> Iterator[str]:
    if f["schema_version"] != SCHEMA_VERSIONS[f.schema]:
        yield f"schema_version is {f['schema_version']!r}, expected {SCHEMA_VERSIONS[f.schema]!r}"


@check("V3", "every downgrade has its coverage, and both follow from the number of guarded paths", since=2)
def _mitigation(f: Fields) -> Iterator[str]:
    coverages, downgrades = f["finding_coverages"], f["severity_downgrades"]
    for rule, coverage in coverages.items():
        total, guarded, pct = coverage["total_paths"], coverage["guarded_paths"], coverage["coverage_pct"]
        if rule not in PATH_COVERAGE_RULES or rule not in f["finding_rules"]:
            yield f"finding_coverages names {rule}, which is no path-coverage rule that fired"
        if not 0 <= guarded <= total or pct != percent(guarded, total) or not 0 < pct < 100:
            yield f"coverage of {rule}: {guarded} of {total} is not {pct} %"
    for rule, downgrade in downgrades.items():
        if rule not in coverages:
            yield f"severity_downgrades names {rule}, finding_coverages does not"
            continue
        pct = coverages[rule]["coverage_pct"]
        wanted = _lowered(downgrade["original"], pct)
        if downgrade["adjusted"] != wanted or wanted == downgrade["original"]:
            yield f"{rule}: {downgrade['original']} at {pct} % becomes {wanted}, not {downgrade['adjusted']}"
        if downgrade["reason"] != f"partial_mitigation_{pct}pct":
            yield f"{rule}: reason is {downgrade['reason']!r}, expected 'partial_mitigation_{pct}pct'"


def _lowered(original: str, pct: int) -> str | None:
    levels = [severity.lower() for severity in SEVERITIES]
    if original not in levels:
        return None
    steps = 0 if pct < 25 else 1 if pct < 75 else 2
    return levels[min(levels.index(original) + steps, len(levels) - 1)]


@check("V7", "the score is within 0 and 100, and not 0 with findings", since=1)
def _score(f: Fields) -> Iterator[str]:
    score, findings = f["risk_score"], sum(f["finding_severities"].values())
    if not 0 <= score <= 100 or (score == 0) != (findings == 0):
        yield f"risk_score {score} with {findings} findings"


@check("V11", "provider_confidence is one of the four tiers")
def _provider(f: Fields) -> Iterator[str]:
    if f.values.get("provider_confidence") not in PROVIDER_TIERS:
        found = f.values.get("provider_confidence")
        yield f"provider_confidence is {found!r}, expected one of {', '.join(PROVIDER_TIERS)}"


@check("V14", "finding_coverages is present", since=2)
def _coverages_present(f: Fields) -> Iterator[str]:
    if "finding_coverages" not in f.values:
        yield "finding_coverages is missing"


@check("V15", "severity_downgrades is present", since=2)
def _downgrades_present(f: Fields) -> Iterator[str]:
    if "severity_downgrades" not in f.values:
        yield "severity_downgrades is missing"


@check("V16", "every field of schema 1 is present", since=1)
def _first_schema(f: Fields) -> Iterator[str]:
    names = {field.name for field in live(1) if field.group != "rescan"}
    missing = names - set(f.values)
    if "scanner_version" in f.values:
        missing.discard("version")
    if missing:
        yield f"missing: {', '.join(sorted(missing))}"


@check("M6", "the score of a rescan follows from finding_severities", since=2)
def _rescan_score(f: Fields) -> Iterator[str]:
    if f.values.get("is_rescan") is True:
        yield from _formula(f)


@check("M18", "the score can be recomputed by hand: weights 10/5/2/1, k = 50", since=2)
def _formula(f: Fields) -> Iterator[str]:
    severities = f["finding_severities"]
    if set(severities) - set(SEVERITIES) or min(severities.values(), default=0) < 0:
        yield f"finding_severities has the keys {', '.join(sorted(severities))}"
    elif f["risk_score"] != score_of_counts(severities):
        yield f"risk_score is {f['risk_score']}, the formula gives {score_of_counts(severities)}"


@check("M8", "findings are counted under their adjusted severity", since=2)
def _adjusted(f: Fields) -> Iterator[str]:
    lowered = Counter(downgrade["adjusted"].upper() for downgrade in f["severity_downgrades"].values())
    for severity, count in sorted(lowered.items()):
        counted = f["finding_severities"].get(severity, 0)
        if counted < count:
            yield f"{count} downgraded to {severity}, {counted} counted"


@check("M11", "crews_clean is present", since=2)
def _clean(f: Fields) -> Iterator[str]:
    if f.values.get("crews_clean") is None:
        yield "crews_clean is missing"


@check("M12", "crews_clean and crews_with_findings sum to crew_count", since=2)
def _crews(f: Fields) -> Iterator[str]:
    clean, others = f["crews_clean"], f["crews_with_findings"]
    if min(clean, others) < 0 or clean + others != f["crew_count"]:
        yield f"crews_clean {clean} + crews_with_findings {others}, crew_count {f['crew_count']}"


@check("M13", "progress_card_shown is false on a first scan", since=2, until=2)
def _progress_card(f: Fields) -> Iterator[str]:
    if f.values.get("is_rescan") is not True and f["progress_card_shown"]:
        yield "progress_card_shown is true on a first scan"


@check("M14", "provider_confidence_breakdown has four tiers", since=2, until=2)
def _breakdown(f: Fields) -> Iterator[str]:
    if len(f["provider_confidence_breakdown"]) != 4:
        yield f"provider_confidence_breakdown has {len(f['provider_confidence_breakdown'])} tiers"
