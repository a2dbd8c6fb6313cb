"""The wire format: every message survives the trip, stored bytes stay readable, and bad bytes are refused by name."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastavro import schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from stratum_lab.contract.codec import DECODE_REASONS, FP_HEADER, HEADER, MAGIC, Codec
from stratum_lab.contract.events import MESSAGES, EventBatch, Message
from stratum_lab.contract.lock import locked
from stratum_lab.contract.topics import MAX_MESSAGE_BYTES
from stratum_lab.errors import DecodeError
from tests.support.messages import batch, examples

WIRE = Path(__file__).parents[1] / "fixtures" / "wire"
NAMES = sorted(MESSAGES)


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(DecodeError) as caught:
        call()
    return caught.value.reason


def plain(message: Message) -> Any:
    """The message as JSON would show it."""
    return json.loads(
        json.dumps(message.to_avro(), default=lambda v: v.hex() if isinstance(v, bytes) else v.isoformat())
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_message_survives_the_trip(name: str) -> None:
    message = examples()[name]
    value, headers = Codec().encode(message)
    assert Codec().decode(value, headers) == message
    assert Codec().decode(value, headers, (name,)) == message


@pytest.mark.parametrize("name", NAMES)
def test_the_example_fills_every_field(name: str) -> None:
    values = examples()[name].to_avro()
    schema = locked().newest[name].schema
    assert list(values) == [f["name"] for f in schema["fields"]]
    assert not [k for k, v in values.items() if v is None or v == []]


@pytest.mark.parametrize("name", [n for n in NAMES if n != "EventBatch"])  # a batch has no optional field
def test_a_message_that_leaves_out_what_is_optional_survives_too(name: str) -> None:
    fields = {f["name"]: f for f in locked().newest[name].schema["fields"]}
    given = {k: v for k, v in examples()[name].to_avro().items() if "default" not in fields[k]}
    message = MESSAGES[name](**given)
    value, headers = Codec().encode(message)
    assert Codec().decode(value, headers) == message


@pytest.mark.parametrize("path", sorted(WIRE.glob("*.bin")), ids=lambda p: p.stem)
def test_stored_bytes_of_every_released_schema_still_decode(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    mark = bytes.fromhex(expected["fingerprint"])
    for headers in ([(FP_HEADER, mark)], []):
        message = Codec().decode(path.read_bytes(), headers, (expected["name"],))
        found = plain(message)
        assert {k: found[k] for k in expected["fields"]} == expected["fields"]


def test_every_released_schema_has_stored_bytes() -> None:
    stored = {json.loads(p.read_text(encoding="utf-8"))["fingerprint"] for p in WIRE.glob("*.json")}
    assert stored == {s.fingerprint.hex() for s in locked().schemas}


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_is_magic_id_body_and_fingerprint_header(name: str) -> None:
    schema = locked().newest[name]
    value, headers = Codec().encode(examples()[name])
    assert HEADER.unpack_from(value) == (MAGIC, schema.id)
    assert headers == [(FP_HEADER, schema.fingerprint)]


def test_ids_of_a_registry_are_written_and_the_locks_ids_still_read() -> None:
    message = examples()["RunStarted"]
    mark = locked().newest["RunStarted"].fingerprint
    registered = Codec(ids={mark: 4711})
    value, headers = registered.encode(message)
    assert HEADER.unpack_from(value) == (MAGIC, 4711)
    assert Codec().decode(value, headers) == message
    assert registered.decode(value) == message
    assert registered.decode(Codec().encode(message).value) == message
    assert reason(lambda: Codec().decode(value)) == "unknown_schema"


def test_where_id_and_fingerprint_disagree_the_fingerprint_decides() -> None:
    value, headers = Codec().encode(examples()["RunStarted"])
    lying = HEADER.pack(MAGIC, locked().newest["DeadLetter"].id) + value[HEADER.size :]
    assert Codec().decode(lying, headers) == examples()["RunStarted"]


def test_a_fingerprint_given_as_text_is_no_crash() -> None:
    value, _ = Codec().encode(examples()["RunStarted"])
    assert reason(lambda: Codec().decode(value, [(FP_HEADER, "\ud800text")])) == "unknown_schema"


def test_headers_of_others_are_ignored() -> None:
    value, headers = Codec().encode(examples()["RunStarted"])
    assert Codec().decode(value, [("content", b"x"), *headers, ("trace", None)]) == examples()["RunStarted"]


def framed(name: str, body: bytes) -> bytes:
    return HEADER.pack(MAGIC, locked().newest[name].id) + body


def started() -> bytes:
    return Codec().encode(examples()["RunStarted"]).value


BAD: list[Any] = [
    pytest.param(lambda: Codec().decode(None), "empty", id="tombstone"),
    pytest.param(lambda: Codec().decode(b""), "empty", id="no bytes"),
    pytest.param(lambda: Codec().decode(b"\0" * (MAX_MESSAGE_BYTES + 1)), "too_large", id="too large"),
    pytest.param(lambda: Codec().decode(b"\x01" + started()[1:]), "bad_magic", id="wrong magic byte"),
    pytest.param(lambda: Codec().decode(b"\0\0\0"), "bad_magic", id="cut within the frame"),
    pytest.param(lambda: Codec().decode(b'{"a": 1}'), "bad_magic", id="plain JSON"),
    pytest.param(lambda: Codec().decode(HEADER.pack(MAGIC, 999_999) + b"x"), "unknown_schema", id="unknown id"),
    pytest.param(lambda: Codec().decode(started(), [(FP_HEADER, b"12345678")]), "unknown_schema", id="unknown fp"),
    pytest.param(lambda: Codec().decode(started()[:-3]), "garbage", id="truncated"),
    pytest.param(lambda: Codec().decode(framed("RunStarted", b"")), "garbage", id="frame alone"),
    pytest.param(lambda: Codec().decode(framed("RunStarted", b"\xff" * 40)), "garbage", id="garbage"),
    pytest.param(lambda: Codec().decode(framed("RunStarted", b"\x04\xff\xfe")), "garbage", id="text not utf-8"),
    pytest.param(lambda: Codec().decode(started() + b"x"), "trailing_bytes", id="more bytes"),
    pytest.param(lambda: Codec().decode(started(), expect=("EventBatch",)), "unexpected_message", id="wrong topic"),
]


@pytest.mark.parametrize(("call", "expected"), BAD)
def test_bad_bytes_are_refused_by_name(call: Callable[[], object], expected: str) -> None:
    assert reason(call) == expected


def test_a_decoded_message_that_contradicts_itself_is_invalid() -> None:
    fields = examples()["RunStarted"].to_avro() | {"run_number": 0}
    out = io.BytesIO()
    schemaless_writer(out, locked().newest["RunStarted"].schema, fields)
    assert reason(lambda: Codec().decode(framed("RunStarted", out.getvalue()))) == "invalid"


def test_every_reason_of_the_closed_list_is_reached() -> None:
    reached = {p.values[1] for p in BAD} | {"invalid"}
    assert reached == set(DECODE_REASONS)


@pytest.mark.parametrize("count", [3, 500], ids=["small", "large"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 0),
        ("count", -1),
        ("count", 2),
        ("count", 2**40),
        ("first_seq", 0),
        ("attempt", 0),
        ("run_number", 0),
        ("event_type", "short"),
        ("event_type", "beyond"),
        ("event_type", "absent"),
        ("source_node", "beyond"),
        ("target_node", "below"),
        ("payload", "short"),
        ("event_id", "short"),
        ("timestamp_ns", "short"),
        ("stack_depth", "short"),
        ("extra", [{"index": 500, "json": "{}"}]),
        ("extra", [{"index": -1, "json": "{}"}]),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused(count: int, field: str, value: Any) -> None:
    fields = batch(count).to_avro()
    column = list(fields[field]) if isinstance(fields[field], list) else []
    changes = {
        "short": column[:-1],
        "beyond": [63, *column[1:]],
        "absent": [-1, *column[1:]],
        "below": [-2, *column[1:]],
    }
    fields[field] = changes[value] if isinstance(value, str) else value
    out = io.BytesIO()
    schema = locked().newest["EventBatch"].schema
    if field == "count" and value == 2**40:
        # Avro int has 32 bits; a hostile writer may claim more.
        text = json.dumps(json.loads(locked().newest["EventBatch"].text))
        schema = json.loads(text.replace('"name": "count", "type": "int"', '"name": "count", "type": "long"'))
    schemaless_writer(out, schema, fields)
    assert reason(lambda: Codec().decode(framed("EventBatch", out.getvalue()))) in (
        "invalid",
        "garbage",
        "trailing_bytes",
    )


@given(st.binary(max_size=300), st.sampled_from(NAMES))
def test_any_bytes_give_a_message_or_a_reason(body: bytes, name: str) -> None:
    for call in (Codec().decode, Codec().decode_for_fold):
        try:
            call(framed(name, body))
        except DecodeError as exc:
            assert exc.reason in DECODE_REASONS


@given(st.binary(max_size=50))
def test_any_frame_gives_a_message_or_a_reason(value: bytes) -> None:
    try:
        Codec().decode(value, [(FP_HEADER, value[:8])])
    except DecodeError as exc:
        assert exc.reason in DECODE_REASONS


@given(st.integers(0, 60_000), st.integers(0, 255), st.booleans())
def test_a_damaged_batch_gives_a_batch_or_a_reason(position: int, byte: int, cut: bool) -> None:
    value = bytearray(LARGE)
    position %= len(value)
    if cut:
        del value[position:]
    else:
        value[position] = byte
    try:
        found = Codec().decode_for_fold(bytes(value))
    except DecodeError as exc:
        assert exc.reason in DECODE_REASONS
    else:
        assert isinstance(found, EventBatch) or not isinstance(Codec().decode(bytes(value)), EventBatch)


LARGE = Codec().encode(batch(500)).value

BOMB = """
import resource
from stratum_lab.contract.codec import Codec
from stratum_lab.errors import DecodeError
from tests.contract.test_codec import bombs
codec = Codec()
made = bombs()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for value in made:
    for call in (codec.decode, codec.decode_for_fold):
        try:
            call(value)
        except DecodeError as exc:
            print(exc.reason)
        else:
            print("decoded")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("delta", (after - before) // 1024)
"""


def _number(value: int) -> bytes:
    raw, out = (value << 1) ^ (value >> 63), bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    return bytes([*out, raw])


def bombs() -> list[bytes]:
    """Bodies of at most 2 MiB that claim far more than they hold, or as much as they can."""
    text = _number(2) + b"ab"
    head = text + _number(1) + _number(1) + text + _number(1) + _number(0) + _number(1) + _number(1)
    room = MAX_MESSAGE_BYTES - 200
    many = room // 3
    graph = text + b"\0\0"
    pad = b"\0" * room
    out = [
        framed("EventBatch", _number(2**62) + b"x"),
        framed("EventBatch", head + _number(2**40) + b"x" * room),
        framed("EventBatch", head + _number(0) + _number(many) + b"\0" * (many * 3)),
        framed("EventBatch", head + _number(0) + _number(-many) + _number(many * 3) + b"\0" * (many * 3)),
        framed("StructuralGraph", graph + _number(room // 9) + pad[: room // 9 * 9]),
        framed("StructuralGraph", graph + _number(0) + _number(room // 4) + pad),
        framed("DeadLetter", b"\0" * 6 + text + text + b"\0" * 7 + _number(room // 2) + pad),
        framed("BehavioralRecord", text + text + _number(2**30) + pad),
        framed("RunFinished", pad),
    ]
    return [value for value in out if len(value) <= MAX_MESSAGE_BYTES]


def test_bombs_are_refused_before_they_take_memory() -> None:
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", BOMB], cwd=root, capture_output=True, text=True, check=True, env=env)
    *reasons, last = done.stdout.split("\n")[:-1]
    assert len(reasons) == 2 * len(bombs()) >= 18
    assert "decoded" not in reasons
    assert int(last.split()[1]) < 50
