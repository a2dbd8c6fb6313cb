"""Which schema a ping is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCHEMA_2_FIELDS = ("finding_coverages", "severity_downgrades", "crews_clean", "crews_with_findings")


def schema_of(values: Mapping[str, Any]) -> int:
    """Schema of a ping as JSON, from 1.

    Its schema_id; without one, 2 when it has a field of schema 2, else 1. A schema_id that is no positive whole
    number gives 0, which is no schema.
    """
    if "schema_id" not in values:
        return 2 if any(name in values for name in _SCHEMA_2_FIELDS) else 1
    number = values["schema_id"]
    return number if type(number) is int and number > 0 else 0
