"""What the callable of a graph node runs: agents and crews defined elsewhere, models, bound tools (A4).

Calls are followed through the repository with what is passed for parameters, so that one node function that serves
several agents (`partial(run, agent=a)`, `run(state, a)`, a factory of nodes) is read apart for each.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.langgraph_graphs import Graph, GraphReader
from stratum_lab.scan.detect.langgraph_names import Expression
from stratum_lab.scan.detect.reach import INVOKING, holds_model, reaches_model
from stratum_lab.scan.model import Agent, Crew, Model, Site
from stratum_lab.scan.source.index import Call, Class, Function

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

_RUNNING: Final = INVOKING | frozenset({
    "kickoff_for_each", "kickoff_for_each_async", "akickoff_for_each", "run_streamed", "initiate_chat",
    "a_initiate_chat", "initiate_chats", "generate_reply", "a_generate_reply", "on_messages", "run_async", "iter",
    "execute_task", "print_response", "aprint_response", "astream_log", "run_live",
})  # fmt: skip
_MAX_DEPTH = 8
_MAX_VISITS = 400
_Env = dict[str, Expression]
"""What is passed for the parameters of a function, as expressions in the scope of the caller."""


@dataclass(slots=True)
class Runs:
    """What a callable runs, in order of its code; `asks` when it reaches a chat model by itself."""

    agents: list[Agent] = field(default_factory=list)
    crews: list[Crew] = field(default_factory=list)
    graphs: list[Graph] = field(default_factory=list)
    asks: bool = False


class Follower:
    """Follows the callables of nodes."""

    def __init__(self, project: Project, model: Model, reader: GraphReader, nodes: set[Site]) -> None:
        self.project = project
        self.resolver = project.resolver
        self.model = model
        self.reader = reader
        self._nodes = nodes  # sites of add_node calls, which stand for no agent that is invoked
        self._visits = 0

    def runs(self, function: Function, env: _Env) -> Runs:
        """What a repo function runs, given what is passed for some parameters."""
        found = Runs()
        self._visits = 0
        self._visit(function, env, found, set(), 0)
        found.asks = found.asks or reaches_model(self.project, function)
        return found

    def thing(self, expr: ast.expr, scope: Scope) -> Agent | Crew | Graph | None:
        """The agent, crew or graph that an expression is."""
        return self.thing_of(self.resolver.resolve(expr, scope))

    def thing_of(self, value: Value) -> Agent | Crew | Graph | None:
        """The agent, crew or graph that a value is; a crew before an agent made by the same call."""
        graph = self.reader.of(value)
        if graph is not None:
            return graph
        for call in value.calls:
            crew = self._crew_at(call.site)
            if crew is not None:
                return crew
        if value.kind == "function":
            return None
        agent = self.model.agent_of(value)
        return agent if agent is not None and agent.site not in self._nodes else None

    def passed(self, expr: ast.expr, scope: Scope) -> _Env:
        """What a node expression passes on: arguments of `partial`, or of the factory that gives the node function."""
        value = self.resolver.resolve(expr, scope)
        env: _Env = {}
        if value.function is not None:
            for call in value.calls:
                maker = self.project.callee(call).function
                if maker is not None:
                    env.update(self._arguments(call, maker, {}))
        if isinstance(expr, ast.Call):
            for maker in self.reader.makers_of(expr, scope):
                env.update(self._arguments(self.resolver.call_of(expr, scope), maker, {}))
        if value.call is not None and (value.origin or "").endswith(".partial") and value.call.node.args:
            inner = value.call
            first = inner.node.args[0]
            for function in self.reader.functions_of(first, inner.scope):
                names = function.parameters[1:] if function.cls is not None else function.parameters
                env.update({n: (a, inner.scope) for n, a in zip(names, inner.node.args[1:], strict=False)})
                env.update({k.arg: (k.value, inner.scope) for k in inner.node.keywords if k.arg is not None})
            env.update(self.passed(first, inner.scope))
        return env

    def bound_tools(self, function: Function) -> Iterator[Expression]:
        """Arguments of `bind_tools` in a function, in what it calls, and of the models that it invokes."""
        seen: set[int] = set()
        for body in sorted(self.resolver.reachable(function), key=lambda f: f.site):
            for call in body.calls:
                func = call.node.func
                if isinstance(func, ast.Attribute):
                    yield from self._bound(call.node, call.scope, seen, 0)
                    if func.attr in INVOKING:
                        yield from self._bound(func.value, call.scope, seen, 0)

    def bound_in(self, expr: ast.expr, scope: Scope) -> Iterator[Expression]:
        """Arguments of `bind_tools` in a runnable."""
        yield from self._bound(expr, scope, set(), 0)

    def _bound(self, expr: ast.expr, scope: Scope, seen: set[int], depth: int) -> Iterator[Expression]:
        if id(expr) in seen or depth > _MAX_DEPTH:
            return
        seen.add(id(expr))
        if isinstance(expr, ast.Call):
            if isinstance(expr.func, ast.Attribute):
                if expr.func.attr == "bind_tools":
                    given = self.resolver.call_of(expr, scope).arg("tools", 0)
                    if given is not None:
                        yield given, scope
                yield from self._bound(expr.func.value, scope, seen, depth + 1)
            for function in self.resolver.resolve(expr, scope).via:
                for returned in function.returns:
                    yield from self._bound(returned, function.scope, seen, depth + 1)
        elif isinstance(expr, ast.BinOp):
            yield from self._bound(expr.left, scope, seen, depth + 1)
            yield from self._bound(expr.right, scope, seen, depth + 1)
        elif isinstance(expr, ast.Await | ast.NamedExpr):
            yield from self._bound(expr.value, scope, seen, depth + 1)
        else:
            for inner, where in self.behind(expr, scope):
                yield from self._bound(inner, where, seen, depth + 1)

    def behind(self, expr: ast.expr, scope: Scope) -> Iterator[Expression]:
        """The expressions that a name or attribute was assigned."""
        if isinstance(expr, ast.Name):
            where: Scope | None = scope
            while where is not None and (
                expr.id not in where.bindings or (where.kind == "class" and where is not scope)
            ):
                where = where.parent
            for binding in where.bindings[expr.id] if where is not None else ():
                if binding.value is not None and binding.kind in ("assign", "with") and where is not None:
                    yield binding.value, where
                elif binding.kind == "import":
                    value = self.resolver.resolve(expr, scope)
                    if value.node is not None and value.scope is not None:
                        yield value.node, value.scope
        elif isinstance(expr, ast.Attribute):
            owner = self.resolver.resolve(expr.value, scope).cls
            for cls in self.resolver.lineage(owner) if owner is not None else ():
                if isinstance(cls, Class):
                    bound = [*cls.scope.attributes.get(expr.attr, ())]
                    bound += [(b, cls.scope) for b in cls.scope.bindings.get(expr.attr, ())]
                    for binding, where_bound in bound:
                        if binding.value is not None and binding.kind == "assign":
                            yield binding.value, where_bound

    def _visit(self, function: Function, env: _Env, found: Runs, seen: set[Function], depth: int) -> None:
        self._visits += 1
        if depth > _MAX_DEPTH or function in seen or self._visits > _MAX_VISITS:
            return
        seen = {*seen, function}
        for call in function.calls:
            self._call(call, env, found)
            callee = self.project.callee(call)
            if callee.function is not None:
                inner = self._arguments(call, callee.function, env)
                self._visit(callee.function, inner, found, seen, depth + 1)
            for given in (*call.node.args, *(k.value for k in call.node.keywords)):
                if isinstance(given, ast.Name | ast.Attribute):
                    handed = self.resolver.resolve(given, call.scope)
                    if handed.kind == "function" and handed.function is not None:
                        self._visit(handed.function, {}, found, seen, depth + 1)
        for nested in function.module.functions:
            if nested.scope.parent is function.scope:
                self._visit(nested, env, found, seen, depth + 1)

    def _call(self, call: Call, env: _Env, found: Runs) -> None:
        """What one call runs: the object its method belongs to, or the agent given to a runner."""
        func = call.node.func
        candidates: list[Expression] = []
        if isinstance(func, ast.Attribute) and func.attr in _RUNNING:
            candidates.append((func.value, call.scope))
            origin = self.resolver.origin(func, call.scope) or ""
            if ".Runner" in origin or func.attr in ("initiate_chat", "a_initiate_chat"):
                candidates += [(a, call.scope) for a in call.node.args[:1]]
                candidates += [
                    (k.value, call.scope) for k in call.node.keywords if k.arg in ("starting_agent", "recipient")
                ]
        elif isinstance(func, ast.Name):
            candidates.append((func, call.scope))
        candidates += [
            (a.value, call.scope) for a in call.node.args if isinstance(a, ast.Attribute) and a.attr in _RUNNING
        ]
        for expr, scope in candidates:
            given = env.get(expr.id) if isinstance(expr, ast.Name) and self._is_parameter(expr.id, scope) else None
            actual, where = given or (expr, scope)
            self._note(self.thing(actual, where), found)
            if given is not None and holds_model(self.project, actual, where):
                found.asks = True

    def _note(self, thing: Agent | Crew | Graph | None, found: Runs) -> None:
        if isinstance(thing, Agent) and thing not in found.agents:
            found.agents.append(thing)
        elif isinstance(thing, Crew) and thing not in found.crews:
            found.crews.append(thing)
        elif isinstance(thing, Graph) and thing not in found.graphs:
            found.graphs.append(thing)

    def _is_parameter(self, name: str, scope: Scope) -> bool:
        where: Scope | None = scope
        while where is not None and name not in where.bindings:
            where = where.parent
        return where is not None and all(b.kind in ("param", "add") for b in where.bindings[name])

    def _arguments(self, call: Call, function: Function, env: _Env) -> _Env:
        """What a call passes for each parameter; parameters of the caller are replaced by what it was given."""
        passed: _Env = {}
        for name in function.parameters:
            expr = self.resolver.argument(call, function, name)
            if expr is None:
                continue
            handed = (
                env.get(expr.id) if isinstance(expr, ast.Name) and self._is_parameter(expr.id, call.scope) else None
            )
            passed[name] = handed or (expr, call.scope)
        return passed

    def _crew_at(self, site: Site) -> Crew | None:
        return next((crew for crew in self.model.crews if crew.site == site), None)
