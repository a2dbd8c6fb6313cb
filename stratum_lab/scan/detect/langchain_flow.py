"""Agents that hand over in code (A5): one's result is in the input of the next, or they stand in one pipe."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.teams import agent_of, run_by
from stratum_lab.scan.model import Agent, Crew, Link, Model
from stratum_lab.scan.source.index import Function

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Binding, Call, Module, Scope
    from stratum_lab.scan.source.project import Project

_SEQUENCES: Final = ("SimpleSequentialChain", "SequentialChain", "RunnableSequence")
_MAX_DEPTH: Final = 24


def links(project: Project, model: Model, own: Iterable[Agent]) -> list[Link]:
    """feeds_into between agents of the framework, by data that flows in code and by pipes."""
    known = set(own)
    if len(known) < 2:
        return []
    flow = _Flow(project, model)
    out: list[Link] = []
    for module in project.modules:
        if module.excluded or module.light:
            continue
        for call in module.calls:
            target = run_by(project, model, call)
            if target is not None and target in known:
                out += [Link(a, target, "feeds_into") for a in flow.inputs(call) if a in known and a is not target]
        for parts in _pipes(project, module):
            agents = [a for expr, scope in parts if (a := agent_of(model, project.resolver.resolve(expr, scope)))]
            out += [Link(a, b, "feeds_into") for a, b in pairwise(a for a in agents if a in known) if a is not b]
    return out


def describe(project: Project, model: Model, crews: Iterable[Crew]) -> None:
    """A crew whose agents hand over in one function is called after it; its process is that of its links."""
    for crew in crews:
        inside = [link for link in model.links if link.crew is crew]
        if not any(link.edge_type == "feeds_into" for link in inside):
            continue
        crew.process = "sequential" if crew.ordered else "graph"
        functions = _running(project, model, set(crew.members))
        around = next((f for f, run in functions.items() if run == set(crew.members)), None)
        if around is not None:
            crew.name, crew.site = around.qualname, around.site


def _running(project: Project, model: Model, members: set[Agent]) -> dict[Function, set[Agent]]:
    """Functions with the members that their own calls run."""
    found: dict[Function, set[Agent]] = {}
    for module in project.modules:
        for call in () if module.excluded or module.light else module.calls:
            agent = run_by(project, model, call) if call.function is not None else None
            if agent in members and agent is not None and call.function is not None:
                found.setdefault(call.function, set()).add(agent)
    return found


def _pipes(project: Project, module: Module) -> Iterator[list[tuple[ast.expr, Scope]]]:
    """Parts of every `a | b | c`, and of every list given to a sequential chain."""
    for call in module.calls:
        if (project.callee(call).origin or "").rpartition(".")[2] in _SEQUENCES:
            given = call.arg("chains", 0)
            values = project.resolver.items(given, call.scope).values if given is not None else []
            yield [(v.node, v.scope) for v in values if v.node is not None and v.scope is not None]
    for expr, scope in _written(module):
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr):
            yield [(part, scope) for part in _flat(expr)]


def _written(module: Module) -> Iterator[tuple[ast.expr, Scope]]:
    """Whole expressions that are assigned, returned, called on or passed."""
    for scope in (module.scope, *(c.scope for c in module.classes), *(f.scope for f in module.functions)):
        for bindings in scope.bindings.values():
            yield from ((b.value, scope) for b in bindings if b.value is not None and b.kind in ("assign", "with"))
        for attributes in scope.attributes.values():
            yield from ((b.value, where) for b, where in attributes if b.value is not None)
    for function in module.functions:
        yield from ((expr, function.scope) for expr in function.returns)
    for call in module.calls:
        if isinstance(call.node.func, ast.Attribute):
            yield call.node.func.value, call.scope
        yield from ((given, call.scope) for given in call.node.args)


def _flat(expr: ast.expr) -> list[ast.expr]:
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr):
        return [*_flat(expr.left), *_flat(expr.right)]
    return [expr]


class _Flow:
    """Which agents wrote what an expression holds."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.model = model
        self._active: set[int] = set()

    def inputs(self, call: Call) -> dict[Agent, None]:
        """Agents whose results are in the arguments of a call."""
        found: dict[Agent, None] = {}
        for given in (*call.node.args, *(k.value for k in call.node.keywords)):
            found.update(self.sources(given, call.scope))
        return found

    def sources(self, expr: ast.expr, scope: Scope) -> dict[Agent, None]:
        if id(expr) in self._active or len(self._active) > _MAX_DEPTH:
            return {}
        self._active.add(id(expr))
        try:
            return self._sources(expr, scope)
        finally:
            self._active.discard(id(expr))

    def _sources(self, expr: ast.expr, scope: Scope) -> dict[Agent, None]:
        found: dict[Agent, None] = {}
        if isinstance(expr, ast.Lambda | ast.Constant):
            return found
        if isinstance(expr, ast.Name):
            return self._name(expr, scope)
        if isinstance(expr, ast.Call):
            return self._call(expr, scope)
        if isinstance(expr, ast.Attribute):
            owner = self.project.resolver.resolve(expr.value, scope).cls
            for binding, where in owner.scope.attributes.get(expr.attr, ()) if owner is not None else ():
                if binding.value is not None:
                    found.update(self.sources(binding.value, where))
            found.update(self.sources(expr.value, scope))
            return found
        for part in ast.iter_child_nodes(expr):
            if isinstance(part, ast.expr):
                found.update(self.sources(part, scope))
            elif isinstance(part, ast.comprehension):
                found.update(self.sources(part.iter, scope))
        return found

    def _call(self, expr: ast.Call, scope: Scope) -> dict[Agent, None]:
        call = self.project.resolver.call_of(expr, scope)
        agent = run_by(self.project, self.model, call)
        if agent is not None:
            return {agent: None}
        found: dict[Agent, None] = {}
        function = self.project.callee(call).function
        if function is not None:
            for returned in function.returns:
                found.update(self.sources(returned, function.scope))
            return found
        if isinstance(expr.func, ast.Attribute):
            found.update(self.sources(expr.func.value, scope))
        found.update(self.inputs(call))
        return found

    def _name(self, expr: ast.Name, scope: Scope) -> dict[Agent, None]:
        where: Scope | None = scope
        while where is not None and expr.id not in where.bindings:
            where = where.parent
        if where is None:
            return {}
        kept = [b for b in where.bindings[expr.id] if not _holds(b, expr)]
        if where is scope:
            kept = [b for b in kept if b.line <= expr.lineno]
        plain = [b for b in kept if b.kind != "add"]
        since = plain[-1].line if plain and where is scope else 0
        found: dict[Agent, None] = {}
        for binding in [*plain[-1:], *(b for b in kept if b.kind == "add" and b.line >= since)]:
            if binding.kind == "param" and isinstance(where.code, Function):
                found.update(self._passed(where.code, expr.id))
            elif binding.value is not None:
                found.update(self.sources(binding.value, where))
        return found

    def _passed(self, function: Function, name: str) -> dict[Agent, None]:
        """What the calls of a function pass for a parameter."""
        found: dict[Agent, None] = {}
        for call in self.project.resolver.callers(function):
            given = self.project.resolver.argument(call, function, name)
            if given is not None and not call.module.excluded:
                found.update(self.sources(given, call.scope))
        return found


def _holds(binding: Binding, name: ast.Name) -> bool:
    """Whether a name stands inside the very value that the binding assigns (`x = a.invoke(x)`)."""
    value = binding.value
    if value is None or value.end_lineno is None or value.end_col_offset is None:
        return False
    start, end = (value.lineno, value.col_offset), (value.end_lineno, value.end_col_offset)
    return start <= (name.lineno, name.col_offset) < end
