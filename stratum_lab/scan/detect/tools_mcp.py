"""MCP servers that code names (A12), and the tools that come from them: one tool a server, known by its name.

Configuration files are read elsewhere; command lines and addresses by the same module for both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.mcp_command import fill, host_of
from stratum_lab.scan.model import McpServer, Model, Site, Tool

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

TRANSPORTS: Final = {
    "MCPServerStdio": "stdio",
    "MCPServerStdIO": "stdio",
    "StdioServerParameters": "stdio",
    "StdioServerParams": "stdio",
    "StdioConnectionParams": "stdio",
    "MCPStdioPlugin": "stdio",
    "StdioServerInfo": "stdio",
    "MCPServerSse": "sse",
    "MCPServerSSE": "sse",
    "SseServerParams": "sse",
    "SseServerParameters": "sse",
    "SseConnectionParams": "sse",
    "MCPSsePlugin": "sse",
    "SSEServerInfo": "sse",
    "MCPServerStreamableHttp": "streamable_http",
    "MCPServerStreamableHTTP": "streamable_http",
    "MCPServerHTTP": "streamable_http",
    "StreamableHttpServerParams": "streamable_http",
    "StreamableHTTPConnectionParams": "streamable_http",
    "StreamableHTTPServerParams": "streamable_http",
    "MCPStreamableHttpPlugin": "streamable_http",
    "StreamableHttpServerInfo": "streamable_http",
    "HostedMCPTool": "hosted",
}
"""Classes whose call describes one server, with its transport."""
CONTAINERS: Final = frozenset({
    "MCPServerAdapter", "MultiServerMCPClient", "McpToolset", "MCPToolset", "MCPTools", "MultiMCPTools", "McpWorkbench",
    "McpToolSpec", "BasicMCPClient", "MCPToolbox", "ToolCollection", "MCPClient", "MCPTool", "load_mcp_tools",
    "mcp_server_tools", "SseMcpToolAdapter", "StdioMcpToolAdapter", "aget_tools_from_mcp_url", "get_tools_from_mcp_url",
    "get_mcp_tools", "FastMCPToolset", "MCPServerTool",
})  # fmt: skip
"""Classes and functions that hand out the tools of the servers given to them."""
_FIELDS: Final = ("command", "args", "env", "url", "server_url", "headers", "type", "transport", "name", "server_label")


def is_mcp(origin: str) -> bool:
    """Whether an origin is a class or function that stands for MCP servers or their tools."""
    return any(part in TRANSPORTS or part in CONTAINERS for part in origin.split(".")[-2:])


def servers_of_call(project: Project, model: Model, call: Call) -> list[McpServer]:
    """The servers that a call of an MCP class describes, registered in the model; those of one call are made once."""
    return list(_Reader(project, model).call(call))


def servers_of(project: Project, model: Model, expr: ast.expr, scope: Scope) -> list[McpServer]:
    """The servers an expression describes: parameters objects, dicts, addresses, lists or maps of these."""
    return list(_Reader(project, model).expression(expr, scope, ""))


def tools_of_servers(servers: list[McpServer]) -> list[Tool]:
    """One tool a server, whose identity is the server's name."""
    return [Tool(s.name, s.name, "mcp", s.site, server=s, defined_in=s.site.file) for s in servers]


