"""LangGraph builders (A4): the nodes, edges and compilations of every graph, as the code states them.

Nothing is classified here; names of nodes are those given to `add_node`, START and END are no nodes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.langgraph_names import NO_ENV, Env, Expression, NodeNames
from stratum_lab.scan.model import Site, Tool
from stratum_lab.scan.source.index import Call, Function, chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

BUILDERS: Final = ("langgraph.**.StateGraph", "langgraph.**.MessageGraph", "langgraph.**.Graph")
_METHODS: Final = ("add_node", "add_edge", "add_conditional_edges", "add_sequence", "set_entry_point", "compile",
                   "set_finish_point", "set_conditional_entry_point")  # fmt: skip
_MAX_CALLERS: Final = 50


@dataclass(eq=False, slots=True)
class Node:
    """One node; `action` is its callable, None when it is not given."""

    name: str
    site: Site
    action: Expression | None
    destinations: list[str] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Graph:
    """One builder.

    Attributes:
        call: The call that makes the builder.
        nodes: By name, in order of addition.
        edges: Distinct (source, target) names; only between nodes.
        compiled: Its `compile` calls.
    """

    call: Call
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], None] = field(default_factory=dict)
    compiled: list[Call] = field(default_factory=list)

    @property
    def site(self) -> Site:
        """Where the builder is made."""
        return self.call.site

    def successors(self, name: str) -> list[str]:
        """Names of the nodes that a node leads to."""
        return [target for source, target in self.edges if source == name]


class GraphReader:
    """Reads every builder of a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.resolver = project.resolver
        self.naming = NodeNames(project)
        self.graphs: dict[Site, Graph] = {}
        for call in self._makers():
            self.graphs[call.site] = Graph(call)
        calls = [(call, value, name) for name in _METHODS for call, value in project.calls_to(f"langgraph.**.{name}")]
        ordered = sorted(
            calls, key=lambda c: (c[0].site.file, c[0].node.end_lineno or 0, c[0].node.end_col_offset or 0)
        )
        for wanted in (("add_node", "add_sequence"), _METHODS):
            for call, value, name in ordered:
                graph = self.of(value) if name in wanted else None
                if graph is not None and (name not in ("add_node",) or wanted != _METHODS):
                    self._read(graph, call, name, nodes_only=wanted != _METHODS)
        for graph in self.graphs.values():
            for node in graph.nodes.values():
                self._routes(graph, node)

    def of(self, value: Value | None) -> Graph | None:
        """The graph that a value is: its builder, or a compilation of it."""
        while value is not None:
            for call in value.calls:
                if call.site in self.graphs:
                    return self.graphs[call.site]
            value = value.receiver
        return None

    def functions_of(self, expr: ast.expr, scope: Scope) -> list[Function]:
        """The repo functions behind a callable: a function, a partial of one, a wrapper around one, an instance."""
        value = self.resolver.resolve(expr, scope)
        if value.function is not None:
            return [value.function]
        if value.kind == "instance" and value.cls is not None:
            found = (self.resolver.find_method(value.cls, name) for name in ("__call__", "invoke", "ainvoke"))
            return [f for f in found if f is not None][:1]
        if value.call is not None and value.origin is not None:
            last = value.origin.rpartition(".")[2]
            if last in ("partial", "RunnableLambda", "RunnableCallable", "wraps", "RunnableGenerator"):
                given = [*value.call.node.args[:1], *(a for n in ("func", "afunc") if (a := value.call.arg(n)))]
                return [f for a in given for f in self.functions_of(a, value.call.scope)]
        made = [(returned, maker.scope) for maker in self.makers_of(expr, scope) for returned in maker.returns]
        if made:
            return [function for returned in made for function in self.functions_of(*returned)]
        return self._passed_in(expr, scope) if isinstance(expr, ast.Subscript) else []

    def makers_of(self, expr: ast.expr, scope: Scope) -> list[Function]:
        """Repo functions of a dictionary of which one is called under a name that is not known: `makers[kind](...)`."""
        if not (isinstance(expr, ast.Call) and isinstance(expr.func, ast.Subscript)):
            return []
        found = [self.resolver.resolve(*maker).function for _, maker in self.naming.pairs(expr.func.value, scope)]
        return [maker for maker in found if maker is not None]

    def _passed_in(self, expr: ast.Subscript, scope: Scope) -> list[Function]:
        """`nodes[name]` of two parameters: what each caller has in its dictionary under the name it passes."""
        function = scope.code
        if not isinstance(function, Function) or not isinstance(expr.value, ast.Name):
            return []
        callers = self.resolver.callers(function) if expr.value.id in function.parameters else ()
        found: list[Function] = []
        for call in callers if len(callers) <= _MAX_CALLERS else ():
            table = self.resolver.argument(call, function, expr.value.id)
            named = self.resolver.argument(call, function, expr.slice.id) if isinstance(expr.slice, ast.Name) else None
            key = self.naming.name(named, call.scope) if named is not None else self.naming.name(expr.slice, scope)
            for (key_node, key_scope), value in self.naming.pairs(table, call.scope) if table is not None else ():
                if key is not None and self.naming.name(key_node, key_scope) == key:
                    found += self.functions_of(*value)
        return list(dict.fromkeys(found))

    def _makers(self) -> Iterator[Call]:
        for call, _ in self.project.calls_to(*BUILDERS):
            yield call
        own = set(self.project.subclasses(*BUILDERS))
        for module in self.project.modules if own else ():
            for call in module.calls if not module.excluded else ():
                if self.project.callee(call).kind == "class" and self.project.callee(call).cls in own:
                    yield call

    def _read(self, graph: Graph, call: Call, name: str, *, nodes_only: bool) -> None:
        if name == "add_node":
            for node in self._nodes(call):
                graph.nodes.setdefault(node.name, node)
        elif name == "add_sequence":
            names = self._sequence(graph, call)
            for before, after in pairwise(names):
                self.edge(graph, before, after)
        elif name == "compile" and not nodes_only:
            graph.compiled.append(call)
        elif name == "add_edge" and not nodes_only:
            start, end = call.arg("start_key", 0), call.arg("end_key", 1)
            for env in self.naming.rounds(call, start, end):
                targets = self.naming.names(end, call.scope, env)
                for source in self.naming.names(start, call.scope, env):
                    for target in targets:
                        self.edge(graph, source, target)
        elif name == "add_conditional_edges" and not nodes_only:
            self._conditional(graph, call)

    def _conditional(self, graph: Graph, call: Call) -> None:
        start, path, path_map = call.arg("source", 0), call.arg("path", 1), call.arg("path_map", 2)
        for env in self.naming.rounds(call, start, path_map):
            targets = self._targets(path, path_map, call.scope, env)
            targets += self.naming.names(call.arg("then", 3), call.scope, env)
            for source in self.naming.names(start, call.scope, env):
                for target in targets:
                    self.edge(graph, source, target)

    def edge(self, graph: Graph, source: str, target: str) -> None:
        """Add an edge between two nodes; START, END and names of no node are left out."""
        if source in graph.nodes and target in graph.nodes:
            graph.edges[(source, target)] = None

    def _nodes(self, call: Call) -> Iterator[Node]:
        first, second = call.arg("node", 0), call.arg("action", 1)
        if first is None:
            return
        destinations = self._destinations(call)
        for env in self.naming.rounds(call, first, second):
            given = second if second is not None else first
            action = self.naming.actual(given, call.scope, env)
            site = _place(call) if action[0] is given else _site(*action)
            name = self.naming.name(first, call.scope, env) if second is not None else None
            own = name or self._own_name(*action)
            if own is None and second is not None:
                own = self.naming.placeholder(first, call.scope)
            yield Node(own or f"{site.file}:{site.line}", site, action, destinations)

    def _sequence(self, graph: Graph, call: Call) -> list[str]:
        given = call.arg("nodes", 0)
        names: list[str] = []
        for row in self.naming.rows(given, call.scope) if given is not None else ():
            action = row.get((1,)) or row.get(())
            if action is None:
                continue
            name = self.naming.name(*row[(0,)]) if (0,) in row else None
            name = name or self._own_name(*action) or f"{action[1].module.path}:{action[0].lineno}"
            graph.nodes.setdefault(name, Node(name, _site(*action), action))
            names.append(name)
        return names

    def _own_name(self, expr: ast.expr, scope: Scope) -> str | None:
        """The name a callable brings along: a function's, an object's `name=`, its class's or variable's."""
        value = self.resolver.resolve(expr, scope)
        if value.function is not None:
            return value.function.name
        if value.call is not None:
            given = value.call.arg("name")
            text = self.resolver.text(given, value.call.scope) if given is not None else None
            if text is not None:
                return text
            if value.origin is not None and value.origin.endswith(".ToolNode"):
                return "tools"
        if value.kind in ("external", "class") and value.origin is not None:
            return value.origin.rpartition(".")[2]
        if value.cls is not None:
            return value.cls.name
        return chain(expr).rpartition(".")[2] or None

    def _targets(self, path: ast.expr | None, path_map: ast.expr | None, scope: Scope, env: Env) -> list[str]:
        if path_map is not None:
            mapped = self.naming.mapped(path_map, scope, env)
            listed = mapped if mapped is not None else self.naming.names(path_map, scope, env)
            if listed:
                return listed
        if path is None:
            return []
        if (self.resolver.origin(path, scope) or "").endswith(".tools_condition"):
            return ["tools"]
        return [name for function in self.functions_of(path, scope) for name in self._router_targets(function)]

    def _router_targets(self, function: Function) -> list[str]:
        """Where a router may lead: its `Literal` annotation, else the names it returns, and what it sends to."""
        annotated = self.naming.annotated(function)
        found = annotated or [n for expr in function.returns for n in self.naming.names(expr, function.scope)]
        for call in function.calls:
            if self.naming.is_langgraph(call.node, call.scope, "Send"):
                found += self.naming.names(call.arg("node", 0), call.scope)
        return list(dict.fromkeys(found))

    def _destinations(self, call: Call) -> list[str]:
        given = call.arg("destinations")
        if given is None:
            return []
        mapped = self.resolver.mapping(given, call.scope)
        return list(mapped) or self.naming.names(given, call.scope)

    def _routes(self, graph: Graph, node: Node) -> None:
        """Edges that a node's own code makes: `Command(goto=...)`, annotated or declared destinations, `Send`."""
        found = list(node.destinations)
        for function in self.functions_of(*node.action) if node.action is not None else ():
            found += self.gotos(function)
        for target in found:
            self.edge(graph, node.name, target)

    def gotos(self, function: Function, env: Env = NO_ENV) -> list[str]:
        """Names that a function's body goes to by `Command` or `Send`, its nested functions included."""
        found: list[str] = []
        bodies = [f for f in function.module.functions if f is function or _inside(f, function)]
        commands = False
        for body in bodies:
            for call in body.calls:
                if self.naming.is_langgraph(call.node, call.scope, "Command"):
                    commands = True
                    found += self.naming.names(call.arg("goto"), call.scope, env)
                elif self.naming.is_langgraph(call.node, call.scope, "Send"):
                    found += self.naming.names(call.arg("node", 0), call.scope, env)
        node = function.node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            names_command = any(chain(p).rpartition(".")[2] == "Command" for p in ast.walk(node.returns)
                                if isinstance(p, ast.Name | ast.Attribute))  # fmt: skip
            if names_command or commands:
                found += self.naming.annotated(function)
        return list(dict.fromkeys(found))

    def handed_over(self, tool: Tool) -> list[str]:
        """Names of the nodes that a tool hands over to: its `agent_name`, or where its own code goes."""
        if tool.call is not None and (tool.origin or "").endswith(".create_handoff_tool") and not tool.code:
            return self.naming.names(tool.call.arg("agent_name", 0), tool.call.scope)
        env: Env = {}
        maker = self.project.callee(tool.call).function if tool.call is not None else None
        for parameter in maker.parameters if maker is not None and tool.call is not None else ():
            given = self.resolver.argument(tool.call, maker, parameter) if tool.call and maker else None
            if given is not None and tool.call is not None:
                env[parameter] = (given, tool.call.scope)
        return [name for function in tool.code for name in self.gotos(function, env)]


def _inside(function: Function, outer: Function) -> bool:
    scope = function.scope.parent
    while scope is not None:
        if scope is outer.scope:
            return True
        scope = scope.parent
    return False


def _place(call: Call) -> Site:
    """Where a call stands; in a chain of calls, which all begin at one place, where its method is named."""
    func = call.node.func
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Call):
        line, column = func.end_lineno or func.lineno, func.end_col_offset or 0
        return Site(call.module.path, line, column - len(func.attr))
    return call.site


def _site(expr: ast.expr, scope: Scope) -> Site:
    return Site(scope.module.path, expr.lineno, expr.col_offset)
