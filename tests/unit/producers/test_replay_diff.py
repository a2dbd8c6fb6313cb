"""Which differences between live and replayed values count."""

from __future__ import annotations

from typing import Any

import pytest

from producers.replay_diff import CHANGED, EXTRA, MISSING, compare, first_difference
from stratum_lab.contract.events import BehavioralRecord, CountedRun
from stratum_lab.contract.topics import REPO_RECORDS


def record(text: str = '{"a":{"b":[1,2.0]}}', **fields: Any) -> BehavioralRecord:
    values: dict[str, Any] = {
        "repo_id": "0" * 12,
        "repo_full_name": "o/r",
        "runs": [CountedRun(run_number=1, attempt=1, event_count=2)],
        "source_partition": 0,
        "source_offset": 5,
        "revision": 1,
        "record": text,
    }
    return BehavioralRecord(**(values | fields))


@pytest.mark.parametrize(
    ("left", "right", "path"),
    [
        ({"a": 1}, {"a": 2}, "$.a"),
        ({"a": 1}, {}, "$.a"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "$.a[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "$.a.length"),
        ({"a": 1}, {"a": 1.0}, "$.a"),
        ({"a": True}, {"a": 1}, "$.a"),
        ({"a": None}, {"a": 0}, "$.a"),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, "$.a"),
    ],
)
def test_the_first_difference_is_named_by_its_path(left: Any, right: Any, path: str) -> None:
    found = first_difference(left, right)
    assert found is not None
    assert found.path == path


def test_when_and_from_where_a_value_was_emitted_does_not_count() -> None:
    assert compare(REPO_RECORDS, 0, record(), record(revision=9, source_offset=77, source_partition=3)) is None


def test_the_order_of_keys_does_not_count() -> None:
    assert compare(REPO_RECORDS, 0, record('{"a":1,"b":2}'), record('{"b":2,"a":1}')) is None


def test_a_changed_value_a_changed_run_a_missing_and_an_extra_record_count() -> None:
    other_runs = record(runs=[CountedRun(run_number=1, attempt=2, event_count=2)])
    found = [
        compare(REPO_RECORDS, 0, record(), record('{"a":{"b":[1,2.5]}}')),
        compare(REPO_RECORDS, 0, record(), other_runs),
        compare(REPO_RECORDS, 0, None, record()),
        compare(REPO_RECORDS, 0, record(), None),
    ]
    assert [(d.kind, d.path) for d in found if d is not None] == [
        (CHANGED, "$.record.a.b[1]"),
        (CHANGED, "$.runs[0].attempt"),
        (MISSING, "$"),
        (EXTRA, "$"),
    ]
