"""Every rule ID on two small repositories: one where it fires, one that differs by the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratum_lab.scan.result import Scan
from stratum_lab.scan.rules import rules
from stratum_lab.scan.scanner import scan_tree

ROOT = Path(__file__).parents[3] / "fixtures" / "rules"
IDS = sorted(path.name for path in ROOT.iterdir())


def fired(scan: Scan) -> set[str]:
    return {finding.rule for finding in scan.findings}


def test_every_id_of_the_catalogue_has_its_pair() -> None:
    assert sorted(rule_id for rule in rules() for rule_id in rule.ids) == IDS
    assert all((ROOT / rule_id / side).is_dir() for rule_id in IDS for side in ("positive", "negative"))


@pytest.mark.parametrize("rule_id", IDS)
def test_the_rule_fires_on_the_positive_and_not_on_the_fixed_repository(rule_id: str) -> None:
    before, after = scan_tree(ROOT / rule_id / "positive"), scan_tree(ROOT / rule_id / "negative")
    assert rule_id in fired(before)
    assert rule_id not in fired(after)
    assert after.model.agents, "the fix must not hide the agents"
    assert not before.files.skipped and not after.files.skipped
