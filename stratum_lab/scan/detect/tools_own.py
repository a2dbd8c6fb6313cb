"""Tools that the repository defines itself: functions, decorated or plain, and tool classes."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.model import Tool

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Function, Scope
    from stratum_lab.scan.source.project import Project

RUN_METHODS: Final = ("_run", "_arun", "run", "arun", "run_async", "forward", "execute", "_execute", "invoke", "call",
                      "__call__")  # fmt: skip
"""Methods of a tool class that run when the tool is called."""
TOOL_DECORATORS: Final = frozenset({
    "tool", "function_tool", "kernel_function", "beta_tool", "tool_plain", "ai_function", "register_for_llm",
})  # fmt: skip
"""Last names of decorators that make a function a tool."""


def tool_of_function(project: Project, function: Function, maker: Call | None = None) -> Tool:
    """The tool that a function or method of the repository is, decorated or plain.

    Args:
        maker: The call of the factory that gives the function, when it is made in one; what that call passes fills the
            name, and a name that depends on it is the identity, because the factory makes several tools.
    """
    identity = f"{function.cls.name}.{function.name}" if function.cls is not None else function.name
    name = function.name
    for decorator in function.decorators:
        if not isinstance(decorator, ast.Call) or written(decorator.func) not in TOOL_DECORATORS:
            continue
        for given in (
            *(k.value for k in decorator.keywords if k.arg in ("name", "name_override")),
            *decorator.args[:1],
        ):
            text = project.resolver.text(given, function.scope.parent or function.scope)
            if text:
                name = text
                break
    if maker is not None:
        filled = _filled(project, name, maker)
        identity, name = (filled, filled) if filled != name else (identity, name)
    return Tool(identity, spaced(name), "function", function.site, origin=function.dotted, code=[function],
                call=maker, defined_in=function.module.path)  # fmt: skip


def _filled(project: Project, name: str, maker: Call) -> str:
    """A name with the parameters of its factory filled in from one call of it."""
    factory = project.callee(maker).function
    for parameter in factory.parameters if factory is not None and "{" in name else ():
        given = project.resolver.argument(maker, factory, parameter) if factory is not None else None
        text = project.resolver.text(given, maker.scope) if given is not None else None
        if text is not None:
            name = name.replace("{" + parameter + "}", text)
    return name


def tool_of_class(project: Project, cls: Class, call: Call | None = None) -> Tool:
    """The tool that a class of the repository is, or the instance that a call makes of it."""
    resolver = project.resolver
    code = [m for name in RUN_METHODS if (m := resolver.find_method(cls, name)) is not None]
    name = None
    if call is not None:
        given = call.arg("name")
        name = resolver.text(given, call.scope) if given is not None else None
    for owner in resolver.lineage(cls) if name is None else ():
        if isinstance(owner, str):
            continue
        bound = [b.value for b in owner.scope.bindings.get("name", ()) if b.value is not None]
        bound += [b.value for b, _ in owner.scope.attributes.get("name", ()) if b.value is not None]
        name = next((t for value in bound if (t := _default_text(project, value, owner.scope))), None)
        if name is not None:
            break
    return Tool(cls.name, spaced(name or cls.name), "class", call.site if call is not None else cls.site,
                origin=cls.dotted, code=code, call=call, defined_in=cls.module.path)  # fmt: skip


def is_tool_function(project: Project, function: Function) -> bool:
    """Whether a function is itself a tool: decorated as one, or what a tool class runs."""
    for decorator in function.decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if written(target) in TOOL_DECORATORS:
            origin = project.resolver.origin(target, function.scope.parent or function.scope) or ""
            return not origin.startswith("crewai.project")  # there it marks a method that makes a tool
    if function.cls is not None and function.name in RUN_METHODS:
        return any(
            last_of(base) in ("BaseTool", "Tool", "StructuredTool") for base in project.resolver.bases(function.cls)
        )
    return False


def distinct(tools: Iterable[Tool]) -> list[Tool]:
    """Tools without repetition of a key, in order."""
    seen: dict[tuple[str, str], Tool] = {}
    for tool in tools:
        seen.setdefault(tool.key, tool)
    return list(seen.values())


def _default_text(project: Project, value: ast.expr, scope: Scope) -> str | None:
    """A text, or the default of a pydantic field."""
    if isinstance(value, ast.Call):
        for keyword in value.keywords:
            if keyword.arg == "default":
                return project.resolver.text(keyword.value, scope)
        if value.args:
            return project.resolver.text(value.args[0], scope)
        return None
    return project.resolver.text(value, scope)


def written(node: ast.expr) -> str:
    """The last name of an expression as it is written."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def last_of(origin: str) -> str:
    """The last component of a dotted origin."""
    return origin.rpartition(".")[2]


def class_of(origin: str) -> str:
    """The last component that is written like a class; "" when there is none."""
    return next((p for p in reversed(origin.split(".")) if p[:1].isupper()), "")


def spaced(name: str) -> str:
    """A name on one line, single spaces."""
    return " ".join(name.split())
