"""Google ADK (A7b): LLM agents, workflow agents as crews, delegation to sub-agents and agents held as tools.

Workflow agents (sequential, parallel, loop) are no agents themselves; one inside another gives its members to it. A
loop runs its members in order, and what leads back to its first is no edge: it would turn every chain into a cycle.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from stratum_lab.scan.detect.construction import Construction, add_crew, constructions, define, hold_tools, mark_runs
from stratum_lab.scan.detect.guard import add_guardrail, keyword_guardrails
from stratum_lab.scan.detect.reach import class_reaches_model
from stratum_lab.scan.detect.teams import add_links, agent_of, delegations
from stratum_lab.scan.model import Agent, Crew, Link, Model, Site

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Class
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

FRAMEWORK: Final = "google_adk"
_ROOT: Final = "google.adk"
_AGENTS: Final = ("LlmAgent", "Agent")
_WORKFLOWS: Final = {"SequentialAgent": "sequential", "ParallelAgent": "parallel", "LoopAgent": "loop"}


class _Shape(NamedTuple):
    """What a sub-agent is inside a crew: the agents it starts with, ends with and holds, and the edges among them."""

    entries: list[Agent]
    exits: list[Agent]
    members: list[Agent]
    edges: list[tuple[Agent, Agent]]


_NOTHING: Final = _Shape([], [], [], [])


def agents(project: Project, model: Model) -> None:
    """Register LLM agents, and constructions of BaseAgent subclasses that reach a model."""
    for made in _definitions(project):
        agent = define(project, model, FRAMEWORK, made, name=made.text("name"), role=made.text("description", "name"))
        if made.cls is not None:
            agent.code = [f for name in ("_run_async_impl", "_run_live_impl") if (f := made.cls.methods.get(name))]
        executor = made.value("code_executor")
        if executor is not None and executor.kind == "instance":
            agent.code_execution = _executor(executor)


def groups(project: Project, model: Model) -> None:
    """Give agents their tools and guardrails, and form crews."""
    builder = _Builder(project, model)
    mine: list[Agent] = []
    for made in _definitions(project):
        agent = model.agent_at(made.call.site)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        mine.append(agent)
        hold_tools(project, model, agent, made, "tools")
        builder.hand_over(agent, made)
        keyword_guardrails(made.call, project, model, FRAMEWORK, [agent])
        _confirmations(project, model, agent)
        builder.lead(agent, made)
    for made in builder.workflows.values():
        builder.workflow(made)
    add_links(model, delegations(project, model, mine))
    mark_runs(project, model, builder.crews, ("run_async", "run_live"))


class _Builder:
    """Forms the crews of one project."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.model = model
        self.workflows: dict[Site, Construction] = {
            made.call.site: made for made in constructions(project, _ROOT, tuple(_WORKFLOWS))
        }
        self.crews: list[Crew] = []
        self.shapes: dict[Site, _Shape] = {}

    def lead(self, agent: Agent, made: Construction) -> None:
        """An LLM agent with sub-agents: one crew, from it to each, or to the first of a workflow."""
        shapes = self._sub_agents(made)
        members = list(dict.fromkeys(m for shape in shapes for m in shape.members if m is not agent))
        if not members:
            return
        crew = add_crew(self.project, self.model, made, FRAMEWORK, "hierarchical", [agent, *members])
        crew.manager = agent
        targets = dict.fromkeys(entry for shape in shapes for entry in shape.entries if entry is not agent)
        add_links(self.model, [Link(agent, target, "delegates_to", crew) for target in targets])
        self.crews.append(crew)

    def workflow(self, made: Construction) -> None:
        """A workflow agent: one crew, edges by its kind."""
        shape = self._shape_of(made)
        if not shape.members:
            return
        crew = add_crew(self.project, self.model, made, FRAMEWORK, _WORKFLOWS[made.kind], shape.members)
        crew.ordered = shape.edges == list(pairwise(shape.members))
        add_links(self.model, [Link(a, b, "feeds_into", crew) for a, b in shape.edges])
        keyword_guardrails(made.call, self.project, self.model, FRAMEWORK, [crew])
        self.crews.append(crew)

    def hand_over(self, agent: Agent, made: Construction) -> None:
        """Workflows held as tools: the agent delegates to those they start with."""
        given = made.arg("tools")
        for value in self.project.resolver.items(*given).values if given is not None else ():
            if value.call is not None and (value.origin or "").endswith(".AgentTool"):
                inner = value.call.arg("agent", 0)
                if inner is not None:
                    shape = self._shape(self.project.resolver.resolve(inner, value.call.scope))
                    held = [entry for entry in shape.entries if entry is not agent]
                    add_links(self.model, [Link(agent, entry, "delegates_to") for entry in held])

    def _sub_agents(self, made: Construction) -> list[_Shape]:
        given = made.arg("sub_agents")
        if given is None:
            return []
        return [self._shape(value) for value in self.project.resolver.items(*given).values]

    def _shape(self, value: Value) -> _Shape:
        agent = agent_of(self.model, value)
        if agent is not None:
            return _Shape([agent], [agent], [agent], [])
        inner = next((self.workflows[call.site] for call in value.calls if call.site in self.workflows), None)
        return self._shape_of(inner) if inner is not None else _NOTHING

    def _shape_of(self, made: Construction) -> _Shape:
        """The shape of a workflow, worked out once; one that holds itself holds nothing there."""
        site = made.call.site
        if site not in self.shapes:
            self.shapes[site] = _NOTHING
            self.shapes[site] = self._joined(made, [shape for shape in self._sub_agents(made) if shape.members])
        return self.shapes[site]

    def _joined(self, made: Construction, parts: list[_Shape]) -> _Shape:
        if not parts:
            return _NOTHING
        members = list(dict.fromkeys(m for shape in parts for m in shape.members))
        edges = [edge for shape in parts for edge in shape.edges]
        if _WORKFLOWS[made.kind] == "parallel":
            entries = list(dict.fromkeys(e for shape in parts for e in shape.entries))
            exits = list(dict.fromkeys(e for shape in parts for e in shape.exits))
            return _Shape(entries, exits, members, edges)
        between = [(a, b) for left, right in pairwise(parts) for a in left.exits for b in right.entries if a is not b]
        return _Shape(parts[0].entries, parts[-1].exits, members, list(dict.fromkeys([*edges, *between])))


def _definitions(project: Project) -> Iterator[Construction]:
    yield from constructions(project, _ROOT, _AGENTS)
    for made in constructions(project, _ROOT, ("BaseAgent",)):
        if made.cls is not None and not _is_known(project, made.cls) and class_reaches_model(project, made.cls):
            yield made


def _is_known(project: Project, cls: Class) -> bool:
    """Whether a class derives from an LLM or workflow agent, which are read as such."""
    known = tuple(f".{name}" for name in (*_AGENTS, *_WORKFLOWS))
    return any(base.startswith(_ROOT) and base.endswith(known) for base in project.resolver.bases(cls))


def _executor(value: Value) -> Literal["local", "docker"]:
    """Only the executor that says so runs code in this process; the others are containers or remote sandboxes."""
    return "local" if "Unsafe" in (value.origin or "") else "docker"


def _confirmations(project: Project, model: Model, agent: Agent) -> None:
    """`FunctionTool(f, require_confirmation=True)` asks a person before the tool runs."""
    for tool in agent.tools:
        given = tool.call.arg("require_confirmation") if tool.call is not None else None
        if given is not None and tool.call is not None:
            asked = project.resolver.resolve(given, tool.call.scope)
            if asked.kind == "function" or (asked.kind == "bool" and asked.text == "True"):
                site = Site(tool.call.module.path, given.lineno, given.col_offset)
                add_guardrail(project, model, site, "hitl", FRAMEWORK, [tool])
