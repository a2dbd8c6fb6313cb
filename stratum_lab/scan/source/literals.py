"""Literal texts, values and mappings of expressions, followed through names."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import TYPE_CHECKING

from stratum_lab.scan.source.index import Scope, chain
from stratum_lab.scan.source.value import UNKNOWN

if TYPE_CHECKING:
    from stratum_lab.scan.source.resolve import Resolver

_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%(?:\([^)]*\))?[sdrif]")
_LITERAL = frozenset({"text", "number", "bool", "none", "list", "dict"})


class LiteralReader:
    """Reads literals with a resolver."""

    def __init__(self, resolver: Resolver) -> None:
        self._r = resolver
        self._within: set[int] = set()  # literals being read, which may hold themselves

    def text(self, expr: ast.expr, scope: Scope) -> str | None:
        """A literal text; parts that are not literal stand as {placeholders}. None when it is no text."""
        if isinstance(expr, ast.Constant):
            return expr.value if isinstance(expr.value, str) else None
        if isinstance(expr, ast.JoinedStr):
            return "".join(self._piece(part, scope) for part in expr.values)
        if isinstance(expr, ast.BinOp):
            return self._text_operation(expr, scope)
        if isinstance(expr, ast.Call):
            return self._text_call(expr, scope)
        value = self._r.resolve(expr, scope)
        return value.text if value.kind == "text" else None

    def _piece(self, part: ast.expr, scope: Scope) -> str:
        if isinstance(part, ast.Constant):
            return str(part.value)
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        value = self._r.resolve(inner, scope)
        if value.kind in ("text", "number") and value.text is not None:
            return value.text
        return "{" + (chain(inner) or "value") + "}"

    def _text_operation(self, expr: ast.BinOp, scope: Scope) -> str | None:
        left = self.text(expr.left, scope)
        if isinstance(expr.op, ast.Mod) and left is not None:
            return _PLACEHOLDER.sub(lambda m: m.group() if m.group().startswith("{") else "{value}", left)
        if not isinstance(expr.op, ast.Add):
            return None
        right = self.text(expr.right, scope)
        if left is None and right is None:
            return None
        return (left if left is not None else "{value}") + (right if right is not None else "{value}")

    def _text_call(self, expr: ast.Call, scope: Scope) -> str | None:
        func = expr.func
        if isinstance(func, ast.Attribute) and func.attr in ("strip", "format", "lstrip", "rstrip", "lower", "upper"):
            text = self.text(func.value, scope)
            return text.strip() if text is not None and func.attr.endswith("strip") else text
        if chain(func).rpartition(".")[2] in ("dedent", "cleandoc") and expr.args:
            text = self.text(expr.args[0], scope)
            return None if text is None else textwrap.dedent(text).strip()
        value = self._r.resolve(expr, scope)
        return value.text if value.kind == "text" else None

    def literal(self, expr: ast.expr, scope: Scope) -> object:
        """A literal's Python value (text, number, bool, None, list, dict of such), else UNKNOWN."""
        if isinstance(expr, ast.Constant):
            return expr.value
        if isinstance(expr, ast.UnaryOp) and isinstance(expr.op, ast.USub) and isinstance(expr.operand, ast.Constant):
            number = expr.operand.value
            return -number if isinstance(number, int | float) else UNKNOWN
        if isinstance(expr, ast.List | ast.Tuple | ast.Set):
            items = [self.literal(item, scope) for item in expr.elts]
            return UNKNOWN if any(item is UNKNOWN for item in items) else items
        if isinstance(expr, ast.Dict):
            out: dict[object, object] = {}
            for key, item in zip(expr.keys, expr.values, strict=True):
                name = UNKNOWN if key is None else self.literal(key, scope)
                if name is UNKNOWN or isinstance(name, list | dict):
                    return UNKNOWN
                out[name] = self.literal(item, scope)
            return out
        value = self._r.resolve(expr, scope)
        node = value.node
        if node is not None and node is not expr and value.scope is not None and value.kind in _LITERAL:
            if id(node) in self._within:  # it holds itself
                return UNKNOWN
            self._within.add(id(node))
            try:
                return self.literal(node, value.scope)
            finally:
                self._within.discard(id(node))
        return value.text if value.kind == "text" and value.text is not None else UNKNOWN

    def mapping(self, expr: ast.expr, scope: Scope) -> dict[str, tuple[ast.expr, Scope]]:
        """A dict literal with text keys, followed through names; `dict(a=1)` counts. Values stand in their scope."""
        value = self._r.resolve(expr, scope)
        node, where = (value.node, value.scope) if value.node is not None and value.scope is not None else (expr, scope)
        out: dict[str, tuple[ast.expr, Scope]] = {}
        if isinstance(node, ast.Dict):
            if id(node) in self._within:  # it holds itself
                return out
            self._within.add(id(node))
            try:
                for key, item in zip(node.keys, node.values, strict=True):
                    if key is None:
                        out.update(self.mapping(item, where))
                    elif (name := self.text(key, where)) is not None:
                        out[name] = (item, where)
            finally:
                self._within.discard(id(node))
        elif isinstance(node, ast.Call) and chain(node.func) == "dict":
            for keyword in node.keywords:
                if keyword.arg is not None:
                    out[keyword.arg] = (keyword.value, where)
        return out
