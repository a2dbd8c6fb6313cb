"""Agents written on a model API itself (A7): OpenAI, Anthropic, Gemini and other SDK clients, and the Assistants API.

Such an agent is a function or class that gives the API tools and dispatches on the calls it gets back. Code that runs
as an agent of a framework, or inside one, is that framework's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.guard import keyword_guardrails
from stratum_lab.scan.detect.openai_dispatch import Dispatch
from stratum_lab.scan.detect.openai_schema import described
from stratum_lab.scan.detect.providers_clients import SDK_ROOTS, model_call, written_call
from stratum_lab.scan.detect.tools import is_tool_function
from stratum_lab.scan.model import Agent, Model, Site, Tool
from stratum_lab.scan.source.index import Call, Class, Function, Module, chain, walk_scope

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project

FRAMEWORK: Final = "openai"
_FRAMEWORKS: Final = {"openai": "openai", "anthropic": "anthropic", "litellm": "litellm"}
"""Import root to framework; other SDKs are generic."""
_GIVEN: Final = ("tools", "functions")
_ASSISTANTS: Final = ("assistants.create",)
_ITSELF: Final = ("messages.tool_runner",)
"""Calls that run the loop over tools themselves."""


def late(project: Project, model: Model) -> None:
    """Register these agents with their tools and limits."""
    claimed = _claimed(project, model)
    dispatch = Dispatch(project)
    asking: dict[Function | Class | Module, list[Call]] = {}
    for call in _tool_calls(project):
        function = _outermost(call.function)
        if function is not None and (function in claimed or call.function in claimed):
            continue
        owner = _owner(project, dispatch, call, function)
        if owner is not None and model.agent_at(_site(owner, call)) is None:
            asking.setdefault(owner, []).append(call)
    for owner, calls in asking.items():
        _add(project, model, owner, calls)
    for call in _assistants(project):
        _assistant(project, model, call)


def _claimed(project: Project, model: Model) -> frozenset[Function]:
    """Functions that run as an agent of a framework."""
    return frozenset(f for agent in model.agents for code in agent.code for f in project.resolver.reachable(code))


def _tool_calls(project: Project) -> Iterator[Call]:
    """Calls of a model API that give it tools."""
    for module in project.modules:
        if module.excluded or module.light or not (module.roots & SDK_ROOTS.keys() or _wrapped_client(module)):
            continue
        for call in module.calls:
            if is_model_call(project, call) and _given(project, call):
                yield call


def _wrapped_client(module: Module) -> bool:
    """A file that imports no SDK may still get its client from a file of the repository that does."""
    return any(written_call(chain(call.node.func)) is not None for call in module.calls)


def is_model_call(project: Project, call: Call) -> bool:
    """Whether a call asks a model through an SDK's client, known or recognised by a call path only clients have."""
    callee = project.callee(call)
    if model_call(callee.origin) is not None:
        return True
    return callee.origin is None and callee.function is None and written_call(chain(call.node.func)) is not None


def _given(project: Project, call: Call) -> list[tuple[ast.expr, Scope]]:
    """The tool descriptions a call passes: by keyword, in `**kwargs` under a name, or in a configuration object."""
    found = []
    for name, expr, scope in arguments(project, call):
        if name in _GIVEN and not _is_empty(project, expr, scope):
            found.append((expr, scope))
        elif name in ("config", "generation_config", "toolConfig"):
            inner = project.resolver.resolve(expr, scope)
            given = inner.call.arg("tools") if inner.call is not None else None
            if given is not None and inner.call is not None:
                found.append((given, inner.call.scope))
            else:
                fields = project.resolver.mapping(expr, scope)
                found += [fields[key] for key in ("tools",) if key in fields]
    receiver = project.callee(call).receiver
    made = receiver.call if receiver is not None else None
    while not found and made is not None:  # GenerativeModel("...", tools=[...]).generate_content(...)
        given = made.arg("tools")
        if given is not None:
            found.append((given, made.scope))
        outer = project.callee(made).receiver
        made = outer.call if outer is not None and outer.call is not made else None
    return found


def arguments(project: Project, call: Call) -> Iterator[tuple[str, ast.expr, Scope]]:
    """Keyword arguments of a call with their scope, those of a mapping passed with `**` included."""
    for keyword in call.node.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value, call.scope
            continue
        for name, (expr, scope) in project.resolver.mapping(keyword.value, call.scope).items():
            yield name, expr, scope
        if isinstance(keyword.value, ast.Name) and call.function is not None:
            yield from ((n, e, call.scope) for n, e in _put(call.function, keyword.value.id))


