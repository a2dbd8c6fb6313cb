"""AutoGen and AG2 tools (A6): arguments, function maps, `register_function`, registering decorators, tool objects.

Both sides of a registration hold the tool: the one that may ask for it and the one that runs it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.autogen_agents import FRAMEWORK, ROOTS, definitions
from stratum_lab.scan.detect.teams import agent_of
from stratum_lab.scan.detect.tools import tool_of_function, tools_of
from stratum_lab.scan.model import Agent, Model, Tool

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project

_ARGUMENTS: Final = ("tools", "functions", "workbench", "mcp_servers")
_SIDES: Final = ("register_for_llm", "register_for_execution")


def hold_tools(project: Project, model: Model) -> None:
    """Give every agent its tools."""
    mapped = _function_maps(project, model)
    for made in definitions(project):
        agent = model.agent_at(made.call.site)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        for name in _ARGUMENTS:
            given = made.arg(name)
            if given is not None:
                agent.hold(tools_of(project, model, given.expr, given.scope, FRAMEWORK))
        config = made.arg("llm_config")
        if config is not None:
            agent.hold(_described(project, model, config.expr, config.scope, mapped))
    _registered(project, model)
    _decorated(project, model)


def _function_maps(project: Project, model: Model) -> dict[str, Tool]:
    """Functions under the names they are mapped to; their agents hold them. Gives the tools by name."""
    found: dict[str, Tool] = {}
    for module in project.modules_importing(*ROOTS):
        for call in () if module.excluded else module.calls:
            given = call.arg("function_map")
            func = call.node.func
            method = isinstance(func, ast.Attribute) and func.attr == "register_function"
            if given is None and method and not call.node.keywords:
                given = call.arg(None, 0)
            if given is None:
                continue
            agent = model.agent_at(call.site)
            if agent is None and isinstance(func, ast.Attribute) and method:
                agent = agent_of(model, project.resolver.resolve(func.value, call.scope))
            for name, (expr, scope) in project.resolver.mapping(given, call.scope).items():
                tool = _one(project, model, expr, scope, name)
                if tool is not None and agent is not None:
                    found[name] = tool
                    agent.hold([tool])
    return found


def _described(project: Project, model: Model, config: ast.expr, scope: Scope, mapped: dict[str, Tool]) -> list[Tool]:
    """Schemas in `llm_config`; one whose name is mapped to a function is that function."""
    out: list[Tool] = []
    for name, (expr, where) in project.resolver.mapping(config, scope).items():
        if name in ("functions", "tools"):
            out += [mapped.get(t.identity, t) for t in tools_of(project, model, expr, where, FRAMEWORK)]
    return out


def _registered(project: Project, model: Model) -> None:
    """`register_function(f, caller=a, executor=b)`, `a.register_for_llm(...)(f)`, `tool.register_tool(a)`."""
    for call, _ in project.calls_to(*(f"{root}.**.register_function" for root in ROOTS)):
        given = call.arg("f", 0)
        for name, position in (("caller", 1), ("executor", 2)):
            side = call.arg(name, position)
            if side is not None and given is not None:
                _hold(project, model, _agents(project, model, side, call.scope), given, call, call)
    for module in project.modules_importing(*ROOTS):
        for call in () if module.excluded else module.calls:
            func = call.node.func
            if isinstance(func, ast.Call) and isinstance(func.func, ast.Attribute) and func.func.attr in _SIDES:
                if call.node.args:
                    named = project.resolver.call_of(func, call.scope)
                    holders = _agents(project, model, func.func.value, call.scope)
                    _hold(project, model, holders, call.node.args[0], call, named)
            elif isinstance(func, ast.Attribute) and func.attr in (*_SIDES, "register_tool") and call.node.args:
                holders = _agents(project, model, call.node.args[0], call.scope)
                if holders and agent_of(model, project.resolver.resolve(func.value, call.scope)) is None:
                    _hold(project, model, holders, func.value, call, None)


def _decorated(project: Project, model: Model) -> None:
    """`@b.register_for_execution()` over `@a.register_for_llm(name=..., description=...)`."""
    for function in project.functions():
        for decorator in function.decorators:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not (isinstance(target, ast.Attribute) and target.attr in _SIDES):
                continue
            around = function.scope.parent or function.scope
            tool = tool_of_function(project, function)
            if isinstance(decorator, ast.Call):
                named = project.resolver.call_of(decorator, around).arg("name")
                tool.name = (project.resolver.text(named, around) if named is not None else None) or tool.name
            for agent in _agents(project, model, target.value, around):
                agent.hold([tool])


def _hold(
    project: Project, model: Model, holders: list[Agent], given: ast.expr, call: Call, named: Call | None
) -> None:
    name = named.arg("name") if named is not None else None
    tool = _one(
        project, model, given, call.scope, project.resolver.text(name, call.scope) if name is not None else None
    )
    for agent in holders if tool is not None else ():
        agent.hold([tool] if tool is not None else [])


def _one(project: Project, model: Model, expr: ast.expr, scope: Scope, name: str | None) -> Tool | None:
    single = ast.copy_location(ast.List(elts=[expr], ctx=ast.Load()), expr)
    found = tools_of(project, model, single, scope, FRAMEWORK)
    if found and name:
        found[0].name = " ".join(name.split())
        if found[0].identity.startswith("<lambda"):
            found[0].identity = found[0].name
    return found[0] if found else None


def _agents(project: Project, model: Model, expr: ast.expr, scope: Scope) -> list[Agent]:
    """The agent an expression is, or all of those a loop's variable runs over."""
    agent = agent_of(model, project.resolver.resolve(expr, scope))
    if agent is not None:
        return [agent]
    if not isinstance(expr, ast.Name):
        return []
    for binding in scope.bindings.get(expr.id, ()):
        if binding.kind == "for" and binding.value is not None and not binding.at:
            values = project.resolver.items(binding.value, scope).values
            return [found for value in values if (found := agent_of(model, value)) is not None]
    return []
