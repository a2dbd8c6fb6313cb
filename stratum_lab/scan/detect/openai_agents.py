"""OpenAI Agents SDK (A7): agents and their clones, handoffs, agents as tools, hosted tools, guardrails, runs.

A local package called `agents` is not the SDK; the module table resolves it to the repository's own code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.guard import Target, add_guardrail, keyword_guardrails
from stratum_lab.scan.detect.teams import add_links, agent_of, definitions, delegations, form_crews, is_inline
from stratum_lab.scan.detect.tools import tools_of
from stratum_lab.scan.model import Agent, Link, Model, Site, Tool

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

FRAMEWORK: Final = "openai_agents"
_AGENTS: Final = (
    "agents.Agent", "agents.agent.Agent", "agents.realtime.RealtimeAgent", "agents.realtime.agent.RealtimeAgent",
    "agents.sandbox.SandboxAgent",
)  # fmt: skip
_HANDOFFS: Final = frozenset({
    "agents.handoff", "agents.handoffs.handoff", "agents.realtime.realtime_handoff",
    "agents.realtime.handoffs.realtime_handoff",
})  # fmt: skip
_RUNS: Final = (
    "agents.Runner.run", "agents.Runner.run_sync", "agents.Runner.run_streamed", "agents.run.Runner.run",
    "agents.run.Runner.run_sync", "agents.run.Runner.run_streamed",
)  # fmt: skip
_INHERITED: Final = ("tools", "mcp_servers", "handoffs", "model_settings", "input_guardrails", "output_guardrails",
                     "output_type")  # fmt: skip
"""Arguments that a clone takes over from its original unless it gives its own."""


def agents(project: Project, model: Model) -> None:
    """One agent for each construction of `Agent` or of a subclass, and for each clone."""
    for call, _ in project.calls_to(*_AGENTS):
        _add(project, model, call)
    classes = set(project.subclasses(*_AGENTS))
    for module in project.modules if classes else ():
        for call in () if module.excluded else module.calls:
            if (made := project.callee(call)).kind == "class" and made.cls in classes:
                _add(project, model, call)
    for call in _clones(project):
        original = _original(project, model, call)
        if original is not None:
            clone = _add(project, model, call)
            if call.arg("name") is None:
                clone.name = clone.role = original.name
                clone.identified = original.identified


def groups(project: Project, model: Model) -> None:
    """Tools, guardrails, handoffs, and the crews that handoffs and agents as tools make."""
    own = [agent for agent in model.agents if agent.framework == FRAMEWORK]
    calls = {agent: call for call, agent in definitions(project, model, FRAMEWORK)}
    for agent in own:
        for call, name, value in _arguments(project, model, calls, agent):
            if name in ("tools", "mcp_servers"):
                agent.hold(tools_of(project, model, value, call.scope, FRAMEWORK))
            elif name == "model_settings":
                _settings(project, model, value, call.scope, agent)
        keyword_guardrails(calls[agent], project, model, FRAMEWORK, [agent])
        for call, _, _ in _arguments(project, model, calls, agent):
            if call is not calls[agent]:
                _taken_over(project, model, calls[agent], call, agent)
    links = [Link(a, b, "delegates_to") for a, b in _handoffs(project, model, calls)]
    for agent, value, scope in _later(project, model, "tools"):
        agent.hold(tools_of(project, model, value, scope, FRAMEWORK))
    links += delegations(project, model, own)
    form_crews(project, model, FRAMEWORK, add_links(model, links), "handoff")
    servers = {call.site: call for call, _ in project.calls_to("agents.**.HostedMCPTool", "agents.HostedMCPTool")}
    for tool in (tool for agent in own for tool in agent.tools):
        _tool_guardrails(project, model, tool, tool.call or servers.get(tool.site))
    _runs(project, model)


def _add(project: Project, model: Model, call: Call) -> Agent:
    given = call.arg("name", 0)
    name = project.resolver.text(given, call.scope) if given is not None else None
    symbol = project.resolver.symbol_of(call)
    agent = Agent(call.site, FRAMEWORK, symbol, " ".join((name or symbol).split()), project.unit_of(call.module.path))
    agent.role = agent.name
    agent.identified = name is not None
    agent.inline = is_inline(project, call)
    return model.add_agent(agent)


def _clones(project: Project) -> Iterator[Call]:
    for module in project.modules:
        if not module.excluded:
            for call in module.calls:
                if isinstance(call.node.func, ast.Attribute) and call.node.func.attr == "clone":
                    yield call


def _original(project: Project, model: Model, call: Call) -> Agent | None:
    """The agent that a clone is made of, when it is one of this framework."""
    func = call.node.func
    assert isinstance(func, ast.Attribute)
    found = model.agent_of(project.resolver.resolve(func.value, call.scope))
    return found if found is not None and found.framework == FRAMEWORK and found.site != call.site else None


def _arguments(
    project: Project, model: Model, calls: dict[Agent, Call], agent: Agent
) -> Iterator[tuple[Call, str, ast.expr]]:
    """Arguments of a definition, those that a clone takes over from its original included."""
    call = calls[agent]
    given = set(call.keywords())
    while True:
        for name in _INHERITED:
            value = call.arg(name)
            if value is not None and (call is calls[agent] or name not in given):
                yield call, name, value
        given.update(call.keywords())
        if not (isinstance(call.node.func, ast.Attribute) and call.node.func.attr == "clone"):
            return
        original = _original(project, model, call)
        if original is None:
            return
        call = calls[original]


def _taken_over(project: Project, model: Model, clone: Call, original: Call, agent: Agent) -> None:
    """A clone is covered by its original's guardrails that it does not replace."""
    own = set(clone.keywords())
    for found in keyword_guardrails(original, project, model, FRAMEWORK, []):
        line = [k.arg for k in original.node.keywords if k.lineno == found.site.line]
        if not own.intersection(name for name in line if name) and agent not in found.targets:
            found.targets.append(agent)


