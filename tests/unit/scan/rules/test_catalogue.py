"""The catalogue as a whole: what is registered, and its tables."""

from __future__ import annotations

from collections import Counter

import pytest

from stratum_lab.scan.graph import SEVERITIES
from stratum_lab.scan.model import Confidence
from stratum_lab.scan.rules import rules
from stratum_lab.scan.rules.catalogue import rule
from stratum_lab.scan.rules.consolidate import gated, risks
from stratum_lab.scan.rules.facts import code_label, label, table, words


def test_there_are_42_base_rules_and_45_ids() -> None:
    assert len(rules()) == 42
    ids = [rule_id for found in rules() for rule_id in found.ids]
    assert len(set(ids)) == len(ids) == 45
    assert {"STRATUM-CR05.1", "STRATUM-CR05.2", "STRATUM-CR06.1"} == {rule_id for rule_id in ids if "." in rule_id}


def test_classes_are_those_of_the_catalogue() -> None:
    assert Counter(found.rule_class for found in rules()) == {"architecture": 18, "operational": 10, "hygiene": 14}


@pytest.mark.check("V7")
def test_every_id_has_a_title_of_its_own_and_every_rule_a_remediation() -> None:
    titles = [found.title_of(rank) for found in rules() for rank in range(len(found.ids))]
    assert all(titles)
    assert len(set(titles)) == len(titles)
    assert all(found.remediation.endswith(".") for found in rules())


def test_severities_are_listed_worst_first_and_fit_the_best_confidence() -> None:
    for found in rules():
        assert list(found.severities) == sorted(found.severities, key=SEVERITIES.index)
        if found.rule_id != "IDENTITY-003":  # HIGH in the catalogue, always gated to MEDIUM
            assert gated(found.severities[0], found.confidence) == found.severities[0]


def test_an_id_is_registered_once() -> None:
    with pytest.raises(ValueError, match="STRATUM-001 is registered twice"):
        rule("STRATUM-001", "x", "LOW", rule_class="hygiene", category="security", remediation="x.", crew=False)(
            lambda facts: ()
        )


def test_tables_name_only_rules_that_exist() -> None:
    known = {found.rule_id for found in rules()}
    named = {rule_id for entry in table("risks.json").values() for rule_id in entry["rules"]}
    named |= {rule_id for entry in table("incidents.json") for rule_id in entry["rules"]}
    assert named <= known


def test_all_rules_but_two_on_portability_have_a_risk() -> None:
    assert {found.rule_id for found in rules() if not risks(found.rule_id)} == {"PORTABILITY-001", "PORTABILITY-003"}


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [(Confidence.CONFIRMED, "CRITICAL"), (Confidence.PROBABLE, "HIGH"), (Confidence.HEURISTIC, "MEDIUM")],
)
def test_the_gate_caps_by_confidence_and_raises_nothing(confidence: Confidence, expected: str) -> None:
    assert gated("CRITICAL", confidence) == expected
    assert gated("LOW", confidence) == "LOW"


def test_words_split_at_case_digits_and_underscores() -> None:
    assert list(words("lead_scoringAgent2 HTTPReader")) == ["lead", "scoring", "agent", "http", "reader"]


@pytest.mark.parametrize(
    ("symbol", "said"), [("app.tools.search", "search"), ("app.tools.Search.run", "Search.run"), ("main", "main")]
)
def test_functions_are_named_with_their_class_and_without_their_module(symbol: str, said: str) -> None:
    assert code_label(symbol) == said


def test_names_in_texts_are_one_line_of_bounded_length() -> None:
    assert label("a\n b") == "a b"
    assert len(label("x" * 500)) == 60
