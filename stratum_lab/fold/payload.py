"""Reading an event's payload: JSON text that came out of a container and may hold anything.

What comes back can always be written as JSON again, so nothing hostile reaches a snapshot or a record.
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

Payload = dict[str, Any]
"""A payload object; Any because payloads are open-ended JSON."""

_INT64 = 2**63
_MAX_NUMBER = 1e15
"""Largest duration or latency that is believed (30,000 years in milliseconds)."""


def parse(text: str) -> Payload:
    """The payload as a mapping; absent, null, broken and non-object payloads are an empty one."""
    if not text:
        return {}
    try:
        value = orjson.loads(text)
    except ValueError:
        value = _second_try(text)
    return value if type(value) is dict else {}


def _second_try(text: str) -> Any:
    """Read what orjson refuses and Python's own emitter may have written: NaN, lone surrogates, huge integers."""
    try:
        return _portable(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _portable(value: Any) -> Any:
    """The same value without what UTF-8 and 64-bit JSON cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_portable(k): _portable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_portable(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -_INT64 <= value < 2 * _INT64:
        return str(value)
    return value


def text_of(payload: Payload, key: str) -> str:
    """The field when it is a non-empty string, else the empty string."""
    value = payload.get(key)
    return value if type(value) is str else ""


def storable(value: Any) -> Any:
    """A field kept "as it stands": any JSON value, or a word for one nested too deeply to be written again."""
    if type(value) is str:
        return value
    try:
        orjson.dumps([[[[[[[[value]]]]]]]])  # as deep as it will stand in a snapshot or a record
    except TypeError:
        return f"{type(value).__name__} nested too deeply"
    return value


def duration(value: Any) -> float | None:
    """A time span when it is one: a finite, non-negative number of believable size."""
    if type(value) is int or type(value) is float:
        return float(value) if 0 <= value <= _MAX_NUMBER else None
    return None
