"""Teams of AutoGen AgentChat (A6): round robin, selector, swarm, Magentic-One and graph flows, nested ones included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from stratum_lab.scan.detect.autogen_agents import FRAMEWORK, definitions, super_calls
from stratum_lab.scan.detect.autogen_chats import lead
from stratum_lab.scan.detect.construction import Construction, add_crew, constructions, mark_runs, short
from stratum_lab.scan.detect.guard import add_guardrail, keyword_guardrails
from stratum_lab.scan.detect.teams import add_links, agent_of, is_line
from stratum_lab.scan.model import Agent, Crew, Link, Model, Site

if TYPE_CHECKING:
    from stratum_lab.scan.detect.construction import Given
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

_TEAMS: Final = {
    "RoundRobinGroupChat": "round_robin", "SelectorGroupChat": "selector", "MagenticOneGroupChat": "selector",
    "Swarm": "swarm", "GraphFlow": "graph",
}  # fmt: skip
_RUNS: Final = ("run", "run_stream")


class _Team(NamedTuple):
    """A team with what takes part: agents, and sites of teams inside it, in order."""

    made: Construction
    parts: list[Agent | Site]
    unknown: int


def form_teams(project: Project, model: Model) -> None:
    """One crew a team with agents of its own or inside it; links by its kind."""
    teams = {made.call.site: made for made in constructions(project, "autogen_agentchat", tuple(_TEAMS))}
    read = {site: _read(project, model, made, set(teams)) for site, made in teams.items()}
    crews: dict[Site, Crew] = {}
    for site, team in read.items():
        members = [part for part in team.parts if isinstance(part, Agent)]
        if not members:
            continue
        process = _TEAMS[team.made.kind]
        crew = crews[site] = add_crew(
            project, model, team.made, FRAMEWORK, process, members, unknown_members=team.unknown
        )
        for call in (team.made.call, *super_calls(team.made)):
            keyword_guardrails(call, project, model, FRAMEWORK, [crew])
        _termination(project, model, team.made, crew)
        lead(model, crew, team.made.text("name") or short(project.resolver.symbol_of(team.made.call)))
        if process == "swarm":
            _swarm(project, model, crew)
        elif process == "graph":
            _flow(project, model, team.made, crew)
    for site, team in read.items():
        _nested(model, team, crews.get(site), crews, read)
    _societies(project, model, crews)
    mark_runs(project, model, crews.values(), _RUNS)


def _read(project: Project, model: Model, made: Construction, teams: set[Site]) -> _Team:
    given = made.arg("participants", 0)
    parts: list[Agent | Site] = []
    unknown = 0
    for value in _participants(project, given) if given is not None else ():
        agent = agent_of(model, value)
        if agent is not None:
            parts.append(agent)
        elif value.call is not None and value.call.site in teams:
            parts.append(value.call.site)
        elif not value.known:
            unknown += 1
    return _Team(made, list(dict.fromkeys(parts)), unknown)


def _participants(project: Project, given: Given) -> Iterator[Value]:
    """Elements of the argument; `builder.get_participants()` gives the nodes of a graph builder."""
    node = given.expr
    value = project.resolver.resolve(*given)
    if (value.origin or "").endswith(".get_participants") and value.receiver is not None:
        for call, name in _built(project, value.receiver):
            added = call.arg("agent", 0) if name == "add_node" else None
            if added is not None:
                yield project.resolver.resolve(added, call.scope)
        return
    yield from project.resolver.items(node, given.scope).values


def _termination(project: Project, model: Model, made: Construction, crew: Crew) -> None:
    """A termination condition stops the team; older versions take it as second argument."""
    given = made.arg("termination_condition", 1 if made.kind in ("RoundRobinGroupChat", "Swarm") else None)
    if given is not None:
        site = Site(given.scope.module.path, given.expr.lineno, given.expr.col_offset)
        add_guardrail(project, model, site, "rate_limit", FRAMEWORK, [crew])


def _swarm(project: Project, model: Model, crew: Crew) -> None:
    """Handoffs of the participants, by the names of their targets."""
    named = {agent.name: agent for agent in crew.members}
    for made in definitions(project):
        agent = model.agent_at(made.call.site)
        given = made.arg("handoffs")
        if agent not in crew.members or agent is None or given is None:
            continue
        targets = []
        for value in project.resolver.items(*given).values:
            text = value.text
            if value.call is not None and (target := value.call.arg("target")) is not None:
                text = project.resolver.text(target, value.call.scope)
            targets.append(named.get(" ".join((text or "").split())))
        add_links(model, [Link(agent, t, "delegates_to", crew) for t in targets if t is not None and t is not agent])


def _flow(project: Project, model: Model, made: Construction, crew: Crew) -> None:
    """Edges of the builder behind `graph=`, or of a literal DiGraph."""
    given = made.arg("graph", 1)
    if given is None:
        return
    value = project.resolver.resolve(*given)
    pairs: list[tuple[Agent | None, Agent | None]] = []
    named = {agent.name: agent for agent in crew.members}
    if (value.origin or "").endswith(".DiGraph") and value.call is not None:
        pairs = list(_literal(project, value.call, named))
    elif value.receiver is not None:
        for call, name in _built(project, value.receiver):
            pairs += _edges(project, model, call, name, named)
    links = [Link(a, b, "feeds_into", crew) for a, b in pairs if a is not None and b is not None and a is not b]
    add_links(model, links)
    crew.ordered = is_line(crew.members, links)


def _edges(
    project: Project, model: Model, call: Call, name: str, named: dict[str, Agent]
) -> Iterator[tuple[Agent | None, Agent | None]]:
    source = _end(project, model, call.arg("source", 0), call.scope, named)
    if name == "add_edge":
        yield source, _end(project, model, call.arg("target", 1), call.scope, named)
    elif name == "add_conditional_edges" and (mapping := call.arg("condition_to_target", 1)) is not None:
        for expr, scope in project.resolver.mapping(mapping, call.scope).values():
            yield source, _end(project, model, expr, scope, named)


def _end(project: Project, model: Model, expr: ast.expr | None, scope: Scope, named: dict[str, Agent]) -> Agent | None:
    if expr is None:
        return None
    value = project.resolver.resolve(expr, scope)
    return named.get(value.text) if value.text is not None else agent_of(model, value)


def _built(project: Project, builder: Value) -> Iterator[tuple[Call, str]]:
    """Calls of methods on a graph builder, chained or one by one, in order of place."""
    sites = {call.site for call in builder.calls if (project.callee(call).origin or "").endswith("DiGraphBuilder")}
    if not sites:
        return
    found: list[Call] = []
    for module in project.modules_importing("autogen_agentchat"):
        for call in () if module.excluded else module.calls:
            func = call.node.func
            if isinstance(func, ast.Attribute) and func.attr in ("add_node", "add_edge", "add_conditional_edges"):
                receiver = project.resolver.resolve(func.value, call.scope)
                if any(made.site in sites for made in receiver.calls):
                    found.append(call)
    ends = sorted(found, key=lambda c: (c.module.path, c.node.end_lineno or 0, c.node.end_col_offset or 0))
    yield from ((call, call.node.func.attr) for call in ends if isinstance(call.node.func, ast.Attribute))


def _literal(project: Project, call: Call, named: dict[str, Agent]) -> Iterator[tuple[Agent | None, Agent | None]]:
    nodes = call.arg("nodes", 0)
    for name, (expr, scope) in (project.resolver.mapping(nodes, call.scope) if nodes is not None else {}).items():
        node = project.resolver.resolve(expr, scope).call
        edges = node.arg("edges") if node is not None else None
        for edge in project.resolver.items(edges, node.scope).values if node is not None and edges is not None else ():
            target = edge.call.arg("target") if edge.call is not None else None
            if target is not None and edge.call is not None:
                yield named.get(name), named.get(project.resolver.text(target, edge.call.scope) or "")


def _nested(model: Model, team: _Team, crew: Crew | None, crews: dict[Site, Crew], read: dict[Site, _Team]) -> None:
    """Links into and out of a team that is a participant of another; it stands for its first and last agent."""
    if not any(isinstance(part, Site) for part in team.parts):
        return
    process = _TEAMS[team.made.kind]
    if process == "round_robin":
        for before, after in pairwise(team.parts):
            last, first = _agents(before, read)[-1:], _agents(after, read)[:1]
            if last and first and not (isinstance(before, Agent) and isinstance(after, Agent)):
                add_links(model, [Link(last[0], first[0], "feeds_into")])
    elif process == "selector" and crew is not None and crew.chat is not None:
        for part in team.parts:
            if isinstance(part, Site) and (first := _agents(part, read)[:1]):
                add_links(model, [Link(crew.chat, first[0], "delegates_to")])


def _agents(part: Agent | Site, read: dict[Site, _Team], depth: int = 0) -> list[Agent]:
    if isinstance(part, Agent):
        return [part]
    return [a for inner in read[part].parts for a in _agents(inner, read, depth + 1)] if depth < 8 else []


def _societies(project: Project, model: Model, crews: dict[Site, Crew]) -> None:
    """A society of mind hands its turn to its team: to the first of an ordered one, else to each member."""
    for made in definitions(project):
        agent = model.agent_at(made.call.site)
        team = made.value("team", 1) if made.kind == "SocietyOfMindAgent" else None
        crew = crews.get(team.call.site) if team is not None and team.call is not None else None
        if agent is not None and crew is not None:
            first = crew.process in ("round_robin", "graph", "swarm")
            targets = crew.members[:1] if first else crew.members
            add_links(model, [Link(agent, target, "delegates_to") for target in targets])
