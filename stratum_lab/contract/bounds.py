"""How many records an Avro body claims, counted without building them.

A record of a few bytes becomes a mapping of hundreds: without this bound a message of 2 MiB could take 200 MiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_RECORDS = 20_000
"""Records nested in one message; a batch of 500 events has at most 1,500, a large graph some thousands."""

UNCHECKED_BYTES = 64 * 1024
"""Bodies below this cannot take much memory, whatever they claim."""

_FIXED = {"null": 0, "boolean": 1, "float": 4, "double": 8}


class TooManyRecords(ValueError):
    """A body claims more than MAX_RECORDS nested records."""


def varint(data: bytes, pos: int) -> tuple[int, int]:
    """The number at a position and the position after it.

    Raises:
        IndexError: The bytes end first.
        ValueError: It has more than 64 bits.
    """
    raw, shift = 0, 0
    while True:
        byte = data[pos]
        pos += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), pos
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than 64 bits")


def check_array(data: bytes, pos: int) -> None:
    """Refuse an array of records whose first block is too large.

    Raises:
        TooManyRecords: It is.
        IndexError: The bytes end first.
    """
    count = abs(varint(data, pos)[0])
    if count > MAX_RECORDS:
        raise TooManyRecords(f"{count} records in one array, at most {MAX_RECORDS} are read")


class Walker:
    """Walks over the body of one message.

    Args:
        data: The whole message.
        names: Named types of its schema.
    """

    def __init__(self, data: bytes, names: Mapping[str, Any]) -> None:
        self._data, self._names = data, names
        self._records = 0

    def walk(self, schema: Any, pos: int) -> int:
        """Position after a value of a schema (parsed Avro schema: open JSON, hence Any).

        Raises:
            TooManyRecords: More than MAX_RECORDS so far.
            IndexError: The bytes end first, or a union has no such branch.
            ValueError: A number or length is impossible.
        """
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(schema, list):
            branch, pos = varint(self._data, pos)
            if branch < 0:
                raise ValueError("a union branch below 0")
            return self.walk(schema[branch], pos)
        if kind == "record":
            self._records += 1
            if self._records > MAX_RECORDS:
                raise TooManyRecords(f"more than {MAX_RECORDS} records in one message")
            for field in schema["fields"]:
                pos = self.walk(field["type"], pos)
            return pos
        if kind in ("string", "bytes"):
            length, pos = varint(self._data, pos)
            if length < 0 or pos + length > len(self._data):
                raise ValueError(f"a length of {length} in a message of {len(self._data)} bytes")
            return pos + length
        if kind in ("int", "long", "enum"):
            return varint(self._data, pos)[1]
        if kind in ("array", "map"):
            return self._blocks(schema, kind, pos)
        if kind in _FIXED:
            return pos + _FIXED[kind]
        if kind == "fixed":
            return pos + int(schema["size"])
        return self.walk(self._names[kind], pos)

    def _blocks(self, schema: Any, kind: str, pos: int) -> int:
        while True:
            count, pos = varint(self._data, pos)
            if count == 0:
                return pos
            if count < 0:
                count, (_, pos) = -count, varint(self._data, pos)
            for _ in range(count):
                if kind == "map":
                    pos = self.walk("string", pos)
                pos = self.walk(schema["items" if kind == "array" else "values"], pos)
                if pos > len(self._data):
                    raise IndexError("the bytes end within an array")
