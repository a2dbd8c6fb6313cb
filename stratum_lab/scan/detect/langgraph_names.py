"""Names of graph nodes as expressions give them: texts, enum members, lists, conditionals, and variables of loops.

A loop over a literal is unrolled, so that nodes and edges that are added in it get the names they have at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.source.index import Binding, Call, Function, chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project

Expression = tuple[ast.expr, "Scope"]
Env = dict[str, Expression]
"""What loop variables stand for in one round."""
Row = dict[tuple[int, ...], Expression]
"""One round of a loop: what each place of its target is given."""
NO_ENV: Final[Env] = {}
_MAX_DEPTH = 10
_MAX_ROUNDS = 80
_SHAPES: Final = frozenset({"capitalize", "title", "upper", "lower", "strip"})


class NodeNames:
    """Reads names with the resolver of a project."""

    def __init__(self, project: Project) -> None:
        self.resolver = project.resolver

    def rounds(self, call: Call, *given: ast.expr | None) -> list[Env]:
        """The rounds of the loops whose variables some arguments use; one empty round without any."""
        loops: dict[int, ast.expr] = {}
        for expr in given:
            if expr is not None:
                self._loops_in(expr, call.scope, loops, 0)
        envs: list[Env] = [{}]
        for over in loops.values():
            rows = self.rows(over, call.scope)
            if rows and len(envs) * len(rows) <= _MAX_ROUNDS:
                envs = [{**env, **self._env(over, row, call.scope)} for env in envs for row in rows]
        return envs

    def _loops_in(self, expr: ast.expr, scope: Scope, loops: dict[int, ast.expr], depth: int) -> None:
        if depth > 4:
            return
        for node in ast.walk(expr):
            if not isinstance(node, ast.Name):
                continue
            for binding in scope.bindings.get(node.id, ()):
                if binding.kind == "for" and binding.value is not None and self._before(binding, expr):
                    loops[id(binding.value)] = binding.value
                elif binding.kind == "assign" and binding.value is not None and binding.line <= expr.lineno:
                    self._loops_in(binding.value, scope, loops, depth + 1)

    def _before(self, binding: Binding, expr: ast.expr) -> bool:
        return binding.line <= expr.lineno

    def _env(self, over: ast.expr, row: Row, scope: Scope) -> Env:
        env: Env = {}
        for name, bindings in scope.bindings.items():
            for binding in bindings:
                if binding.value is over and binding.at in row:
                    env[name] = row[binding.at]
        return env

    def rows(self, over: ast.expr, scope: Scope, depth: int = 0) -> list[Row]:
        """The rounds of a loop over a literal: a list, a dictionary or its parts, an enumeration, pairs."""
        if depth > 4:
            return []
        if isinstance(over, ast.Call):
            inner = over.func.value if isinstance(over.func, ast.Attribute) else None
            how = over.func.attr if isinstance(over.func, ast.Attribute) else chain(over.func)
            if inner is not None and how in ("items", "keys", "values"):
                pairs = self.pairs(inner, scope)
                if how == "items":
                    return [{(0,): key, (1,): value} for key, value in pairs]
                return [{(): key if how == "keys" else value} for key, value in pairs]
            if how == "enumerate" and over.args:
                found = self.rows(over.args[0], scope, depth + 1)
                return [{(1, *at): expr for at, expr in row.items()} for row in found]
            if how in ("list", "tuple", "sorted", "reversed") and over.args:
                return self.rows(over.args[0], scope, depth + 1)
        if isinstance(over, ast.Subscript) and isinstance(over.slice, ast.Slice):
            return self.rows(over.value, scope, depth + 1)
        pairs = self.pairs(over, scope)
        if pairs:
            return [{(): key} for key, _ in pairs]
        listed = self._elements(over, scope)
        if listed:
            return listed
        values = self.resolver.items(over, scope).values
        return [self._row(v.node, v.scope) for v in values if v.node is not None and v.scope is not None]

    def _elements(self, over: ast.expr, scope: Scope) -> list[Row]:
        """Elements of a list literal as they are written, and what is appended to its name."""
        value = self.resolver.resolve(over, scope)
        node, where = (value.node, value.scope) if value.node is not None and value.scope is not None else (over, scope)
        if not isinstance(node, ast.List | ast.Tuple) or any(isinstance(item, ast.Starred) for item in node.elts):
            return []
        grown = scope.bindings.get(over.id, ()) if isinstance(over, ast.Name) else ()
        more = [b.value.elts for b in grown if b.kind == "add" and isinstance(b.value, ast.List | ast.Tuple)]
        return [self._row(item, where) for item in node.elts] + [self._row(e, scope) for elts in more for e in elts]

    def _row(self, item: ast.expr, scope: Scope) -> Row:
        if isinstance(item, ast.Tuple):
            return {(place,): (part, scope) for place, part in enumerate(item.elts)}
        return {(): (item, scope)}

    def pairs(self, expr: ast.expr, scope: Scope) -> list[tuple[Expression, Expression]]:
        """Keys and values of a dictionary literal, with what `name[key] = value` adds to it."""
        value = self.resolver.resolve(expr, scope)
        found: list[tuple[Expression, Expression]] = []
        if isinstance(value.node, ast.Dict) and value.scope is not None:
            found += self._literal_pairs(value.node, value.scope)
        if isinstance(expr, ast.Name):
            where: Scope | None = scope
            while where is not None and expr.id not in where.bindings:
                where = where.parent
            for binding in where.bindings[expr.id] if where is not None else ():
                if binding.kind == "add" and isinstance(binding.value, ast.Dict) and where is not None:
                    found += self._literal_pairs(binding.value, where)
                elif binding.kind == "unpack" and binding.value is not None and where is not None and not found:
                    found += self._returned_pairs(binding.value, binding.at, where)
        return found

    def _returned_pairs(
        self, given: ast.expr, at: tuple[int, ...], scope: Scope
    ) -> list[tuple[Expression, Expression]]:
        """Keys and values of a dictionary that a function of the repository gives among others."""
        maker = self.resolver.resolve(given.func, scope).function if isinstance(given, ast.Call) else None
        for expr in maker.returns if maker is not None and len(at) == 1 else ():
            if maker is not None and isinstance(expr, ast.Tuple) and 0 <= at[0] < len(expr.elts):
                element = expr.elts[at[0]]
                return self.pairs(element, maker.scope) if isinstance(element, ast.Name) else []
        return []

    def _literal_pairs(self, node: ast.Dict, scope: Scope) -> Iterator[tuple[Expression, Expression]]:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                yield (key, scope), (value, scope)

    def name(self, expr: ast.expr, scope: Scope, env: Env = NO_ENV) -> str | None:
        """A node name: a text, a constant, the value of an enum member, `function.__name__`."""
        text = self._text(expr, scope, env)
        return " ".join(text.split()) if text is not None else None

    def _text(self, expr: ast.expr, scope: Scope, env: Env) -> str | None:
        if isinstance(expr, ast.Name) and expr.id in env:
            return self._text(*env[expr.id], NO_ENV)
        if env and isinstance(expr, ast.JoinedStr):
            return "".join(self._piece(part, scope, env) for part in expr.values)
        if env and isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Add):
            left, right = self._text(expr.left, scope, env), self._text(expr.right, scope, env)
            return left + right if left is not None and right is not None else None
        if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr in _SHAPES:
            inner = self._text(expr.func.value, scope, env)
            return str(getattr(inner, expr.func.attr)()) if inner is not None else None
        text = self.resolver.text(expr, scope)
        if text is not None:
            return text
        if isinstance(expr, ast.Attribute):
            if expr.attr == "value":
                return self._text(expr.value, scope, env)
            if expr.attr == "__name__":
                function = self.resolver.resolve(*self.actual(expr.value, scope, env)).function
                return function.name if function is not None else None
        return None

    def _piece(self, part: ast.expr, scope: Scope, env: Env) -> str:
        if isinstance(part, ast.Constant):
            return str(part.value)
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        return self._text(inner, scope, env) or "{" + (chain(inner) or "value") + "}"

    def actual(self, expr: ast.expr, scope: Scope, env: Env) -> Expression:
        """What an expression stands for in a round: a loop variable's value, the entry of a dictionary under it."""
        if isinstance(expr, ast.Name) and expr.id in env:
            return env[expr.id]
        if env and isinstance(expr, ast.Subscript):
            key = self._text(expr.slice, scope, env)
            for (key_node, key_scope), value in self.pairs(expr.value, scope) if key is not None else ():
                if self._text(key_node, key_scope, NO_ENV) == key:
                    return value
            pairs = self.pairs(expr.value, scope) if key is None else []
            if len(pairs) == 1:  # filled in a loop of its own
                return pairs[0][1]
        return expr, scope

    def names(self, expr: ast.expr | None, scope: Scope, env: Env = NO_ENV, depth: int = 0) -> list[str]:
        """The node names an expression may be: a text, a list, either side of a conditional, `Send("name", ...)`."""
        if expr is None or depth > _MAX_DEPTH:
            return []
        deeper = depth + 1
        if isinstance(expr, ast.IfExp):
            return [*self.names(expr.body, scope, env, deeper), *self.names(expr.orelse, scope, env, deeper)]
        if isinstance(expr, ast.List | ast.Tuple | ast.Set):
            return [name for item in expr.elts for name in self.names(item, scope, env, deeper)]
        if isinstance(expr, ast.Starred):
            return self.names(expr.value, scope, env, deeper)
        if isinstance(expr, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return self._comprehended(expr.elt, expr.generators, scope, env, deeper)
        if isinstance(expr, ast.Call) and self.is_langgraph(expr, scope, "Send"):
            return self.names(self.resolver.call_of(expr, scope).arg("node", 0), scope, env, deeper)
        if isinstance(expr, ast.Name) and expr.id not in env:
            found = self._assigned(expr, scope, env, deeper)
            if found is not None:
                return found
        name = self.name(expr, scope, env)
        if name is not None:
            return [name]
        if isinstance(expr, ast.BinOp):
            return [*self.names(expr.left, scope, env, deeper), *self.names(expr.right, scope, env, deeper)]
        value = self.resolver.resolve(expr, scope)
        if value.origin is not None and value.origin.rpartition(".")[2] in ("END", "START"):
            return ["__end__" if value.origin.endswith("END") else "__start__"]
        if value.kind == "list" and value.node is not None and value.node is not expr and value.scope is not None:
            return self.names(value.node, value.scope, env, deeper)
        return [placeholder] if (placeholder := self.placeholder(expr, scope)) else []

    def placeholder(self, expr: ast.expr, scope: Scope) -> str | None:
        """How a node is called whose name is a parameter: `{name}`."""
        function = scope.code
        if isinstance(expr, ast.Name) and isinstance(function, Function) and expr.id in function.parameters:
            return f"{{{expr.id}}}"
        return None

    def _assigned(self, expr: ast.Name, scope: Scope, env: Env, depth: int) -> list[str] | None:
        """What a local name may be: each of its assignments, or each round of its loop; None when neither."""
        bound = [b for b in scope.bindings.get(expr.id, ()) if b.value is not None]
        if not bound:
            return None
        if bound[-1].kind == "for" and bound[-1].value is not None:
            rows = self.rows(bound[-1].value, scope)
            return [n for row in rows if bound[-1].at in row for n in self.names(*row[bound[-1].at], NO_ENV, depth)]
        if scope.kind == "function" and all(b.kind in ("assign", "add") for b in bound):
            found = [n for b in bound if b.value is not None for n in self.names(b.value, scope, env, depth)]
            return list(dict.fromkeys(found))
        return None

    def _comprehended(
        self, element: ast.expr, generators: list[ast.comprehension], scope: Scope, env: Env, depth: int
    ) -> list[str]:
        """Names that a comprehension gives, round by round when it runs over a literal."""
        first = generators[0]
        rows = self.rows(first.iter, scope)
        if not rows:
            return self.names(element, scope, env, depth)
        found: list[str] = []
        for row in rows:
            found += self.names(element, scope, {**env, **self._env(first.iter, row, scope)}, depth)
        return list(dict.fromkeys(found))

    def mapped(self, node: ast.expr, scope: Scope, env: Env, depth: int = 0) -> list[str] | None:
        """Names that a path map leads to: values of a dictionary, merged ones included; None when it is no map."""
        value = self.resolver.resolve(node, scope)
        if depth > 4 or value.kind != "dict" or value.scope is None:
            return None
        if isinstance(value.node, ast.DictComp):
            return self._comprehended(value.node.value, value.node.generators, value.scope, env, depth)
        if not isinstance(value.node, ast.Dict):
            return None
        found: list[str] = []
        for key, item in zip(value.node.keys, value.node.values, strict=True):
            inner = self.mapped(item, value.scope, env, depth + 1) if key is None else None
            found += inner if inner is not None else self.names(item, value.scope, env)
        return found

    def annotated(self, function: Function) -> list[str]:
        """Texts in the `Literal[...]` parts of a return annotation; a name of such a type is followed."""
        node = function.node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.returns is None:
            return []
        return self._literals(node.returns, function.scope.parent or function.scope, 0)

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
                for value, where in self._type_of(part.id, scope):
                    found += self._literals(value, where, depth + 1)
        return list(dict.fromkeys(found))

    def _type_of(self, name: str, scope: Scope) -> Iterator[Expression]:
        where: Scope | None = scope
        while where is not None and name not in where.bindings:
            where = where.parent
        for binding in where.bindings[name] if where is not None else ():
            if isinstance(binding.value, ast.Subscript) and where is not None:
                yield binding.value, where
            elif binding.kind == "import" and where is not None:
                found = self.resolver.modules.assignment(binding.dotted, where.module)
                if found is not None:
                    yield from self._type_of(*found)

    def is_langgraph(self, node: ast.expr, scope: Scope, name: str) -> bool:
        """Whether an expression is a call of LangGraph's class of this name."""
        if not isinstance(node, ast.Call) or chain(node.func).rpartition(".")[2] != name:
            return False
        origin = self.resolver.origin(node.func, scope) or ""
        return origin.startswith("langgraph.") and origin.endswith(f".{name}")
