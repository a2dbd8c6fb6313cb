"""One line of earlier scan results, brought to what selection looks at.

Lines come from several writers, so each fact is looked for under every name it goes by; a fact that no name gives
counts as absent, never as present. The table in docs/jobs.md lists the names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratum_lab.errors import UsageError

Row = Mapping[str, Any]  # Any: a JSON object somebody else wrote

FRAMEWORKS = ("crewai", "langgraph", "autogen", "langchain")
SERVERS = ("uvicorn", "flask", "fastapi", "gunicorn", "streamlit", "gradio")
SEARCH_APIS = (
    "bing", "brave", "duckduckgo", "exa", "firecrawl", "google", "jina", "linkup", "perplexity", "searxng", "serpapi",
    "serper", "tavily", "wikipedia", "wolfram", "you",
)  # fmt: skip
"""Names that mean a search service when they are a word of an external service's name."""

_COMPONENTS = {
    "tool": ("tool", "capability"),
    "store": ("data_store", "store"),
    "external": ("external", "external_service"),
    "guard": ("guardrail", "guard"),
}
_COUNTS = {
    "tool": ("tool_count", "total_tool_count"),
    "store": ("data_store_count", "data_stores"),
    "external": ("external_service_count", "external_sink_count", "external_services"),
    "guard": ("guardrail_count", "guardrails", "has_guardrails", "has_any_guardrails"),
}


@dataclass(frozen=True, slots=True)
class Features:
    """What selection knows of one repository; None and empty mean that the line does not say.

    Attributes:
        url: Address as listed.
        primary: Primary framework in lower case, or "".
        frameworks: Every framework named, in lower case, sorted.
        agents: `agent_count`, or the number of agent nodes.
        agent_nodes: Number of agent nodes, or `agent_count` where the line has no nodes.
        tools, stores, externals, guards: Counts.
        delegations: Delegation edges.
        names: Imports and node names in lower case.
        searches: Distinct search services among the names.
    """

    url: str
    primary: str
    frameworks: tuple[str, ...]
    agents: int | None
    agent_nodes: int
    tools: int
    stores: int
    externals: int
    guards: int
    delegations: int
    names: frozenset[str]
    searches: int
    python_files: int | None
    entry_point: bool
    requirements: bool
    lockfile: bool
    versions: bool
    providers: tuple[str, ...]
    fork: bool
    delegation_pattern: bool
    routing_pattern: bool
    error_pattern: bool

    @property
    def cross_component(self) -> bool:
        """At least two of tools, data stores, external services, guards."""
        return sum(n > 0 for n in (self.tools, self.stores, self.externals, self.guards)) >= 2


def read_features(row: Row) -> Features:
    """The facts of one line.

    Raises:
        UsageError: It has no address.
    """
    url = row.get("repo_url")
    if not isinstance(url, str) or not url.strip():
        raise UsageError("the object has no text under repo_url")
    nodes, edges = _dicts(row, "nodes"), _dicts(row, "edges")
    kinds = [str(n.get("node_type") or n.get("type") or "").lower() for n in nodes]
    agents = _number(row, "agent_count_raw", "agent_count")
    agent_nodes = kinds.count("agent") if nodes else (agents or 0)
    names = _words(_texts(row, "imports", "libraries", "server_libraries")) | _words(
        str(n.get("name") or n.get("label") or "") for n in nodes
    )
    files = {f.lower() for f in _texts(row, "files")}
    patterns = " ".join(_texts(row, "patterns", "topology_patterns")).lower()
    edge_types = [str(e.get("edge_type") or e.get("type") or "").lower() for e in edges]
    delegations = _number(row, "delegation_count", "delegation_edge_count")
    if delegations is None:
        delegations = sum("delegat" in t for t in edge_types)
    primary = str(row.get("primary_framework") or "").strip().lower()
    counts = {what: _component(row, what, kinds) for what in _COUNTS}
    return Features(
        url=url.strip(),
        primary=primary,
        frameworks=tuple(sorted({f.strip().lower() for f in _texts(row, "frameworks")} or ({primary} - {""}))),
        agents=agents if agents is not None else (agent_nodes if nodes else None),
        agent_nodes=agent_nodes,
        tools=counts["tool"],
        stores=counts["store"],
        externals=counts["external"],
        guards=counts["guard"],
        delegations=delegations,
        names=names,
        searches=len(names.intersection(SEARCH_APIS)),
        python_files=_number(row, "python_file_count", "python_files"),
        entry_point=_flag(row, "has_entry_point", "entry_point") or bool(files & {"main.py", "app.py"}),
        requirements=_flag(row, "has_requirements", "requirements_txt") or "requirements.txt" in files,
        lockfile=_flag(row, "has_lockfile", "lockfile"),
        versions=_flag(row, "framework_versions"),
        providers=tuple(p.lower() for p in _texts(row, "providers", "llm_providers")),
        fork=_flag(row, "is_fork", "fork"),
        delegation_pattern=_flag(row, "has_delegation") or delegations > 0 or "delegat" in patterns,
        routing_pattern=_flag(row, "has_routing") or "rout" in patterns,
        error_pattern=_flag(row, "has_error_handling") or "error" in patterns,
    )


def _component(row: Row, what: str, kinds: Sequence[str]) -> int:
    counted = _number(row, *_COUNTS[what])
    return counted if counted is not None else sum(k in _COMPONENTS[what] for k in kinds)


def _number(row: Row, *names: str) -> int | None:
    """The first of these keys that holds a count, a flag (0 or 1) or a list (its length)."""
    for name in names:
        value = _within(row, name)
        if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return max(int(value), 0)
        if isinstance(value, list | dict):
            return len(value)
    return None


def _flag(row: Row, *names: str) -> bool:
    return any(bool(_within(row, name)) for name in names)


def _texts(row: Row, *names: str) -> list[str]:
    """Texts under these keys: a text, a list of texts or of objects with a name, or the keys of an object."""
    out: list[str] = []
    for name in names:
        value = _within(row, name)
        items: Iterable[Any] = [value] if isinstance(value, str) else value if isinstance(value, list | dict) else ()
        out += [str(i.get("name") or "") if isinstance(i, dict) else str(i) for i in items]
    return [t for t in out if t]


def _dicts(row: Row, name: str) -> list[dict[str, Any]]:
    value = _within(row, name)
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _within(row: Row, name: str) -> Any:
    """A key of the object or of one of the objects that writers nest such facts in. Any: it is a JSON value."""
    if name in row:
        return row[name]
    for nest in ("graph", "structure", "repo_metadata", "normalized_features"):
        inner = row.get(nest)
        if isinstance(inner, dict) and name in inner:
            return inner[name]
    return None


def _words(texts: Iterable[str]) -> frozenset[str]:
    """Words of names such as `langchain_openai.ChatOpenAI` or `Tavily search`, in lower case."""
    out: set[str] = set()
    for text in texts:
        lowered = text.lower()
        for mark in "._-:/ ":
            lowered = lowered.replace(mark, "\n")
        out.update(w for w in lowered.split("\n") if w)
    return frozenset(out)
