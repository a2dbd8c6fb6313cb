"""Rules STRATUM-BR01 to -BR04 and -OP01, -OP02 over hand-made models."""

from __future__ import annotations

import pytest

from stratum_lab.scan.model import Capability, Confidence, EnvReference, ModelUse, Telemetry
from tests.support.rules import fired
from tests.support.static_models import ModelMaker


def sender(make: ModelMaker, name: str, **more: Confidence) -> Capability:
    agent = make.agent(name)
    make.crew(f"{name} crew", agent)
    made = make.capability(f"{name}.send", "outbound", "email", agent, **more)
    made.channel = "email"
    return made


@pytest.mark.parametrize(
    ("confidence", "draft", "severity"),
    [
        (Confidence.CONFIRMED, False, "HIGH"),
        (Confidence.PROBABLE, False, "MEDIUM"),
        (Confidence.CONFIRMED, True, "MEDIUM"),
    ],
)
def test_messages_to_people_are_reviewed(confidence: Confidence, draft: bool, severity: str) -> None:
    make = ModelMaker()
    sender(make, "writer", confidence=confidence).draft = draft
    assert fired(make.model)["STRATUM-BR01"].severity == severity


def test_outbound_calls_that_reach_no_person_are_no_messages() -> None:
    make = ModelMaker()
    make.capability("search", "outbound", "web_search", make.agent("searcher"))
    assert "STRATUM-BR01" not in fired(make.model)


@pytest.mark.parametrize(
    ("guarded", "pct", "adjusted"), [(0, None, "HIGH"), (1, 25, "MEDIUM"), (2, 50, "MEDIUM"), (3, 75, "LOW")]
)
def test_reviewed_senders_lower_the_severity_of_the_others(guarded: int, pct: int | None, adjusted: str) -> None:
    make = ModelMaker()
    for i in range(4):
        sender(make, f"writer {i}")
    for agent in make.model.agents[:guarded]:
        make.guard("hitl", agent)
    finding = fired(make.model)["STRATUM-BR01"]
    assert (finding.coverage and finding.coverage.coverage_pct, finding.adjusted) == (pct, adjusted)


def test_agents_in_no_crew_count_one_by_one() -> None:
    make = ModelMaker()
    for i in range(3):
        make.capability(f"send {i}", "outbound", "email", make.agent(f"writer {i}")).channel = "email"
    make.guard("hitl", make.model.agents[0])
    assert fired(make.model)["STRATUM-BR01"].coverage == (3, 1, 33)


def test_every_sender_reviewed_leaves_no_finding() -> None:
    make = ModelMaker()
    sender(make, "writer")
    make.guard("output_filter", make.model.agents[0])
    assert "STRATUM-BR01" not in fired(make.model)


def test_payments_need_an_approval_and_validation_is_none() -> None:
    make = ModelMaker()
    payer = make.agent("payer")
    make.capability("pay", "financial", "stripe", payer)
    make.guard("validation", payer)
    assert fired(make.model)["STRATUM-BR02"].severity == "HIGH"
    make.guard("hitl", payer)
    assert "STRATUM-BR02" not in fired(make.model)


def test_two_acting_capabilities_without_telemetry_leave_no_trace() -> None:
    make = ModelMaker()
    agent = make.agent("actor")
    make.capability("wipe", "destructive", "sqlite", agent)
    assert "STRATUM-BR03" not in fired(make.model)
    make.capability("post", "outbound", "web", agent)
    assert all(instance.crew is None for instance in fired(make.model)["STRATUM-BR03"].instances)
    make.model.telemetry.append(Telemetry("langfuse", make.site(), True, "import"))
    assert "STRATUM-BR03" not in fired(make.model)


@pytest.mark.parametrize(
    ("name", "judges"),
    [
        ("Content Reviewer", True),
        ("lead_scoring_agent", True),
        ("TriageAgent", True),
        ("Judge", True),
        ("Chief Strategist", False),
        ("Operator", False),
        ("Integration Engineer", False),
    ],
)
def test_words_that_judge_count_from_their_start(name: str, judges: bool) -> None:
    make = ModelMaker()
    make.agent(name)
    assert ("STRATUM-BR04" in fired(make.model)) is judges


def test_a_verdict_with_a_schema_is_fine() -> None:
    make = ModelMaker()
    judge = make.agent("Judge")
    make.guard("validation", judge)
    assert "STRATUM-BR04" not in fired(make.model)


def test_the_class_of_a_method_makes_no_judge_of_it() -> None:
    make = ModelMaker()
    writer = make.agent("Writer")
    writer.symbol = "ReviewCrew.writer"
    assert "STRATUM-BR04" not in fired(make.model)
    writer.symbol = "ReviewCrew.review_editor"
    assert "STRATUM-BR04" in fired(make.model)


@pytest.mark.parametrize(
    ("slugs", "fallback", "fires"),
    [(["openai"], False, True), (["openai"], True, False), (["openai", "groq"], False, False), ([], False, False)],
)
def test_one_provider_without_fallback_is_a_single_point(slugs: list[str], fallback: bool, fires: bool) -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.model_uses += [ModelUse(slug, "", make.site()) for slug in slugs]
    make.model.provider_fallback = fallback
    assert ("STRATUM-OP01" in fired(make.model)) is fires


def test_a_key_variable_names_the_provider_when_no_model_does() -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.env_references.append(EnvReference("GROQ_API_KEY", make.site()))
    assert fired(make.model)["STRATUM-OP01"].instances[0].subjects == ("groq",)


def test_crews_need_a_limit_from_five_capabilities_on() -> None:
    make = ModelMaker()
    agent = make.agent("busy")
    crew = make.crew("busy crew", agent)
    for i in range(4):
        make.capability(f"call{i}", "outbound", "web", agent)
    assert "STRATUM-OP02" not in fired(make.model)
    make.capability("call4", "outbound", "web", agent)
    assert fired(make.model)["STRATUM-OP02"].instances[0].crew is crew
    make.guard("rate_limit", agent)
    assert "STRATUM-OP02" not in fired(make.model)
