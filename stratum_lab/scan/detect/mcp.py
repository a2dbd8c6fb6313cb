"""MCP servers (A12): those of JSON configuration files, and those that code constructs without an agent at hand.

Descriptions in code are read by `tools_mcp`, so that a server is one whether a tools list or this module meets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stratum_lab.scan.detect import tools_mcp
from stratum_lab.scan.detect.mcp_command import fill
from stratum_lab.scan.model import McpServer, Model, Site
from stratum_lab.scan.source.loader import is_excluded, is_mcp_name

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call
    from stratum_lab.scan.source.project import Project


def agents(project: Project, model: Model) -> None:
    """Register every server of the tree's configuration files and code."""
    for path, file in sorted(project.json.items()):
        if is_excluded(path):
            continue
        for name, entry in _entries(path, file.data):  # names of a JSON map differ
            server = _server(Site(path, file.lines.get(name, 1)), name, entry)
            server.unit = project.unit_of(path)
            model.mcp_servers.append(server)
    calls = list(_mcp_calls(project))
    inner = {site for call in calls for site in _parameters(project, call)}
    for call in calls:
        if call.site not in inner:
            tools_mcp.servers_of_call(project, model, call)


def _mcp_calls(project: Project) -> Iterator[Call]:
    """Calls that construct a description, adapter or client; methods of these describe no further server."""
    for module in project.modules:
        for call in module.calls if not module.excluded else ():
            callee = project.callee(call)
            method = callee.receiver is not None and callee.receiver.kind == "instance"
            if callee.origin is not None and not method and tools_mcp.is_mcp(callee.origin):
                yield call


def _parameters(project: Project, call: Call) -> Iterator[Site]:
    """Calls whose parameters object another description takes over: they are one server, not two."""
    if (project.callee(call).origin or "").rpartition(".")[2] in tools_mcp.TRANSPORTS:
        for name in ("params", "server_params", "connection_params"):
            given = call.arg(name)
            made = project.resolver.resolve(given, call.scope).call if given is not None else None
            if made is not None:
                yield made.site


def _entries(path: str, data: object) -> list[tuple[str, dict[str, object]]]:
    """Name and description of each server of a configuration."""
    if not isinstance(data, dict):
        return []
    named = is_mcp_name(path)
    servers = data.get("mcpServers")
    if servers is None and named:
        servers = data.get("servers")
        if servers is None and isinstance(data.get("mcp"), dict):  # settings with an `mcp` section
            servers = data["mcp"].get("servers")
        if (
            servers is None
            and data
            and all(isinstance(v, dict) and ("command" in v or "url" in v) for v in data.values())
        ):
            servers = data
    if not isinstance(servers, dict):
        return []
    return [(name, entry) for name, entry in servers.items() if isinstance(entry, dict)]


def _server(site: Site, name: str, entry: dict[str, object]) -> McpServer:
    arguments = entry.get("args")
    transport = _text(entry.get("type")) or _text(entry.get("transport"))
    return fill(
        McpServer(
            site,
            name,
            command=_text(entry.get("command")),
            args=[str(item) for item in arguments] if isinstance(arguments, list) else [],
            url=_text(entry.get("url")) or _text(entry.get("serverUrl")) or _text(entry.get("httpUrl")),
            transport=transport,
            env_names=_names(entry.get("env")),
            header_names=_names(entry.get("headers")),
        )
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _names(value: object) -> list[str]:
    return [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []
