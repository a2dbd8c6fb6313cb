"""Haystack (A7b): agents, and pipelines that connect two or more of them.

An agent has no name of its own: the name under which a pipeline holds it identifies it. Components between two agents
of a pipeline are no agents; the way through them is one edge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.construction import add_crew, constructions, define, hold_tools, mark_runs
from stratum_lab.scan.detect.guard import keyword_guardrails
from stratum_lab.scan.detect.teams import add_links, agent_of, delegations, is_line
from stratum_lab.scan.model import Agent, Link, Model, Site

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call
    from stratum_lab.scan.source.project import Project

FRAMEWORK: Final = "haystack"
_PIPELINES: Final = ("Pipeline", "AsyncPipeline")


def agents(project: Project, model: Model) -> None:
    """Register the agents, under the names their pipelines give them."""
    for made in constructions(project, "haystack.components.agents", ("Agent",)):
        define(project, model, FRAMEWORK, made)
    for call in _calls(project, "add_component"):
        agent = _component(project, model, call)
        name = _text(project, call, "name", 0)
        if agent is not None and name is not None and not agent.identified:
            agent.name = agent.role = name
            agent.identified = True


def groups(project: Project, model: Model) -> None:
    """Give agents their tools and guardrails, and form pipelines."""
    mine: list[Agent] = []
    for made in constructions(project, "haystack.components.agents", ("Agent",)):
        agent = model.agent_at(made.call.site)
        if agent is None:
            continue
        mine.append(agent)
        hold_tools(project, model, agent, made, "tools")
        keyword_guardrails(made.call, project, model, FRAMEWORK, [agent])
    crews = []
    pipelines = _pipelines(project, model)
    for made in constructions(project, FRAMEWORK, _PIPELINES):
        pipeline = pipelines[made.call.site]
        members = pipeline.connected()
        if len(members) < 2:
            continue
        crew = add_crew(project, model, made, FRAMEWORK, "graph", members)
        links = [Link(a, b, "feeds_into", crew) for a, b in pipeline.ways() if a is not b]
        add_links(model, links)
        crew.ordered = is_line(crew.members, links)
        crews.append(crew)
    add_links(model, delegations(project, model, mine))
    mark_runs(project, model, crews, ("run", "run_async", "run_async_generator"))


class _Pipeline:
    """Components and connections of one pipeline."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.after: dict[str, list[str]] = {}
        self.before: dict[str, list[str]] = {}

    def ways(self) -> Iterator[tuple[Agent, Agent]]:
        """Pairs of agents with a way from one to the other that meets no third agent."""
        for name, agent in self.agents.items():
            seen: set[str] = set()
            todo = list(self.after.get(name, ()))
            while todo:
                current = todo.pop(0)
                if current in seen:
                    continue
                seen.add(current)
                if current in self.agents:
                    yield agent, self.agents[current]
                else:
                    todo += self.after.get(current, ())

    def connected(self) -> list[Agent]:
        """Agents that are connected with another one, in whatever direction, in order of work where there is one."""
        groups: list[set[str]] = []
        for source, targets in self.after.items():
            for target in targets:
                joined = {source, target}.union(*(g for g in groups if source in g or target in g))
                groups = [g for g in groups if not g & joined] + [joined]
        inside = [name for name in self.agents if any(name in g and len(g & self.agents.keys()) > 1 for g in groups)]
        ordered = sorted(inside, key=lambda name: len(self._above(name) & set(inside)))
        return list(dict.fromkeys(self.agents[name] for name in ordered))

    def _above(self, name: str) -> set[str]:
        seen: set[str] = set()
        todo = list(self.before.get(name, ()))
        while todo:
            current = todo.pop()
            if current not in seen:
                seen.add(current)
                todo += self.before.get(current, ())
        return seen


def _calls(project: Project, method: str) -> Iterator[Call]:
    for call, _ in project.calls_to(*(f"{FRAMEWORK}.**.{name}.{method}" for name in _PIPELINES)):
        yield call


def _pipeline_of(project: Project, call: Call) -> Site | None:
    receiver = project.callee(call).receiver
    return receiver.call.site if receiver is not None and receiver.call is not None else None


def _component(project: Project, model: Model, call: Call) -> Agent | None:
    given = call.arg("instance", 1)
    return agent_of(model, project.resolver.resolve(given, call.scope)) if given is not None else None


def _pipelines(project: Project, model: Model) -> dict[Site, _Pipeline]:
    """Pipelines by the place of their construction, with what is added to and connected in them."""
    found: dict[Site, _Pipeline] = defaultdict(_Pipeline)
    for call in _calls(project, "add_component"):
        site, name = _pipeline_of(project, call), _text(project, call, "name", 0)
        agent = _component(project, model, call)
        if site is not None and name is not None and agent is not None:
            found[site].agents[name] = agent
    for call in (*_calls(project, "connect"), *_calls(project, "connect_many")):
        site = _pipeline_of(project, call)
        if site is None:
            continue
        for source, target in _pairs(project, call):
            found[site].after.setdefault(source, []).append(target)
            found[site].before.setdefault(target, []).append(source)
    return found


def _pairs(project: Project, call: Call) -> Iterator[tuple[str, str]]:
    """Names of the components that a `connect` or `connect_many` joins, without their sockets."""
    given = call.arg("connections", 0)
    source, target = _text(project, call, "sender", 0), _text(project, call, "receiver", 1)
    if source and target:
        yield source.partition(".")[0], target.partition(".")[0]
        return
    literal = project.resolver.literal(given, call.scope) if given is not None else None
    for pair in literal if isinstance(literal, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, str) for end in pair):
            yield pair[0].partition(".")[0], pair[1].partition(".")[0]


def _text(project: Project, call: Call, name: str, position: int) -> str | None:
    given = call.arg(name, position)
    return project.resolver.text(given, call.scope) if given is not None else None
