"""Parsing one file: errors have reasons, nothing crashes, and a newer Python is read as well."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import replace

import pytest

from stratum_lab.scan.source.limits import DEFAULT
from stratum_lab.scan.source.parse import Newer, ParseFailure, parse_python
from tests.support.hostile import TOO_DEEP


def _newer(text: str) -> ast.Module:
    parsed = parse_python(textwrap.dedent(text), "a.py")
    # An interpreter that is new enough parses it itself.
    tree = parsed.tree if isinstance(parsed, Newer) else parsed
    assert isinstance(tree, ast.Module), parsed
    return tree


def _calls(tree: ast.Module) -> dict[str, int]:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return {call.func.id: call.lineno for call in found if isinstance(call.func, ast.Name)}


@pytest.mark.parametrize("text", ["", "x = 1", "match x:\n  case 1: pass\n", "x = 1\f\n", "# only a comment"])
def test_source_of_this_interpreter_gives_its_tree(text: str) -> None:
    assert isinstance(parse_python(text, "a.py"), ast.Module)


@pytest.mark.parametrize(
    "text",
    [
        "print 'x'", "exec 'x'", "x = `a`", "raise A, 'b'", "x = 0777", "def f((a, b)): pass", "x = 1 if a <> b else 2",
        "{{ cookiecutter.name }} = {% if %}", "%matplotlib inline", "<<<<<<< HEAD\nx = 1\n", "def f(:", "x = '",
        "if 1:\n\tx = 1\n        y = 2\n",
    ],
)  # fmt: skip
def test_what_no_python_3_accepts_is_a_syntax_error(text: str) -> None:
    assert parse_python(text, "a.py") == ParseFailure("syntax")


@pytest.mark.parametrize("text", TOO_DEEP.values(), ids=TOO_DEEP.keys())
def test_nesting_ten_thousand_deep_is_an_error_and_no_crash(text: str) -> None:
    assert parse_python(text, "a.py") == ParseFailure("nesting")


def test_nesting_up_to_the_limit_is_accepted() -> None:
    deep = "x = 1" + "+1" * 500
    assert isinstance(parse_python(deep, "a.py"), ast.Module)
    assert parse_python(deep, "a.py", replace(DEFAULT, nesting=400)) == ParseFailure("nesting")


def test_a_long_line_that_is_not_nested_is_accepted() -> None:
    assert isinstance(parse_python("x = [" + "(1, -2), " * 5_000 + "]", "a.py"), ast.Module)


def test_warnings_of_the_parser_are_not_shown() -> None:
    assert isinstance(parse_python("x = '\\d'\nx is 1\n", "a.py"), ast.Module)


def test_type_parameters_and_type_statements_go_and_lines_stay() -> None:
    tree = _newer(
        """
        type Alias[T] = list[T]
        def f[
            T: (int, str),
            *Ts,
        ](x: T) -> T:
            return first(x)
        class A[T = int](B):
            y = second(1)
        third()
        """
    )
    assert _calls(tree) == {"first": 7, "second": 9, "third": 10}
    assert [type(node) for node in tree.body[1:3]] == [ast.FunctionDef, ast.ClassDef]


def test_handlers_without_parentheses_and_lazy_imports_are_read() -> None:
    tree = _newer("lazy import json\nlazy from a import (b,\n  c)\ntry:\n  f()\nexcept A, B:\n  g()\n")
    assert isinstance(tree.body[0], ast.Import)
    assert isinstance(tree.body[1], ast.ImportFrom)
    assert _calls(tree) == {"f": 5, "g": 7}


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ('f"{d["k"]} a"', "{} a"),
        ('f"{"\\n".join(d)}!"', "{}!"),
        ('f"""{\n  d  # why\n}"""', "{}"),
        ('f"{f"{f"{d}"}"}"', "{}"),
        ('"a{" f"{d["k"]} {{}}" "b"', "a{{{} {{}}b"),
        ('rf"\\d{d["k"]}"', "\\d{}"),
        ('f"{d["k"]=}"', 'd["k"]={}'),
        ('t"{d} a"', "{} a"),
    ],
)
def test_strings_of_a_newer_python_become_templates_with_their_fields(text: str, template: str) -> None:
    parsed = parse_python(f"x = ({text})\nmark()\n", "a.py")
    if not isinstance(parsed, Newer):
        pytest.skip("this interpreter parses it itself")
    assert parsed.tree is not None
    assignment = parsed.tree.body[0]
    assert isinstance(assignment, ast.Assign)
    value = assignment.value
    assert isinstance(value, ast.Call)
    assert isinstance(value.func, ast.Attribute)
    assert isinstance(value.func.value, ast.Constant)
    assert value.func.value.value == template
    assert {n.id for n in ast.walk(value) if isinstance(n, ast.Name)} == {"d"}
    assert _calls(parsed.tree)["mark"] == f"x = ({text})\n".count("\n") + 1


def test_what_cannot_be_rewritten_counts_as_parsed_without_a_tree() -> None:
    parsed = parse_python('x = t"{a["b"]}" t"c"\n', "a.py")
    assert isinstance(parsed, ast.Module) or parsed == Newer(None)


def test_syntax_of_a_newer_python_in_a_huge_file_is_told_apart() -> None:
    assert parse_python("type X = = int\n" + "#" * 600_000, "a.py") == ParseFailure("too_large")
