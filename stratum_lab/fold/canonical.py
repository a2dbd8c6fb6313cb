"""The one text form of a record: keys in the order of the specification, no spaces, UTF-8."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(record: dict[str, Any]) -> str:
    """Write a record; equal records give equal text because every section builds its keys in the specified order."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
