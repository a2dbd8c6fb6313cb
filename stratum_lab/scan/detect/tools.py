"""What a `tools=` expression holds, for every framework: the one place that turns expressions into tools.

An element that resolves to nothing is left out; nothing is taken for a tool because of its variable's name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect import tools_mcp
from stratum_lab.scan.detect.tools_own import (
    RUN_METHODS,
    TOOL_DECORATORS,
    class_of,
    distinct,
    is_tool_function,
    last_of,
    spaced,
    tool_of_class,
    tool_of_function,
    written,
)
from stratum_lab.scan.model import Agent, Confidence, Model, Site, Tool
from stratum_lab.scan.source.value import Value

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Scope
    from stratum_lab.scan.source.project import Project

__all__ = [
    "RUN_METHODS", "TOOL_DECORATORS", "distinct", "is_tool_function", "tool_of_class", "tool_of_function", "tools_of",
]  # fmt: skip

_FUNCTION_ARGUMENTS: Final = ("func", "fn", "function", "coroutine", "async_fn", "callable", "python_function",
                              "func_or_tool", "python_func", "handler")  # fmt: skip
_WRAPPERS: Final = frozenset({
    "StructuredTool", "Tool", "FunctionTool", "LongRunningFunctionTool", "function_tool", "tool", "DynamicTool",
    "partial", "CrewStructuredTool", "Function", "as_tool", "ToolSpec", "AuthenticatedFunctionTool", "create_tool",
    "beta_tool", "beta_async_tool", "get_function_schema",
})  # fmt: skip
_UNWRAPPED: Final = frozenset({"LangchainTool", "LangChainToolAdapter", "LlamaIndexTool", "from_langchain",
                               "from_langchain_tool", "tool_from_langchain", "convert_to_openai_tool",
                               "convert_to_openai_function", "format_tool_to_openai_function", "ComponentTool",
                               "HumanInTheLoopToolWrapper"})  # fmt: skip
_AGENT_WRAPPERS: Final = frozenset({"AgentTool", "TeamTool", "ComponentTool", "as_tool", "WorkflowTool"})
_TOOLKIT_CALLS: Final = frozenset({"get_tools", "to_tool_list", "get_toolkit", "aget_tools", "as_tools", "to_list",
                                   "get_tools_sync", "load_tools", "to_crewai", "to_langchain", "to_toolset", "tools",
                                   "to_tool_list_async", "list_tools", "get_all_tools", "get_tool"})  # fmt: skip
_HOSTED_MODULES: Final = ("agents.", "autogen_ext.tools.", "google.adk.tools.")
_HOSTED: Final = frozenset({
    "WebSearchTool", "FileSearchTool", "CodeInterpreterTool", "ComputerTool", "LocalShellTool", "ShellTool",
    "ImageGenerationTool", "ApplyPatchTool", "HostedMCPTool",
})  # fmt: skip


def tools_of(project: Project, model: Model, expr: ast.expr | None, scope: Scope, framework: str) -> list[Tool]:
    """The tools that an expression given as `tools=` holds.

    Args:
        expr: The argument; a single tool counts as a list of one. None gives nothing.
        framework: Framework of the agent that gets them; every kind of element means the same in all, so far.

    Returns:
        Tools in order, no two with one key.
    """
    if expr is None:
        return []
    return distinct(_Reader(project, model).read(expr, scope))


class _Reader:
    """Reads one tools expression."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.resolver = project.resolver
        self.model = model
        self.depth = 0
        self.at = Site("-", 0)

    def read(self, expr: ast.expr, scope: Scope) -> Iterator[Tool]:
        """Tools of a list expression; both sides of sums apart, so that an unknown side loses nothing."""
        if self.depth > 12:
            return
        self.depth += 1
        self.at = Site(scope.module.path, expr.lineno, expr.col_offset)
        try:
            yield from self._read(expr, scope)
        finally:
            self.depth -= 1

    def _read(self, expr: ast.expr, scope: Scope) -> Iterator[Tool]:
        if isinstance(expr, ast.BinOp):
            yield from self.read(expr.left, scope)
            yield from self.read(expr.right, scope)
            return
        if isinstance(expr, ast.Starred | ast.Await | ast.NamedExpr):
            yield from self.read(expr.value, scope)
            return
        if isinstance(expr, ast.List | ast.Tuple | ast.Set) and any(isinstance(e, ast.Starred) for e in expr.elts):
            for element in expr.elts:
                whole = ast.copy_location(ast.List(elts=[element], ctx=ast.Load()), element)
                yield from self.read(element if isinstance(element, ast.Starred) else whole, scope)
            return
        if isinstance(expr, ast.Subscript):  # tools[:3], toolkit.get_tools()[0]
            value = self.resolver.resolve(expr, scope)
            if value.known and value.kind != "list":
                yield from self.element(value)
            else:
                yield from self.read(expr.value, scope)
            return
        if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "get_mcp_tools":
            servers = self._crew_servers(self.resolver.resolve(expr.func.value, scope))
            if servers:
                yield from servers
                return
        values = self.resolver.items(expr, scope).values
        for value in values:
            yield from self.element(value)
        if not values:
            whole_value = self.resolver.resolve(expr, scope)
            if whole_value.kind == "external" and whole_value.receiver is None:
                return  # a list from elsewhere: what it holds is unknown
            if whole_value.kind != "list":
                yield from self.element(whole_value)

    def _crew_servers(self, owner: Value) -> list[Tool]:
        """CrewAI: `self.get_mcp_tools()` gives the tools of the class attribute `mcp_server_params`."""
        for cls in self.resolver.lineage(owner.cls) if owner.cls is not None else ():
            if isinstance(cls, str):
                continue
            for binding in cls.scope.bindings.get("mcp_server_params", ()):
                if binding.value is not None:
                    found = tools_mcp.servers_of(self.project, self.model, binding.value, cls.scope)
                    return tools_mcp.tools_of_servers(found)
        return []

    def element(self, value: Value) -> Iterator[Tool]:
        """The tools that one element is; a toolkit or MCP adapter stands for all it gives."""
        agent = self.model.agent_of(value)
        if agent is not None:
            yield self.agent_tool(agent, value)
        elif value.kind == "function" and value.function is not None:
            makers = (call for call in value.calls if self.project.callee(call).function in value.via)
            yield tool_of_function(self.project, value.function, next(makers, None))
        elif value.kind == "class" and value.cls is not None:
            yield self._of_class(value.cls)
        elif value.kind == "instance":
            yield from self._of_instance(value)
        elif value.kind == "external" and value.origin is not None:
            yield from self._of_external(value, value.origin)
        elif value.kind == "dict":
            yield from self._of_schema(value)
        elif value.kind == "list" and value.node is not None and value.scope is not None:
            yield from self.read(value.node, value.scope)

    def agent_tool(self, agent: Agent, value: Value) -> Tool:
        """An agent used as a tool; its name is the one given with `as_tool`, else the agent's."""
        call = value.call
        given = None
        if call is not None and call.site != agent.site:
            first = 0 if written(call.node.func) == "as_tool" else None  # as_tool("name", "what it does")
            given = call.arg("tool_name", first) or call.arg("name")
        name = self.resolver.text(given, call.scope) if given is not None and call is not None else None
        return Tool(agent.symbol, spaced(name or agent.name or agent.symbol), "agent",
                    call.site if call is not None else agent.site, origin=value.origin, call=call,
                    defined_in=agent.site.file, agent=agent)  # fmt: skip

    def _of_class(self, cls: Class) -> Tool:
        bases = self.resolver.bases(cls)
        if any(last_of(b) in ("BaseModel", "TypedDict") for b in bases) and not any(
            last_of(b).endswith("Tool") for b in bases
        ):
            return Tool(cls.name, cls.name, "schema", cls.site, origin=cls.dotted, defined_in=cls.module.path)
        return tool_of_class(self.project, cls)

    def _of_external(self, value: Value, origin: str) -> Iterator[Tool]:
        """A class or function of a library given as it stands, or an attribute of something made."""
        receiver = value.receiver
        if receiver is not None and receiver.kind == "instance":
            if receiver.origin is not None and tools_mcp.is_mcp(receiver.origin):
                yield from self._of_instance(receiver)
                return
            if last_of(origin) in _TOOLKIT_CALLS:
                yield from self._toolkit(receiver, None)
                return
            if receiver.cls is None and receiver.call is not None and receiver.origin is not None:
                identity = f"{class_of(receiver.origin)}.{last_of(origin)}"
                yield Tool(identity, last_of(origin), "function", receiver.call.site, origin=origin)
            return
        if origin.startswith("builtins."):
            return
        name = last_of(origin)
        yield Tool(name, name, "class" if name[:1].isupper() else "function", self._place(value), origin=origin)

    def _place(self, value: Value) -> Site:
        if value.call is not None:
            return value.call.site
        if value.node is not None and value.scope is not None:
            return Site(value.scope.module.path, value.node.lineno, value.node.col_offset)
        return self.at

    def _of_instance(self, value: Value) -> Iterator[Tool]:
        call = value.call
        if value.cls is not None:
            yield from self._of_repo_instance(value, value.cls)
            return
        if call is None or value.origin is None:
            return
        last, owner = last_of(value.origin), class_of(value.origin)
        agent = self._wrapped_agent(call, last, owner)
        if agent is not None:
            yield self.agent_tool(agent, value)
        elif last in _UNWRAPPED or owner in _UNWRAPPED:
            for inner in self._inner(call, ("tool", "langchain_tool", "component")):
                yield from self.element(inner)
        elif tools_mcp.is_mcp(value.origin) or (
            value.receiver is not None and value.receiver.origin is not None and tools_mcp.is_mcp(value.receiver.origin)
        ):
            yield from self._of_servers(value, call)
        elif last in _WRAPPERS or owner in _WRAPPERS:
            yield from self._wrapped_function(value, call)
        elif last in _TOOLKIT_CALLS and value.receiver is not None:
            yield from self._toolkit(value.receiver, call)
        elif owner == "ToolNode":
            given = call.arg("tools", 0)
            yield from self.read(given, call.scope) if given is not None else ()
        elif last == "create_handoff_tool":
            yield self._handoff(value, call)
        elif last == "load_tools":
            yield from self._loaded(call)
        elif owner:
            yield self._made(value, call, owner)
        elif last.endswith("_tool") or last.startswith(("create_", "get_", "make_", "build_")):
            yield self._made(value, call, self._given_name(call) or last)

    def _of_repo_instance(self, value: Value, cls: Class) -> Iterator[Tool]:
        bases = self.resolver.bases(cls)
        if any(last_of(base).endswith(("Toolkit", "ToolSpec", "Toolset", "ToolCollection")) for base in bases):
            yield self._of_toolkit_class(cls, value.call)
        else:
            yield tool_of_class(self.project, cls, value.call)

    def _of_toolkit_class(self, cls: Class, call: Call | None) -> Tool:
        code = [m for name, m in cls.methods.items() if not name.startswith("_")]
        return Tool(cls.name, cls.name, "toolkit", call.site if call is not None else cls.site, origin=cls.dotted,
                    code=code, call=call, defined_in=cls.module.path)  # fmt: skip

    def _wrapped_agent(self, call: Call, last: str, owner: str) -> Agent | None:
        if last not in _AGENT_WRAPPERS and owner not in _AGENT_WRAPPERS:
            return None
        if last == "as_tool" and isinstance(call.node.func, ast.Attribute):
            return self.model.agent_of(self.resolver.resolve(call.node.func.value, call.scope))
        for inner in self._inner(call, ("agent", "component", "team", "workflow")):
            agent = self.model.agent_of(inner)
            if agent is not None:
                return agent
        return None

    def _inner(self, call: Call, names: tuple[str, ...]) -> Iterator[Value]:
        for position, name in enumerate(names):
            given = call.arg(name, 0 if position == 0 else None)
            if given is not None:
                yield self.resolver.resolve(given, call.scope)

    def _of_servers(self, value: Value, call: Call) -> Iterator[Tool]:
        made = value if value.origin is not None and value.receiver is None else value.receiver or value
        at = made.call or call
        servers = tools_mcp.servers_of_call(self.project, self.model, at)
        if servers:
            yield from tools_mcp.tools_of_servers(servers)
            return
        owner = class_of(at_origin) if (at_origin := self.project.callee(at).origin or "") else ""
        name = owner or last_of(at_origin)
        yield Tool(name, name, "mcp", at.site, origin=at_origin or None, call=at)

    def _wrapped_function(self, value: Value, call: Call) -> Iterator[Tool]:
        """A wrapper around a function is that function, under the name given to the wrapper."""
        name = self._given_name(call)
        for argument in _FUNCTION_ARGUMENTS:
            given = call.arg(argument, None)
            if given is not None and not (isinstance(given, ast.Constant) and given.value is None):
                yield from self._renamed(self.resolver.resolve(given, call.scope), name, call)
                return
        for position in call.node.args[:2]:
            inner = self.resolver.resolve(position, call.scope)
            if inner.kind in ("function", "external", "instance", "class"):
                yield from self._renamed(inner, name, call)
                return
        third = call.arg(None, 1)
        if name is not None or third is not None:
            yield self._made(value, call, name or last_of(value.origin or ""))

    def _renamed(self, inner: Value, name: str | None, call: Call) -> Iterator[Tool]:
        """A wrapped function under the wrapper's name; a function that is not known counts only under a name."""
        agent = self.model.agent_of(inner)
        if agent is not None:
            yield self.agent_tool(agent, inner)
            return
        if inner.function is not None:
            tool = tool_of_function(self.project, inner.function)
            if inner.function.name.startswith("<lambda") and name:
                tool.identity = name
            tool.call = call
        elif inner.receiver is not None and inner.receiver.kind == "instance" and inner.receiver.cls is None:
            # GoogleSerperAPIWrapper().run: the library's class is what is called
            owner = class_of(inner.receiver.origin or "")
            tool = Tool(owner or last_of(inner.origin or ""), "", "class", call.site, origin=inner.receiver.origin,
                        call=inner.receiver.call)  # fmt: skip
        else:
            made = next(iter(self.element(inner)), None)
            known = inner.origin or ""
            identity = name or ("" if known.startswith("builtins.") else last_of(known))
            if made is None and not identity:
                return
            unknown = Confidence.PROBABLE
            tool = made or Tool(identity, "", "function", call.site, call=call, confidence=unknown)
        tool.name = spaced(name or tool.name or tool.identity.rpartition(".")[2])
        yield tool

    def _toolkit(self, receiver: Value, call: Call | None) -> Iterator[Tool]:
        """A toolkit that gives its tools; restricted when a literal selects operations."""
        agent = self.model.agent_of(receiver)
        if agent is not None:
            return
        made = receiver.call
        if receiver.cls is not None:
            yield self._of_toolkit_class(receiver.cls, receiver.call)  # its list, if it is one, was read already
            return
        origin = receiver.origin or ""
        if tools_mcp.is_mcp(origin) and made is not None:
            yield from self._of_servers(receiver, made)
            return
        at = made or call
        identity = class_of(origin) or last_of(origin)
        if identity and at is not None:
            selected = self._selected(made) or self._selected(call)
            yield Tool(identity, identity, "toolkit", at.site, origin=receiver.origin, call=at, selected=selected)

    def _selected(self, call: Call | None) -> tuple[str, ...] | None:
        if call is None:
            return None
        for name in ("selected_tools", "tool_names", "include_tools", "tools", "actions"):
            given = call.arg(name)
            if given is None:
                continue
            values = self.resolver.items(given, call.scope)
            texts = [v.text for v in values.values if v.kind == "text" and v.text is not None]
            if texts and values.complete and len(texts) == len(values.values):
                return tuple(texts)
        return None

    def _loaded(self, call: Call) -> Iterator[Tool]:
        """`load_tools(["serpapi", "llm-math"])`: one tool a name."""
        given = call.arg("tool_names", 0)
        for value in self.resolver.items(given, call.scope).values if given is not None else ():
            if value.kind == "text" and value.text:
                yield Tool(
                    value.text, value.text, "class", call.site, origin=self.project.callee(call).origin, call=call
                )

    def _handoff(self, value: Value, call: Call) -> Tool:
        """LangGraph's tool that hands over to another agent, under the name it is registered with."""
        given = call.arg("agent_name", 0)
        target = self.resolver.text(given, call.scope) if given is not None else None
        name = self._given_name(call) or f"transfer_to_{'_'.join((target or 'agent').lower().split())}"
        return Tool(name, name, "agent", call.site, origin=value.origin, call=call)

    def _made(self, value: Value, call: Call, identity: str) -> Tool:
        """An instance of a library's tool class or toolkit."""
        last = identity.rpartition(".")[2]
        kind: str = "toolkit" if last.endswith(("Toolkit", "ToolSpec", "Toolset", "Tools")) else "class"
        origin = value.origin or ""
        name = self._given_name(call) or last
        selected = self._selected(call) if kind == "toolkit" else None
        if last in _HOSTED and origin.startswith(_HOSTED_MODULES):
            return Tool(identity, name, "hosted", call.site, origin=origin, call=call)
        if kind == "toolkit":
            return Tool(identity, name, "toolkit", call.site, origin=origin, call=call, selected=selected)
        return Tool(identity, spaced(name), "class", call.site, origin=origin, call=call, selected=selected)

    def _given_name(self, call: Call) -> str | None:
        for keyword in ("name", "name_override", "tool_name"):
            given = call.arg(keyword)
            if given is not None:
                return self.resolver.text(given, call.scope)
        metadata = call.arg("metadata")
        if isinstance(metadata, ast.Call):
            return self._given_name(self.resolver.call_of(metadata, call.scope))
        first = call.arg(None, 0)
        last = last_of(self.project.callee(call).origin or "")
        if first is not None and last in ("Tool", "tool", "StructuredTool"):
            return self.resolver.text(first, call.scope)
        second = call.arg(None, 1)
        if second is not None and last == "create_retriever_tool":
            return self.resolver.text(second, call.scope)
        return None

    def _of_schema(self, value: Value) -> Iterator[Tool]:
        """A literal description: a function's schema by its name, a hosted tool by its type."""
        if value.node is None or value.scope is None:
            return
        fields = self.resolver.mapping(value.node, value.scope)
        site = Site(value.scope.module.path, value.node.lineno, value.node.col_offset)
        kind = self.resolver.text(*fields["type"]) if "type" in fields else None
        inner = self.resolver.mapping(*fields["function"]) if "function" in fields else fields
        name = self.resolver.text(*inner["name"]) if "name" in inner else None
        if kind == "mcp":
            found = tools_mcp.servers_of(self.project, self.model, value.node, value.scope)
            yield from tools_mcp.tools_of_servers(found)
        elif name is not None:
            yield Tool(name, spaced(name), "schema", site)
        elif kind is not None and kind != "function":
            yield Tool(kind, kind, "hosted", site)
