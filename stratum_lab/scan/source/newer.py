"""Rewriting a file of a newer Python into one that this interpreter parses, so that the agents in it are found.

Type parameters, `type` statements, unparenthesised `except`, lazy imports, template strings and f-strings that hold
what they could not hold before. Lines keep their numbers; columns behind a rewritten place may shift.
"""

from __future__ import annotations

import ast
import warnings
from typing import Final, TypeVar

import libcst as cst

_String = TypeVar("_String", cst.FormattedString, cst.TemplatedString, cst.ConcatenatedString)
_EMPTY: Final = cst.Module([])


def rewrite(text: str) -> str | None:
    """The text in this interpreter's grammar as far as it can be brought there; None when no Python accepts it."""
    try:
        module = cst.parse_module(text)
    except cst.CSTLogicError:
        return text  # the grammar accepts it, libcst's own classes do not know it yet
    except (cst.ParserSyntaxError, cst.CSTValidationError, RecursionError, ValueError):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return module.visit(_Rewriter()).code
    except (cst.CSTValidationError, cst.CSTLogicError, RecursionError, ValueError, TypeError):
        return text


def _code(node: cst.CSTNode) -> str:
    return _EMPTY.code_for_node(node)


def _lines(node: cst.CSTNode | None, *, least: str = "") -> cst.SimpleWhitespace:
    """Space that takes as many lines as a node that is dropped."""
    count = 0 if node is None else _code(node).count("\n")
    return cst.SimpleWhitespace(" \\\n" * count + " " if count else least)


class _Rewriter(cst.CSTTransformer):
    """Replaces what only newer grammars have."""

    def __init__(self) -> None:
        super().__init__()
        self._joined: set[int] = set()

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        dropped = updated_node.type_parameters
        if dropped is None:
            return updated_node
        return updated_node.with_changes(
            type_parameters=None,
            whitespace_after_name=_lines(dropped),
            whitespace_after_type_parameters=cst.SimpleWhitespace(""),
        )

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        dropped = updated_node.type_parameters
        if dropped is None:
            return updated_node
        return updated_node.with_changes(
            type_parameters=None,
            whitespace_after_name=_lines(dropped),
            whitespace_after_type_parameters=cst.SimpleWhitespace(""),
        )

    def leave_TypeAlias(self, original_node: cst.TypeAlias, updated_node: cst.TypeAlias) -> cst.Assign:
        target = cst.AssignTarget(
            updated_node.name, whitespace_before_equal=_lines(updated_node.type_parameters, least=" ")
        )
        return cst.Assign([target], updated_node.value, updated_node.semicolon)

    def leave_LazyImport(self, original_node: cst.LazyImport, updated_node: cst.LazyImport) -> cst.Import:
        return cst.Import(updated_node.names, updated_node.semicolon)

    def leave_LazyImportFrom(
        self, original_node: cst.LazyImportFrom, updated_node: cst.LazyImportFrom
    ) -> cst.ImportFrom:
        return cst.ImportFrom(
            updated_node.module,
            updated_node.names,
            updated_node.relative,
            updated_node.lpar,
            updated_node.rpar,
            updated_node.semicolon,
        )

    def leave_ExceptHandler(
        self, original_node: cst.ExceptHandler, updated_node: cst.ExceptHandler
    ) -> cst.ExceptHandler:
        return updated_node.with_changes(type=_in_parentheses(updated_node.type))

    def leave_ExceptStarHandler(
        self, original_node: cst.ExceptStarHandler, updated_node: cst.ExceptStarHandler
    ) -> cst.ExceptStarHandler:
        return updated_node.with_changes(type=_in_parentheses(updated_node.type))

    def visit_ConcatenatedString(self, node: cst.ConcatenatedString) -> None:
        # Its parts are looked at together: one that becomes a call cannot stand beside a literal.
        self._joined |= {id(node.left), id(node.right)}

    def leave_FormattedString(
        self, original_node: cst.FormattedString, updated_node: cst.FormattedString
    ) -> cst.FormattedString | cst.BaseExpression:
        return updated_node if id(original_node) in self._joined else _plain(original_node, updated_node)

    def leave_TemplatedString(
        self, original_node: cst.TemplatedString, updated_node: cst.TemplatedString
    ) -> cst.TemplatedString | cst.BaseExpression:
        return updated_node if id(original_node) in self._joined else _plain(original_node, updated_node)

    def leave_ConcatenatedString(
        self, original_node: cst.ConcatenatedString, updated_node: cst.ConcatenatedString
    ) -> cst.ConcatenatedString | cst.BaseExpression:
        return updated_node if id(original_node) in self._joined else _plain(original_node, updated_node)


def _in_parentheses(node: cst.BaseExpression | None) -> cst.BaseExpression | None:
    if isinstance(node, cst.Tuple) and not node.lpar:
        return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return node


def _plain(original: cst.BaseString, updated: _String) -> _String | cst.BaseExpression:
    """The string itself when this interpreter reads it, else `"template".format(fields)` over as many lines."""
    code = _code(updated)
    try:
        ast.parse(f"({code}\n)", mode="eval")
    except (SyntaxError, ValueError):
        pass
    else:
        return updated
    template, fields = _fields(updated)
    text = f"{template!r}.format({', '.join(fields)}"
    lines = _code(original).count("\n") - text.count("\n")
    return cst.parse_expression(text + "\n" * lines + ")")


def _fields(node: cst.BaseString) -> tuple[str, list[str]]:
    """Template in the manner of `str.format`, and the code of what stands in its places."""
    if isinstance(node, cst.ConcatenatedString):
        left, first = _fields(node.left)
        right, second = _fields(node.right)
        return left + right, first + second
    if isinstance(node, cst.SimpleString):
        value = node.evaluated_value
        return _escaped(value if isinstance(value, str) else ""), []
    assert isinstance(node, cst.FormattedString | cst.TemplatedString)
    template, fields = "", []
    for part in node.parts:
        if isinstance(part, cst.FormattedStringText | cst.TemplatedStringText):
            template += _escaped(_evaluated(part.value, node.start, node.end))
        elif isinstance(part, cst.FormattedStringExpression | cst.TemplatedStringExpression):
            code = _code(part.expression)
            template += (_escaped(code) + "=" if part.equal is not None else "") + "{}"
            fields.append(f"({code})")
    return template, fields


def _evaluated(source: str, start: str, end: str) -> str:
    """The text that a literal part of a formatted string stands for."""
    raw = "r" if "r" in start.lower() else ""
    try:
        value = ast.literal_eval(f"{raw}{end}{source}{end}")
    except (SyntaxError, ValueError):
        value = source
    return str(value).replace("{{", "{").replace("}}", "}")


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
