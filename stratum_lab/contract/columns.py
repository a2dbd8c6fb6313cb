"""A faster reader for the columns of an EventBatch, byte for byte equal to fastavro in what it gives.

Almost every batch has columns of one shape: dictionary indices below 64 (one byte each), event ids of one length,
time stamps of nine bytes. Those are taken as a block; any other shape of a column goes to fastavro, and a body that
is odd as a whole is left to the caller (None). Measured: docs/replay.md.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, overload

import fastavro
from fastavro import schemaless_reader

from stratum_lab.contract.bounds import check_array
from stratum_lab.contract.events.run import INDEX_COLUMNS, NODE_COLUMNS

HEAD = (
    "repo_id", "run_number", "attempt", "run_id", "tier", "batch_seq", "first_seq", "count", "strings",
)  # fmt: skip
COLUMNS = (
    "event_id", "timestamp_ns", "event_type", "emitter_run_id", "repo_url", "framework", "source_node", "target_node",
    "edge_type", "parent_event_id", "stack_depth",
)  # fmt: skip
LAYOUT = (*HEAD, "nodes", *COLUMNS, "payload", "extra")
"""Order of the fields in the schema this reader knows; another order is fastavro's."""

_ITEMS = {"event_id": "string", "timestamp_ns": "long", "parent_event_id": "string", "payload": "string"}

_ZIGZAG = bytes(((i >> 1) ^ -(i & 1)) & 0xFF for i in range(256))
"""Byte of a one-byte varint -> its value, as a signed byte."""
_HIGH = bytes(range(128, 256))
_LOW = bytes(range(128))
_STAMP = 9
"""Bytes of the varint of a time stamp between 1971 and 2106, in nanoseconds: 2**56 <= 2t < 2**63."""

_ARRAYS: dict[str, Any] = {
    # Parsed schemas are open JSON, hence Any.
    kind: fastavro.parse_schema({"type": "array", "items": kind})
    for kind in ("string", "int", "long")
}


class Parts(NamedTuple):
    """Parsed schemas of what is read by fastavro: the HEAD fields as a record, and the two arrays of records."""

    head: Any
    nodes: Any
    extra: Any


def split(schema: Any) -> Parts | None:
    """The parts of a schema that has the layout this module knows, else None.

    Args:
        schema: Parsed or plain Avro schema of an EventBatch; open JSON, hence Any.
    """
    fields = {f["name"]: f for f in schema["fields"]}
    if tuple(fields) != LAYOUT:
        return None
    for name in (*COLUMNS, "payload"):
        if fields[name]["type"] != {"type": "array", "items": _ITEMS.get(name, "int")}:
            return None

    head = {"type": "record", "name": "Head", "fields": [fields[n] for n in HEAD]}
    parse = fastavro.parse_schema
    return Parts(parse(head), parse(fields["nodes"]["type"]), parse(fields["extra"]["type"]))


class Columns(NamedTuple):
    """What was read.

    Attributes:
        fields: Field name -> value, as EventBatch takes them.
        end: Position after the body.
        sound: Whether every index is known to lie within its dictionary.
    """

    fields: dict[str, Any]
    end: int
    sound: bool


class FixedTexts(Sequence[str]):
    """Texts of one length, decoded when asked for."""

    __slots__ = ("_data", "_first", "_items", "_length")

    def __init__(self, data: bytes, first: int, items: int, length: int) -> None:
        self._data, self._first, self._items, self._length = data, first, items, length

    def __len__(self) -> int:
        return self._items

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return list(self)[index]
        start = self._first + range(self._items)[index] * (self._length + 1) + 1
        return self._data[start : start + self._length].decode("ascii")

    def __iter__(self) -> Iterator[str]:
        step = self._length + 1
        text = self._data[self._first : self._first + self._items * step].decode("ascii")
        return iter([text[i : i + self._length] for i in range(1, self._items * step + 1, step)])


class FixedLongs(Sequence[int]):
    """Nine-byte varints, decoded when asked for."""

    __slots__ = ("_data", "_first", "_items")

    def __init__(self, data: bytes, first: int, items: int) -> None:
        self._data, self._first, self._items = data, first, items

    def __len__(self) -> int:
        return self._items

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        if isinstance(index, slice):
            return list(self)[index]
        raw, shift, start = 0, 0, self._first + range(self._items)[index] * _STAMP
        for byte in self._data[start : start + _STAMP]:
            raw |= (byte & 0x7F) << shift
            shift += 7
        return (raw >> 1) ^ -(raw & 1)

    def __iter__(self) -> Iterator[int]:
        return (self[i] for i in range(self._items))


def _varint(value: int) -> bytes:
    raw, out = value << 1, bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