def _settings(project: Project, model: Model, value: ast.expr, scope: Scope, agent: Agent) -> None:
    made = project.resolver.resolve(value, scope).call
    if made is not None:
        keyword_guardrails(made, project, model, FRAMEWORK, [agent])


def _handoffs(project: Project, model: Model, calls: dict[Agent, Call]) -> Iterator[tuple[Agent, Agent]]:
    for agent in calls:
        for call, name, value in _arguments(project, model, calls, agent):
            if name == "handoffs":
                yield from ((agent, target) for target in _targets(project, model, value, call.scope))
    for agent, value, scope in _later(project, model, "handoffs"):
        yield from ((agent, target) for target in _targets(project, model, value, scope))


def _targets(project: Project, model: Model, value: ast.expr, scope: Scope) -> Iterator[Agent]:
    for item in project.resolver.items(value, scope).values:
        target = _handed_to(project, model, item)
        if target is not None:
            yield target


def _handed_to(project: Project, model: Model, item: Value) -> Agent | None:
    call = item.call
    if call is not None and item.origin in _HANDOFFS:
        given = call.arg("agent", 0)
        return agent_of(model, project.resolver.resolve(given, call.scope)) if given is not None else None
    return agent_of(model, item)


def _later(project: Project, model: Model, name: str) -> Iterator[tuple[Agent, ast.expr, Scope]]:
    """What is put into a list of an agent after its construction: `a.handoffs.append(b)`, `a.handoffs = [b]`."""
    resolver = project.resolver
    for module in project.modules:
        if module.excluded:
            continue
        for call in module.calls:
            func = call.node.func
            if (
                isinstance(func, ast.Attribute)
                and func.attr in ("append", "extend", "insert")
                and isinstance(func.value, ast.Attribute)
                and func.value.attr == name
                and call.node.args
            ):
                agent = agent_of(model, resolver.resolve(func.value.value, call.scope))
                added = call.node.args[-1]
                if func.attr != "extend":
                    added = ast.copy_location(ast.List(elts=[added], ctx=ast.Load()), added)
                if agent is not None and agent.framework == FRAMEWORK:
                    yield agent, added, call.scope
        for target, value, scope in module.attributes:
            if target.attr == name:
                agent = agent_of(model, resolver.resolve(target.value, scope))
                if agent is not None and agent.framework == FRAMEWORK:
                    yield agent, value, scope


def _tool_guardrails(project: Project, model: Model, tool: Tool, call: Call | None) -> None:
    """Approval and filters on a tool: of its decorator, its wrapper, or a hosted server's configuration."""
    for function in tool.code[:1]:
        for decorator in function.decorators:
            if isinstance(decorator, ast.Call):
                made = project.resolver.call_of(decorator, function.scope.parent or function.scope)
                keyword_guardrails(made, project, model, FRAMEWORK, [tool])
    if call is None:
        return
    keyword_guardrails(call, project, model, FRAMEWORK, [tool])
    config = call.arg("tool_config")
    approval = project.resolver.mapping(config, call.scope).get("require_approval") if config is not None else None
    if approval is not None and project.resolver.text(*approval) != "never":
        value, scope = approval
        site = Site(scope.module.path, value.lineno, value.col_offset)
        add_guardrail(project, model, site, "hitl", FRAMEWORK, [tool])


def _runs(project: Project, model: Model) -> None:
    """Runs mark the crews of the agent they start at, and carry their limits to them."""
    for call, _ in project.calls_to(*_RUNS):
        given = call.arg("starting_agent", 0)
        agent = agent_of(model, project.resolver.resolve(given, call.scope)) if given is not None else None
        crews = model.crews_of(agent) if agent is not None else []
        for crew in crews:
            crew.run = True
        targets: list[Target] = list(crews) or ([agent] if agent is not None else [])
        keyword_guardrails(call, project, model, FRAMEWORK, targets)
        config = call.arg("run_config")
        made = project.resolver.resolve(config, call.scope).call if config is not None else None
        if made is not None:
            keyword_guardrails(made, project, model, FRAMEWORK, targets)
