"""CrewAI agents: decorated methods, `Agent(...)` calls and agents of YAML files that no code reads (A3)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from stratum_lab.scan.detect import tools_mcp
from stratum_lab.scan.detect.crewai_knowledge import add_knowledge
from stratum_lab.scan.detect.crewai_yaml import NO_CONFIG, Config, config_of, entries, is_crew_base, unread_files
from stratum_lab.scan.detect.guard import add_guardrail, keyword_guardrails
from stratum_lab.scan.detect.tools import is_tool_function, tools_of
from stratum_lab.scan.model import Agent, Confidence, Model, Site, Tool
from stratum_lab.scan.source.project import matches_origin
from stratum_lab.scan.source.value import Value

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Function, Scope
    from stratum_lab.scan.source.project import Project

FRAMEWORK: Final = "crewai"
AGENTS: Final = ("crewai.**.Agent", "crewai.**.LiteAgent")
_BASES: Final = (*AGENTS, "crewai.**.BaseAgent")
_YAML_LIMITS: Final = ("max_iter", "max_rpm", "max_execution_time")


class Definition(NamedTuple):
    """One place in Python that defines an agent.

    Attributes:
        site: The decorated method, or the call.
        call: The `Agent(...)` call that holds the arguments; None when a decorated method has none of its own.
        method: The decorated method.
        cls: Class around it.
        inner: Further calls that are the same agent.
    """

    site: Site
    symbol: str
    call: Call | None
    method: Function | None
    cls: Class | None
    inner: tuple[Call, ...]


def definitions(project: Project) -> list[Definition]:
    """Every place that defines an agent, decorated methods first, each call once."""
    if not any("crewai" in module.roots for module in project.modules):
        return []
    found: list[Definition] = []
    taken: set[Site] = set()
    for cls in project.classes():
        for method in cls.methods.values():
            if decorated(project, method, "agent"):
                inner = [c for c in _calls_within(method) if _makes_agent(project, c)]
                handed = inner or _handed_on(project, method)
                taken.update(c.site for c in handed if inner or _serves_only_methods(project, c))
                first = handed[0] if handed else None
                found.append(Definition(method.site, method.qualname, first, method, cls, tuple(handed)))
    for call in _agent_calls(project):
        if call.site not in taken:
            symbol = project.resolver.symbol_of(call)
            found.append(Definition(call.site, symbol, call, None, class_around(call.scope), ()))
    return found


def register(project: Project, model: Model) -> None:
    """Add every agent that Python defines."""
    found = definitions(project)
    makers = Counter(call.site for definition in found for call in definition.inner)
    for definition in found:
        if model.agent_at(definition.site) is not None:
            continue
        config = _config(project, definition)
        agent = Agent(definition.site, FRAMEWORK, definition.symbol, "", project.unit_of(definition.site.file))
        _describe(project, agent, definition, config)
        owners = (definition.method,) if definition.method is not None else ()
        model.add_agent(agent, *owners)
        for call in definition.inner:
            if makers[call.site] == 1 and (call.function is None or _serves_only_methods(project, call)):
                model.stand_for(agent, call.site)  # a call that serves several methods stands for none of them


def equip(project: Project, model: Model) -> None:
    """Give the agents what needs all agents to be known: tools, and limits on them."""
    for definition in definitions(project):
        agent = model.agent_at(definition.site)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        config = _config(project, definition)
        call = definition.call
        given = None
        if call is not None:
            given = _given(project, definition, "tools")
            if given is not None:
                agent.hold(tools_of(project, model, *given, FRAMEWORK))
            servers = call.arg("mcps")
            if servers is not None:
                found = tools_mcp.servers_of(project, model, servers, call.scope)
                agent.hold(tools_mcp.tools_of_servers(found))
            add_knowledge(project, model, call.arg("knowledge_sources"), call.scope, [agent])
            keyword_guardrails(call, project, model, FRAMEWORK, [agent])
        if given is None:
            agent.hold(yaml_tools(project, model, config, definition.cls))
        written = set(call.keywords()) if call is not None else set()
        for name in _YAML_LIMITS:
            limit = config.data.get(name)
            if (
                name not in written
                and isinstance(limit, int)
                and not isinstance(limit, bool)
                and limit > 0
                and config.site
            ):
                add_guardrail(project, model, config.site, "rate_limit", FRAMEWORK, [agent])


def register_unread(project: Project, model: Model) -> None:
    """Add the agents of YAML files in units where no code defines an agent; files some site reads are left out."""
    read = {config.file.path for d in definitions(project) if (config := _config(project, d)).file is not None}
    units = {agent.unit for agent in model.agents}
    for file in unread_files(project):
        unit = project.unit_of(file.path)
        if unit in units or file.path in read:
            continue
        for key, data in entries(file, "agent"):
            config = Config(key, file, data)
            site = Site(file.path, file.lines.get(key, 1))
            agent = Agent(
                site, FRAMEWORK, key, spaced(config.text("role") or key), unit, confidence=Confidence.PROBABLE
            )
            agent.role, agent.identified = agent.name, True
            agent.delegation_allowed = data.get("allow_delegation") is True
            model.add_agent(agent)
            agent.hold(yaml_tools(project, model, config, None))


def member(model: Model, value: Value) -> Agent | None:
    """The agent a value is; the decorated method it came through decides before the call that made it."""
    through = (model.agent_of_code(function) for function in value.via)
    return next((agent for agent in through if agent is not None), None) or model.agent_of(value)


def yaml_tools(project: Project, model: Model, config: Config, cls: Class | None) -> list[Tool]:
    """Tools a configuration names: methods of the crew class that make them, else the names themselves."""
    out: list[Tool] = []
    for name in config.texts("tools"):
        method = project.resolver.find_method(cls, name) if cls is not None else None
        if method is not None:
            for returned in method.returns:
                whole = ast.copy_location(ast.List(elts=[returned], ctx=ast.Load()), returned)
                out += tools_of(project, model, whole, method.scope, FRAMEWORK)
        elif config.site is not None:
            out.append(Tool(name, name, "class", config.site, confidence=Confidence.PROBABLE))
    return out


def agent_methods(project: Project, cls: Class) -> list[Function]:
    """The `@agent` methods of a crew class in order of definition, inherited ones first."""
    return decorated_methods(project, cls, "agent")


def decorated_methods(project: Project, cls: Class, name: str) -> list[Function]:
    """Methods of a class and its repo bases with a CrewAI decorator, in order of definition, overridden ones once."""
    found: dict[str, Function] = {}
    owners = [owner for owner in project.resolver.lineage(cls) if not isinstance(owner, str)]
    for owner in reversed(owners):
        for method in owner.methods.values():
            if decorated(project, method, name):
                found[method.name] = method
    return list(found.values())


def decorated(project: Project, method: Function, name: str) -> bool:
    """Whether a method carries a decorator of this name that is CrewAI's, or stands in a `@CrewBase` class."""
    for decorator in method.decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        last = target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
        if method.cls is None:
            continue
        origin = project.resolver.origin(target, method.cls.scope.parent or method.cls.scope) or ""
        ours = origin.startswith("crewai.") and origin.endswith(f".{name}")
        if ours or (last == name and is_crew_base(project, method.cls)):
            return True
    return False


