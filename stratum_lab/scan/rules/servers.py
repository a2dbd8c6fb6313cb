"""STRATUM-004 to -006: MCP servers (finding_rules.md C1; publishers and advisories in servers.json)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stratum_lab.scan.model import McpServer
from stratum_lab.scan.rules.catalogue import Hit, rule
from stratum_lab.scan.rules.facts import Facts, label, table

_EXACT = re.compile(r"v?\d+(\.\d+)*([-+.]?[a-z]+[-.\w]*)?", re.ASCII)


def _numbers(version: str) -> tuple[int, ...] | None:
    """Numeric parts of an exact version, None when it is a range, a tag or nothing."""
    if not _EXACT.fullmatch(version):
        return None
    numbers = [int(part) for part in re.findall(r"\d+", version.lstrip("v").split("-")[0].split("+")[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


@rule(
    "STRATUM-004",
    "MCP server with a published vulnerability",
    "CRITICAL",
    rule_class="architecture",
    category="security",
    crew=False,
    remediation="Pin the server's package to the fixed version or a later one.",
)
def vulnerable_server(facts: Facts) -> Iterator[Hit]:
    """One instance per server whose package is in the advisory list and not pinned to a version outside it."""
    for server in facts.model.mcp_servers:
        for advisory in table("servers.json")["advisories"]:
            if server.package.lower() != advisory["package"]:
                continue
            numbers = _numbers(server.version)
            low, fixed = _numbers(advisory["from"]), _numbers(advisory["fixed"])
            if numbers is not None and low is not None and fixed is not None and not low <= numbers < fixed:
                continue
            version = label(server.version) or "no pinned version"
            yield Hit(
                server.site,
                f"MCP server {label(server.name)} uses {server.package} at {version}; {advisory['id']} is fixed in "
                f"{advisory['fixed']}.",
                "CRITICAL",
                subjects=(label(server.name),),
            )


def known_publisher(server: McpServer) -> bool:
    """Whether a server's publisher is one of the known ones, by npm scope, package or host."""
    known = table("servers.json")
    publisher = server.publisher.lower().removeprefix("@")
    return publisher in known["publishers"] or any(
        publisher == host or publisher.endswith(f".{host}") for host in known["hosts"]
    )


@rule(
    "STRATUM-005",
    "Unknown MCP server receives credentials",
    "HIGH",
    rule_class="architecture",
    category="security",
    crew=False,
    remediation="Give the server read-only credentials made for it alone, limited to what it needs, or replace it by "
    "one whose publisher you trust.",
)
def credentialed_server(facts: Facts) -> Iterator[Hit]:
    """One instance per server of an unknown publisher that is passed a sensitive variable."""
    for server in facts.model.mcp_servers:
        passed = [
            name
            for name in server.env_names
            if any(part in name.upper() for part in table("servers.json")["sensitive_env"])
        ]
        if passed and not known_publisher(server):
            yield Hit(
                server.site,
                f"MCP server {label(server.name)} of an unknown publisher is given {', '.join(map(label, passed))}.",
                "HIGH",
                subjects=(label(server.name),),
            )


@rule(
    "STRATUM-006",
    "MCP server that can change under you or that anyone can reach",
    "HIGH",
    rule_class="architecture",
    category="security",
    crew=False,
    remediation="Pin the package to an exact version; give a remote server a token or OAuth.",
)
def loose_server(facts: Facts) -> Iterator[Hit]:
    """One instance per server: unknown publisher without exact version, or remote without authentication.

    A server without package is the repository's own program: no version can be asked for.
    """
    for server in facts.model.mcp_servers:
        reasons = []
        if server.package and not known_publisher(server) and _numbers(server.version) is None:
            reasons.append("comes from an unknown publisher without an exact version")
        if server.remote and not server.authenticated:
            reasons.append("is remote and has no authentication")
        if reasons:
            text = f"MCP server {label(server.name)} {' and '.join(reasons)}."
            yield Hit(server.site, text, "HIGH", subjects=(label(server.name),))
