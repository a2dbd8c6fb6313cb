"""The scan of every fixture repository, as its reader sees it."""

from __future__ import annotations

import json

import pytest

from stratum_lab.ping.validate import problems
from tests.support.golden import GOLDEN, document, fixtures, golden, scanned, shown

NAMES = fixtures()


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_the_golden_one(name: str) -> None:
    assert shown(name) == golden(name, "txt").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_ping_is_the_golden_one_and_valid(name: str) -> None:
    assert document(name) == json.loads(golden(name, "json").read_text())
    assert problems(scanned(name).ping.to_json()) == []


def test_no_golden_file_is_without_its_fixture() -> None:
    assert {p.stem for p in GOLDEN.iterdir()} == {golden(name, "txt").stem for name in NAMES}


@pytest.mark.check("V3", "V4")
def test_the_reference_fix_improves_the_score_by_five_points_and_leaves_a_partial_mitigation() -> None:
    before, after = scanned("partial_fix/before").ping, scanned("partial_fix/after").ping
    assert before.risk_score is not None
    assert after.risk_score is not None
    assert before.risk_score - after.risk_score >= 5
    assert "STRATUM-001" in (after.finding_coverages or {})
    assert "STRATUM-001" in (after.severity_downgrades or {})
    assert "guarded" in shown("partial_fix/after")


@pytest.mark.check("M9", "M10")
def test_nothing_is_partially_mitigated_in_a_repository_without_mitigation() -> None:
    before = scanned("partial_fix/before").ping
    assert before.finding_coverages == {}
    assert before.severity_downgrades == {}
