"""The one text form of a record: keys in the order of the specification, no spaces, UTF-8."""

from __future__ import annotations

from typing import Any

import orjson


def canonical_json(record: dict[str, Any]) -> str:
    """Write a record; equal records give equal text because every section builds its keys in the specified order."""
    return orjson.dumps(record).decode()
