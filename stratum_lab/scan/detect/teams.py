"""Agents that run agents, for frameworks without a team object: delegation through tools, and the crews it makes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.tools import is_tool_function
from stratum_lab.scan.model import Agent, Crew, Link, Model
from stratum_lab.scan.source.index import Function

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

RUN_METHODS: Final = frozenset({
    "invoke", "ainvoke", "stream", "astream", "astream_events", "batch", "abatch", "run", "arun", "run_sync",
    "run_stream", "run_stream_sync", "run_stream_events", "iter", "call", "acall", "predict", "__call__", "kickoff",
    "kickoff_async", "generate_reply", "a_generate_reply",
})  # fmt: skip
"""Methods that run an agent of some framework."""
_RUNNERS: Final = frozenset({"agents.Runner.run", "agents.Runner.run_sync", "agents.Runner.run_streamed"})


def agent_of(model: Model, value: Value) -> Agent | None:
    """The agent that a value is; what running an agent returned is none."""
    if value.origin is not None and value.origin.rpartition(".")[2] in RUN_METHODS and value.calls:
        return None
    return model.agent_of(value)


def is_inline(project: Project, call: Call) -> bool:
    """Whether a call stands inside a function that is itself a tool."""
    scope: Scope | None = call.scope
    while scope is not None:
        if isinstance(scope.code, Function) and is_tool_function(project, scope.code):
            return True
        scope = scope.parent
    return False


def run_by(project: Project, model: Model, call: Call) -> Agent | None:
    """The agent that a call runs: a run method on it, the agent called, or a runner given it."""
    func = call.node.func
    resolver = project.resolver
    if isinstance(func, ast.Attribute) and func.attr in RUN_METHODS:
        found = agent_of(model, resolver.resolve(func.value, call.scope))
        if found is not None:
            return found
    callee = resolver.resolve(func, call.scope)
    if callee.origin in _RUNNERS:
        given = call.arg("starting_agent", 0)
        return agent_of(model, resolver.resolve(given, call.scope)) if given is not None else None
    if callee.kind == "instance" and not isinstance(func, ast.Attribute):
        return agent_of(model, callee)
    return None


def runs_of(project: Project, model: Model, code: Iterable[Function]) -> Iterator[tuple[Call, Agent]]:
    """The calls, in code and what it reaches, that run an agent."""
    reached = {f for function in code for f in project.resolver.reachable(function)}
    for function in sorted(reached, key=lambda f: f.site):
        for call in function.calls:
            agent = run_by(project, model, call)
            for found in [agent] if agent is not None else _chosen(project, model, call):
                yield call, found


def _chosen(project: Project, model: Model, call: Call) -> list[Agent]:
    """The agents of a literal mapping of which a call runs one: `agents[name].run()`, `agents.get(name)`."""
    func = call.node.func
    if not (isinstance(func, ast.Attribute) and func.attr in RUN_METHODS):
        return []
    expr, scope = func.value, call.scope
    if isinstance(expr, ast.Name):
        bound = [b.value for b in scope.bindings.get(expr.id, ()) if b.kind == "assign" and b.value is not None]
        expr = bound[-1] if bound else expr
    table: ast.expr | None = None
    if isinstance(expr, ast.Subscript):
        table = expr.value
    elif isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "get":
        table = expr.func.value
    fields = project.resolver.resolve(table, scope) if table is not None else None
    if fields is None or fields.kind != "dict" or not isinstance(fields.node, ast.Dict) or fields.scope is None:
        return []
    values = [project.resolver.resolve(value, fields.scope) for value in fields.node.values]
    return list(dict.fromkeys(found for value in values if (found := agent_of(model, value)) is not None))


def delegations(project: Project, model: Model, agents: Iterable[Agent]) -> list[Link]:
    """From each agent to those it holds as tools, and to those that the code of its tools runs."""
    links: list[Link] = []
    for agent in agents:
        targets: dict[Agent, None] = {}
        for tool in agent.tools:
            if tool.agent is not None:
                targets[tool.agent] = None
            else:
                targets.update(dict.fromkeys(target for _, target in runs_of(project, model, tool.code)))
        links += [Link(agent, target, "delegates_to") for target in targets if target is not agent]
    return links


def add_links(model: Model, links: Iterable[Link]) -> list[Link]:
    """Register links; one with the same ends and type is registered once."""
    known = {(id(link.source), id(link.target), link.edge_type): link for link in model.links}
    added = []
    for link in links:
        key = (id(link.source), id(link.target), link.edge_type)
        if key not in known:
            known[key] = link
            model.links.append(link)
            added.append(link)
    return added


def form_crews(project: Project, model: Model, framework: str, links: Iterable[Link], process: str) -> list[Crew]:
    """One crew for each connected component of links between agents.

    Agents constructed inside a tool belong to no crew. A component that lies inside a crew there already is (a team
    whose agents also hold each other as tools) makes no further one: its links run in that crew. A crew without a name
    of its own is called after the agent it starts at.

    Args:
        links: Links between agents; they get the crew in which they run.
        process: Process of the crews.

    Returns:
        The crews that were made.
    """
    made = []
    joined = [
        link
        for link in links
        if isinstance(link.source, Agent) and isinstance(link.target, Agent)
        if not (link.source.inline or link.target.inline)
    ]
    for members, inside in _components(joined):
        around = next((crew for crew in model.crews if all(m in crew.members for m in members)), None)
        if around is None:
            first = _start(members, inside)
            around = Crew(first.site, framework, first.symbol, process, project.unit_of(first.site.file))
            around.members = _order(members, inside, first)
            around.ordered = is_line(around.members, inside)
            model.crews.append(around)
            made.append(around)
        for link in inside:
            link.crew = link.crew or around
    return made


def mark_agents_run(project: Project, model: Model, framework: str) -> None:
    """Mark the crews of a framework of which some call runs a member."""
    waiting = [crew for crew in model.crews if crew.framework == framework and not crew.run]
    for module in project.modules if waiting else ():
        for call in () if module.excluded else module.calls:
            agent = run_by(project, model, call)
            for crew in waiting if agent is not None else ():
                crew.run = crew.run or agent in crew.members


def is_line(members: list[Agent], links: list[Link]) -> bool:
    """Whether links lead through the members one after the other, and nowhere else."""
    pairs = {(id(link.source), id(link.target)) for link in links}
    wanted = {(id(a), id(b)) for a, b in pairwise(members)}
    return bool(wanted) and pairs == wanted and all(link.edge_type == "feeds_into" for link in links)


def _components(links: list[Link]) -> list[tuple[list[Agent], list[Link]]]:
    """Connected agents in order of place, each group with its links."""
    group: dict[Agent, set[Agent]] = {}
    for link in links:
        if isinstance(link.source, Agent) and isinstance(link.target, Agent):
            joined = group.get(link.source, {link.source}) | group.get(link.target, {link.target})
            for agent in joined:
                group[agent] = joined
    distinct = {id(members): members for members in group.values()}
    out = []
    for members in distinct.values():
        inside = [link for link in links if link.source in members]
        out.append((sorted(members, key=lambda a: a.site), inside))
    return sorted(out, key=lambda pair: pair[0][0].site)


def _start(members: list[Agent], links: list[Link]) -> Agent:
    """The first agent nothing leads to, else the one that most leads from."""
    targets = {id(link.target) for link in links}
    free = [agent for agent in members if id(agent) not in targets]
    return free[0] if free else max(members, key=lambda a: sum(link.source is a for link in links))


def _order(members: list[Agent], links: list[Link], first: Agent) -> list[Agent]:
    """Members by distance from the first, then by place."""
    out: dict[Agent, None] = {first: None}
    todo = [first]
    while todo:
        current = todo.pop(0)
        for link in links:
            if link.source is current and isinstance(link.target, Agent) and link.target not in out:
                out[link.target] = None
                todo.append(link.target)
    out.update(dict.fromkeys(members))
    return list(out)


def definitions(project: Project, model: Model, framework: str) -> Iterator[tuple[Call, Agent]]:
    """Every call that defines an agent of a framework, with the agent, in order of place."""
    for module in project.modules:
        for call in () if module.excluded else module.calls:
            agent = model.agent_at(call.site)
            if agent is not None and agent.framework == framework and agent.site == call.site:
                yield call, agent
