"""Metadata files in every state."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.metadata import MAX_ERROR_TAIL, UNKNOWN_STATUS, Metadata, read_metadata
from producers.result_folder import MAX_TEXT_FILE
from stratum_lab.contract.ids import repo_id
from tests.support.recorded import URL, metadata


def read(tmp_path: Path, content: Any, run: int = 1) -> tuple[Metadata | None, list[str]]:
    path = tmp_path / f"run_metadata_{run}.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found, problems = read_metadata(path, run)
    return found, [p.what for p in problems]


def test_old_metadata_is_read_without_a_complaint(tmp_path: Path) -> None:
    found, problems = read(tmp_path, metadata())
    assert problems == []
    assert found is not None
    assert found.repo_id == repo_id(URL)
    assert found.fields["finished_at"] == datetime(2026, 2, 17, 4, 40, 33, 122638, tzinfo=UTC)
    assert found.fields["metadata_event_count"] == 3
    assert found.extra is None


def test_unknown_keys_are_kept(tmp_path: Path) -> None:
    found, problems = read(tmp_path, metadata(colour="red", nested={"a": [1]}))
    assert problems == []
    assert found is not None
    assert json.loads(found.extra or "") == {"colour": "red", "nested": {"a": [1]}}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("exit_code", "zero"),
        ("exit_code", 2**40),
        ("exit_code", True),
        ("tier", -1),
        ("attempt", 0),
        ("event_count", 1.5),
        ("timestamp", "yesterday"),
        ("timestamp", 1771302788),
        ("timestamp", "0001-01-01T00:00:00+23:59"),
        ("duration_seconds", -1),
        ("duration_seconds", "long"),
        ("frameworks_matched", "crewai"),
        ("frameworks_matched", [1]),
        ("recovered", "yes"),
        ("model_name", {"a": 1}),
        ("run_id", "\ud800"),
        ("events_dropped", "many"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_and_kept_apart(tmp_path: Path, key: str, value: Any) -> None:
    found, problems = read(tmp_path, metadata(**{key: value}))
    assert found is not None
    assert len(problems) == 1
    assert problems[0].startswith(f"{key} is")
    assert key in json.loads(found.extra or "")
    assert {"exit_code": "exit_code", "tier": "tier"}.get(key, "-") not in found.fields


def test_nan_from_pythons_writer_is_no_duration(tmp_path: Path) -> None:
    found, problems = read(tmp_path, json.dumps(metadata(duration_seconds=float("nan"))).encode())
    assert found is not None
    assert "duration_seconds" in problems[0]
    assert "duration_seconds" not in found.fields


def test_null_is_like_absent(tmp_path: Path) -> None:
    found, problems = read(tmp_path, metadata(duration_seconds=None, exit_code=None, attempt=None))
    assert problems == []
    assert found is not None
    assert not {"duration_seconds", "exit_code", "attempt"} & found.fields.keys()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"repo_url": "x", ', id="truncated"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff\xfe{}", id="not utf-8"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b" " * (MAX_TEXT_FILE + 1), id="too long"),
    ],
)
def test_what_is_no_json_object_is_named_and_taken_as_missing(tmp_path: Path, content: bytes) -> None:
    found, problems = read(tmp_path, content)
    assert found is None
    assert len(problems) == 1


def test_a_missing_status_becomes_unknown_and_is_named(tmp_path: Path) -> None:
    content = metadata()
    del content["status"]
    found, problems = read(tmp_path, content)
    assert found is not None
    assert found.fields["status"] == UNKNOWN_STATUS
    assert "names no status" in problems[0]


@pytest.mark.parametrize("url", [None, "", "  ", 7, "~nobody-of-that-name/x"])
def test_an_unusable_address_leaves_the_identity_to_the_lines(tmp_path: Path, url: Any) -> None:
    found, problems = read(tmp_path, metadata(repo_url=url))
    assert found is not None
    assert found.repo_id is None
    assert any("first valid line" in p for p in problems)


def test_the_number_in_the_file_name_counts(tmp_path: Path) -> None:
    found, problems = read(tmp_path, metadata(run_number=1), run=3)
    assert found is not None
    assert len(problems) == 1
    assert "its name says 3" in problems[0]


def test_a_stated_repository_that_is_not_the_addresses_is_named(tmp_path: Path) -> None:
    found, problems = read(tmp_path, metadata(repo_hash="0" * 12))
    assert found is not None
    assert found.repo_id == repo_id(URL)
    assert "the address counts" in problems[0]


def test_a_time_without_a_zone_is_utc_and_others_are_converted(tmp_path: Path) -> None:
    for text, hour in (("2026-02-17T04:40:33", 4), ("2026-02-17T04:40:33+02:00", 2), ("2026-02-17T04:40:33Z", 4)):
        found, _ = read(tmp_path, metadata(timestamp=text))
        assert found is not None
        assert found.fields["finished_at"] == datetime(2026, 2, 17, hour, 40, 33, tzinfo=UTC)


def test_only_the_end_of_standard_error_is_kept(tmp_path: Path) -> None:
    found, _ = read(tmp_path, metadata(error_tail="a" * 5000 + "the end"))
    assert found is not None
    assert len(found.fields["error_tail"]) == MAX_ERROR_TAIL
    assert found.fields["error_tail"].endswith("the end")


def test_integers_beyond_64_bits_survive_in_the_extra_fields(tmp_path: Path) -> None:
    found, _ = read(tmp_path, metadata(huge=2**80))
    assert found is not None
    assert json.loads(found.extra or "")["huge"] == 2**80