def _put(function: Function, name: str) -> Iterator[tuple[str, ast.expr]]:
    """`kwargs["tools"] = tools` on the way."""
    for node in walk_scope(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and chain(target.value) == name:
                    key = target.slice.value if isinstance(target.slice, ast.Constant) else None
                    if isinstance(key, str):
                        yield key, node.value


def _is_empty(project: Project, expr: ast.expr, scope: Scope) -> bool:
    if isinstance(expr, ast.Name) and any(b.kind == "param" for b in scope.bindings.get(expr.id, ())):
        return False  # a branch may set it to None
    literal = project.resolver.literal(expr, scope)
    return literal is None or literal == [] or chain(expr).rpartition(".")[2] in ("NOT_GIVEN", "omit", "Omit")


def _outermost(function: Function | None) -> Function | None:
    """The function a nested one belongs to."""
    while function is not None and function.scope.parent is not None and function.scope.parent.kind == "function":
        above = function.scope.parent.function
        if above is None:
            break
        function = above
    return function


def _owner(
    project: Project, dispatch: Dispatch, call: Call, function: Function | None
) -> Function | Class | Module | None:
    """Who asks and dispatches: the class of a method, else the function or one that calls it, or a script."""
    if any(chain(call.node.func).endswith(ending) for ending in _ITSELF):
        return function.cls or function if function is not None else call.module
    if function is None:
        return call.module if dispatch.of_script(call.module) else None
    if function.cls is not None:
        owners = [owner for owner in project.resolver.lineage(function.cls) if isinstance(owner, Class)]
        if any(dispatch.of_function(method) for owner in owners for method in owner.methods.values()):
            return function.cls
    elif dispatch.of_function(function) or any(map(dispatch.of_function, project.resolver.called(function))):
        return function
    if not _returns(function, call):
        return None
    # `def complete(messages, tools): return client...create(...)`, dispatched on where it is called
    callers = {_outermost(c.function) for c in project.resolver.callers(function) if not c.module.excluded}
    for caller in sorted((c for c in callers if c is not None and c is not function), key=lambda c: c.site):
        if dispatch.of_function(caller):
            return caller.cls or caller
    return None


def _returns(function: Function, call: Call) -> bool:
    """Whether what a call gave, or a part of it, is what its function returns."""
    if call.returned:
        return True
    names = {call.assigned.partition(".")[0]} if call.assigned else set()
    for expr in function.returns:
        for node in ast.walk(expr):
            if node is call.node or (isinstance(node, ast.Name) and node.id in names):
                return True
    return False


def _site(owner: Function | Class | Module, call: Call) -> Site:
    return call.site if isinstance(owner, Module) else owner.site


def _add(project: Project, model: Model, owner: Function | Class | Module, calls: list[Call]) -> None:
    first = calls[0]
    found = model_call(project.callee(first).origin)
    root = found.root if found is not None else next(iter(sorted(first.module.roots & SDK_ROOTS.keys())), "openai")
    stem = first.module.path.rpartition("/")[2].removesuffix(".py")
    if isinstance(owner, Module):
        symbol, name = f"{owner.path}:{first.node.lineno}", stem
    else:
        symbol, name = owner.qualname, owner.name
    agent = Agent(_site(owner, first), _FRAMEWORKS.get(root, "generic"), symbol, name,
                  project.unit_of(first.module.path), role=name)  # fmt: skip
    agent = model.add_agent(agent, *([] if isinstance(owner, Module) else [owner]))
    if isinstance(owner, Function):
        agent.code.append(owner)
        agent.inline = is_tool_function(project, owner)
    elif isinstance(owner, Class):
        agent.code += list(owner.methods.values())
    for call in calls:
        model.stand_for(agent, call.site)
        agent.hold(_tools(project, model, call))
        keyword_guardrails(call, project, model, agent.framework, [agent])


def _tools(project: Project, model: Model, call: Call) -> list[Tool]:
    return [tool for expr, scope in _given(project, call) for tool in described(project, model, expr, scope)]


def _assistants(project: Project) -> Iterator[Call]:
    for module in project.modules:
        if module.excluded or module.light:
            continue
        for call in module.calls:
            text = chain(call.node.func)
            origin = project.callee(call).origin or ""
            known = origin.partition(".")[0] == "openai" and origin.endswith(_ASSISTANTS)
            if known or (not origin and text.endswith(".beta.assistants.create")):
                yield call


def _assistant(project: Project, model: Model, call: Call) -> None:
    """An assistant is defined in the provider's own format and lives there."""
    given = call.arg("name")
    name = project.resolver.text(given, call.scope) if given is not None else None
    symbol = project.resolver.symbol_of(call)
    own = " ".join((name or symbol).split())
    agent = Agent(call.site, FRAMEWORK, symbol, own, project.unit_of(call.module.path), role=own)
    agent.identified = name is not None
    agent.hosted = True
    agent = model.add_agent(agent)
    tools = call.arg("tools")
    if tools is not None:
        agent.hold(described(project, model, tools, call.scope))
    keyword_guardrails(call, project, model, FRAMEWORK, [agent])
