"""Tool descriptions given to a model API (A7): functions named in literal schemas, hosted tools, plain functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.tools import distinct, tools_of
from stratum_lab.scan.model import Model, Site, Tool
from stratum_lab.scan.source.index import Function

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

HOSTED: Final[dict[str, str]] = {
    "web_search": "WebSearchTool", "web_search_preview": "WebSearchTool", "file_search": "FileSearchTool",
    "retrieval": "FileSearchTool", "code_interpreter": "CodeInterpreterTool", "computer_use_preview": "ComputerTool",
    "computer": "ComputerTool", "local_shell": "LocalShellTool", "shell": "ShellTool",
    "image_generation": "ImageGenerationTool", "code_execution": "CodeInterpreterTool",
    "google_search": "WebSearchTool", "bash": "ShellTool",
}  # fmt: skip
"""Types of hosted tools, as the OpenAI Agents SDK calls them; versions such as `_20250305` are cut off first."""
_WRAPPED: Final = ("function", "functionDeclarations", "function_declarations", "toolSpec")


def described(project: Project, model: Model, expr: ast.expr, scope: Scope) -> list[Tool]:
    """Tools that a `tools=` or `functions=` argument of a model API describes.

    A schema whose name is a function that the same place knows runs that function.
    """
    found: list[Tool] = []
    for value in _elements(project, expr, scope):
        for tool in _one(project, model, value):
            if tool.kind == "schema" and not tool.code:
                tool.code = _code(project, tool.name, scope)
            found.append(tool)
    return distinct(found)


def _elements(project: Project, expr: ast.expr, scope: Scope, depth: int = 0) -> Iterator[Value]:
    """Elements of the list, looking through `[{"type": "function", "function": f} for f in functions]`."""
    resolver = project.resolver
    value = resolver.resolve(expr, scope)
    node, where = (value.node, value.scope) if value.node is not None and value.scope is not None else (expr, scope)
    if isinstance(node, ast.ListComp) and depth < 4:
        yield from _elements(project, node.generators[0].iter, where, depth + 1)
        return
    if isinstance(expr, ast.BoolOp | ast.IfExp) and depth < 4:
        for option in expr.values if isinstance(expr, ast.BoolOp) else (expr.body, expr.orelse):
            yield from _elements(project, option, scope, depth + 1)
        return
    yield from resolver.items(expr, scope).values


def _one(project: Project, model: Model, value: Value) -> Iterator[Tool]:
    resolver = project.resolver
    last = (value.origin or "").rpartition(".")[2]
    call = value.call
    if value.kind == "instance" and call is not None and last in ("pydantic_function_tool", "function_tool_schema"):
        shape = call.arg("model", 0)
        name = call.arg("name")
        text = resolver.text(name, call.scope) if name is not None else None
        made = resolver.resolve(shape, call.scope).cls if shape is not None else None
        if text or made is not None:
            identity = text or (made.name if made is not None else "")
            yield Tool(identity, identity, "schema", call.site, origin=value.origin)
        return
    if value.kind == "instance" and call is not None and last in ("FunctionDeclaration", "FunctionTool", "ToolParam"):
        name = call.arg("name")
        text = resolver.text(name, call.scope) if name is not None else None
        if text:
            yield Tool(text, text, "schema", call.site, origin=value.origin)
        return
    if value.kind == "instance" and call is not None and last == "Tool" and value.cls is None:
        inner = call.arg("function_declarations", 0)
        for part in resolver.items(inner, call.scope).values if inner is not None else ():
            yield from _one(project, model, part)
        for keyword in call.keywords():
            if keyword in HOSTED:
                yield Tool(HOSTED[keyword], keyword, "hosted", call.site, origin=value.origin, call=call)
        return
    if value.kind == "dict" and value.node is not None and value.scope is not None:
        yield from _schema(project, model, value.node, value.scope)
        return
    if value.node is not None and value.scope is not None and value.kind in ("function", "instance", "class"):
        single = ast.copy_location(ast.List(elts=[value.node], ctx=ast.Load()), value.node)
        yield from tools_of(project, model, single, value.scope, "openai")
    elif value.function is not None or value.cls is not None:
        yield from _of_code(project, model, value)


def _of_code(project: Project, model: Model, value: Value) -> Iterator[Tool]:
    code = value.function or value.cls
    if code is None:
        return
    name = ast.Name(id=code.name, ctx=ast.Load(), lineno=1 << 20, col_offset=0, end_lineno=1 << 20, end_col_offset=0)
    scope = code.scope.parent or code.scope
    yield from tools_of(project, model, ast.copy_location(ast.List(elts=[name], ctx=ast.Load()), name), scope, "openai")


def _schema(project: Project, model: Model, node: ast.expr, scope: Scope) -> Iterator[Tool]:
    resolver = project.resolver
    fields = resolver.mapping(node, scope)
    kind = resolver.text(*fields["type"]) if "type" in fields else None
    site = Site(scope.module.path, node.lineno, node.col_offset)
    for wrapper in _WRAPPED:
        if wrapper not in fields:
            continue
        expr, where = fields[wrapper]
        inner = (
            resolver.items(expr, where).values if wrapper.lower().replace("_", "").endswith("declarations") else None
        )
        for part in inner if inner is not None else [resolver.resolve(expr, where)]:
            yield from _one(project, model, part)
        return
    base = (kind or "").rpartition("_")[0] if (kind or "").rpartition("_")[2].isdigit() else kind or ""
    if base in HOSTED:
        yield Tool(HOSTED[base], base, "hosted", site)
    elif kind == "mcp":
        single = ast.copy_location(ast.List(elts=[node], ctx=ast.Load()), node)
        yield from tools_of(project, model, single, scope, "openai")
    elif "name" in fields and (name := resolver.text(*fields["name"])):
        yield Tool(name, " ".join(name.split()), "schema", site)


def _code(project: Project, name: str, scope: Scope) -> list[Function]:
    """The function a schema names: under its name in a dispatch table or in scope, or a method of the class around."""
    resolver = project.resolver
    seen: Scope | None = scope
    while seen is not None:
        for bindings in seen.bindings.values():
            for binding in bindings:
                if isinstance(binding.value, ast.Dict) and binding.kind == "assign":
                    given = resolver.mapping(binding.value, seen).get(name)
                    function = resolver.resolve(*given).function if given is not None else None
                    if function is not None:
                        return [function]
        seen = seen.parent
    found = resolver.name(name, scope).function
    if found is not None:
        return [found]
    owner = scope.function.cls if scope.function is not None else None
    method = resolver.find_method(owner, name) if owner is not None else None
    return [method] if method is not None else []