def class_around(scope: Scope) -> Class | None:
    """The innermost class around a scope."""
    function = scope.function
    while function is not None and function.cls is None:
        function = function.scope.parent.function if function.scope.parent is not None else None
    return function.cls if function is not None else None


def argument(project: Project, call: Call, name: str) -> tuple[ast.expr, Scope] | None:
    """An argument of an agent's, task's or crew's call: given, spread from a dictionary, or set by the repo class."""
    given = call.arg(name)
    if given is not None:
        return given, call.scope
    for keyword in call.node.keywords:
        if keyword.arg is None and not isinstance(keyword.value, ast.Dict):
            spread = project.resolver.mapping(keyword.value, call.scope).get(name)
            if spread is not None:
                return spread
    cls = project.callee(call).cls
    for owner in project.resolver.lineage(cls) if cls is not None else ():
        if isinstance(owner, str):
            continue
        made = owner.methods.get("__init__")
        for inner in made.calls if made is not None else ():
            if isinstance(inner.node.func, ast.Attribute) and inner.node.func.attr == "__init__":
                value = inner.arg(name)
                if value is not None:
                    return value, inner.scope
        for binding in owner.scope.bindings.get(name, ()):
            if binding.value is not None and binding.kind == "assign":
                return binding.value, owner.scope
    return None


def spaced(text: str) -> str:
    """A name on one line, single spaces."""
    return " ".join(text.split())


