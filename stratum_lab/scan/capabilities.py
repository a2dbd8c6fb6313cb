"""Capabilities (finding_rules.md A8): what the code of a repository can do, and which agents can make it do so.

A capability is a distinct (unit, symbol, kind). The symbol of a library call is the enclosing function, of a tool of a
library its class. An agent holds what its tools are, what their code reaches, and what code that runs as it reaches.
Every tool that comes from an MCP server is outbound, whichever framework's adapter brings it in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from stratum_lab.fold.services import services
from stratum_lab.scan.capabilities_calls import LibraryCall, destructive_texts, library_calls
from stratum_lab.scan.detect.tools import is_tool_function
from stratum_lab.scan.model import Agent, Capability, CapabilityKind, Confidence, Model, Site, Tool, Trust
from stratum_lab.scan.tables.known_tools import (
    TOOL_ROOTS,
    KnownTool,
    known_tools,
    loadable_tools,
    restricted_kinds,
)
from stratum_lab.scan.tables.libraries import DATABASES

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Function
    from stratum_lab.scan.source.project import Project

DEFAULT_TRUST: Final[dict[CapabilityKind, Trust]] = {
    "outbound": "external",
    "data_access": "internal",
    "destructive": "internal",
    "code_exec": "privileged",
    "financial": "restricted",
    "file_system": "internal",
}
_ADAPTER: Final = "MCPServerAdapter"
_EXECUTING_TOOL: Final = "PythonCodeExecutionTool"
_USING: Final = frozenset(
    {"run", "arun", "invoke", "ainvoke", "_run", "results", "aresults", "forward", "call", "load"}
)
"""Methods by which code uses a library tool itself."""
_T = TypeVar("_T")


def find_capabilities(project: Project, model: Model) -> None:
    """Fill `model.capabilities`; agents, tools and steps must be known."""
    _Finder(project, model).find()


class _Finder:
    def __init__(self, project: Project, model: Model) -> None:
        self._project, self._model = project, model
        self._found: dict[tuple[str, str, CapabilityKind], Capability] = {}
        self._functions: dict[Capability, set[Function]] = {}
        self._tools = _held_tools(model)
        self._in_tools: set[Function] = set()
        for tool in [*self._tools, *(tool for task in model.tasks for tool in task.tools)]:
            for function in tool.code:
                self._in_tools |= project.resolver.reachable(function)

    def find(self) -> None:
        for found in library_calls(self._project):
            self._add_call(found)
        for function in destructive_texts(self._project):
            self._add_text(function)
        self._add_known_calls()
        for tool, agents in self._tools.items():
            self._add_tool(tool, agents)
        self._add_execution()
        self._reach()
        self._settle()

    def _capability(
        self,
        unit: str,
        symbol: str,
        kind: CapabilityKind,
        site: Site,
        *,
        confidence: Confidence = Confidence.CONFIRMED,
        trust: Trust | None = None,
    ) -> Capability:
        """The capability of this identity; a further site makes it no other, and the surest evidence counts."""
        trust = trust or DEFAULT_TRUST[kind]
        made = self._found.get((unit, symbol, kind))
        if made is None:
            made = self._found[unit, symbol, kind] = Capability(unit, symbol, kind, trust, confidence)
        made.confidence = max(made.confidence, confidence)
        if trust == "privileged":
            made.trust = trust
        _join(made.sites, [site])
        return made

    def _add_call(self, found: LibraryCall) -> None:
        call, use, enclosing = found.call, found.use, _enclosing(found.call)
        kind = use.kind
        if found.written:
            if not any(f in self._in_tools or is_tool_function(self._project, f) for f in enclosing):
                return
            kind = "destructive"
        made = self._of_function(call, enclosing, kind, call.site)
        fresh = not made.calls
        made.calls.append(found.facts)
        if use.service:
            _join(made.services, [use.service])
        made.channel = made.channel or use.channel
        made.draft = use.draft and (fresh or made.draft)
        made.fetches = made.fetches or use.fetches

    def _of_function(self, call: Call, enclosing: list[Function], kind: CapabilityKind, site: Site) -> Capability:
        named = next((f for f in enclosing if not f.name.startswith("<lambda")), None)
        symbol = named.dotted if named is not None else call.module.name
        made = self._capability(self._project.unit_of(site.file), symbol, kind, site)
        self._functions.setdefault(made, set()).update(enclosing)
        return made

    def _add_text(self, function: Function) -> None:
        unit = self._project.unit_of(function.module.path)
        if (unit, function.dotted, "destructive") in self._found:
            return
        made = self._capability(unit, function.dotted, "destructive", function.site, confidence=Confidence.PROBABLE)
        self._functions.setdefault(made, set()).add(function)
        same = self._found.get((unit, function.dotted, "data_access"))
        _join(made.services, same.services if same is not None else [_database_of(function)])

    def _add_known_calls(self) -> None:
        """Library tools that are made somewhere, held or not; an adapter counts as its servers where those are held."""
        by_site = {tool.call.site: tool for tool in self._tools if tool.call is not None}
        with_servers = {tool.site.file for tool in self._tools if tool.kind == "mcp"}
        used: list[tuple[Call, str]] = []
        for call, callee in self._project.calls_to(*TOOL_ROOTS):
            *_, owner, name = ("", *(callee.origin or "").split("."))
            known = known_tools().get(name)
            if known is None and name in _USING and owner in known_tools():
                used.append((call, owner))
            if known is None or callee.cls is not None or (name == _ADAPTER and call.module.path in with_servers):
                continue
            tool = by_site.get(call.site)
            made = self._add_known(name, known, call.site, tool.selected if tool is not None else self._selected(call))
            for capability in made:
                self._functions.setdefault(capability, set()).update(_enclosing(call))
        for call, name in used:
            unit = self._project.unit_of(call.module.path)
            for kind in known_tools()[name].kinds:
                made_before = self._found.get((unit, name, kind))
                if made_before is not None:
                    self._functions.setdefault(made_before, set()).update(_enclosing(call))

    def _selected(self, call: Call) -> tuple[str, ...] | None:
        given = call.arg("selected_tools")
        items = self._project.resolver.items(given, call.scope) if given is not None else None
        if items is None or not items.complete or not items.values:
            return None
        return tuple(value.text or "" for value in items.values)

    def _add_known(
        self,
        name: str,
        known: KnownTool,
        site: Site,
        selected: tuple[str, ...] | None,
        confidence: Confidence = Confidence.CONFIRMED,
    ) -> list[Capability]:
        kinds = restricted_kinds(known, selected) if selected is not None else known.kinds
        unit = self._project.unit_of(site.file)
        made = [self._capability(unit, name, kind, site, confidence=confidence) for kind in kinds]
        for capability in made:
            if known.service:
                _join(capability.services, [known.service])
            capability.fetches = capability.fetches or (known.fetches and capability.kind == "outbound")
            capability.search_only = known.search_only
            if capability.kind == "outbound":
                capability.channel, capability.draft = known.channel, known.draft
        return made

    def _add_tool(self, tool: Tool, agents: list[Agent]) -> None:
        """What a held tool is by itself; what its code reaches comes with the reach."""
        if tool.kind == "mcp":
            made = [self._capability(self._project.unit_of(tool.site.file), tool.identity, "outbound", tool.site)]
            made[0].fetches = True
        elif tool.defined_in or tool.code or tool.kind in ("schema", "agent"):
            return
        else:
            name = loadable_tools().get(tool.identity, tool.identity) if _loaded(tool) else tool.identity
            name = name if name in known_tools() else name.partition(".")[0]  # a method of a library tool
            known = known_tools().get(name)
            if known is None:
                return
            made = self._add_known(name, known, tool.site, tool.selected, tool.confidence)
        for capability in made:
            _join(capability.agents, agents)
            _join(capability.tools, [tool])

    def _add_execution(self) -> None:
        """Agents that run generated code; an executor inside a tool is that tool, with the trust of where it runs."""
        for agent in self._model.agents:
            if agent.code_execution is None:
                continue
            trust: Trust = "restricted" if agent.code_execution == "docker" else "privileged"
            tool = next((tool for tool in agent.tools if tool.identity == _EXECUTING_TOOL), None)
            held = (
                self._found.get((self._project.unit_of(tool.site.file), _EXECUTING_TOOL, "code_exec")) if tool else None
            )
            if held is None:
                made = self._capability(agent.unit, agent.symbol, "code_exec", agent.site, trust=trust)
                _join(made.agents, [agent])
            elif trust == "restricted" and held.agents == [agent]:
                held.trust = trust

    def _reach(self) -> None:
        """Give every capability the agents and steps whose code reaches its function."""
        by_function: dict[Function, list[Capability]] = {}
        for capability, functions in self._functions.items():
            for function in functions:
                by_function.setdefault(function, []).append(capability)
        reachable = self._project.resolver.reachable

        def reached(code: Iterable[Function]) -> list[Capability]:
            inside = {f for function in code for f in reachable(function)} & by_function.keys()
            return [capability for function in inside for capability in by_function[function]]

        for tool, agents in self._tools.items():
            for capability in reached(tool.code):
                _join(capability.agents, agents)
                _join(capability.tools, [tool])
        for agent in self._model.agents:
            for capability in reached(agent.code):
                _join(capability.agents, [agent])
        for step in self._model.steps:
            for capability in reached(step.code):
                _join(capability.steps, [step])

    def _settle(self) -> None:
        """Drop what another kind covers, and bring the rest into order."""
        for capability in self._found.values():
            covered = (capability.unit, capability.symbol, "data_access") in self._found
            if capability.kind == "file_system" and covered:
                continue
            capability.sites.sort()
            capability.calls.sort()
            capability.agents.sort(key=lambda agent: agent.site)
            capability.tools.sort(key=lambda tool: (tool.site, tool.identity))
            capability.steps.sort(key=lambda step: step.site)
            capability.service = capability.services[0] if capability.services else ""
            frameworks = {agent.framework for agent in capability.agents}
            capability.framework = frameworks.pop() if len(frameworks) == 1 else "generic"
            self._model.capabilities.append(capability)
        self._model.capabilities.sort(key=lambda c: (c.unit, c.symbol, c.kind))


def _held_tools(model: Model) -> dict[Tool, list[Agent]]:
    held: dict[Tool, list[Agent]] = {}
    for agent in model.agents:
        for tool in agent.tools:
            held.setdefault(tool, []).append(agent)
    return held


def _enclosing(call: Call) -> list[Function]:
    """Functions around a call, innermost first."""
    found: list[Function] = []
    function = call.function
    while function is not None:
        found.append(function)
        parent = function.scope.parent
        function = parent.function if parent is not None else None
    return found


def _loaded(tool: Tool) -> bool:
    return tool.origin is not None and tool.origin.endswith(".load_tools")


def _database_of(function: Function) -> str:
    """Service of the first database library that a function's file imports."""
    names = sorted(name for name in function.module.imported if name.partition(".")[0] in DATABASES)
    return next((known for name in names if (known := services().of_library(name)) is not None), "sql")


def _join(into: list[_T], more: Iterable[_T]) -> None:
    into.extend(item for item in more if item not in into)
