"""The reference fix: one of two crews gets a review."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratum_lab.scan.rules import risk_score
from stratum_lab.scan.scanner import scan_tree

ROOT = Path(__file__).parents[3] / "fixtures" / "scan" / "partial_fix"


@pytest.mark.check("V4")
def test_the_fix_takes_at_least_five_points_off_the_score() -> None:
    before, after = scan_tree(ROOT / "before"), scan_tree(ROOT / "after")
    assert risk_score(before.findings) - risk_score(after.findings) >= 5


@pytest.mark.check("V3", "M9", "M10")
def test_before_the_fix_nothing_is_mitigated_and_after_it_one_crew_of_two_is() -> None:
    before = {finding.rule: finding for finding in scan_tree(ROOT / "before").findings}
    after = {finding.rule: finding for finding in scan_tree(ROOT / "after").findings}
    assert all(finding.coverage is None and finding.adjusted == finding.severity for finding in before.values())
    assert after["STRATUM-001"].coverage == (2, 1, 50)
    assert (after["STRATUM-001"].severity, after["STRATUM-001"].adjusted) == ("CRITICAL", "HIGH")