class _Reader:
    """Reads server descriptions; depth is bounded because code may name itself."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.resolver = project.resolver
        self.model = model
        self.depth = 0

    def call(self, call: Call) -> Iterator[McpServer]:
        origin = self.project.callee(call).origin or ""
        last = _name(origin)
        if last in TRANSPORTS:
            yield self._one(call, TRANSPORTS[last])
            return
        if self.depth > 5:
            return
        self.depth += 1
        try:
            transport = self._text(call.arg("transport"), call.scope)
            way = bool(transport) and "://" not in transport  # how the server is reached, not which it is
            if way and call.arg("url") is not None and not self._text(call.arg("url"), call.scope):
                yield self._one(call, transport)
                return
            for name, expr in self._arguments(call):
                if name == "name" or (isinstance(expr, ast.Constant) and not isinstance(expr.value, str)):
                    continue
                if name == "transport" and way:
                    continue
                if (
                    name is None
                    and isinstance(expr, ast.Constant)
                    and last != "MCPTools"
                    and "://" not in str(expr.value)
                ):
                    continue
                yield from self.expression(expr, call.scope, self._text(call.arg("name"), call.scope))
        finally:
            self.depth -= 1

    def _arguments(self, call: Call) -> Iterator[tuple[str | None, ast.expr]]:
        for keyword in call.node.keywords:
            known = ("url", "command", "commands", "urls", "server_params", "params", "connection_params", "client",
                     "server_parameters", "serverparams", "server_params_list", "connections", "transport", "config",
                     "command_or_url", "session", "name", "server_info", "mcp_server", "connection")  # fmt: skip
            if keyword.arg in known:
                yield keyword.arg, keyword.value
        for position in call.node.args[:2]:
            yield None, position

    def expression(self, expr: ast.expr, scope: Scope, name: str) -> Iterator[McpServer]:
        if self.depth > 5:
            return
        self.depth += 1
        try:
            yield from self._expression(expr, scope, name)
        finally:
            self.depth -= 1

    def _expression(self, expr: ast.expr, scope: Scope, name: str) -> Iterator[McpServer]:
        value = self.resolver.resolve(expr, scope)
        if value.kind == "text" and value.text:
            yield self._text_server(value.text, expr, value, scope, name)
        elif value.kind == "dict":
            yield from self._map(expr, scope, value, name)
        elif value.kind == "list":
            for item in self.resolver.items(expr, scope).values:
                yield from self._item(item, name)
        else:
            yield from self._item(value, name)

    def _item(self, value: Value, name: str) -> Iterator[McpServer]:
        if value.kind == "instance" and value.call is not None and value.origin is not None and is_mcp(value.origin):
            yield from self.call(value.call)
        elif value.kind == "instance" and value.receiver is not None and value.receiver.call is not None:
            yield from self._item(value.receiver, name)
        elif value.kind in ("text", "dict") and value.node is not None and value.scope is not None:
            yield from self.expression(value.node, value.scope, name)

    def _map(self, expr: ast.expr, scope: Scope, value: Value, name: str) -> Iterator[McpServer]:
        fields = self.resolver.mapping(expr, scope)
        if "mcpServers" in fields:
            fields = self.resolver.mapping(*fields["mcpServers"])
        node = value.node if value.node is not None else expr
        where = value.scope if value.scope is not None else scope
        if any(key in fields for key in ("command", "url", "server_url", "server_label")):
            yield self._described(fields, Site(where.module.path, node.lineno, node.col_offset), name, "")
            return
        for key, (inner, inner_scope) in fields.items():
            parts = self.resolver.mapping(inner, inner_scope)
            if parts:
                site = Site(inner_scope.module.path, inner.lineno, inner.col_offset)
                yield self._described(parts, site, key, "")

    def _one(self, call: Call, transport: str) -> McpServer:
        """The server of a parameters object: its own keywords, or those of the dict or object given to it."""
        fields = {k: (v, call.scope) for k in _FIELDS if (v := call.arg(k)) is not None}
        for given in ("params", "server_params", "tool_config", "connection_params"):
            inner = call.arg(given, 0 if given in ("params", "server_params") else None)
            if inner is None:
                continue
            value = self.resolver.resolve(inner, call.scope)
            if value.kind == "dict":
                fields = {**self.resolver.mapping(inner, call.scope), **fields}
            elif value.call is not None and value.call is not call and _name(value.origin or "") in TRANSPORTS:
                nested = value.call
                own = {k: (v, nested.scope) for k in _FIELDS if (v := nested.arg(k)) is not None}
                fields = {**own, **fields}
        first = call.arg(None, 0)
        unsaid = fields.keys().isdisjoint(("command", "url", "server_url"))
        if first is not None and unsaid and self.resolver.text(first, call.scope) is not None:
            fields["command" if transport == "stdio" else "url"] = (first, call.scope)
            arguments = call.arg(None, 1)
            if transport == "stdio" and arguments is not None and "args" not in fields:
                fields["args"] = (arguments, call.scope)
        return self._described(fields, call.site, "", transport)

    def _described(self, fields: dict[str, tuple[ast.expr, Scope]], site: Site, name: str, transport: str) -> McpServer:
        def text(*keys: str) -> str:
            found = (self.resolver.text(*fields[k]) for k in keys if k in fields)
            return next((t for t in found if t), "")

        server = McpServer(
            site,
            name or text("name", "server_label"),
            command=text("command"),
            args=self._texts(fields.get("args")),
            url=text("url", "server_url"),
            transport=text("transport", "type") or transport,
            env_names=list(self.resolver.mapping(*fields["env"])) if "env" in fields else [],
            header_names=list(self.resolver.mapping(*fields["headers"])) if "headers" in fields else [],
        )
        if not server.transport and not server.url and ("url" in fields or "server_url" in fields):
            server.transport = "streamable_http"  # an address that is not literal
        if server.transport == "mcp":  # the `type` of a hosted tool's configuration
            server.transport = "hosted"
        return self._register(server)

    def _text_server(self, text: str, expr: ast.expr, value: Value, scope: Scope, name: str) -> McpServer:
        node = value.node if value.node is not None else expr
        where = value.scope if value.scope is not None else scope
        site = Site(where.module.path, node.lineno, node.col_offset)
        if "://" in text:
            return self._register(McpServer(site, name, url=text, transport="streamable_http"))
        command, *rest = text.split() or [""]
        return self._register(McpServer(site, name, command=command, args=rest, transport="stdio"))

    def _register(self, server: McpServer) -> McpServer:
        """The server as the model knows it: one for each place, and in one file one for each name or description."""
        near = [known for known in self.model.mcp_servers if known.site.file == server.site.file]
        for known in near:
            if known.site == server.site or (server.name and known.name == server.name) or _same(known, server):
                return known
        server.unit = self.project.unit_of(server.site.file)
        fill(server)
        if not server.name:
            server.name = self._unnamed(server)
        self.model.mcp_servers.append(server)
        return server

    def _unnamed(self, server: McpServer) -> str:
        """What a server without a name goes by: its command or host; its package where that is taken in the file."""
        name = server.command or host_of(server.url) or f"mcp:{server.site.line}"
        taken = {s.name for s in self.model.mcp_servers if s.site.file == server.site.file}
        return name if name not in taken else server.package or f"{name}:{server.site.line}"

    def _texts(self, given: tuple[ast.expr, Scope] | None) -> list[str]:
        if given is None:
            return []
        return [v.text for v in self.resolver.items(*given).values if v.kind == "text" and v.text is not None]

    def _text(self, expr: ast.expr | None, scope: Scope) -> str:
        return (self.resolver.text(expr, scope) or "") if expr is not None else ""


def _same(known: McpServer, server: McpServer) -> bool:
    """Whether a server without a name is described as one that is known."""
    told = bool(server.args or server.url)
    return (
        not server.name and told and (known.command, known.args, known.url) == (server.command, server.args, server.url)
    )


def _name(origin: str) -> str:
    """The class or function of an origin: its last part, or the one before for a class method."""
    parts = origin.split(".")
    return next((p for p in reversed(parts[-2:]) if p in TRANSPORTS or p in CONTAINERS), parts[-1])
