"""The elements of list expressions: literals, sums, names that grow, comprehensions, factories, parameters."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from stratum_lab.scan.source.index import PROPERTIES, Binding, Call, Class, Function, Scope, chain
from stratum_lab.scan.source.value import Items, Value

if TYPE_CHECKING:
    from stratum_lab.scan.source.resolve import Resolver

_END = 1 << 30
"""A line after every line: all bindings count."""
_MAX_NESTED = 40
_MAX_CALLS = 20
_MAX_CALLERS = 16


class _Enough(Exception):
    """A second element was seen."""


class _AtMost(list[Value]):
    """A list that takes one element."""

    def append(self, value: Value) -> None:
        """Take the first element.

        Raises:
            _Enough: There is one already.
        """
        if self:
            raise _Enough
        super().append(value)


class ListReader:
    """Reads the elements of one list expression with a resolver."""

    def __init__(self, resolver: Resolver) -> None:
        self._r = resolver
        self._open: set[int] = set()
        self._several: dict[int, ast.expr] = {}  # lists of more than one element, by node

    @property
    def busy(self) -> bool:
        """A list is being read."""
        return bool(self._open)

    def items(self, expr: ast.expr, scope: Scope) -> Items:
        """The elements of a list expression, in order, each resolved."""
        values: list[Value] = []
        if not self._r.busy:
            self._r.begin()
        complete = self._collect(expr, scope, values, self._open)
        return Items(values, complete)

    def only(self, expr: ast.expr, scope: Scope) -> Value | None:
        """The element of a list that has exactly one; reading ends at the second."""
        if id(expr) in self._several:
            return None
        values = _AtMost()
        if not self._r.busy:
            self._r.begin()
        try:
            self._collect(expr, scope, values, self._open)
        except _Enough:
            self._several[id(expr)] = expr
            return None
        return values[0] if len(values) == 1 else None

    def _collect(self, expr: ast.expr, scope: Scope, out: list[Value], seen: set[int]) -> bool:
        if id(expr) in seen or len(seen) > _MAX_NESTED or self._r.spent():
            return False
        seen.add(id(expr))
        try:
            return self._collect_kind(expr, scope, out, seen)
        finally:
            seen.discard(id(expr))

    def _collect_kind(self, expr: ast.expr, scope: Scope, out: list[Value], seen: set[int]) -> bool:
        if isinstance(expr, ast.List | ast.Tuple | ast.Set):
            return _every([self._collect_element(item, scope, out, seen) for item in expr.elts])
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Add | ast.BitOr):
            left = self._collect(expr.left, scope, out, seen)
            return self._collect(expr.right, scope, out, seen) and left
        if isinstance(expr, ast.Name):
            return self._collect_name(expr.id, scope, expr.lineno, out, seen)
        if isinstance(expr, ast.Attribute):
            return self._collect_attribute(expr, scope, out, seen)
        if isinstance(expr, ast.IfExp):
            both = [self._collect(expr.body, scope, out, seen), self._collect(expr.orelse, scope, out, seen)]
            return _every(both)
        if isinstance(expr, ast.BoolOp):
            return self._collect(expr.values[0], scope, out, seen) or any(
                self._collect(v, scope, out, seen) for v in expr.values[1:]
            )
        if isinstance(expr, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return self._collect_comprehension(expr, scope, out, seen)
        if isinstance(expr, ast.Call):
            return self._collect_call(expr, scope, out, seen)
        if isinstance(expr, ast.Await | ast.Starred | ast.NamedExpr):
            return self._collect(expr.value, scope, out, seen)
        if isinstance(expr, ast.Dict):
            return _every([self._collect_element(item, scope, out, seen) for item in expr.values])
        if isinstance(expr, ast.Constant) and expr.value is None:
            return True
        value = self._r.resolve(expr, scope)
        if value.node is not None and value.scope is not None and value.node is not expr:
            return self._collect(value.node, value.scope, out, seen)
        return False

    def _collect_element(self, item: ast.expr, scope: Scope, out: list[Value], seen: set[int]) -> bool:
        if isinstance(item, ast.Starred):
            return self._collect(item.value, scope, out, seen)
        if isinstance(item, ast.Name):
            bound = [b for b in scope.bindings.get(item.id, ()) if b.kind == "for" and not b.at]
            if bound and bound[-1].value is not None:  # the loop's variable: every element of what it runs over
                return self._collect(bound[-1].value, scope, out, seen)
        value = self._r.resolve(item, scope)
        out.append(value if value.known or value.node is not None else replace(value, node=item, scope=scope))
        return value.known

    def _collect_name(self, text: str, scope: Scope, line: int, out: list[Value], seen: set[int]) -> bool:
        where: Scope | None = scope
        while where is not None and (
            text not in where.bindings
            or all(b.kind == "add" for b in where.bindings[text])
            or (where.kind == "class" and where is not scope)
        ):
            where = where.parent
        if where is None:
            return False
        bindings = where.bindings[text]
        plain = [b for b in bindings if b.kind != "add" and (where is not scope or b.line <= line)]
        plain = plain or [b for b in bindings if b.kind != "add"]
        base = plain[-1]
        complete = self._collect_binding(base, text, where, out, seen)
        for binding in bindings:
            late = where is scope and binding.line > line
            if binding.kind == "add" and binding.value is not None and binding.line >= base.line and not late:
                complete = self._collect(binding.value, where, out, seen) and complete
        return complete

    def _collect_binding(self, binding: Binding, text: str, where: Scope, out: list[Value], seen: set[int]) -> bool:
        if binding.kind in ("assign", "with") and binding.value is not None:
            return self._collect(binding.value, where, out, seen)
        if binding.kind == "import":
            found = self._r.modules.assignment(binding.dotted, where.module)
            if found is not None:
                return self._collect_name(found[0], found[1], _END, out, seen)
            return False
        if binding.kind == "param" and isinstance(where.code, Function):
            return self._collect_passed(binding, text, where, where.code, out, seen)
        value = self._r.binding(binding, text, where)
        if value.node is not None and value.scope is not None:
            return self._collect(value.node, value.scope, out, seen)
        return False

    def _collect_passed(
        self, binding: Binding, text: str, where: Scope, function: Function, out: list[Value], seen: set[int]
    ) -> bool:
        """A parameter that is a list: what the calls of its function in the repository pass for it."""
        callers = self._r.callers(function)
        if len(callers) > _MAX_CALLERS:
            return False
        given = [(call, arg) for call in callers if (arg := self._r.argument(call, function, text)) is not None]
        if given:
            return _every([self._collect(arg, call.scope, out, seen) for call, arg in given])
        if binding.value is not None:
            return self._collect(binding.value, where.parent or where, out, seen)
        return False

    def _collect_attribute(self, expr: ast.Attribute, scope: Scope, out: list[Value], seen: set[int]) -> bool:
        base = self._r.resolve(expr.value, scope)
        if base.cls is not None:
            for owner in self._r.lineage(base.cls):
                if isinstance(owner, Class) and self._collect_member(owner, expr.attr, out, seen):
                    return True
        if base.kind == "module" and base.module is not None and expr.attr in base.module.scope.bindings:
            return self._collect_name(expr.attr, base.module.scope, _END, out, seen)
        value = self._r.attribute(base, expr.attr)
        if value.node is not None and value.scope is not None and value.kind == "list":
            return self._collect(value.node, value.scope, out, seen)
        return False

    def _collect_member(self, owner: Class, name: str, out: list[Value], seen: set[int]) -> bool:
        attributes = owner.scope.attributes.get(name, ())
        found = False
        before = len(out)
        for binding, where in attributes:
            if binding.value is not None and self._collect_binding_or_add(binding, name, where, out, seen):
                found = True
        if name in owner.scope.bindings:
            found = self._collect_name(name, owner.scope, _END, out, seen) or found
        method = owner.methods.get(name)
        if method is not None and any(chain(d).rpartition(".")[2] in PROPERTIES for d in method.decorators):
            found = self._collect_returns(method, out, seen) or found
        return found or len(out) > before

    def _collect_binding_or_add(
        self, binding: Binding, name: str, where: Scope, out: list[Value], seen: set[int]
    ) -> bool:
        if binding.kind == "add" and binding.value is not None:
            return self._collect(binding.value, where, out, seen)
        return self._collect_binding(binding, name, where, out, seen)

    def _collect_returns(self, function: Function, out: list[Value], seen: set[int], call: Call | None = None) -> bool:
        found = False
        for expr in function.returns:
            chosen = self._chosen(expr, function, call) if call is not None else None
            node, where = chosen or (expr, function.scope)
            found = self._collect(node, where, out, seen) or found
        return found

    def _chosen(self, expr: ast.expr, function: Function, call: Call) -> tuple[ast.expr, Scope] | None:
        """The entry of a literal table that a call asks for: `return TABLE[kind]`, `return TABLE.get(kind)`."""
        table: ast.expr | None = None
        key: ast.expr | None = None
        if isinstance(expr, ast.Subscript):
            table, key = expr.value, expr.slice
        elif isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "get":
            table, key = expr.func.value, next(iter(expr.args), None)
        if table is None or not isinstance(key, ast.Name) or key.id not in function.parameters:
            return None
        given = self._r.argument(call, function, key.id)
        text = self._r.text(given, call.scope) if given is not None else None
        return self._r.mapping(table, function.scope).get(text) if text is not None else None

    def _collect_comprehension(
        self, expr: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: Scope, out: list[Value], seen: set[int]
    ) -> bool:
        source = expr.generators[0]
        if isinstance(expr.elt, ast.Name) and isinstance(source.target, ast.Name) and expr.elt.id == source.target.id:
            return self._collect(source.iter, scope, out, seen) and not source.ifs
        value = self._r.resolve(expr.elt, scope)
        if value.known:
            out.append(value)
        return False

    def _collect_call(self, expr: ast.Call, scope: Scope, out: list[Value], seen: set[int]) -> bool:
        callee = self._r.resolve(expr.func, scope)
        if callee.origin in ("builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted") and expr.args:
            return self._collect(expr.args[0], scope, out, seen)
        if callee.origin in ("builtins.list", "builtins.tuple", "builtins.set", "builtins.dict"):
            return True
        if callee.function is not None and len(seen) < _MAX_CALLS:
            return self._collect_returns(callee.function, out, seen, self._r.call_of(expr, scope))
        if isinstance(expr.func, ast.Attribute) and expr.func.attr == "values" and not expr.args:
            base = self._r.resolve(expr.func.value, scope)
            if base.kind == "dict" and base.node is not None and base.scope is not None:
                return self._collect(base.node, base.scope, out, seen)
        if isinstance(expr.func, ast.Attribute) and expr.func.attr == "copy" and not expr.args:
            return self._collect(expr.func.value, scope, out, seen)
        value = self._r.resolve(expr, scope)
        if value.known:  # a call that gives a list of unknown length: toolkit.get_tools()
            out.append(value)
            return True
        return False


def _every(results: list[bool]) -> bool:
    """Whether all parts were complete; every part has been read by then, so nothing is left out."""
    return all(results)
