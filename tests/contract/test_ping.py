"""The ping message is what the field catalogue says: fields, types, nulls, order."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from stratum_lab.contract.events import MESSAGES, Ping
from stratum_lab.contract.lock import locked, schema_dir
from stratum_lab.contract.ping_fields import CATALOGUE_NAME, IS_RESCAN, SCHEMA_IDS, catalogue, keys_of, live, top_level
from stratum_lab.contract.ping_schema import MODEL_PATH, avro_schema, generate, model_source
from tests.support.pings import empty_scan, failed_scan, first_scan, rescan


def test_schema_and_class_are_current() -> None:
    stored = (schema_dir() / "avro" / "Ping.avsc").read_text(encoding="utf-8")
    assert json.loads(stored) == avro_schema()
    assert MODEL_PATH.read_text(encoding="utf-8") == model_source()
    assert generate(schema_dir()) == []


@pytest.mark.parametrize(("schema", "first", "group"), [(1, 34, 5), (2, 40, 5), (3, 93, 6), (4, 102, 6), (5, 102, 6)])
def test_every_schema_has_its_number_of_fields(schema: int, first: int, group: int) -> None:
    counts = Counter(field.group == "rescan" for field in live(schema))
    assert (counts[False], counts[True]) == (first, group)


def test_the_catalogue_is_sound() -> None:
    rows = catalogue()
    assert (schema_dir() / CATALOGUE_NAME).is_file()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.nullable in ("no", "failed", "yes"), row.name
        assert row.since in SCHEMA_IDS, row.name
        assert row.removed is None or row.since < row.removed, row.name
        assert row.definition, row.name
        assert row.top_level or row.name.split(".")[0] in top_level(), row.name
    for field in top_level().values():
        assert bool(keys_of(field.name)) == (field.type in ("object", "object<string,object>")), field.name


def test_the_message_has_exactly_the_live_fields_and_the_rescan_record() -> None:
    plain = [field.name for field in live() if not field.conditional]
    assert list(Ping.model_fields) == [*plain, "rescan"]
    assert [f["name"] for f in locked().newest["Ping"].schema["fields"]] == [*plain, "rescan"]
    assert MESSAGES["Ping"] is Ping


@pytest.mark.parametrize("make", [first_scan, rescan, empty_scan, failed_scan], ids=lambda make: make.__name__)
def test_a_ping_keeps_its_json(make: Any) -> None:
    values = make()
    out = Ping.from_json(values).to_json()
    assert out == values
    assert json.loads(json.dumps(out)) == values
    assert list(out) == [field.name for field in live() if field.name in values]


@pytest.mark.check("V13")
def test_the_rescan_group_is_there_on_rescans_alone() -> None:
    group = {field.name for field in live() if field.conditional}
    assert not group & set(Ping.from_json(first_scan()).to_json())
    assert group <= set(Ping.from_json(rescan()).to_json())
    assert IS_RESCAN in Ping.from_json(first_scan()).to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"repo_name": "x"},
        {"agent_count": "4"},
        {"agent_count": 4.0},
        {"is_rescan": 1},
        {"prev_score": 3},
        {"crew_size_distribution": None, "scan_id": None},
    ],
    ids=str,
)
def test_what_is_no_ping_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Ping.from_json(first_scan() | change)


def test_a_missing_field_is_refused_where_it_may_not_be_null() -> None:
    with pytest.raises(ValidationError):
        Ping.from_json({k: v for k, v in first_scan().items() if k != "scan_status"})
