"""Known tools of libraries: which kinds of capability a class stands for, and the name it registers under."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple, cast

from stratum_lab.scan.model import CapabilityKind

TOOL_ROOTS: Final = tuple(
    f"{root}.*"
    for root in (
        "crewai_tools", "crewai.tools", "langchain", "langchain_community", "langchain_experimental",
        "langchain_google_community", "langchain_tavily", "langchain_core", "langchain_classic", "langchain_exa",
        "langchain_stripe", "llama_index", "smolagents", "agents", "autogen_ext", "agno", "phi", "pydantic_ai",
        "haystack", "haystack_integrations", "google.adk", "stripe_agent_toolkit", "tavily",
    )
)  # fmt: skip
"""Libraries whose classes of a known name are known tools; patterns for `Project.calls_to`."""


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
    loadable: dict[str, str]


def known_tools() -> dict[str, KnownTool]:
    """The table, by class or factory name."""
    return _table().tools


def loadable_tools() -> dict[str, str]:
    """Class of each tool that `load_tools` of LangChain knows by a short name."""
    return _table().loadable


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
        data["loadable"],
    )


def _kinds(names: Iterable[str]) -> tuple[CapabilityKind, ...]:
    return cast("tuple[CapabilityKind, ...]", tuple(names))