def _agent_calls(project: Project) -> Iterator[Call]:
    for call, _ in project.calls_to(*AGENTS):
        yield call
    classes = set(project.subclasses(*_BASES))
    if not classes:
        return
    for module in project.modules:
        for call in module.calls if not module.excluded else ():
            value = project.callee(call)
            if value.kind == "class" and value.cls in classes:
                yield call


def _makes_agent(project: Project, call: Call) -> bool:
    value = project.callee(call)
    if value.kind == "class" and value.cls is not None:
        return any(matches_origin(base, pattern) for base in project.resolver.bases(value.cls) for pattern in _BASES)
    return value.origin is not None and any(matches_origin(value.origin, pattern) for pattern in AGENTS)


def _calls_within(method: Function) -> Iterator[Call]:
    """Calls of a method's body, those of functions nested in it included."""
    for call in method.module.calls:
        scope: Scope | None = call.scope
        while scope is not None:
            if scope is method.scope:
                yield call
                break
            scope = scope.parent


def _handed_on(project: Project, method: Function) -> list[Call]:
    """A decorated method that gives what another function makes: that function's call serves this method."""
    for expr in method.returns:
        value: Value = project.resolver.resolve(expr, method.scope)
        made = [c for c in value.calls if _makes_agent(project, c)]
        if made:
            return made
    return []


def _serves_only_methods(project: Project, call: Call) -> bool:
    """Whether the function a call stands in is used by `@agent` methods only, so that it defines no agent itself."""
    maker = call.function
    if maker is None or decorated(project, maker, "agent"):
        return True
    users = [user.function for user in project.resolver.callers(maker) if not user.module.excluded]
    return all(user is not None and decorated(project, user, "agent") for user in users)


def _given(project: Project, definition: Definition, name: str) -> tuple[ast.expr, Scope] | None:
    """An argument of the defining call; a factory's parameter is read from the decorated method that calls it."""
    call, method = definition.call, definition.method
    found = argument(project, call, name) if call is not None else None
    if found is None or method is None or call is None or call.function is None or call.function is method:
        return found
    expr = found[0]
    if (
        isinstance(expr, ast.Call)
        and isinstance(expr.func, ast.Name)
        and expr.func.id in ("list", "tuple")
        and expr.args
    ):
        expr = expr.args[0]
    if not isinstance(expr, ast.Name) or expr.id not in call.function.parameters:
        return found
    for inner in method.calls:
        if project.callee(inner).function is call.function:
            passed = project.resolver.argument(inner, call.function, expr.id)
            if passed is not None:
                return passed, inner.scope
    return None


def _config(project: Project, definition: Definition) -> Config:
    call = definition.call
    if call is None:
        return NO_CONFIG
    found = config_of(project, call, "agent", definition.cls)
    method = definition.method
    if method is not None and found.key is None and call.function is not method:
        # the key is a parameter of the function that makes the agent
        for inner in method.calls:
            for given in (*inner.node.args, *(k.value for k in inner.node.keywords)):
                key = project.resolver.text(given, inner.scope)
                data = (
                    found.file.data.get(key) if found.file is not None and isinstance(found.file.data, dict) else None
                )
                if key is not None and isinstance(data, dict):
                    return Config(key, found.file, data)
    return found


def _describe(project: Project, agent: Agent, definition: Definition, config: Config) -> None:
    call = definition.call
    role = config.text("role")
    delegation: object = config.data.get("allow_delegation")
    if call is not None:
        given = _given(project, definition, "role")
        text = project.resolver.text(*given) if given is not None else None
        role = text or role
        delegation = _literal(project, call, "allow_delegation", delegation)
        if _literal(project, call, "allow_code_execution", config.data.get("allow_code_execution")) is True:
            mode = _literal(project, call, "code_execution_mode", config.data.get("code_execution_mode"))
            agent.code_execution = "local" if mode == "unsafe" else "docker"
        around = call.function
        while around is not None:
            agent.inline = agent.inline or is_tool_function(project, around)
            around = around.scope.parent.function if around.scope.parent is not None else None
    agent.name = spaced(role or definition.symbol.rpartition(".")[2])
    if role is None and ":" in definition.symbol:
        agent.name = definition.symbol
    agent.role = agent.name
    agent.identified = role is not None or config.key is not None
    agent.delegation_allowed = delegation is True
    agent.config_missing = config.missing
    if config.site is not None:
        agent.places.append(config.site)


def _literal(project: Project, call: Call, name: str, otherwise: object) -> object:
    given = argument(project, call, name)
    return project.resolver.literal(*given) if given is not None else otherwise
