"""LangGraph builders (A4): the nodes, edges and compilations of every graph, as the code states them.

Nothing is classified here; names of nodes are those given to `add_node`, START and END are no nodes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.model import Site
from stratum_lab.scan.source.index import Binding, Call, Function, chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

BUILDERS: Final = ("langgraph.**.StateGraph", "langgraph.**.MessageGraph", "langgraph.**.Graph")
_METHODS: Final = ("add_node", "add_edge", "add_conditional_edges", "add_sequence", "set_entry_point", "compile",
                   "set_finish_point", "set_conditional_entry_point")  # fmt: skip
Expression = tuple[ast.expr, "Scope"]


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
        return []

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
                self._edge(graph, before, after)
        elif name == "compile" and not nodes_only:
            graph.compiled.append(call)
        elif name == "add_edge" and not nodes_only:
            for source, target in self._pairs(call, call.arg("start_key", 0), call.arg("end_key", 1)):
                self._edge(graph, source, target)
        elif name == "add_conditional_edges" and not nodes_only:
            targets = self._targets(graph, call.arg("path", 1), call.arg("path_map", 2), call.scope)
            targets += self.names(call.arg("then", 3), call.scope)
            for source in self.names(call.arg("source", 0), call.scope):
                for target in targets:
                    self._edge(graph, source, target)

    def _pairs(self, call: Call, start: ast.expr | None, end: ast.expr | None) -> Iterator[tuple[str, str]]:
        """Ends of the edges a call adds; in a loop over literal pairs, each pair."""
        first, second = (self._loop_of(e, call.scope) for e in (start, end))
        if first is not None and second is not None and first.value is second.value and first.value is not None:
            for key, value, scope in self._rows(first.value, call.scope):
                if key is not None and (first.at, second.at) == ((0,), (1,)):
                    for source in self.names(key, scope):
                        yield from ((source, target) for target in self.names(value, scope))
            return
        for source in self.names(start, call.scope):
            yield from ((source, target) for target in self.names(end, call.scope))

    def _loop_of(self, expr: ast.expr | None, scope: Scope) -> Binding | None:
        """The loop that gives a name its value."""
        if not isinstance(expr, ast.Name):
            return None
        bound = scope.bindings.get(expr.id, [])
        return bound[-1] if bound and bound[-1].kind == "for" else None

    def _edge(self, graph: Graph, source: str, target: str) -> None:
        if source in graph.nodes and target in graph.nodes:
            graph.edges[(source, target)] = None

    def _nodes(self, call: Call) -> Iterator[Node]:
        first, second = call.arg("node", 0), call.arg("action", 1)
        if first is None:
            return
        looped = list(self._looped(call, first, second))
        if looped:
            yield from looped
            return
        destinations = self._destinations(call)
        site = _place(call)
        if second is None:
            yield Node(self._own_name(first, call.scope), site, (first, call.scope), destinations)
            return
        name = self.name(first, call.scope) or self._own_name(second, call.scope)
        yield Node(name, site, (second, call.scope), destinations)

    def _looped(self, call: Call, first: ast.expr, second: ast.expr | None) -> Iterator[Node]:
        """Nodes added in a loop over a literal: `for name, fn in [...]`, `in {...}.items()`, `for fn in [...]`."""
        given = second if second is not None else first
        loop = self._loop_of(given, call.scope)
        if loop is None or loop.value is None:
            return
        for key, value, scope in self._rows(loop.value, call.scope):
            picked = value if loop.at != (0,) or key is None else key
            name = None
            if second is not None and isinstance(first, ast.Name) and key is not None:
                name = self.name(key, scope)
            yield Node(
                name or self._own_name(picked, scope),
                Site(scope.module.path, picked.lineno, picked.col_offset),
                (picked, scope),
            )

    def _rows(self, over: ast.expr, scope: Scope) -> Iterator[tuple[ast.expr | None, ast.expr, Scope]]:
        if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute) and over.func.attr == "items":
            value = self.resolver.resolve(over.func.value, scope)
            if isinstance(value.node, ast.Dict) and value.scope is not None:
                for key, item in zip(value.node.keys, value.node.values, strict=True):
                    yield key, item, value.scope
            return
        value = self.resolver.resolve(over, scope)
        node, where = (value.node, value.scope) if value.node is not None and value.scope is not None else (over, scope)
        for element in node.elts if isinstance(node, ast.List | ast.Tuple) else ():
            if isinstance(element, ast.Tuple) and len(element.elts) == 2:
                yield element.elts[0], element.elts[1], where
            else:
                yield None, element, where

    def _sequence(self, graph: Graph, call: Call) -> list[str]:
        given = call.arg("nodes", 0)
        names: list[str] = []
        for key, value, scope in self._rows(given, call.scope) if given is not None else ():
            name = (self.name(key, scope) if key is not None else None) or self._own_name(value, scope)
            site = Site(scope.module.path, value.lineno, value.col_offset)
            graph.nodes.setdefault(name, Node(name, site, (value, scope)))
            names.append(name)
        return names

    def _own_name(self, expr: ast.expr, scope: Scope) -> str:
        """The name a callable brings along: a function's, an object's `name=`, else where it stands."""
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
        return chain(expr).rpartition(".")[2] or f"{scope.module.path}:{expr.lineno}"

    def name(self, expr: ast.expr, scope: Scope) -> str | None:
        """A node name: a text, a constant, the value of an enum member, `function.__name__`."""
        text = self.resolver.text(expr, scope)
        if text is not None:
            return " ".join(text.split())
        if isinstance(expr, ast.Attribute):
            if expr.attr == "value":
                return self.name(expr.value, scope)
            if expr.attr == "__name__":
                function = self.resolver.resolve(expr.value, scope).function
                return function.name if function is not None else None
        return None

    def names(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> list[str]:
        """The node names an expression may be: a text, a list, either side of a conditional, `Send("name", ...)`."""
        if expr is None or depth > 8:
            return []
        if isinstance(expr, ast.IfExp):
            return [*self.names(expr.body, scope, depth + 1), *self.names(expr.orelse, scope, depth + 1)]
        if isinstance(expr, ast.List | ast.Tuple | ast.Set):
            return [name for item in expr.elts for name in self.names(item, scope, depth + 1)]
        if isinstance(expr, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return self.names(expr.elt, scope, depth + 1)
        if isinstance(expr, ast.BinOp):
            return [*self.names(expr.left, scope, depth + 1), *self.names(expr.right, scope, depth + 1)]
        if isinstance(expr, ast.Call) and self._is(expr, scope, "Send"):
            return self.names(self.resolver.call_of(expr, scope).arg("node", 0), scope, depth + 1)
        looped = self._loop_of(expr, scope)
        if looped is not None and looped.value is not None:
            over = looped.value
            if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute) and over.func.attr == "keys":
                over = over.func.value
            mapped = list(self.resolver.mapping(over, scope)) if not looped.at else []
            return mapped or (self.names(over, scope, depth + 1) if not looped.at else [])
        if isinstance(expr, ast.Name):
            bound = [b for b in scope.bindings.get(expr.id, ()) if b.value is not None]
            if scope.kind == "function" and bound and all(b.kind in ("assign", "add") for b in bound):
                found = [n for b in bound if b.value is not None for n in self.names(b.value, scope, depth + 1)]
                return list(dict.fromkeys(found))
        name = self.name(expr, scope)
        if name is not None:
            return [name]
        value = self.resolver.resolve(expr, scope)
        if value.origin is not None and value.origin.rpartition(".")[2] in ("END", "START"):
            return ["__end__" if value.origin.endswith("END") else "__start__"]
        if value.kind == "list" and value.node is not None and value.node is not expr and value.scope is not None:
            return self.names(value.node, value.scope, depth + 1)
        return []

    def _targets(self, graph: Graph, path: ast.expr | None, path_map: ast.expr | None, scope: Scope) -> list[str]:
        if path_map is not None:
            value = self.resolver.resolve(path_map, scope)
            if value.kind == "dict" and isinstance(value.node, ast.Dict) and value.scope is not None:
                return [n for item in value.node.values for n in self.names(item, value.scope)]
            if value.kind == "dict" and isinstance(value.node, ast.DictComp) and value.scope is not None:
                return self._compiled_map(graph, value.node, value.scope)
            listed = self.names(path_map, scope)
            if listed:
                return listed
        if path is None:
            return []
        if (self.resolver.origin(path, scope) or "").endswith(".tools_condition"):
            return ["tools"]
        return [name for function in self.functions_of(path, scope) for name in self._router_targets(function)]

    def _compiled_map(self, graph: Graph, node: ast.DictComp, scope: Scope) -> list[str]:
        """`{name: name for name in members}`."""
        found = [n for generator in node.generators for n in self.names(generator.iter, scope)]
        return [name for name in found if name in graph.nodes]

    def _router_targets(self, function: Function) -> list[str]:
        """Where a router may lead: its `Literal` annotation, else the names it returns, and what it sends to."""
        annotated = self.annotated_names(function)
        found = annotated or [n for expr in function.returns for n in self.names(expr, function.scope)]
        for call in function.calls:
            if self._is(call.node, call.scope, "Send"):
                found += self.names(call.arg("node", 0), call.scope)
        return list(dict.fromkeys(found))

    def annotated_names(self, function: Function) -> list[str]:
        """Texts in the `Literal[...]` parts of a return annotation; a name of such a type is followed."""
        node = function.node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.returns is None:
            return []
        outer = function.scope.parent or function.scope
        return self._literals(node.returns, outer, 0)

    def _literals(self, annotation: ast.expr, scope: Scope, depth: int) -> list[str]:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str) and depth < 3:
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return []
        found: list[str] = []
        for part in ast.walk(annotation):
            if isinstance(part, ast.Subscript) and chain(part.value).rpartition(".")[2] == "Literal":
                found += self.names(part.slice, scope)
            elif isinstance(part, ast.Name) and depth < 3:
                where: Scope | None = scope
                while where is not None and part.id not in where.bindings:
                    where = where.parent
                for binding in where.bindings[part.id] if where is not None else ():
                    if isinstance(binding.value, ast.Subscript) and where is not None:
                        found += self._literals(binding.value, where, depth + 1)
        return list(dict.fromkeys(found))

    def _destinations(self, call: Call) -> list[str]:
        given = call.arg("destinations")
        if given is None:
            return []
        mapped = self.resolver.mapping(given, call.scope)
        return list(mapped) or self.names(given, call.scope)

    def _routes(self, graph: Graph, node: Node) -> None:
        """Edges that a node's own code makes: `Command(goto=...)`, annotated or declared destinations, `Send`."""
        found = list(node.destinations)
        for function in self.functions_of(*node.action) if node.action is not None else ():
            found += self.gotos(function)
        for target in found:
            self._edge(graph, node.name, target)

    def gotos(self, function: Function) -> list[str]:
        """Names that a function's body goes to by `Command` or `Send`, its nested functions included."""
        found: list[str] = []
        bodies = [f for f in function.module.functions if f is function or _inside(f, function)]
        commands = False
        for body in bodies:
            for call in body.calls:
                if self._is(call.node, call.scope, "Command"):
                    commands = True
                    found += self.names(call.arg("goto"), call.scope)
                elif self._is(call.node, call.scope, "Send"):
                    found += self.names(call.arg("node", 0), call.scope)
        node = function.node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            names_command = any(chain(p).rpartition(".")[2] == "Command" for p in ast.walk(node.returns)
                                if isinstance(p, ast.Name | ast.Attribute))  # fmt: skip
            if names_command or commands:
                found += self.annotated_names(function)
        return list(dict.fromkeys(found))

    def _is(self, node: ast.expr, scope: Scope, name: str) -> bool:
        if not isinstance(node, ast.Call) or chain(node.func).rpartition(".")[2] != name:
            return False
        origin = self.resolver.origin(node.func, scope) or ""
        return origin.startswith("langgraph.") and origin.endswith(f".{name}")


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
