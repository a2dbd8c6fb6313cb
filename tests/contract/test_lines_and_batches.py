"""From lines to events to batches and back, and the fast column reader against fastavro."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import pytest
from fastavro import schemaless_reader
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_lab.contract.codec import COLUMN_READER_BYTES, HEADER, Codec
from stratum_lab.contract.columns import LAYOUT, FixedLongs, FixedTexts, read_columns, split
from stratum_lab.contract.events import EventBatch
from stratum_lab.contract.events.batch import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, BatchBuilder, iter_events
from stratum_lab.contract.events.lines import LINE_REASONS, MAX_LINE_BYTES, Event, Node, parse_line
from stratum_lab.contract.lock import locked
from stratum_lab.contract.topics import MAX_MESSAGE_BYTES
from stratum_lab.errors import DecodeError, InvalidLine
from tests.support.messages import batch, events
from tests.support.recorded import RUNS, RUNS_OTHER, line

RECORDED = sorted(RUNS.glob("*/events_run_1.jsonl")) + sorted(RUNS_OTHER.glob("*/events_run_1.jsonl"))


def reason(body: bytes) -> str:
    with pytest.raises(InvalidLine) as caught:
        parse_line(body)
    return caught.value.reason


def as_json(event: Event) -> Any:
    """What the line said, put together again from the event."""
    out: dict[str, Any] = {
        "event_id": event.event_id,
        "timestamp_ns": event.timestamp_ns,
        "run_id": event.run_id,
        "repo_id": event.repo_url,
        "event_type": event.event_type,
    }
    for key in ("framework", "edge_type", "parent_event_id", "stack_depth"):
        value = getattr(event, key)
        if value is not None:
            out[key] = value
    for key in ("source_node", "target_node"):
        node: Node | None = getattr(event, key)
        if node is not None:
            out[key] = {k: v for k, v in node._asdict().items() if v is not None}
    if event.payload:
        out["payload"] = json.loads(event.payload)
    return out | (json.loads(event.extra) if event.extra else {})


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: p.parent.name)
def test_nothing_of_a_recorded_line_is_lost(path: Any) -> None:
    for body in path.read_bytes().splitlines():
        said = {k: v for k, v in json.loads(body).items() if v is not None}
        assert as_json(parse_line(body)) == said


BAD_LINES = [
    (b"x" * (MAX_LINE_BYTES + 1), "too_long"),
    (b"", "empty"),
    (b"  \t", "empty"),
    (b'{"event_id": "\xe9"}', "not_utf8"),
    (b"{", "not_json"),
    (b"[" * 60_000, "not_json"),
    (b"null", "not_object"),
    (b"[]", "not_object"),
    (b"{}", "missing_field"),
    (line(1, event_id=""), "bad_field"),
    (line(1, event_id=None), "bad_field"),
    (line(1, run_id=7), "bad_field"),
    (line(1, repo_id=[]), "bad_field"),
    (line(1, event_type={}), "bad_field"),
    (line(1, event_type="\ud800"), "bad_field"),
    (line(1, timestamp_ns=1.5), "bad_field"),
    (line(1, timestamp_ns=True), "bad_field"),
    (line(1, timestamp_ns="1"), "bad_field"),
    (line(1, timestamp_ns=2**63), "bad_field"),
    (line(1, timestamp_ns=float("nan")), "bad_field"),
]


@pytest.mark.parametrize(("body", "expected"), BAD_LINES, ids=lambda v: repr(v)[:30])
def test_a_line_that_is_no_event_says_why(body: bytes, expected: str) -> None:
    assert reason(body) == expected


def test_every_reason_of_the_closed_list_is_reached() -> None:
    assert {r for _, r in BAD_LINES} == set(LINE_REASONS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("framework", 7),
        ("edge_type", []),
        ("parent_event_id", {"a": 1}),
        ("stack_depth", "deep"),
        ("stack_depth", -1),
        ("stack_depth", 2**31),
        ("source_node", "agent"),
        ("source_node", {"node_id": 7}),
        ("source_node", {"node_id": "a", "colour": "red"}),
        ("target_node", []),
        ("seq", 9),
    ],
)
def test_odd_and_unknown_fields_are_kept_apart(field: str, value: Any) -> None:
    event = parse_line(line(1, **{field: value}))
    assert json.loads(event.extra) == {field: value}


def test_null_nodes_payloads_and_fields_are_like_absent_ones() -> None:
    nothing = {"source_node": None, "target_node": None, "payload": None, "edge_type": None, "stack_depth": None}
    event = parse_line(line(1, **nothing, framework=None, parent_event_id=None))
    assert event[4] is None
    assert (event.source_node, event.target_node, event.payload, event.extra) == (None, None, "", "")


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        ({"a": "\ud800"}, {"a": "\ud800"}),
        ({"a": float("nan")}, {"a": None}),  # NaN is no JSON; readers downstream must be able to parse
        ({"a": 2**80}, {"a": float(2**80)}),
        ([1], [1]),
        ("text", "text"),
        (0, 0),
        ({}, {}),
    ],
)
def test_what_pythons_own_writer_may_send_is_kept_as_valid_json(payload: Any, kept: Any) -> None:
    assert json.loads(parse_line(line(1, payload=payload)).payload) == kept


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
nodes = st.none() | st.builds(Node, texts.filter(bool), st.none() | texts.filter(bool), st.none() | texts.filter(bool))
any_event = st.builds(
    Event,
    event_id=texts.filter(bool) | st.integers(0, 99).map(lambda n: f"evt_{n:016x}"),
    timestamp_ns=st.integers(-(2**63), 2**63 - 1) | st.integers(2**60, 2**61),
    run_id=texts.filter(bool),
    repo_url=texts.filter(bool),
    framework=st.none() | texts.filter(bool),
    event_type=texts.filter(bool),
    source_node=nodes,
    target_node=nodes,
    edge_type=st.none() | texts.filter(bool),
    parent_event_id=st.none() | texts.filter(bool),
    stack_depth=st.none() | st.integers(0, 2**31 - 1),
    payload=st.sampled_from(["", "{}", '{"a":"ä"}']),
    extra=st.sampled_from(["", '{"b":1}']),
)


def build(rows: list[Event], **limits: int) -> list[EventBatch]:
    builder = BatchBuilder("0" * 12, 1, 1, "r", 1, **limits)
    out = [b for e in rows if (b := builder.add(e)) is not None]
    last = builder.flush()
    return out + ([last] if last is not None else [])


@given(st.lists(any_event, max_size=30), st.integers(1, 10))
def test_batches_hold_the_events_in_order_with_dense_numbers(rows: list[Event], most: int) -> None:
    batches = build(rows, max_events=most)
    assert [e for b in batches for e in iter_events(b)] == rows
    assert [b.batch_seq for b in batches] == list(range(len(batches)))
    assert [s for b in batches for s in range(b.first_seq, b.last_seq + 1)] == list(range(1, len(rows) + 1))
    assert all(b.problem() is None and 1 <= b.count <= most for b in batches)


@given(st.lists(any_event, min_size=1, max_size=30), st.integers(300, 2000))
def test_encoded_batches_stay_within_their_bound(rows: list[Event], most: int) -> None:
    head = 100
    for b in build(rows, max_bytes=most):
        assert len(Codec().encode(b).value) <= most + head or b.count == 1


def test_500_events_of_the_longest_line_never_exceed_a_message() -> None:
    rows = [parse_line(line(n, payload={"t": "x" * 65_000})) for n in range(MAX_BATCH_EVENTS)]
    sizes = [len(Codec().encode(b).value) for b in build(rows)]
    assert len(sizes) > 30
    assert max(sizes) <= MAX_BATCH_BYTES < MAX_MESSAGE_BYTES


def test_batches_never_span_tiers() -> None:
    builder = BatchBuilder("0" * 12, 1, 1, "r", 1)
    rows = events(5)
    builder.add(rows[0])
    builder.add(rows[1])
    first = builder.start_tier(2)
    builder.add(rows[2])
    second = builder.flush()
    assert first is not None
    assert second is not None
    assert [(b.tier, b.first_seq, b.count, b.batch_seq) for b in (first, second)] == [(1, 1, 2, 0), (2, 3, 1, 1)]
    assert [(t.tier, t.first_seq, t.last_seq) for t in builder.tiers] == [(1, 1, 2), (2, 3, 3)]
    assert builder.flush() is None


def test_the_layout_of_the_column_reader_is_that_of_the_schema() -> None:
    schema = json.loads(locked().newest["EventBatch"].text)
    assert tuple(f["name"] for f in schema["fields"]) == LAYOUT
    assert split(schema) is not None
    schema["fields"][-2]["type"]["items"] = "bytes"
    assert split(schema) is None
    schema["fields"].pop()
    assert split(schema) is None


def by_fastavro(value: bytes) -> EventBatch:
    file = io.BytesIO(value)
    file.seek(HEADER.size)
    fields: Any = schemaless_reader(file, locked().newest["EventBatch"].schema, None)
    return EventBatch(**fields)


@given(st.lists(any_event, min_size=1, max_size=40), st.booleans())
def test_the_column_reader_gives_what_fastavro_gives(rows: list[Event], lazy: bool) -> None:
    (one,) = build(rows, max_events=len(rows) + 1)
    value = Codec().encode(one).value
    parts = split(json.loads(locked().newest["EventBatch"].text))
    assert parts is not None
    found = read_columns(value, HEADER.size, parts, lazy=lazy)
    assert found is not None
    assert found.end == len(value)
    fields = {k: list(v) if isinstance(v, FixedTexts | FixedLongs) else v for k, v in found.fields.items()}
    assert EventBatch(**fields) == by_fastavro(value) == one


def test_decoding_for_the_fold_gives_the_same_events() -> None:
    value, headers = Codec().encode(batch(500))
    assert len(value) > COLUMN_READER_BYTES
    lean, full = Codec().decode_for_fold(value, headers), Codec().decode(value, headers)
    assert isinstance(lean, EventBatch)
    assert isinstance(full, EventBatch)
    assert isinstance(lean.event_id, FixedTexts)
    assert isinstance(lean.timestamp_ns, FixedLongs)
    assert full == batch(500)
    assert list(iter_events(lean)) == list(iter_events(full))
    assert [lean.event_id[i] for i in (0, 7, -1)] == [full.event_id[i] for i in (0, 7, -1)]
    assert lean.timestamp_ns[3:9] == full.timestamp_ns[3:9]
    assert lean.event_id[490:] == full.event_id[490:]
    with pytest.raises(IndexError):
        lean.timestamp_ns[500]


def test_dictionaries_beyond_one_byte_indices_are_read_too() -> None:
    rows = [
        e._replace(event_type=f"type.{n}", source_node=Node(f"n{n}", None, None)) for n, e in enumerate(events(300))
    ]
    (one,) = build(rows)
    assert Codec().decode_for_fold(Codec().encode(one).value).strings == one.strings  # type: ignore[union-attr]
    assert Codec().decode(Codec().encode(one).value) == one


def _outcome(value: bytes) -> EventBatch | None:
    """What fastavro makes of a message, with the checks of the contract; None: refused."""
    file = io.BytesIO(value)
    file.seek(HEADER.size)
    try:
        fields: Any = schemaless_reader(file, locked().newest["EventBatch"].schema, None)
    except (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, struct.error):
        return None
    found = EventBatch(**fields)
    return None if file.tell() != len(value) or found.problem() is not None else found


@settings(max_examples=400)
@given(st.data())
def test_damaged_batches_have_the_same_fate_as_with_fastavro(data: st.DataObject) -> None:
    value = bytearray(Codec().encode(batch(500)).value)
    for _ in range(data.draw(st.integers(1, 3), label="damages")):
        at = data.draw(st.integers(HEADER.size, len(value) - 1), label="at")
        value[at] = data.draw(st.integers(0, 255), label="byte")
    damaged = bytes(value)
    expected = _outcome(damaged)
    for decode in (Codec().decode, Codec().decode_for_fold):
        try:
            found = decode(damaged)
        except DecodeError:
            assert expected is None
            continue
        assert isinstance(found, EventBatch)
        assert expected is not None
        assert list(iter_events(found)) == list(iter_events(expected))
