"""Agno and its predecessor phidata (A7b): agents, teams with their members, agents that lead others.

A team has no leader agent, so nothing leads from it to its members; an agent given `team=` leads and delegates. The
steps of a workflow are neither.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.construction import (
    Construction,
    Given,
    add_crew,
    constructions,
    define,
    hold_tools,
    mark_runs,
)
from stratum_lab.scan.detect.guard import add_guardrail, keyword_guardrails
from stratum_lab.scan.detect.teams import add_links, agent_of, delegations
from stratum_lab.scan.model import Agent, Link, Model, Site

if TYPE_CHECKING:
    from stratum_lab.scan.source.project import Project

FRAMEWORK: Final = "agno"
_ROOTS: Final = {"agno.agent": ("Agent",), "phi.agent": ("Agent",), "phi.assistant": ("Assistant",)}
_RUNS: Final = ("run", "arun", "print_response", "aprint_response", "cli_app", "acli_app")
_PROCESSES: Final = {"route": "selector", "broadcast": "parallel", "collaborate": "parallel"}


def agents(project: Project, model: Model) -> None:
    """Register the agents."""
    for made in _definitions(project):
        define(
            project, model, FRAMEWORK, made,
            name=made.text("name", "agent_id", "id"),
            identified=made.text("name", "role", "agent_id", "id") is not None,
            role=made.text("role", "description", "name"),
        )  # fmt: skip


def groups(project: Project, model: Model) -> None:
    """Give agents their tools and guardrails, and form teams."""
    mine: list[Agent] = []
    crews = []
    teams = {made.call.site: made for made in constructions(project, "agno", ("Team",))}
    for made in _definitions(project):
        agent = model.agent_at(made.call.site)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        mine.append(agent)
        hold_tools(project, model, agent, made, "tools")
        keyword_guardrails(made.call, project, model, FRAMEWORK, [agent])
        _confirmations(project, model, agent)
        led = _members(project, model, made.arg("team"), teams)
        if led:
            crew = add_crew(project, model, made, FRAMEWORK, "hierarchical", [agent, *led])
            crew.manager = agent
            add_links(model, [Link(agent, worker, "delegates_to", crew) for worker in led])
            crews.append(crew)
    for made in teams.values():
        members = _members(project, model, _given(made), teams)
        if members:
            process = _PROCESSES.get(made.text("mode") or "", "hierarchical")
            crew = add_crew(project, model, made, FRAMEWORK, process, members)
            keyword_guardrails(made.call, project, model, FRAMEWORK, [crew])
            crews.append(crew)
    add_links(model, delegations(project, model, mine))
    mark_runs(project, model, crews, _RUNS)


def _definitions(project: Project) -> Iterator[Construction]:
    for root, names in _ROOTS.items():
        yield from constructions(project, root, names)


def _members(project: Project, model: Model, given: Given | None, teams: dict[Site, Construction]) -> list[Agent]:
    """Agents of a members list; the members of a team in it take its place, each team once."""
    found: dict[Agent, None] = {}
    seen: set[Site] = set()

    def read(members: Given | None) -> None:
        for value in project.resolver.items(*members).values if members is not None else ():
            agent = agent_of(model, value)
            if agent is not None:
                found[agent] = None
                continue
            for call in value.calls:
                if call.site in teams and call.site not in seen:
                    seen.add(call.site)
                    read(_given(teams[call.site]))

    read(given)
    return list(found)


def _given(team: Construction) -> Given | None:
    return team.arg("members", 0) or team.arg("agents")


def _confirmations(project: Project, model: Model, agent: Agent) -> None:
    """`@tool(requires_confirmation=True)` and a toolkit's list of such tools ask a person before they run."""
    for tool in agent.tools:
        for function in tool.code:
            for decorator in function.decorators:
                for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
                    if keyword.arg == "requires_confirmation" and _is_true(keyword.value):
                        site = Site(function.module.path, keyword.lineno, keyword.col_offset)
                        add_guardrail(project, model, site, "hitl", FRAMEWORK, [tool])
        given = tool.call.arg("requires_confirmation_tools") if tool.call is not None else None
        if given is not None and tool.call is not None and project.resolver.items(given, tool.call.scope).values:
            site = Site(tool.call.module.path, given.lineno, given.col_offset)
            add_guardrail(project, model, site, "hitl", FRAMEWORK, [tool])


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True
