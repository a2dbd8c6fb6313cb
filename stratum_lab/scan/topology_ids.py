"""Node ids of the static model, in the form run time uses (events.md section 2): `framework:Name:file:line`."""

from __future__ import annotations

import re
import unicodedata

from stratum_lab.fold.join import MAX_NAME
from stratum_lab.scan.model import Agent, Capability, GroupChat, Guardrail, McpServer, Model, Site, Step, Tool
from stratum_lab.scan.tables.known_tools import registered_name

HOST = "host"
"""Service of the external node that generated code runs on."""
_SPACE = re.compile(r"\s+")


def node_name(text: str) -> str:
    """A name as ids carry it: NFC, trimmed, runs of whitespace made one space, `:` made `_`.

    No more of it than join keys compare, so that a hostile name does not come back in every edge.
    """
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text).strip()).replace(":", "_")[:MAX_NAME].rstrip()


def node_id(framework: str, name: str, site: Site | None = None) -> str:
    """The id of something constructed or defined at a site, or nowhere in particular."""
    file, line = (site.file, site.line) if site is not None else ("-", 0)
    return f"{framework}:{node_name(name)}:{file.replace(':', '_')}:{line}"


def service_id(service: str, unit: str) -> str:
    """The id of a data store or external: its canonical service within a project unit."""
    return f"generic:{node_name(service)}:{unit.replace(':', '_') or '-'}:0"


def capability_name(capability: Capability) -> str:
    """The join name: what the tool is registered as when it is the only one, else the function's or class's name."""
    names = {tool.name: tool for tool in capability.tools}
    if len(names) > 1:  # shared by several tools; the one that is the capability itself, if any
        names = {name: tool for name, tool in names.items() if _is_of(capability, tool)}
    if len(names) == 1:
        ((name, tool),) = names.items()
        plain = tool.identity.rpartition(".")[2]
        return registered_name(plain) or name if name in (plain, tool.identity) else name
    return capability.symbol.rpartition(".")[2]


def _is_of(capability: Capability, tool: Tool) -> bool:
    """Whether a capability lies in the tool itself, not in something that its code calls."""
    symbol = capability.symbol
    return symbol in (tool.identity, tool.origin) or (tool.origin is not None and symbol.startswith(tool.origin + "."))


class Ids:
    """The id of every model object that is a node; no two objects share one.

    Where the form gives two objects one id (two calls on one line), the second gets `#` and a counter, which the join
    key ignores as it ignores a capability's `#kind`.
    """

    def __init__(self, model: Model) -> None:
        self._taken: set[str] = set()
        self.agents: dict[Agent, str] = {}
        self.capabilities: dict[Capability, str] = {}
        self.chats: dict[GroupChat, str] = {}
        self.steps: dict[Step, str] = {}
        self.servers: dict[tuple[str, str], str] = {}
        self.guardrails: dict[tuple[str, int, str], str] = {}
        for agent in sorted(model.agents, key=lambda a: a.site):
            family = agent.runs_on or agent.framework
            self.agents[agent] = self._claim(node_id(family, agent.name or agent.symbol, agent.site))
        for capability in sorted(model.capabilities, key=lambda c: (c.unit, c.symbol, c.kind)):
            site = min(capability.sites, default=None)
            base = node_id(capability.framework, capability_name(capability), site)
            self.capabilities[capability] = self._claim(f"{base}#{capability.kind}", ".")
        for chat in sorted(model.chats, key=lambda c: c.site):
            self.chats[chat] = self._claim(node_id(chat.framework, chat.name, chat.site))
        for step in sorted(model.steps, key=lambda s: s.site):
            self.steps[step] = self._claim(node_id(step.framework, step.name, step.site))

    def server(self, server: McpServer) -> str:
        """The id of an MCP server, one per (file, name)."""
        key = (server.site.file, server.name)
        if key not in self.servers:
            self.servers[key] = self._claim(node_id("generic", server.name or server.command, server.site))
        return self.servers[key]

    def guardrail(self, guardrail: Guardrail) -> str:
        """The id of a guardrail, one per (file, line, kind)."""
        key = (guardrail.site.file, guardrail.site.line, guardrail.kind)
        if key not in self.guardrails:
            self.guardrails[key] = self._claim(node_id("generic", guardrail.kind, guardrail.site))
        return self.guardrails[key]

    def _claim(self, base: str, separator: str = "#") -> str:
        claimed, count = base, 1
        while claimed in self._taken:
            count += 1
            claimed = f"{base}{separator}{count}"
        self._taken.add(claimed)
        return claimed
