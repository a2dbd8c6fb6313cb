"""PydanticAI (A7b): agents, their tools by argument, toolset and decorator, delegation inside tools, output checks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.guard import Target, add_guardrail, keyword_guardrails
from stratum_lab.scan.detect.teams import add_links, agent_of, definitions, delegations, form_crews, is_inline
from stratum_lab.scan.detect.tools import tool_of_function, tools_of
from stratum_lab.scan.model import Agent, Model, Site, Tool

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Function, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

FRAMEWORK: Final = "pydantic_ai"
_AGENTS: Final = (
    "pydantic_ai.Agent", "pydantic_ai.agent.Agent", "pydantic_ai.Agent.from_file", "pydantic_ai.Agent.from_spec",
)  # fmt: skip
_TOOLS: Final = frozenset({"tool", "tool_plain"})
_CHECKS: Final = frozenset({"output_validator", "result_validator"})
_RUNS: Final = ("run", "run_sync", "run_stream", "run_stream_sync", "run_stream_events", "iter")
_TOOLSETS: Final = frozenset({"FunctionToolset"})
_WRAPPED: Final = frozenset({"approval_required", "filtered", "prefixed", "prepared", "renamed", "wrapped"})
_APPROVAL: Final = frozenset({"ApprovalRequiredToolset", "approval_required"})


def agents(project: Project, model: Model) -> None:
    """One agent for each construction of `Agent`, subscripted or not, and of a subclass of the repository."""
    for call, _ in project.calls_to(*_AGENTS):
        _add(project, model, call)
    classes = set(project.subclasses("pydantic_ai.Agent", "pydantic_ai.agent.Agent"))
    for module in project.modules if classes else ():
        for call in () if module.excluded else module.calls:
            if (made := project.callee(call)).kind == "class" and made.cls in classes:
                _add(project, model, call)


def groups(project: Project, model: Model) -> None:
    """Tools, output checks, limits of runs, and the crews that delegation inside tools makes."""
    own = [agent for agent in model.agents if agent.framework == FRAMEWORK]
    for call, agent in definitions(project, model, FRAMEWORK):
        keyword_guardrails(call, project, model, FRAMEWORK, [agent])
        _settings(project, model, call, agent)
        for name in ("tools", "mcp_servers", "builtin_tools", "native_tools"):
            agent.hold(tools_of(project, model, call.arg(name), call.scope, FRAMEWORK))
        for toolset in _elements(project, call.arg("toolsets"), call.scope):
            agent.hold(_toolset(project, model, toolset))
    for function in project.functions() if own else ():
        for decorator in function.decorators:
            _decorated(project, model, function, decorator)
    _registered(project, model)
    form_crews(project, model, FRAMEWORK, add_links(model, delegations(project, model, own)), "handoff")
    _runs(project, model, own)


def _add(project: Project, model: Model, call: Call) -> Agent:
    given = call.arg("name")
    name = project.resolver.text(given, call.scope) if given is not None else None
    symbol = project.resolver.symbol_of(call)
    # Without a name the library takes the variable's at the first run.
    own = " ".join((name or (symbol if "/" in symbol else symbol.rpartition(".")[2])).split())
    agent = Agent(call.site, FRAMEWORK, symbol, own, project.unit_of(call.module.path), role=own)
    agent.identified = name is not None
    agent.inline = is_inline(project, call)
    return model.add_agent(agent)


def _settings(project: Project, model: Model, call: Call, agent: Target) -> None:
    """Limits inside `model_settings` (a class or a plain dict) and `usage_limits`."""
    for name in ("model_settings", "usage_limits"):
        given = call.arg(name)
        if given is None:
            continue
        made = project.resolver.resolve(given, call.scope)
        if made.call is not None:
            keyword_guardrails(made.call, project, model, FRAMEWORK, [agent])
            if name == "usage_limits" and made.call.keywords():
                add_guardrail(project, model, made.call.site, "rate_limit", FRAMEWORK, [agent])
        for key, (value, scope) in project.resolver.mapping(given, call.scope).items():
            if key == "max_tokens" and isinstance(project.resolver.literal(value, scope), int):
                site = Site(scope.module.path, value.lineno, value.col_offset)
                add_guardrail(project, model, site, "rate_limit", FRAMEWORK, [agent])


def _elements(project: Project, expr: ast.expr | None, scope: Scope) -> list[Value]:
    return project.resolver.items(expr, scope).values if expr is not None else []


def _toolset(project: Project, model: Model, value: Value, depth: int = 0) -> list[Tool]:
    """What a toolset holds: its own functions, those of the toolsets it wraps or combines, or a server's tools."""
    call = value.call
    if call is None or depth > 4:
        return []
    last = (value.origin or "").rpartition(".")[2]
    found: list[Tool] = []
    if last in _WRAPPED and value.receiver is not None:
        found = _toolset(project, model, value.receiver, depth + 1)
    elif last in _TOOLSETS:
        found = tools_of(project, model, call.arg("tools", 0), call.scope, FRAMEWORK)
        found += _added_to(project, model, call)
    elif last.endswith("Toolset") and (inner := call.arg("wrapped", 0) or call.arg("toolsets", 0)) is not None:
        for part in project.resolver.items(inner, call.scope).values or [project.resolver.resolve(inner, call.scope)]:
            found += _toolset(project, model, part, depth + 1)
    if not found:
        found = tools_of(project, model, ast.copy_location(ast.List(elts=[call.node], ctx=ast.Load()), call.node),
                         call.scope, FRAMEWORK)  # fmt: skip
    if last in _APPROVAL:
        add_guardrail(project, model, call.site, "hitl", FRAMEWORK, found)
    return found


