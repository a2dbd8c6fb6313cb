"""Canonical services: from library or domain to service, by the table that the scanner reads too."""

from __future__ import annotations

import json
from functools import cache

from stratum_lab.contract.lock import schema_dir
from stratum_lab.errors import SchemaMismatch

TABLE_NAME = "services.json"
_TRANSPORTS = frozenset({"http", "https", "httpx", "httpx_async", "aiohttp", "requests", "urllib"})
"""First parts of a run-time name that say how, not what, was called."""


class Services:
    """The table, indexed by library and by domain."""

    def __init__(
        self,
        by_library: dict[str, str],
        by_domain: dict[str, str],
        suffixes: frozenset[str],
        sensitivity: dict[str, str] | None = None,
    ) -> None:
        self._by_library, self._by_domain, self._suffixes = by_library, by_domain, suffixes
        self._sensitivity = sensitivity or {}

    def sensitivity_of(self, service: str) -> str:
        """Sensitivity of what a service holds; unknown for a service that the table does not list."""
        return self._sensitivity.get(service, "unknown")

    def of_library(self, origin: str) -> str | None:
        """Service of a dotted origin: that of its longest listed prefix, None when no prefix is listed."""
        parts = origin.casefold().split(".")
        for n in range(len(parts), 0, -1):
            service = self._by_library.get(".".join(parts[:n]))
            if service is not None:
                return service
        return None

    def of_domain(self, domain: str) -> str:
        """Service of a host: the table's longest matching domain, else the registrable domain."""
        labels = domain.strip().rstrip(".").casefold().split(":")[0].split(".")
        for n in range(len(labels)):
            service = self._by_domain.get(".".join(labels[n:]))
            if service is not None:
                return service
        if all(label.isdigit() for label in labels):
            return ".".join(labels)
        return ".".join(labels[-3:] if ".".join(labels[-2:]) in self._suffixes else labels[-2:])

    def of_name(self, name: str, *, hosts: bool) -> str:
        """Service of a store's or external's name: a library, a host behind its transport, or the name itself.

        Args:
            name: Name part of the id.
            hosts: Whether the name may be a host (externals), or is a library only (stores).
        """
        parts = name.strip().split(":")
        while len(parts) > 1 and parts[0].casefold() in _TRANSPORTS:
            parts.pop(0)
        text = parts[0].strip()
        known = self._by_library.get(text.casefold())
        if known is not None:
            return known
        return self.of_domain(text) if hosts and "." in text and " " not in text else text


@cache
def services() -> Services:
    """The table of this installation, read once.

    Raises:
        SchemaMismatch: The file is missing or has another form.
    """
    path = schema_dir() / TABLE_NAME
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        by_library = {lib: name for name, s in table["services"].items() for lib in (name, *s["libraries"])}
        by_domain = {domain: name for name, s in table["services"].items() for domain in s["domains"]}
        sensitivity = {name: s["sensitivity"] for name, s in table["services"].items()}
        return Services(by_library, by_domain, frozenset(table["two_part_suffixes"]), sensitivity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise SchemaMismatch(f"{path.name} cannot be read: {exc}", remedy="restore it from version control") from exc
