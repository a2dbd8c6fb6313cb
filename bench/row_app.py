"""The stream worker reading the row layout instead, for the comparison only (`faust -A bench.row_app worker`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench import rows
from stratum_lab.contract.codec import HEADER, MAGIC, Codec, Headers
from stratum_lab.contract.events import Message

_MARK = HEADER.pack(MAGIC, rows.ROW_SCHEMA_ID)
_Decode = Callable[[Codec, bytes | None, Headers, Iterable[str] | None], Message]


def _with_rows(columns: _Decode) -> _Decode:
    """A decoding method of Codec that reads rows as well."""

    def decode(
        self: Codec, value: bytes | None, headers: Headers = None, expect: Iterable[str] | None = None
    ) -> Message:
        if value and value.startswith(_MARK):
            return rows.to_batch(rows.decode(value))
        return columns(self, value, headers, expect)

    return decode


for _name in ("decode", "decode_for_fold"):
    setattr(Codec, _name, _with_rows(getattr(Codec, _name)))

from streams.app import app  # noqa: E402 - the application is built on import and must find the decoder above

__all__ = ["app"]
