"""Fields of group mcp: servers of configuration files and code."""

from __future__ import annotations

from stratum_lab.ping.rounding import ratio
from stratum_lab.scan.result import Scan


def mcp_server_count(scan: Scan) -> int:
    """One per (file, server name)."""
    return len(scan.model.mcp_servers)


def mcp_remote_count(scan: Scan) -> int:
    """Servers that are not on this machine."""
    return sum(server.remote for server in scan.model.mcp_servers)


def mcp_auth_ratio(scan: Scan) -> float:
    """Share with authentication."""
    return ratio(sum(server.authenticated for server in scan.model.mcp_servers), mcp_server_count(scan))


def mcp_pinned_ratio(scan: Scan) -> float:
    """Share with an exact version."""
    return ratio(sum(bool(server.version) for server in scan.model.mcp_servers), mcp_server_count(scan))
