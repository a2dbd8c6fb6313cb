"""The lock file, Avro's resolution rules, and releasing an edited schema."""

from __future__ import annotations

import copy
import io
import json
import shutil
from pathlib import Path
from typing import Any

import fastavro
import pytest

from stratum_lab.contract.codec import FP_HEADER, HEADER, MAGIC, Codec
from stratum_lab.contract.events import MESSAGES, RunStarted
from stratum_lab.contract.lock import (
    LOCK_NAME,
    fingerprint_of,
    hazards,
    incompatibilities,
    locked,
    read_lock,
    release,
    schema_dir,
)
from stratum_lab.contract.topics import CATALOGUE
from stratum_lab.errors import DecodeError, IntegrityError, SchemaMismatch
from tests.support.messages import examples


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the schema folder that a test may edit."""
    shutil.copytree(schema_dir(), tmp_path / "schemas")
    return tmp_path / "schemas"


def edit(root: Path, name: str, **fields: Any) -> None:
    """Change fields of a schema: a value replaces or adds the field, None removes it."""
    path = root / "avro" / f"{name}.avsc"
    schema = json.loads(path.read_text(encoding="utf-8"))
    for field, value in fields.items():
        schema["fields"] = [f for f in schema["fields"] if f["name"] != field]
        if value is not None:
            schema["fields"].append({"name": field, **value})
    path.write_text(json.dumps(schema), encoding="utf-8")


def record(**fields: Any) -> Any:
    """A schema of one record with these fields: name -> type, or a whole field."""
    listed = [
        {"name": n, **t} if isinstance(t, dict) and "type" in t and "items" not in t else {"name": n, "type": t}
        for n, t in fields.items()
    ]
    return fastavro.parse_schema({"type": "record", "name": "R", "fields": listed})


def test_folder_and_lock_agree_and_ids_are_unique() -> None:
    schemas = read_lock().schemas
    assert len({s.id for s in schemas}) == len({s.fingerprint for s in schemas}) == len(schemas)
    assert {s.name for s in schemas} == set(MESSAGES)
    assert all(s.fingerprint == fingerprint_of(s.schema) for s in schemas)


def test_every_message_of_the_catalogue_has_a_schema_and_the_other_way_round() -> None:
    assert {m for t in CATALOGUE for m in t.messages} == set(MESSAGES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_models_and_schemas_have_the_same_fields_in_the_same_order(name: str) -> None:
    model: Any = MESSAGES[name]
    fields = list(getattr(model, "model_fields", None) or model.__dataclass_fields__)
    schema = locked().newest[name].schema
    # Avro wants the order of the schema; the writer takes it from there, so only the names must agree.
    assert sorted(fields) == sorted(f["name"] for f in schema["fields"])
    assert all(f.get("doc") for f in schema["fields"])


def test_the_fingerprint_is_that_of_the_avro_specification() -> None:
    # Test vector of the specification: "int" has CRC-64-AVRO 7275d51a3f395c8f.
    assert fingerprint_of("int") == bytes.fromhex("7275d51a3f395c8f")[::-1]  # type: ignore[arg-type]


def test_an_edited_schema_without_a_lock_entry_stops_the_start_with_both_fingerprints(root: Path) -> None:
    edit(root, "RunStarted", mood={"type": ["null", "string"], "default": None})
    with pytest.raises(SchemaMismatch) as caught:
        read_lock(root)
    assert locked().newest["RunStarted"].fingerprint.hex() in caught.value.message
    edited = fastavro.parse_schema(json.loads((root / "avro" / "RunStarted.avsc").read_text()))
    assert isinstance(edited, dict)
    assert fingerprint_of(edited).hex() in caught.value.message
    assert "make schemas" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda r: (r / LOCK_NAME).unlink(), id="no lock"),
        pytest.param(lambda r: (r / LOCK_NAME).write_text("{"), id="broken lock"),
        pytest.param(lambda r: (r / "avro" / "RunStarted.avsc").unlink(), id="schema gone"),
        pytest.param(lambda r: (r / "avro" / "RunStarted.avsc").write_text("{}"), id="schema broken"),
        pytest.param(
            lambda r: shutil.copy(r / "avro" / "RunStarted.avsc", r / "avro" / "New.avsc"), id="schema unlocked"
        ),
    ],
)
def test_a_damaged_schema_folder_stops_the_start(root: Path, damage: Any) -> None:
    damage(root)
    with pytest.raises(SchemaMismatch):
        read_lock(root)


ROWS: list[Any] = [
    # stored type, type of the code, whether stored data stays readable
    ("int", "long", True),
    ("long", "int", False),
    ("int", "double", True),
    ("double", "int", False),
    ("long", "float", True),
    ("float", "double", True),
    ("double", "float", False),
    ("string", "bytes", True),
    ("bytes", "string", True),
    ("string", "int", False),
    ("boolean", "int", False),
    ("int", ["null", "int"], True),
    (["null", "int"], "int", False),
    (["null", "int"], ["null", "long"], True),
    (["null", "int"], ["int", "null"], True),
    (["null", "int", "string"], ["null", "int"], False),
    ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}, True),
    ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}, False),
    ({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, True),
    ({"type": "map", "values": "string"}, {"type": "map", "values": "int"}, False),
    ({"type": "array", "items": "int"}, {"type": "map", "values": "int"}, False),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, {"type": "enum", "name": "E", "symbols": ["A", "B"]}, True),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, {"type": "enum", "name": "E", "symbols": ["A"]}, False),
    (
        {"type": "enum", "name": "E", "symbols": ["A", "B"]},
        {"type": "enum", "name": "E", "symbols": ["A"], "default": "A"},
        True,
    ),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, {"type": "enum", "name": "F", "symbols": ["A"]}, False),
    ({"type": "fixed", "name": "X", "size": 4}, {"type": "fixed", "name": "X", "size": 4}, True),
    ({"type": "fixed", "name": "X", "size": 4}, {"type": "fixed", "name": "X", "size": 8}, False),
    (
        {"type": "record", "name": "I", "fields": [{"name": "a", "type": "int"}]},
        {"type": "record", "name": "I", "fields": [{"name": "a", "type": "long"}]},
        True,
    ),
    (
        {"type": "record", "name": "I", "fields": [{"name": "a", "type": "int"}]},
        {"type": "record", "name": "J", "fields": [{"name": "a", "type": "int"}]},
        False,
    ),
]


@pytest.mark.parametrize(
    ("writer", "reader", "fits"), ROWS, ids=[f"{json.dumps(w)[:40]} -> {json.dumps(r)[:40]}" for w, r, _ in ROWS]
)
def test_resolution_rules(writer: Any, reader: Any, fits: bool) -> None:
    def wrap(kind: Any) -> Any:
        return fastavro.parse_schema(
            {"type": "record", "name": "R", "fields": [{"name": "f", "type": copy.deepcopy(kind)}]}
        )

    found = incompatibilities(wrap(writer), wrap(reader))
    assert (found == []) is fits
    assert all(reason.startswith("R.f") for reason in found)


def test_a_field_may_go_and_a_new_one_needs_a_default() -> None:
    old, new = record(a="int"), record(a="int", b="int")
    assert incompatibilities(new, old) == []
    assert incompatibilities(old, new) == ["R.b: new field without a default; stored data does not have it"]
    assert incompatibilities(old, record(a="int", b={"type": "int", "default": 0})) == []


def test_a_renamed_field_needs_an_alias() -> None:
    old = record(a="int")
    assert incompatibilities(old, record(b="int"))
    assert incompatibilities(old, record(b={"type": "int", "aliases": ["a"]})) == []


def test_every_released_schema_reads_itself_and_has_no_hazard() -> None:
    for s in locked().schemas:
        assert incompatibilities(s.schema, locked().newest[s.name].schema) == []
        assert hazards(s.schema) == []


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "record", "name": "T", "fields": [{"name": "next", "type": ["null", "T"]}]}, "contains itself"),
        (
            {"type": "record", "name": "T", "fields": [{"name": "a", "type": {"type": "array", "items": "T"}}]},
            "contains itself",
        ),
        (
            {"type": "record", "name": "T", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]},
            "no bytes",
        ),
        (
            {
                "type": "record",
                "name": "T",
                "fields": [
                    {"name": "a", "type": {"type": "array", "items": {"type": "record", "name": "E", "fields": []}}}
                ],
            },
            "no bytes",
        ),
        (
            {
                "type": "record",
                "name": "T",
                "fields": [{"name": "a", "type": {"type": "map", "values": {"type": "array", "items": "null"}}}],
            },
            "no bytes",
        ),
    ],
)
def test_shapes_that_a_hostile_message_could_blow_up_are_named(schema: Any, why: str) -> None:
    found = hazards(fastavro.parse_schema(schema))
    assert len(found) == 1
    assert why in found[0]


def test_a_compatible_edit_is_released_and_older_data_stays_readable(root: Path) -> None:
    old = Codec().encode(examples()["RunStarted"])
    edit(root, "RunStarted", mood={"type": ["null", "string"], "default": None}, limits=None)
    said = release(root)
    assert said == [f"RunStarted v2 released as id {max(s.id for s in locked().schemas) + 1}"]
    schemas = read_lock(root)
    assert [s.version for s in schemas.schemas if s.name == "RunStarted"] == [1, 2]
    assert (root / "avro" / "history" / "RunStarted.v1.avsc").is_file()
    assert release(root) == []

    # The model of this code has no `mood`; what matters here is that the old writer is found and resolved.
    newer = Codec(schemas)
    assert newer.writer_of(old.value, old.headers).version == 1
    mark = schemas.newest["RunStarted"].fingerprint
    with pytest.raises(DecodeError, match="not in the lock file"):
        Codec().decode(old.value, [(FP_HEADER, mark)])


def test_data_of_an_older_version_is_resolved_with_defaults(root: Path) -> None:
    # Version 1 lacks `limits`; version 2 is the schema of this code.
    lock = json.loads((root / LOCK_NAME).read_text())
    shutil.rmtree(root / "avro" / "history")
    original = (root / "avro" / "RunStarted.avsc").read_text()
    edit(root, "RunStarted", limits=None)
    lock["schemas"] = [e for e in lock["schemas"] if e["name"] != "RunStarted"]
    (root / LOCK_NAME).write_text(json.dumps(lock))
    release(root)
    old = {"limits": None}
    value = _encode_with(read_lock(root).newest["RunStarted"], examples()["RunStarted"], drop=old)
    (root / "avro" / "RunStarted.avsc").write_text(original)
    release(root)
    found = Codec(read_lock(root)).decode(value)
    assert isinstance(found, RunStarted)
    assert found == examples()["RunStarted"].model_copy(update={"limits": None})  # type: ignore[union-attr]


def _encode_with(schema: Any, message: Any, drop: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(HEADER.pack(MAGIC, schema.id))
    fastavro.schemaless_writer(out, schema.schema, {k: v for k, v in message.to_avro().items() if k not in drop})
    return out.getvalue()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("mood", {"type": "string"}, "without a default"),
        ("run_number", {"type": "string"}, "stored as int, now string"),
        ("run_id", {"type": "int"}, "stored as string, now int"),
        ("mood", {"type": {"type": "array", "items": "null"}, "default": []}, "no bytes"),
    ],
)
def test_an_edit_that_breaks_stored_data_is_refused_and_changes_nothing(
    root: Path, field: str, value: Any, why: str
) -> None:
    before = (root / LOCK_NAME).read_bytes()
    edit(root, "RunStarted", **{field: value})
    with pytest.raises(IntegrityError, match=why):
        release(root)
    assert (root / LOCK_NAME).read_bytes() == before
