"""CrewAI flows: which crew a listener's chain leads to which, and persistence (A3). A flow is no crew."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.crewai_crews import CrewBook
from stratum_lab.scan.model import Agent, Crew, Link, Model

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Class, Function, Scope
    from stratum_lab.scan.source.project import Project

FLOWS: Final = ("crewai.**.Flow",)
_MARKS: Final = frozenset({"start", "listen", "router"})


@dataclass(slots=True)
class _Method:
    """A flow method: what it waits for (method names or labels), the labels it may give, the crews it runs."""

    function: Function
    waits: list[str] = field(default_factory=list)
    gives: list[str] = field(default_factory=list)
    crews: list[Crew] = field(default_factory=list)


def link_flows(project: Project, model: Model, crews: CrewBook) -> None:
    """Join the crews that the methods of each flow run one after the other; mark what a flow persists."""
    runs = _Runs(project, crews)
    for cls in project.subclasses(*FLOWS):
        methods = _methods(project, cls, runs)
        if not methods:
            continue
        _persist(project, model, cls, methods)
        for method in methods.values():
            for before in method.crews:
                for after in dict.fromkeys(_next_crews(methods, method)):
                    if after is not before:
                        _join(model, crews.ends(before)[1], crews.ends(after)[0])


def _join(model: Model, source: Agent, target: Agent) -> None:
    known = any(k.flow and k.source is source and k.target is target for k in model.links)
    if source is not target and not known:
        model.links.append(Link(source, target, "feeds_into", None, flow=True))


class _Runs:
    """Which crews a function runs, itself or through what it calls."""

    def __init__(self, project: Project, crews: CrewBook) -> None:
        self.project = project
        self._direct: dict[Function, list[Crew]] = {}
        for call, value in crews.kickoffs():
            crew = crews.of_value(value.receiver) if value.receiver is not None else None
            if crew is not None and call.function is not None:
                self._direct.setdefault(call.function, []).append(crew)

    def of(self, function: Function) -> list[Crew]:
        """Crews in order of place; its own before those of the functions it calls."""
        found = list(self._direct.get(function, ()))
        if not found:
            reached = self.project.resolver.reachable(function)
            found = [c for f in sorted(reached, key=lambda f: f.site) for c in self._direct.get(f, ())]
        return list(dict.fromkeys(found))


def _methods(project: Project, cls: Class, runs: _Runs) -> dict[str, _Method]:
    found: dict[str, _Method] = {}
    for owner in reversed(project.resolver.lineage(cls)):
        if isinstance(owner, str):
            continue
        for function in owner.methods.values():
            marks = list(_flow_decorators(project, function, owner.scope))
            if marks:
                method = found[function.name] = _Method(function, crews=runs.of(function))
                for mark, arguments in marks:
                    method.waits += [name for a in arguments for name in _names(project, a, owner.scope)]
                    if mark == "router":
                        method.gives += _labels(project, function)
    return found


def _flow_decorators(project: Project, function: Function, scope: Scope) -> Iterator[tuple[str, list[ast.expr]]]:
    for decorator in function.decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        origin = project.resolver.origin(target, scope) or ""
        mark = origin.rpartition(".")[2]
        if origin.startswith("crewai.") and mark in _MARKS:
            yield mark, list(decorator.args) if isinstance(decorator, ast.Call) else []


def _names(project: Project, expr: ast.expr, scope: Scope) -> Iterator[str]:
    """Methods and labels of a condition: a name, a text, `or_(...)`, `and_(...)`."""
    if isinstance(expr, ast.Call):
        for argument in expr.args:
            yield from _names(project, argument, scope)
    elif isinstance(expr, ast.List | ast.Tuple):
        for element in expr.elts:
            yield from _names(project, element, scope)
    elif isinstance(expr, ast.Attribute):
        yield expr.attr
    elif isinstance(expr, ast.Name) and expr.id in scope.bindings and any(b.code for b in scope.bindings[expr.id]):
        yield expr.id
    else:
        text = project.resolver.text(expr, scope)
        if text is not None:
            yield text


def _labels(project: Project, function: Function) -> list[str]:
    """Texts a router may return, those of a `Literal` annotation included."""
    found = []
    for expr in function.returns:
        options = [expr.body, expr.orelse] if isinstance(expr, ast.IfExp) else [expr]
        found += [t for option in options if (t := project.resolver.text(option, function.scope)) is not None]
    node = function.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        found += [c.value for c in ast.walk(node.returns) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
    return list(dict.fromkeys(found))


def _next_crews(methods: dict[str, _Method], start: _Method) -> Iterator[Crew]:
    """Crews of the first methods along each chain of listeners that run one; methods without a crew are passed."""
    seen = {start.function.name}
    todo = _listeners(methods, start)
    while todo:
        method = todo.pop(0)
        if method.function.name in seen:
            continue
        seen.add(method.function.name)
        if method.crews:
            yield from method.crews
        else:
            todo += _listeners(methods, method)


def _listeners(methods: dict[str, _Method], method: _Method) -> list[_Method]:
    signals = {method.function.name, *method.gives}
    return [other for other in methods.values() if signals.intersection(other.waits)]


def _persist(project: Project, model: Model, cls: Class, methods: dict[str, _Method]) -> None:
    """`@persist` on a flow or one of its methods keeps the state of the crews it runs."""
    marked = [(cls.site, cls.decorators, list(methods.values()))]
    marked += [(m.function.site, m.function.decorators, [m]) for m in methods.values()]
    for site, decorators, covered in marked:
        for decorator in decorators:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            origin = project.resolver.origin(target, cls.scope.parent or cls.scope) or ""
            if origin.startswith("crewai.") and origin.endswith(".persist"):
                model.checkpoints[site] = "durable"
                for method in covered:
                    for crew in method.crews:
                        crew.checkpoint = "durable"