def _added_to(project: Project, model: Model, toolset: Call) -> list[Tool]:
    """Functions put into a toolset by decorator or by `add_function`."""
    resolver = project.resolver
    found: list[Tool] = []
    for function in project.functions():
        for decorator in function.decorators:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(target, ast.Attribute) and target.attr in _TOOLS:
                owner = resolver.resolve(target.value, function.scope.parent or function.scope)
                if owner.call is not None and owner.call.site == toolset.site:
                    found.append(_tool(project, model, function, decorator))
    for call, receiver, given in _method_calls(project, ("add_function", "add_tool", "tool")):
        if receiver.call is not None and receiver.call.site == toolset.site:
            found += tools_of(project, model, given, call.scope, FRAMEWORK)
    return found


def _tool(project: Project, model: Model, function: Function, decorator: ast.expr) -> Tool:
    tool = tool_of_function(project, function)
    if isinstance(decorator, ast.Call):
        call = project.resolver.call_of(decorator, function.scope.parent or function.scope)
        keyword_guardrails(call, project, model, FRAMEWORK, [tool])
    return tool


def _decorated(project: Project, model: Model, function: Function, decorator: ast.expr) -> None:
    """`@agent.tool`, `@agent.tool_plain(...)`, `@agent.toolset`, `@agent.output_validator`."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(target, ast.Attribute):
        return
    agent = agent_of(model, project.resolver.resolve(target.value, function.scope.parent or function.scope))
    if agent is None or agent.framework != FRAMEWORK:
        return
    if target.attr in _TOOLS:
        agent.hold([_tool(project, model, function, decorator)])
    elif target.attr == "toolset":
        for returned in function.returns:
            agent.hold(_toolset(project, model, project.resolver.resolve(returned, function.scope)))
    elif target.attr in _CHECKS:
        site = Site(function.module.path, decorator.lineno, decorator.col_offset)
        add_guardrail(project, model, site, "output_filter", FRAMEWORK, [agent])


def _registered(project: Project, model: Model) -> None:
    """The same without decorator syntax: `agent.tool(f)`, `agent.tool_plain(retries=2)(f)`."""
    for call, receiver, given in _method_calls(project, (*_TOOLS, *_CHECKS)):
        agent = agent_of(model, receiver)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        func = call.node.func
        name = func.attr if isinstance(func, ast.Attribute) else ""
        if name in _TOOLS:
            agent.hold(tools_of(project, model, given, call.scope, FRAMEWORK))
        else:
            add_guardrail(project, model, call.site, "output_filter", FRAMEWORK, [agent])


def _method_calls(project: Project, names: tuple[str, ...]) -> Iterator[tuple[Call, Value, ast.expr]]:
    """Calls of methods of these names with a function as first argument, that are no decorators."""
    for module in project.modules_importing("pydantic_ai"):
        for call in () if module.excluded else module.calls:
            func = call.node.func
            if isinstance(func, ast.Attribute) and func.attr in names and call.node.args:
                given = ast.copy_location(ast.List(elts=[call.node.args[0]], ctx=ast.Load()), call.node.args[0])
                yield call, project.resolver.resolve(func.value, call.scope), given


def _runs(project: Project, model: Model, own: list[Agent]) -> None:
    """Runs mark crews, and carry their limits and output types to the agent."""
    known = set(own)
    for module in project.modules if own else ():
        for call in () if module.excluded else module.calls:
            func = call.node.func
            if not (isinstance(func, ast.Attribute) and func.attr in _RUNS):
                continue
            agent = agent_of(model, project.resolver.resolve(func.value, call.scope))
            if agent is None or agent not in known:
                continue
            for crew in model.crews_of(agent):
                crew.run = True
            keyword_guardrails(call, project, model, FRAMEWORK, [agent])
            _settings(project, model, call, agent)
