"""Incidents and regulation labels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stratum_lab.scan.model import Agent, Link
from stratum_lab.scan.rules.facts import table
from stratum_lab.scan.rules.regulations import labels
from tests.support.rules import scan_of
from tests.support.static_models import ModelMaker


def incidents(make: ModelMaker) -> dict[str, float]:
    return {found.incident: found.confidence for found in scan_of(make.model).incidents}


def reads_and_sends(make: ModelMaker, service: str) -> Agent:
    agent = make.agent("assistant")
    make.crew("desk", agent)
    make.capability("read", "data_access", service, agent)
    make.capability("post", "outbound", "web", agent)
    return agent


@pytest.mark.check("V7")
def test_a_mailbox_that_reaches_the_web_is_a_full_match_and_cited_by_its_own_rule_only() -> None:
    make = ModelMaker()
    reads_and_sends(make, "gmail")
    scan = scan_of(make.model)
    assert {f.incident: f.confidence for f in scan.incidents}["ECHOLEAK-2025"] == 1.0
    cited = {finding.rule: finding.incident for finding in scan.findings if finding.incident}
    assert cited == {"STRATUM-001": "ECHOLEAK-2025"}


def test_needed_kinds_alone_match_at_one_half_and_are_not_cited() -> None:
    make = ModelMaker()
    reads_and_sends(make, "sqlite")
    assert incidents(make) == {"ECHOLEAK-2025": 0.5, "SLACK-AI-EXFIL-2024": 0.5}
    assert not any(finding.incident for finding in scan_of(make.model).findings)


def test_a_chat_source_lifts_the_chat_incident() -> None:
    make = ModelMaker()
    reads_and_sends(make, "slack")
    assert incidents(make)["SLACK-AI-EXFIL-2024"] == 1.0


def test_parts_in_two_unrelated_crews_do_not_match() -> None:
    make = ModelMaker()
    for kind, service in (("data_access", "gmail"), ("outbound", "web")):
        agent = make.agent(kind)
        make.crew(kind, agent)
        make.capability(kind, kind, service, agent)  # type: ignore[arg-type]
    assert incidents(make) == {}


def test_a_reader_feeding_an_actor_matches_the_agent_to_agent_incident() -> None:
    make = ModelMaker()
    reader, actor = make.agent("reader"), make.agent("actor")
    make.crew("desk", reader, actor)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("search", "outbound", "web_search", reader)
    assert incidents(make)["SERVICENOW-NOWASSIST-2025"] == 0.5
    make.capability("wipe", "destructive", "sqlite", actor)
    assert incidents(make)["SERVICENOW-NOWASSIST-2025"] == 0.75


def test_a_handover_to_an_agent_outside_the_group_is_no_pattern() -> None:
    make = ModelMaker()
    reader, actor = make.agent("reader"), make.agent("actor")
    make.crew("desk", reader)
    make.capability("read", "data_access", "sqlite", reader)
    make.capability("search", "outbound", "web_search", reader)
    make.capability("wipe", "destructive", "sqlite", actor)
    make.model.links.append(Link(reader, actor, "delegates_to"))
    assert "SERVICENOW-NOWASSIST-2025" not in incidents(make)


def test_a_fetching_tool_beside_an_acting_one_matches_the_fetched_content_incident() -> None:
    make = ModelMaker()
    agent = make.agent("assistant")
    make.capability("scrape", "outbound", "web", agent).fetches = True
    assert incidents(make)["DOCKER-GORDON-2025"] == 0.75
    make.capability("shell", "code_exec", "", agent)
    assert incidents(make)["DOCKER-GORDON-2025"] == 1.0
    scan = scan_of(make.model)
    assert {f.rule: f.incident for f in scan.findings if f.incident} == {"STRATUM-003": "DOCKER-GORDON-2025"}


def test_an_incident_is_cited_only_where_it_matched() -> None:
    make = ModelMaker()
    reader = make.agent("assistant")
    make.crew("desk", reader)
    make.capability("scrape", "outbound", "web", reader).fetches = True
    coder = make.agent("coder")
    make.crew("lab", coder)
    make.capability("shell", "code_exec", "", coder)
    scan = scan_of(make.model)
    assert [f.incident for f in scan.findings if f.rule == "STRATUM-003"] == [None]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("gmail", ["EU AI Act Art. 14", "EU AI Act Art. 9", "GDPR Art. 35", "NIST AI RMF MAP 1.5"]),
        ("health_records", ["HIPAA Technical Safeguards"]),
        ("secret_store", ["EU AI Act Art. 9"]),
        ("sqlite", []),
    ],
)
def test_labels_of_an_uncontrolled_path_follow_its_data(service: str, expected: list[str]) -> None:
    make = ModelMaker()
    reads_and_sends(make, service)
    assert scan_of(make.model).regulations == expected


def test_financial_data_triggers_its_labels() -> None:
    make = ModelMaker()
    reads_and_sends(make, "stripe")
    assert scan_of(make.model).regulations == [
        "EU AI Act Art. 14",
        "EU AI Act Art. 9",
        "NIST AI RMF GOVERN 1.2",
        "NIST AI RMF MAP 1.5",
        "PCI DSS Req. 6",
        "SOX ITGC",
    ]


def test_a_filter_lifts_the_labels_that_ask_for_one() -> None:
    make = ModelMaker()
    agent = reads_and_sends(make, "gmail")
    make.guard("output_filter", agent)
    assert scan_of(make.model).regulations == ["EU AI Act Art. 14", "EU AI Act Art. 9"]


def test_labels_that_ask_for_an_external_sink_do_not_follow_from_an_internal_one() -> None:
    make = ModelMaker()
    reads_and_sends(make, "gmail")
    scan = scan_of(make.model)
    assert scan.graph is not None
    inside = [replace(path, external=False) for path in scan.graph.uncontrolled]
    assert labels(inside) == ["EU AI Act Art. 14"]


def test_no_path_no_label() -> None:
    assert labels([]) == []
    assert len(table("regulations.json")) == 8
