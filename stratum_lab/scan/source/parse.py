"""Parsing one Python file: the interpreter's own grammar first, then the newest one (finding_rules.md A1).

A file that only the newest grammar accepts counts as parsed; `newer` rewrites it so that its facts are found as well.
Whoever parses many files switches the garbage collector off meanwhile.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Final, NamedTuple

from stratum_lab.scan.source.limits import DEFAULT, Limits
from stratum_lab.scan.source.read import Reason

_LONG_LINE: Final = 1_000
"""Without a longer line an expression is as deep as a limit only by spanning many lines."""
_MANY_ELIF: Final = 200
_CST_NESTING: Final = 200
"""CPython accepts no more brackets in brackets; libcst's parser overflows its stack at ten times as many."""
_CST_CHARACTERS: Final = 512 * 1024
"""libcst needs about 600 bytes of memory for a character."""
_OVERFLOWS: Final = 100
"""Less nesting than this does not overflow the stack of CPython's parser."""
_PYTHON_2: Final = "Missing parentheses in call to"

_TOKEN: Final = re.compile(
    r'''(?:[rRbBuUfFtT]{0,2}+(?:"""(?:[^"\\]++|\\.|"(?!""))*+(?:"""|\Z)|\'\'\'(?:[^'\\]++|\\.|'(?!\'\'))*+(?:\'\'\'|\Z)'''
    r"""|"(?:[^"\\\n]++|\\.)*+"?|'(?:[^'\\\n]++|\\.)*+'?))|\#[^\n]*+|\\\n|\d[\w.]*+"""
    r"""|(?P<word>[^\W\d]\w*+)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[,;\n])|(?P<operator>[-+*/%@&|^~.]++)""",
    re.DOTALL,
)
_NESTING_WORDS: Final = frozenset({"not", "lambda", "await", "if", "for", "yield"})


class ParseFailure(NamedTuple):
    """The file is a parser error."""

    reason: Reason


class Newer(NamedTuple):
    """The file needs a newer Python than this one; `tree` is None when it could not be rewritten for this one."""

    tree: ast.Module | None


def parse_python(text: str, path: str, limits: Limits = DEFAULT) -> ast.Module | Newer | ParseFailure:
    """Parse the text of a Python file.

    Args:
        text: Decoded text without byte order mark.
        path: For messages of the interpreter only.
        limits: `nesting` is how deep an expression or an `elif` chain may be.
    """
    try:
        tree = _ast(text, path)
    except SyntaxError as exc:
        return _newer(text, path, str(exc.msg), limits)
    except RecursionError:
        return ParseFailure("nesting")
    except MemoryError:
        # CPython says so of its parser's stack too; memory that is used up indeed is for the supervisor to see.
        if max(_nesting(text), text.count("elif")) < _OVERFLOWS:
            raise
        return ParseFailure("nesting")
    except ValueError:
        return ParseFailure("null_bytes")
    if _may_be_deep(text) and _depth(tree) > limits.nesting:
        return ParseFailure("nesting")
    return tree


def _ast(text: str, path: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, path)


def _newer(text: str, path: str, message: str, limits: Limits) -> Newer | ParseFailure:
    if message.startswith(_PYTHON_2):
        return ParseFailure("syntax")
    if len(text) > _CST_CHARACTERS:
        return ParseFailure("too_large")
    if _nesting(text) > min(_CST_NESTING, limits.nesting):
        return ParseFailure("nesting")
    from stratum_lab.scan.source.newer import rewrite  # libcst takes a while to start

    rewritten = rewrite(text)
    if rewritten is None:
        return ParseFailure("syntax")
    try:
        tree = _ast(rewritten, path)
    except (SyntaxError, ValueError, RecursionError):
        return Newer(None)
    return Newer(tree)


def _may_be_deep(text: str) -> bool:
    return text.count("elif") > _MANY_ELIF or any(len(line) > _LONG_LINE for line in text.split("\n"))


def _depth(tree: ast.Module) -> int:
    """Depth of a syntax tree."""
    deepest = 0
    level: list[ast.AST] = [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return deepest


def _nesting(text: str) -> int:
    """Upper bound of the depth of one expression, from the text: brackets, operators and prefixes still open."""
    deepest = total = 0
    open_: list[int] = [0]
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "word":
            step = int(token.group() in _NESTING_WORDS)
            open_[-1] += step
            total += step
        elif kind == "operator":
            step = token.end() - token.start()
            open_[-1] += step
            total += step
        elif kind == "open":
            open_.append(0)
            total += 1
        elif kind == "close":
            if len(open_) > 1:
                total -= open_.pop()
                open_[-1] += 1
        elif kind == "end":
            if token.group() == "\n" and len(open_) > 1:
                continue
            total -= open_[-1]
            open_[-1] = 0
        deepest = max(deepest, total)
    return deepest
