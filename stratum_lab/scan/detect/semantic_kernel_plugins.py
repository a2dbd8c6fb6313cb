"""Plugins of Semantic Kernel agents: each `@kernel_function` of a plugin object is a tool, and so is an agent.

They come with `plugins=` and with the kernel the agent is given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.teams import agent_of
from stratum_lab.scan.detect.tools import distinct, tool_of_function, tools_of
from stratum_lab.scan.model import Model, Tool

if TYPE_CHECKING:
    from stratum_lab.scan.detect.construction import Construction
    from stratum_lab.scan.source.index import Class, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

_FRAMEWORK: Final = "semantic_kernel"
_ADDING: Final = ("semantic_kernel.**.Kernel.add_plugin", "semantic_kernel.**.Kernel.add_plugins",
                  "semantic_kernel.**.Kernel.add_function", "semantic_kernel.**.Kernel.add_functions")  # fmt: skip


def plugins_of(project: Project, model: Model, made: Construction) -> list[Tool]:
    """The tools that an agent's construction gives it."""
    tools: list[Tool] = []
    for name in ("plugins", "tools"):
        given = made.arg(name)
        if given is not None:
            tools += _tools(project, model, *given)
    kernel = made.value("kernel")
    if kernel is not None:
        tools += _of_kernel(project, model, kernel)
    return distinct(tools)


def _of_kernel(project: Project, model: Model, kernel: Value) -> Iterator[Tool]:
    """What is added to the kernel object, and the plugins it is constructed with."""
    sites = {call.site for call in kernel.calls}
    for call in kernel.calls:
        given = call.arg("plugins")
        if given is not None:
            yield from _tools(project, model, given, call.scope)
    for call, value in project.calls_to(*_ADDING):
        if value.receiver is None or sites.isdisjoint(c.site for c in value.receiver.calls):
            continue
        for name, position in (("plugin", 0), ("plugins", 0), ("function", None), ("functions", None)):
            added = call.arg(name, position)
            if added is not None:
                yield from _tools(project, model, added, call.scope)
                break


def _tools(project: Project, model: Model, expr: ast.expr, scope: Scope) -> Iterator[Tool]:
    values = project.resolver.items(expr, scope).values or [project.resolver.resolve(expr, scope)]
    for value in values:
        if agent_of(model, value) is None and value.cls is not None and value.kind in ("instance", "class"):
            yield from _functions(project, value.cls)
        elif value.node is not None and value.scope is not None:
            whole = ast.copy_location(ast.List(elts=[value.node], ctx=ast.Load()), value.node)
            yield from tools_of(project, model, whole, value.scope, _FRAMEWORK)
        elif value.function is not None:
            yield tool_of_function(project, value.function)


def _functions(project: Project, cls: Class) -> Iterator[Tool]:
    """The kernel functions of a plugin class, inherited ones included."""
    seen: set[str] = set()
    for owner in project.resolver.lineage(cls):
        if isinstance(owner, str):
            continue
        for name, method in owner.methods.items():
            if name not in seen and any(_is_kernel_function(project, d, owner.scope) for d in method.decorators):
                seen.add(name)
                yield tool_of_function(project, method)


def _is_kernel_function(project: Project, decorator: ast.expr, scope: Scope) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (project.resolver.origin(target, scope) or "").endswith(".kernel_function")
