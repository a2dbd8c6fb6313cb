"""What a guardrail in code covers: where an object is used, and which agents or tools run a function."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from stratum_lab.scan.detect import reach
from stratum_lab.scan.model import Agent, Model, Tool
from stratum_lab.scan.source.index import Binding, Call, Function, Module, chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value


class Runners:
    """Answers for one project and its finished model; indexes are made when they are first asked for."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.model = model
        self._agents: dict[Function, list[Agent]] | None = None
        self._tools: dict[Function, list[Tool]] | None = None
        self._users: dict[int, list[Call]] = {}
        self._noted: set[Module] = set()

    # -- who runs a function -------------------------------------------------------------------------------------

    def agents_of(self, function: Function | None) -> list[Agent]:
        """Agents whose own code reaches a function."""
        if self._agents is None:
            self._agents = {}
            for agent in self.model.agents:
                for reached in self._reach(agent.code):
                    self._agents.setdefault(reached, []).append(agent)
        return self._agents.get(function, []) if function is not None else []

    def tools_of(self, function: Function | None) -> list[Tool]:
        """Tools held by agents whose code reaches a function."""
        if self._tools is None:
            self._tools = {}
            for tool in dict.fromkeys(t for agent in self.model.agents for t in agent.tools):
                for reached in self._reach(tool.code):
                    self._tools.setdefault(reached, []).append(tool)
        return self._tools.get(function, []) if function is not None else []

    def _reach(self, code: Iterable[Function]) -> dict[Function, None]:
        found: dict[Function, None] = {}
        for function in code:
            found.update(dict.fromkeys(sorted(self.project.resolver.reachable(function), key=lambda f: f.site)))
        return found

    def covered(self, uses: Iterable[Call]) -> list[Agent | Tool]:
        """Agents and tools whose definition takes a call's result or whose code makes one of these calls."""
        found: dict[Agent | Tool, None] = {}
        for use in uses:
            agent = self.model.agent_at(use.site)
            if agent is not None:
                found[agent] = None
                continue
            for function in self._around(use):
                owners: list[Agent] | list[Tool] = self.agents_of(function) or self.tools_of(function)
                found.update(dict.fromkeys(owners))
        return list(found)

    def _around(self, call: Call) -> Iterator[Function]:
        """The functions a call stands in, innermost first."""
        scope: Scope | None = call.scope
        while scope is not None:
            if isinstance(scope.code, Function):
                yield scope.code
            scope = scope.parent

    # -- where an object is used ---------------------------------------------------------------------------------

    def uses(self, call: Call) -> list[Call]:
        """Calls that use what a call makes: on it, with it as an argument, or on a pipe it is part of.

        They are looked for in its own file and in files that import something from a file of its name.
        """
        last = call.module.name.rpartition(".")[2]
        for module in self.project.modules:
            if module in self._noted or module.excluded or module.light:
                continue
            if module is call.module or any(last in dotted.split(".") for dotted in module.imports.values()):
                self._note_uses(module)
        return self._users.get(id(call), [])

    def _note_uses(self, module: Module) -> None:
        self._noted.add(module)
        for call in module.calls:
            if isinstance(call.node.func, ast.Attribute):
                self._note(call.node.func.value, call, call.scope)
            elif isinstance(call.node.func, ast.Name):
                self._note(call.node.func, call, call.scope)
            for given in (*call.node.args, *(k.value for k in call.node.keywords)):
                self._note(given, call, call.scope)

    def _note(self, expr: ast.expr, user: Call, scope: Scope, depth: int = 0) -> None:
        if depth > 6:
            return
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr | ast.Add):
            self._note(expr.left, user, scope, depth + 1)
            self._note(expr.right, user, scope, depth + 1)
            return
        if isinstance(expr, ast.List | ast.Tuple | ast.Dict):
            for element in expr.values if isinstance(expr, ast.Dict) else expr.elts:
                self._note(element, user, scope, depth + 1)
            return
        value = self.project.resolver.resolve(expr, scope)
        if value.kind in ("text", "number", "bool", "none", "function", "class", "module"):
            return
        made: Value | None = value
        for _ in range(4):
            if made is None:
                break
            for call in made.calls:
                if call is not user:
                    known = self._users.setdefault(id(call), [])
                    if user not in known:
                        known.append(user)
            made = made.receiver
        if value.node is not None and value.node is not expr and value.scope is not None:
            self._note_parts(value.node, user, value.scope, depth + 1)

    def _note_parts(self, node: ast.expr, user: Call, scope: Scope, depth: int) -> None:
        """A name that stands for a pipe, a list or a mapping uses its parts."""
        if isinstance(node, ast.BinOp | ast.List | ast.Tuple | ast.Dict):
            self._note(node, user, scope, depth)

    # -- what a model has written --------------------------------------------------------------------------------

    def from_model(self, expr: ast.expr, scope: Scope, depth: int = 0) -> bool:
        """Whether an expression is, or is a part of, what a model call returned."""
        if depth > 8:
            return False
        node = expr
        while True:
            if isinstance(node, ast.Attribute | ast.Subscript | ast.Await | ast.Starred):
                node = node.value
            elif isinstance(node, ast.Call):
                if self.asks_model(node, scope):
                    return True
                if chain(node.func).rpartition(".")[2] in ("loads", "dict", "str", "strip") and node.args:
                    node = node.args[0]
                elif isinstance(node.func, ast.Attribute):
                    node = node.func.value
                else:
                    value = self.project.resolver.resolve(node.func, scope)
                    return value.function is not None and any(
                        self.from_model(given, value.function.scope, depth + 1) for given in value.function.returns
                    )
            else:
                break
        if not isinstance(node, ast.Name):
            return False
        return any(
            self.from_model(b.value, where, depth + 1) for b, where in _bound(node, scope) if b.value is not None
        )

    def asks_model(self, node: ast.Call, scope: Scope) -> bool:
        """Whether a call asks a model, or runs an agent that is known."""
        resolver = self.project.resolver
        if reach.asks_model(self.project, resolver.call_of(node, scope)):
            return True
        func = node.func
        if not isinstance(func, ast.Attribute) or func.attr not in reach.INVOKING:
            return False
        return self.model.agent_of(resolver.resolve(func.value, scope)) is not None


def _bound(name: ast.Name, scope: Scope) -> Iterator[tuple[Binding, Scope]]:
    """Bindings of a name in the innermost scope that binds it, those before it first from the last."""
    where: Scope | None = scope
    while where is not None and name.id not in where.bindings:
        where = where.parent
    if where is None:
        return
    kept = [b for b in where.bindings[name.id] if b.kind in ("assign", "with", "for", "unpack")]
    before = [b for b in kept if where is not scope or b.line <= name.lineno]
    for binding in reversed(before or kept):
        yield binding, where
