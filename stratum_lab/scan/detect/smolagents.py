"""SmolAgents (A7b): agents by their constructors, crews of an agent and those it manages.

A CodeAgent runs the code it writes: in this process unless an executor in a container or remote sandbox is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from stratum_lab.scan.detect.construction import (
    Construction,
    add_crew,
    constructions,
    define,
    hold_tools,
    mark_runs,
    members_of,
)
from stratum_lab.scan.detect.guard import keyword_guardrails
from stratum_lab.scan.detect.teams import add_links, agent_of, delegations
from stratum_lab.scan.model import Agent, Link, Model

if TYPE_CHECKING:
    from stratum_lab.scan.source.project import Project

FRAMEWORK: Final = "smolagents"
_CLASSES: Final = ("CodeAgent", "ToolCallingAgent", "MultiStepAgent")
_SANDBOXES: Final = frozenset({"docker", "e2b", "modal", "wasm", "blaxel"})


def agents(project: Project, model: Model) -> None:
    """Register the agents; a `ManagedAgent` around one gives it its name."""
    for made in constructions(project, FRAMEWORK, _CLASSES):
        agent = define(project, model, FRAMEWORK, made, name=made.text("name"))
        if made.kind == "CodeAgent":
            agent.code_execution = _executor(made)
    for wrapper in constructions(project, FRAMEWORK, ("ManagedAgent",)):
        value = wrapper.value("agent", 0)
        wrapped = agent_of(model, value) if value is not None else None
        if wrapped is not None:
            wrapped.name = wrapper.text("name") or wrapped.name
            wrapped.identified = wrapped.identified or wrapper.text("name") is not None
            model.stand_for(wrapped, wrapper.call.site)


def groups(project: Project, model: Model) -> None:
    """Give agents their tools and guardrails, and join managers with the agents they manage."""
    crews = []
    mine: list[Agent] = []
    for made in constructions(project, FRAMEWORK, _CLASSES):
        agent = model.agent_at(made.call.site)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        mine.append(agent)
        hold_tools(project, model, agent, made, "tools", position=0)
        keyword_guardrails(made.call, project, model, FRAMEWORK, [agent])
        managed, unknown = members_of(project, model, made.arg("managed_agents"))
        if managed and not agent.inline:
            crew = add_crew(project, model, made, FRAMEWORK, "hierarchical", [agent, *managed])
            crew.manager, crew.unknown_members = agent, unknown
            add_links(model, [Link(agent, worker, "delegates_to", crew) for worker in managed])
            crews.append(crew)
    add_links(model, delegations(project, model, mine))
    mark_runs(project, model, crews, ("run", "__call__"))


def _executor(made: Construction) -> Literal["local", "docker"]:
    if made.text("executor_type") in _SANDBOXES or made.is_true("use_e2b_executor"):
        return "docker"
    value = made.value("executor")
    named = (value.origin or "").rpartition(".")[2] if value is not None else ""
    return "docker" if any(named.lower().startswith(s) for s in _SANDBOXES) else "local"