@lru_cache(maxsize=1024)
def _block_start(count: int) -> bytes:
    return _varint(count)


@lru_cache(maxsize=256)
def _valid(size: int, optional: bool) -> bytes:
    """The one-byte varints of the indices of a dictionary of that size."""
    return bytes(2 * i for i in range(min(size, 64))) + (b"\x01" if optional else b"")


class _Reader:
    """Position in the body of one batch and its way back to fastavro."""

    __slots__ = ("count", "data", "file", "lazy", "pos", "sound", "start")

    def __init__(self, data: bytes, file: io.BytesIO, count: int, lazy: bool) -> None:
        self.data, self.file, self.count, self.lazy = data, file, count, lazy
        self.pos, self.start, self.sound = file.tell(), _block_start(count), True

    def slow(self, schema: Any) -> Any:
        """One array by fastavro."""
        self.file.seek(self.pos)
        value = schemaless_reader(self.file, schema, None)
        self.pos = self.file.tell()
        return value

    def records(self, schema: Any) -> Any:
        """One array of records, bounded."""
        check_array(self.data, self.pos)
        return self.slow(schema)

    def block(self, width: int) -> int:
        """Where the items of an array start when it is one block of `count` items of that width, else -1."""
        first = self.pos + len(self.start)
        end = first + width * self.count
        if self.data.startswith(self.start, self.pos) and self.data[end : end + 1] == b"\0":
            return first
        return -1

    def small(self, size: int | None, optional: bool) -> Any:
        """An array of int: indices of a dictionary of `size` entries, or any numbers (None)."""
        first = self.block(1)
        if first >= 0:
            chunk = self.data[first : first + self.count]
            if chunk.isascii():
                if size is not None and chunk.translate(None, _valid(size, optional)):
                    self.sound = False
                self.pos = first + self.count + 1
                return array("b", chunk.translate(_ZIGZAG)).tolist()
        if size is not None:
            self.sound = False
        return self.slow(_ARRAYS["int"])

    def texts(self) -> Any:
        """An array of string, often of one short length."""
        at = self.pos + len(self.start)
        mark = self.data[at : at + 1]
        if mark and not mark[0] & 0x81:
            length = mark[0] >> 1
            first = self.block(length + 1)
            if first >= 0:
                end = first + (length + 1) * self.count
                chunk = self.data[first:end]
                if chunk[:: length + 1] == mark * self.count and chunk.isascii():
                    self.pos = end + 1
                    items = FixedTexts(self.data, first, self.count, length)
                    return items if self.lazy else list(items)
        return self.slow(_ARRAYS["string"])

    def stamps(self) -> Any:
        """An array of long, usually all of nine bytes."""
        first = self.block(_STAMP) if self.lazy else -1
        if first >= 0:
            end = first + _STAMP * self.count
            chunk = self.data[first:end]
            last = chunk[_STAMP - 1 :: _STAMP]
            # As many bytes end a varint as there are items, and each stands at a ninth place.
            if last.isascii() and len(chunk.translate(None, _HIGH)) == self.count:
                self.pos = end + 1
                return FixedLongs(self.data, first, self.count)
        return self.slow(_ARRAYS["long"])


def read_columns(data: bytes, start: int, parts: Parts, *, lazy: bool) -> Columns | None:
    """Read the body of a batch.

    Args:
        data: The whole message.
        start: Where the body starts.
        parts: From `split`.
        lazy: Whether event ids and time stamps may be sequences that decode when asked, instead of lists.

    Returns:
        The columns; None when the batch claims no event, or more than there are bytes. What fastavro raises on
        garbage is raised here too.

    Raises:
        TooManyRecords: A dictionary claims too many entries.
    """
    file = io.BytesIO(data)
    file.seek(start)
    fields: Any = schemaless_reader(file, parts.head, None)
    count = fields["count"]
    if count < 1 or count > len(data):
        return None
    reader = _Reader(data, file, count, lazy)
    fields["nodes"] = reader.records(parts.nodes)
    sizes = dict.fromkeys(INDEX_COLUMNS, len(fields["strings"])) | dict.fromkeys(NODE_COLUMNS, len(fields["nodes"]))
    for name in COLUMNS:
        if name in sizes:
            fields[name] = reader.small(sizes[name], name != "event_type")
        elif name == "timestamp_ns":
            fields[name] = reader.stamps()
        elif name == "stack_depth":
            fields[name] = reader.small(None, True)
        else:
            fields[name] = reader.texts()
        if len(fields[name]) != count:
            reader.sound = False
    fields["payload"] = reader.slow(_ARRAYS["string"])
    fields["extra"] = reader.records(parts.extra)
    sound = reader.sound and len(fields["payload"]) == count and not fields["extra"]
    return Columns(fields, reader.pos, sound)
