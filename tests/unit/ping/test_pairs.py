"""Checks between pings: rescans against first scans, pings against the records of their batch."""

from __future__ import annotations

from typing import Any

import pytest

from stratum_lab.contract.events import ScanStatus
from stratum_lab.ping.pairs import BATCH_CHECKS, PAIR_CHECKS, batch_problems, essence, fleet_order, pair_problems
from tests.support.messages import examples
from tests.support.pings import failed_scan, first_scan, rescan

BEFORE = first_scan() | {
    "scan_id": "0a0b0c0d",
    "risk_score": 40,
    "finding_rules": ["STRATUM-001", "STRATUM-002", "STRATUM-003", "STRATUM-BR01", "STRATUM-CR02"],
}
AFTER = rescan()


@pytest.mark.check("M7", "V6", "V13")
def test_a_rescan_that_names_the_scan_before_has_no_problem() -> None:
    assert pair_problems(BEFORE, AFTER) == []


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("V13", {"is_rescan": False}),
        ("M7", {"pre_scan_id": "ffffffff"}),
        ("M7", {"prev_score": 41}),
        ("M7", {"score_delta": 23}),
        ("rescan_counts", {"resolved_count": 1}),
        ("rescan_counts", {"new_count": 0}),
        ("V6", {"crews_clean": 3}),
    ],
)
def test_a_rescan_that_contradicts_the_scan_before_is_named(check: str, change: dict[str, Any]) -> None:
    assert check in PAIR_CHECKS
    assert check in {problem.check for problem in pair_problems(BEFORE, AFTER | change)}


def test_a_rescan_without_its_group_is_named() -> None:
    assert [p.check for p in pair_problems(BEFORE, {k: v for k, v in AFTER.items() if k != "new_count"})] == ["V13"]


def test_a_failed_rescan_is_compared_by_score_alone() -> None:
    failed = failed_scan() | {
        "scan_id": "eeeeeeee",
        "is_rescan": True,
        "prev_score": 40,
        "score_delta": None,
        "resolved_count": None,
        "new_count": None,
        "pre_scan_id": "0a0b0c0d",
    }
    assert pair_problems(BEFORE, failed) == []


def record(**fields: Any) -> ScanStatus:
    made = examples()["ScanStatus"]
    assert isinstance(made, ScanStatus)
    return made.model_copy(update={"provider_confidence": "detected", "status": "success", **fields})


@pytest.mark.check("S1", "V11")
def test_a_ping_and_its_record_agree() -> None:
    assert batch_problems([first_scan()], [record()]) == []
    assert batch_problems([first_scan(), first_scan()], [record(), record(state="queued")]) == []


@pytest.mark.check("V10")
def test_a_framework_without_model_gives_its_default_provider() -> None:
    ping = first_scan() | {"provider_confidence": "inferred_framework"}
    fields = {"provider_confidence": "inferred_framework", "frameworks": ["CrewAI"]}
    assert batch_problems([ping], [record(providers=["openai"], **fields)]) == []
    assert [p.check for p in batch_problems([ping], [record(providers=[], **fields)])] == ["V10"]


@pytest.mark.parametrize(
    ("check", "fields"),
    [
        ("S1", {"repo_hash": "ffffffffffffffff"}),
        ("S1", {"repo_hash": None}),
        ("V11", {"provider_confidence": None}),
        ("V11", {"provider_confidence": "unknown", "frameworks": []}),
        ("V10", {"provider_confidence": "unknown", "frameworks": ["LangGraph"]}),
        ("one_ping", {"scan_id": "ffffffff"}),
    ],
)
def test_a_record_that_contradicts_its_ping_is_named(check: str, fields: dict[str, Any]) -> None:
    assert check in BATCH_CHECKS
    assert check in {problem.check for problem in batch_problems([first_scan()], [record(**fields)])}


def test_of_a_repeated_delivery_the_ping_emitted_first_counts() -> None:
    again = first_scan() | {"timestamp": "2026-02-14T09:00:00.000000+00:00", "repo_hash": "f" * 16}
    assert batch_problems([again, first_scan()], [record()]) == []
    assert [p.check for p in batch_problems([again], [record()])] == ["S1"]


def test_a_ping_of_another_schema_needs_no_record() -> None:
    assert batch_problems([first_scan() | {"schema_id": 5}], []) == []
    assert [p.check for p in batch_problems([first_scan()], [])] == ["one_ping"]


@pytest.mark.parametrize("first", [BEFORE, first_scan()], ids=["before", "other"])
def test_the_essence_of_pings_is_enough_for_these_checks(first: dict[str, Any]) -> None:
    assert pair_problems(essence(first), essence(AFTER)) == pair_problems(first, AFTER)
    assert batch_problems([essence(first)], [record()]) == batch_problems([first], [record()])
    assert len(essence(first)) < len(first) / 4


def test_a_finished_attempt_without_a_ping_is_named() -> None:
    assert [p.check for p in batch_problems([], [record(), record(scan_id="eeeeeeee", state="running")])] == [
        "one_ping"
    ]


@pytest.mark.check("V8")
def test_a_fleet_is_ordered_by_score_then_findings_then_name() -> None:
    rows = [
        {"risk_score": score, "finding_count": count, "name": name}
        for score, count, name in ((8, 9, "a"), (50, 1, "c"), (50, 7, "b"), (50, 1, "a"))
    ]
    assert [row["name"] for row in sorted(rows, key=fleet_order)] == ["b", "a", "c", "a"]
