"""LlamaIndex (A7b): agents by constructor or class method, crews of an AgentWorkflow, handoffs by name.

`AgentWorkflow.from_tools_or_functions` makes an agent of its own and is one; an AgentRunner around a worker is the
worker. Without `can_handoff_to` any member may hand over to any: a permission, no edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
    from collections.abc import Iterator

    from stratum_lab.scan.source.project import Project

FRAMEWORK: Final = "llama_index"
_CLASSES: Final = (
    "FunctionAgent", "ReActAgent", "CodeActAgent", "OpenAIAgent", "FunctionCallingAgent", "FunctionCallingAgentWorker",
    "ReActAgentWorker", "MultimodalReActAgentWorker", "OpenAIAgentWorker", "OpenAIAssistantAgent", "ReActChatAgent",
)  # fmt: skip
_METHODS: Final = ("from_tools", "from_llm", "from_defaults", "from_new", "from_existing")
_HOSTED: Final = "OpenAIAssistantAgent"


def agents(project: Project, model: Model) -> None:
    """Register the agents, and runners as the workers they run."""
    for made in _definitions(project):
        agent = define(project, model, FRAMEWORK, made, name=made.text("name"))
        agent.hosted = made.kind == _HOSTED
        if made.kind == "CodeActAgent":
            agent.code_execution = "local"
    for runner in constructions(project, FRAMEWORK, ("AgentRunner",)):
        value = runner.value("agent_worker", 0)
        worker = agent_of(model, value) if value is not None else None
        if worker is not None:
            model.stand_for(worker, runner.call.site)


def groups(project: Project, model: Model) -> None:
    """Give agents their tools and guardrails, and form the workflows."""
    mine: dict[Agent, Construction] = {}
    for made in _definitions(project):
        agent = model.agent_at(made.call.site)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        mine[agent] = made
        hold_tools(project, model, agent, made, "tools", "tools_or_functions", position=0 if made.method else None)
        keyword_guardrails(made.call, project, model, FRAMEWORK, [agent])
    crews = []
    for made in constructions(project, FRAMEWORK, ("AgentWorkflow",)):
        members, unknown = members_of(project, model, made.arg("agents", 0))
        if not members:
            continue
        crew = add_crew(project, model, made, FRAMEWORK, "handoff", members)
        crew.unknown_members = unknown
        crews.append(crew)
        links = [
            Link(agent, target, "delegates_to", crew)
            for agent in members
            if agent in mine
            for target in _handoffs(project, model, mine[agent], members)
        ]
        add_links(model, links)
    add_links(model, delegations(project, model, mine))
    mark_runs(project, model, crews, ("run", "run_from_dict"))


def _definitions(project: Project) -> Iterator[Construction]:
    yield from constructions(project, FRAMEWORK, _CLASSES, _METHODS)
    for made in constructions(project, FRAMEWORK, ("AgentWorkflow",), ("from_tools_or_functions",)):
        if made.method:
            yield made


def _handoffs(project: Project, model: Model, made: Construction, members: list[Agent]) -> Iterator[Agent]:
    """Members to which an agent may hand over, by their names or as `other.name`."""
    given = made.arg("can_handoff_to")
    if given is None:
        return
    for value in project.resolver.items(*given).values:
        for member in members:
            if (value.kind == "text" and value.text == member.name) or (
                value.kind != "text" and agent_of(model, value) is member
            ):
                yield member
