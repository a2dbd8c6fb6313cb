"""Joins the field catalogue with the functions that compute the fields; a gap on either side is an import error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from stratum_lab.contract.ping_fields import SCHEMA_ID, PingField, live

EMISSION_GROUPS = frozenset({"identity", "scan", "rescan"})
"""Groups whose functions take an `Emission`; the others take a `Scan`."""

Function = Callable[[Any], Any]
"""Value of one field: Any because a ping is open JSON."""


def field_functions(fields: tuple[PingField, ...], modules: Mapping[str, ModuleType]) -> dict[str, Function]:
    """Field name -> its function.

    Args:
        fields: Top-level fields that must be computed.
        modules: Group name -> module with its functions.

    Raises:
        LookupError: A field has no function, or a public function no field; with all their names.
    """
    out: dict[str, Function] = {}
    problems = []
    for field in fields:
        function = getattr(modules[field.group], field.name, None)
        if inspect.isfunction(function):
            out[field.name] = function
        else:
            problems.append(f"field {field.name} has no function in groups/{field.group}.py")
    for group, module in sorted(modules.items()):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_") and out.get(name) is not function:
                problems.append(f"function {name} of groups/{group}.py computes no live field of that group")
    if problems:
        raise LookupError("; ".join(problems))
    return out


FIELDS: tuple[PingField, ...] = live(SCHEMA_ID)
"""Fields this version writes, in catalogue order, the rescan group included."""

FUNCTIONS: Mapping[str, Function] = field_functions(
    FIELDS, {group: import_module(f"stratum_lab.ping.groups.{group}") for group in sorted({f.group for f in FIELDS})}
)
"""Every one of them with its function."""
