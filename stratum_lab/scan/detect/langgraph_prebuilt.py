"""Prebuilt LangGraph agents: `create_react_agent`, supervisors and swarms (A4)."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.guard import keyword_guardrails
from stratum_lab.scan.detect.langgraph_graphs import Graph, GraphReader
from stratum_lab.scan.detect.tools import is_tool_function, tools_of
from stratum_lab.scan.model import Agent, Crew, Link, Model

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

FRAMEWORK: Final = "langgraph"
REACT: Final = ("langgraph.**.create_react_agent", "langgraph.**.create_tool_calling_executor",
                "langgraph.**.create_function_calling_executor")  # fmt: skip
SUPERVISORS: Final = ("langgraph_supervisor.**.create_supervisor", "langgraph.**.create_supervisor")
SWARMS: Final = ("langgraph_swarm.**.create_swarm", "langgraph.**.create_swarm")


def register(project: Project, model: Model) -> None:
    """Add an agent for each call of a factory, and one for each supervisor."""
    for call, _ in project.calls_to(*REACT):
        _add(project, model, call, _name(project, call, "name"))
    for call, _ in project.calls_to(*SUPERVISORS):
        _add(project, model, call, _name(project, call, "supervisor_name") or "supervisor")


def equip(project: Project, model: Model) -> None:
    """Tools and keyword guardrails of the agents."""
    for call, _ in project.calls_to(*REACT, *SUPERVISORS):
        agent = model.agent_at(call.site)
        if agent is None:
            continue
        supervises = (project.callee(call).origin or "").endswith("supervisor")
        given = call.arg("tools", None if supervises else 1)
        agent.hold(tools_of(project, model, given, call.scope, FRAMEWORK))
        keyword_guardrails(call, project, model, FRAMEWORK, [agent])


def teams(project: Project, model: Model, reader: GraphReader) -> None:
    """One crew a supervisor or swarm, with its members; delegation from the supervisor, or along handoff tools."""
    for call, _ in project.calls_to(*SUPERVISORS, *SWARMS):
        supervisor = model.agent_at(call.site)
        members, unknown = _members(project, model, reader, call)
        everyone = [*([supervisor] if supervisor is not None else []), *members]
        if not everyone:
            continue
        process = "hierarchical" if supervisor is not None else "swarm"
        crew = Crew(call.site, FRAMEWORK, _team_name(project, call), process, project.unit_of(call.module.path))
        crew.members = list(dict.fromkeys(everyone))
        crew.manager, crew.unknown_members = supervisor, unknown
        model.crews.append(crew)
        if supervisor is not None:
            for member in members:
                if member is not supervisor:
                    model.links.append(Link(supervisor, member, "delegates_to", crew))
        _handoffs(reader, model, crew)


def compiled(project: Project, call: Call) -> list[Call]:
    """`compile` calls of the workflow that a supervisor or swarm call makes."""
    found = []
    for name in ("create_supervisor.compile", "create_swarm.compile"):
        for outer, value in project.calls_to(f"langgraph_supervisor.**.{name}", f"langgraph_swarm.**.{name}",
                                             f"langgraph_supervisor.{name}", f"langgraph_swarm.{name}"):  # fmt: skip
            if any(made.site == call.site for made in value.calls) and outer not in found:
                found.append(outer)
    return found


def _add(project: Project, model: Model, call: Call, name: str | None) -> None:
    if model.agent_at(call.site) is not None:
        return
    symbol = project.resolver.symbol_of(call)
    agent = Agent(call.site, FRAMEWORK, symbol, name or symbol.rpartition(".")[2], project.unit_of(call.module.path))
    if ":" in symbol and name is None:
        agent.name = symbol
    agent.role, agent.identified = agent.name, name is not None
    function = call.function
    while function is not None:
        agent.inline = agent.inline or is_tool_function(project, function)
        function = function.scope.parent.function if function.scope.parent is not None else None
    model.add_agent(agent)


def _name(project: Project, call: Call, argument: str) -> str | None:
    given = call.arg(argument)
    text = project.resolver.text(given, call.scope) if given is not None else None
    return " ".join(text.split()) if text else None


def _members(project: Project, model: Model, reader: GraphReader, call: Call) -> tuple[list[Agent], int]:
    given = call.arg("agents", 0)
    values = project.resolver.items(given, call.scope).values if given is not None else []
    found = [_member(project, model, reader, value) for value in values]
    literal = isinstance(given, ast.List | ast.Tuple)
    return [agent for agent in found if agent is not None], sum(agent is None for agent in found) if literal else 0


def _member(project: Project, model: Model, reader: GraphReader, value: Value) -> Agent | None:
    """A prebuilt agent, or a compiled graph, which is an agent of its own in a team."""
    graph = reader.of(value)
    if graph is None:
        agent = model.agent_of(value)
        return agent if agent is None or not agent.inline else None
    return _graph_agent(project, model, graph, value)


def _graph_agent(project: Project, model: Model, graph: Graph, value: Value) -> Agent:
    call = next((c for c in graph.compiled if c.site == (value.call.site if value.call else None)), None)
    made = call or (graph.compiled[0] if graph.compiled else graph.call)
    known = model.agent_at(made.site)
    if known is not None:
        return known
    symbol = project.resolver.symbol_of(made)
    name = _name(project, made, "name")
    agent = Agent(made.site, FRAMEWORK, symbol, name or symbol.rpartition(".")[2], project.unit_of(made.module.path))
    agent.role, agent.identified = agent.name, name is not None
    return model.add_agent(agent)


def _team_name(project: Project, call: Call) -> str:
    """Name given at compile, else of the variable that holds the compiled team, else of the one that holds the team."""
    outer = compiled(project, call)
    for made in outer:
        name = _name(project, made, "name")
        if name is not None:
            return name
    named = [made for made in (*outer, call) if made.assigned]
    symbol = project.resolver.symbol_of(named[0] if named else call)
    return symbol.rpartition(".")[2] if named else symbol


def _handoffs(reader: GraphReader, model: Model, crew: Crew) -> None:
    """Handoff tools among an agent's tools delegate to the member of that name."""
    by_name = {agent.name: agent for agent in crew.members}
    for agent in crew.members:
        for name in [name for tool in agent.tools for name in reader.handed_over(tool)]:
            target = by_name.get(name)
            known = any(k.source is agent and k.target is target for k in model.links)
            if target is not None and target is not agent and not known:
                model.links.append(Link(agent, target, "delegates_to", crew))
