"""The symbol of what a call makes: the name under which the source knows it."""

from __future__ import annotations

import ast

from stratum_lab.scan.source.index import Call

_CONFIGURING = frozenset({
    "with_config", "with_retry", "with_fallbacks", "with_types", "with_listeners", "bind", "as_agent",
})  # fmt: skip
"""Methods that give the very thing back, configured or in a runner around it."""


def symbol_of(call: Call) -> str:
    """The symbol of what a call makes: assigned name, "Class.attr", enclosing factory, else "<file>:<line>"."""
    if call.assigned:
        first, _, rest = call.assigned.partition(".")
        if first in ("self", "cls") and rest and call.function is not None and call.function.cls is not None:
            return f"{call.function.cls.qualname}.{rest}"
        if call.scope.kind == "class":
            return f"{call.scope.qualname}.{call.assigned}"
        return call.assigned
    around = _assigned_around(call)
    if around:
        return around
    if call.function is not None and not isinstance(call.function.node, ast.Lambda):
        for expr in call.function.returns:
            if call.node in _chained(expr):
                return call.function.qualname
    return f"{call.module.path}:{call.node.lineno}"


def _assigned_around(call: Call) -> str:
    """The name that gets a call's result in a tuple, or what it gives when it is configured."""
    for name, bindings in call.scope.bindings.items():
        for binding in bindings:
            value = binding.value
            for place in binding.at if binding.kind == "unpack" else ():
                inside = isinstance(value, ast.Tuple | ast.List) and 0 <= place < len(value.elts)
                value = value.elts[place] if inside else None  # type: ignore[union-attr]
            if binding.kind in ("assign", "unpack", "with") and value is not None and call.node in _chained(value):
                return f"{call.scope.qualname}.{name}" if call.scope.kind == "class" else name
    cls = call.function.cls if call.function is not None else None
    for name, attributes in cls.scope.attributes.items() if cls is not None else ():
        if any(b.kind == "assign" and b.value is not None and call.node in _chained(b.value) for b, _ in attributes):
            return f"{cls.qualname}.{name}" if cls is not None else name
    return ""


def _chained(expr: ast.expr) -> list[ast.Call]:
    """A call and the one it only configures: `make(...).with_config(...)`."""
    found: list[ast.Call] = []
    while True:
        if isinstance(expr, ast.Await):
            expr = expr.value
        elif isinstance(expr, ast.Call):
            found.append(expr)
            func = expr.func
            if not (isinstance(func, ast.Attribute) and func.attr in _CONFIGURING):
                return found
            expr = func.value
        else:
            return found
