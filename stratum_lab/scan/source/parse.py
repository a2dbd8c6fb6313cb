"""Parses Python source of any version from 3 on."""

from __future__ import annotations

import ast
import warnings
from typing import NamedTuple


class ParseFailure(NamedTuple):
    """Why a file could not be parsed."""

    reason: str


def parse_python(data: bytes) -> ast.Module | ParseFailure | None:
    """The syntax tree of a file; None when only a newer grammar accepts it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        return ParseFailure(f"syntax error: {exc}")
