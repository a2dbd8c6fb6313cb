"""What holds for the findings of any model."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_lab.scan.finding import Finding
from stratum_lab.scan.graph import SEVERITIES
from stratum_lab.scan.model import CallSite, Confidence, Link, Model
from stratum_lab.scan.rules import crew_score, fix_impact, risk_score, rules
from stratum_lab.scan.rules.consolidate import gated
from tests.support.rules import scan_of
from tests.support.static_models import ModelMaker

KINDS = ("outbound", "data_access", "destructive", "code_exec", "financial", "file_system")
SERVICES = ("gmail", "slack", "web", "web_search", "sqlite", "stripe", "health_records", "")
NAMES = ("Reader", "Content Filter", "Sender", "Reviewer", "Planner")
GATED = {"STRATUM-001", "STRATUM-002", "STRATUM-003", "STRATUM-BR01", "STRATUM-BR02", "STRATUM-CR01", "STRATUM-CR03"}


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Some agents in some crews with capabilities, tools, links and guardrails."""
    make = ModelMaker()
    agents = [make.agent(draw(st.sampled_from(NAMES))) for _ in range(draw(st.integers(1, 5)))]
    some = st.lists(st.sampled_from(agents), unique=True, max_size=4)
    for i in range(draw(st.integers(0, 2))):
        process = draw(st.sampled_from(("sequential", "hierarchical", "graph")))
        members = draw(st.lists(st.sampled_from(agents), unique=True, min_size=1, max_size=4))
        make.crew(f"crew {i}", *members, process=process, ordered=process != "hierarchical")
    for i in range(draw(st.integers(0, 5))):
        holders = draw(some)
        kind, service = draw(st.sampled_from(KINDS)), draw(st.sampled_from(SERVICES))
        confidence = draw(st.sampled_from(Confidence))
        made = make.capability(f"cap{i}", kind, service, *holders, confidence=confidence)  # type: ignore[arg-type]
        made.channel = draw(st.sampled_from(("", "email")))
        made.fetches = draw(st.booleans())
        if draw(st.booleans()):
            made.tools.append(make.tool(f"Tool{i}", *holders))
        else:
            timed = draw(st.sampled_from((True, False, None)))
            made.calls.append(CallSite(make.site(), "requests.get", "get", draw(st.booleans()), timed, False, ""))
    for _ in range(draw(st.integers(0, 3))):
        make.model.links.append(Link(draw(st.sampled_from(agents)), draw(st.sampled_from(agents)), "delegates_to"))
    if draw(st.booleans()):
        make.guard(draw(st.sampled_from(("hitl", "output_filter", "validation"))), *draw(some))
    return make.model


def seen(findings: list[Finding]) -> list[object]:
    return [(f.rule, f.severity, f.adjusted, f.confidence, f.incident, f.coverage, f.instances) for f in findings]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models())
def test_findings_are_sorted_gated_consistent_and_repeatable(model: Model) -> None:
    scan = scan_of(model)
    by_id = {rule.id_of(rank): rule for rule in rules() for rank in range(len(rule.ids))}
    ids = [finding.rule for finding in scan.findings]
    assert ids == sorted(set(ids))
    for finding in scan.findings:
        rule = by_id[finding.rule]
        assert finding.instances
        assert finding.severity == min((i.severity for i in finding.instances), key=SEVERITIES.index)
        assert finding.confidence == max(i.confidence for i in finding.instances)
        assert SEVERITIES.index(finding.adjusted) >= SEVERITIES.index(finding.severity)
        assert len(set(finding.instances)) == len(finding.instances)
        for instance in finding.instances:
            assert gated(instance.severity, instance.confidence) == instance.severity
            assert instance.crew is None or (rule.crew and instance.crew in model.crews)
            assert instance.text.endswith(".")
    assert 8 <= risk_score(scan.findings) <= 100
    assert all(0 <= crew_score(scan.findings, crew) <= 100 for crew in model.crews)
    assert set(fix_impact(scan.findings)) == set(ids)
    assert seen(scan_of(model).findings) == seen(scan.findings)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models())
def test_an_approval_on_every_agent_ends_all_rules_that_ask_for_one(model: Model) -> None:
    make = ModelMaker()
    make.guard("hitl", *model.agents)
    model.guardrails += make.model.guardrails
    found = {finding.rule for finding in scan_of(model).findings}
    assert not found & GATED


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models())
def test_the_order_in_which_things_were_found_does_not_matter(model: Model) -> None:
    before = seen(scan_of(model).findings)
    for found in (model.capabilities, model.guardrails, model.links):
        found.reverse()  # type: ignore[attr-defined]
    assert [rest[:3] for rest in seen(scan_of(model).findings)] == [rest[:3] for rest in before]  # type: ignore[index]
