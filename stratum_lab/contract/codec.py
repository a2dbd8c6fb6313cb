"""Confluent wire format: magic byte, schema id, Avro body; and the `fp` header that settles which schema wrote it.

Decoding is bounded: a message larger than MAX_MESSAGE_BYTES is refused unread, schemas cannot recurse
(`stratum_lab.contract.lock.hazards`), every array item takes at least one byte of a body of bounded length, and the
records nested in one message are counted before they are built (`stratum_lab.contract.bounds`).
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fastavro import schemaless_reader, schemaless_writer
from pydantic import ValidationError

from stratum_lab.contract.bounds import UNCHECKED_BYTES, TooManyRecords, Walker
from stratum_lab.contract.columns import read_columns, split
from stratum_lab.contract.events import MESSAGES, EventBatch, Message
from stratum_lab.contract.lock import LockedSchema, SchemaSet, locked, named_types
from stratum_lab.contract.topics import MAX_MESSAGE_BYTES
from stratum_lab.errors import DecodeError

MAGIC = 0
HEADER = struct.Struct(">bI")
FP_HEADER = "fp"

DECODE_REASONS = (
    "empty",
    "too_large",
    "bad_magic",
    "unknown_schema",
    "garbage",
    "trailing_bytes",
    "unexpected_message",
    "invalid",
)
"""Closed list of why a message cannot be read."""

COLUMN_READER_BYTES = 8 * 1024
"""From this size on a batch is read by `columns`; below it (some fifteen events) fastavro alone is quicker."""

_GARBAGE = (
    EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, struct.error,
)  # fmt: skip
"""What fastavro raises on bytes that are no such record."""

Headers = Iterable[tuple[str, bytes | str | None]] | None


class Encoded(NamedTuple):
    """A message ready to be produced."""

    value: bytes
    headers: list[tuple[str, bytes]]


class Codec:
    """Encodes and decodes every message of the contract.

    Args:
        schemas: The released schemas; default: those of this installation.
        ids: Wire id per fingerprint when a registry gave other ids than the lock's.
    """

    def __init__(self, schemas: SchemaSet | None = None, ids: Mapping[bytes, int] | None = None) -> None:
        self._schemas = schemas or locked()
        ids = ids or {}
        self._by_id = dict(self._schemas.by_id)
        for mark, wire_id in ids.items():
            self._by_id[wire_id] = self._schemas.by_fingerprint[mark]
        self._writers: dict[str, tuple[LockedSchema, bytes, list[tuple[str, bytes]]]] = {
            name: (s, HEADER.pack(MAGIC, ids.get(s.fingerprint, s.id)), [(FP_HEADER, s.fingerprint)])
            for name, s in self._schemas.newest.items()
        }
        newest_batch = self._schemas.newest.get("EventBatch")
        self._parts = split(json.loads(newest_batch.text)) if newest_batch is not None else None

    def encode(self, message: Message) -> Encoded:
        """Encode with the newest schema of the message's type.

        Raises:
            ValueError: A field does not fit its schema (a defect of the caller).
        """
        schema, header, headers = self._writers[type(message).__name__]
        out = io.BytesIO()
        out.write(header)
        schemaless_writer(out, schema.schema, message.to_avro())
        return Encoded(out.getvalue(), headers)

    def writer_of(self, value: bytes, headers: Headers = None) -> LockedSchema:
        """Which schema wrote a message: the fingerprint header decides, else the id.

        Raises:
            DecodeError: Empty, too large, wrong magic byte, or a schema nobody released.
        """
        if not value:
            raise DecodeError("empty", "the message has no value")
        if len(value) > MAX_MESSAGE_BYTES:
            raise DecodeError("too_large", f"{len(value)} bytes, at most {MAX_MESSAGE_BYTES} are read")
        if len(value) < HEADER.size or value[0] != MAGIC:
            raise DecodeError(
                "bad_magic", f"starts with {value[:5].hex()}, expected magic byte 00 and a 4-byte schema id"
            )
        schema_id = HEADER.unpack_from(value)[1]
        mark: bytes | None = None
        for key, content in headers or ():
            if key == FP_HEADER and content is not None:
                mark = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        found = self._schemas.by_fingerprint.get(mark) if mark is not None else self._by_id.get(schema_id)
        if found is None:
            what = f"fingerprint {mark.hex()}" if mark is not None else f"schema id {schema_id}"
            raise DecodeError(
                "unknown_schema", f"{what} is not in the lock file; a newer version of this product wrote it"
            )
        return found

    def decode(self, value: bytes | None, headers: Headers = None, expect: Iterable[str] | None = None) -> Message:
        """Decode one message, whatever released version wrote it.

        Args:
            value: The message value.
            headers: Its headers; `fp` is used when present.
            expect: Message names allowed here; default: any.

        Raises:
            DecodeError: With a reason of DECODE_REASONS.
        """
        return self._decode(value, headers, expect, lazy=False)

    def decode_for_fold(
        self, value: bytes | None, headers: Headers = None, expect: Iterable[str] | None = None
    ) -> Message:
        """Decode like `decode`; `event_id` and `timestamp_ns` of a batch may be sequences that decode when asked.

        The fold looks at few of them, which makes this the faster call for it.

        Raises:
            DecodeError: With a reason of DECODE_REASONS.
        """
        return self._decode(value, headers, expect, lazy=True)

    def _decode(self, value: bytes | None, headers: Headers, expect: Iterable[str] | None, *, lazy: bool) -> Message:
        data = value or b""
        writer = self.writer_of(data, headers)
        name = writer.name
        if expect is not None and name not in expect:
            raise DecodeError("unexpected_message", f"{name} does not belong here; expected {', '.join(expect)}")
        reader = self._schemas.newest[name]
        try:
            if name == "EventBatch" and reader is writer and self._parts and len(data) >= COLUMN_READER_BYTES:
                columns = read_columns(data, HEADER.size, self._parts, lazy=lazy)
                if columns is None:
                    raise DecodeError("invalid", "a batch of no events, or of more than it has bytes")
                _at_end(columns.end, data, name)
                return _batch(columns.fields, sound=columns.sound)
            if len(data) >= UNCHECKED_BYTES:
                Walker(data, named_types(writer.schema)).walk(writer.schema, HEADER.size)
            body = io.BytesIO(data)
            body.seek(HEADER.size)
            fields: Any = (
                schemaless_reader(body, writer.schema, None)
                if reader is writer
                else schemaless_reader(body, writer.schema, reader.schema)
            )
        except TooManyRecords as exc:
            raise DecodeError("too_large", f"{name}: {exc}") from exc
        except _GARBAGE as exc:
            raise DecodeError("garbage", f"not the Avro body of {name}: {type(exc).__name__}: {exc}") from exc
        _at_end(body.tell(), data, name)
        if name == "EventBatch":
            return _batch(fields, sound=False)
        try:
            return MESSAGES[name](**fields)
        except ValidationError as exc:
            raise DecodeError("invalid", f"{name}: {exc.errors()[0]['loc']}: {exc.errors()[0]['msg']}") from exc


def _at_end(position: int, data: bytes, name: str) -> None:
    if position != len(data):
        raise DecodeError("trailing_bytes", f"{len(data) - position} bytes follow the body of {name}")


def _batch(fields: dict[str, Any], *, sound: bool) -> EventBatch:
    batch = EventBatch(**fields)
    problem = batch.head_problem() if sound else batch.problem()
    if problem is not None:
        raise DecodeError("invalid", problem)
    return batch
