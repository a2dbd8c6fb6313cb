"""The stream worker reading the row layout instead, for the comparison only (`faust -A bench.row_app worker`)."""

from __future__ import annotations

from collections.abc import Iterable

from bench import rows
from stratum_lab.contract.codec import HEADER, MAGIC, Codec, Headers
from stratum_lab.contract.events import Message

_MARK = HEADER.pack(MAGIC, rows.ROW_SCHEMA_ID)
_decode = Codec.decode


def decode(self: Codec, value: bytes | None, headers: Headers = None, expect: Iterable[str] | None = None) -> Message:
    """As `Codec.decode`, and rows as well."""
    if value and value.startswith(_MARK):
        return rows.to_batch(rows.decode(value))
    return _decode(self, value, headers, expect)


Codec.decode = decode  # type: ignore[method-assign]

from streams.app import app  # noqa: E402 - the application is built on import and must find the decoder above

__all__ = ["app"]
