"""Known tools of libraries: which kinds of capability a class stands for, and the name it registers under."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import NamedTuple, cast

from stratum_lab.scan.model import CapabilityKind


class KnownTool(NamedTuple):
    """One row of `known_tools.json`.

    Attributes:
        kinds: Kinds of capability, in the order of the table.
        service: Canonical service of its store or sink, "" when there is none.
        registered: Name the library registers it under, "" when that is the class name or not fixed.
        channel: People-facing channel it sends through, "" when none.
        draft: It only drafts messages.
        fetches: It brings untrusted content in.
        search_only: It is a pure search tool.
    """

    kinds: tuple[CapabilityKind, ...]
    service: str = ""
    registered: str = ""
    channel: str = ""
    draft: bool = False
    fetches: bool = False
    search_only: bool = False


class _Table(NamedTuple):
    tools: dict[str, KnownTool]
    operations: dict[str, tuple[CapabilityKind, ...]]


def known_tools() -> dict[str, KnownTool]:
    """The table, by class or factory name."""
    return _table().tools


def registered_name(class_name: str) -> str:
    """The name a known tool registers under, "" when the table gives none."""
    known = known_tools().get(class_name)
    return known.registered if known is not None else ""


def restricted_kinds(tool: KnownTool, operations: Iterable[str]) -> tuple[CapabilityKind, ...]:
    """Kinds of a toolkit that is restricted to some operations; an operation nobody knows keeps them all."""
    table = _table().operations
    chosen = {kind for operation in operations for kind in table.get(operation, tool.kinds)}
    return tuple(kind for kind in tool.kinds if kind in chosen)


@cache
def _table() -> _Table:
    data = json.loads(files(__package__).joinpath("known_tools.json").read_text(encoding="utf-8"))
    return _Table(
        {name: KnownTool(**{**row, "kinds": _kinds(row["kinds"])}) for name, row in data["tools"].items()},
        {name: _kinds(kinds) for name, kinds in data["operations"].items()},
    )


def _kinds(names: Iterable[str]) -> tuple[CapabilityKind, ...]:
    return cast("tuple[CapabilityKind, ...]", tuple(names))
