"""Semantic Kernel (A7b): agents, their plugins, group chats and orchestrations.

A manager is no agent: what it chooses leads from the chat itself. A chat without a selection of its own, or with the
sequential one, takes turns: its members feed into each other in order.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.construction import Construction, add_crew, constructions, define, mark_runs, members_of
from stratum_lab.scan.detect.guard import add_guardrail, is_limit, keyword_guardrails
from stratum_lab.scan.detect.semantic_kernel_handoffs import handoffs_of
from stratum_lab.scan.detect.semantic_kernel_plugins import plugins_of
from stratum_lab.scan.detect.teams import add_links, agent_of, delegations
from stratum_lab.scan.model import Agent, Crew, GroupChat, Link, Model

if TYPE_CHECKING:
    from stratum_lab.scan.source.project import Project

FRAMEWORK: Final = "semantic_kernel"
_HOSTED: Final = ("OpenAIAssistantAgent", "AzureAssistantAgent")
_CLASSES: Final = (
    "ChatCompletionAgent", "AzureAIAgent", *_HOSTED, "OpenAIResponsesAgent", "AzureResponsesAgent", "BedrockAgent",
    "CopilotStudioAgent",
)  # fmt: skip
_CREWS: Final = {
    "AgentGroupChat": "chat",
    "SequentialOrchestration": "sequential",
    "ConcurrentOrchestration": "parallel",
    "GroupChatOrchestration": "selector",
    "HandoffOrchestration": "handoff",
    "MagenticOrchestration": "selector",
}


def agents(project: Project, model: Model) -> None:
    """Register the agents; one made from a definition has the name given to that."""
    for made in constructions(project, FRAMEWORK, _CLASSES, ("create",)):
        name = made.text("name", "agent_name")
        if name is None:
            definition = made.value("definition") or made.value("agent_model")
            given = definition.call.arg("name") if definition is not None and definition.call is not None else None
            if given is not None and definition is not None and definition.call is not None:
                name = project.resolver.text(given, definition.call.scope)
        identified = name is not None or made.text("id") is not None
        role = made.text("description", "name")
        agent = define(project, model, FRAMEWORK, made, name=name, identified=identified, role=role)
        agent.hosted = made.kind in _HOSTED


def groups(project: Project, model: Model) -> None:
    """Give agents their plugins and guardrails, and form crews."""
    mine: list[Agent] = []
    for made in constructions(project, FRAMEWORK, _CLASSES, ("create",)):
        agent = model.agent_at(made.call.site)
        if agent is None:
            continue
        mine.append(agent)
        agent.hold(plugins_of(project, model, made))
        keyword_guardrails(made.call, project, model, FRAMEWORK, [agent])
    crews = []
    for made in constructions(project, FRAMEWORK, tuple(_CREWS)):
        members, unknown = members_of(project, model, made.arg("members", 0) or made.arg("agents", 0))
        members = list(dict.fromkeys([*members, *_added(project, model, made)]))
        if not members:
            continue
        crew = add_crew(project, model, made, FRAMEWORK, _CREWS[made.kind], members)
        crew.unknown_members = unknown
        _join(project, model, made, crew)
        _limits(project, model, made, crew)
        crews.append(crew)
    add_links(model, delegations(project, model, mine))
    mark_runs(project, model, crews, ("invoke", "invoke_stream", "invoke_single_turn"))


def _join(project: Project, model: Model, made: Construction, crew: Crew) -> None:
    """The edges of a crew, by its kind."""
    if made.kind == "AgentGroupChat":
        strategy = made.value("selection_strategy")
        if strategy is None or (strategy.origin or "").endswith("SequentialSelectionStrategy"):
            crew.process = "round_robin"
        else:
            crew.process = "selector"
    if crew.process in ("sequential", "round_robin"):
        crew.ordered = True
        add_links(model, [Link(a, b, "feeds_into", crew) for a, b in pairwise(crew.members)])
    elif crew.process == "selector":
        crew.chat = GroupChat(crew.site, FRAMEWORK, crew.name, crew.unit)
        model.chats.append(crew.chat)
        add_links(model, [Link(crew.chat, member, "delegates_to", crew) for member in crew.members])
    elif crew.process == "handoff":
        links = [Link(a, b, "delegates_to", crew) for a, b in handoffs_of(project, model, made, crew.members)]
        add_links(model, links)


def _limits(project: Project, model: Model, made: Construction, crew: Crew) -> None:
    """Round limits of managers and termination strategies, and people asked by a manager or a handoff."""
    for name in ("manager", "termination_strategy"):
        value = made.value(name)
        if value is None or value.call is None:
            continue
        keyword_guardrails(value.call, project, model, FRAMEWORK, [crew])
        limit = value.call.arg("maximum_iterations")
        if limit is not None and is_limit(limit, value.call.scope, project):
            add_guardrail(project, model, value.call.site, "rate_limit", FRAMEWORK, [crew])
        if value.call.arg("human_response_function") is not None:
            add_guardrail(project, model, value.call.site, "hitl", FRAMEWORK, [crew])
    if made.arg("human_response_function") is not None:
        add_guardrail(project, model, made.call.site, "hitl", FRAMEWORK, [crew])


def _added(project: Project, model: Model, made: Construction) -> list[Agent]:
    """Agents that `add_agent` puts into a chat."""
    found = []
    for call, value in project.calls_to(f"{FRAMEWORK}.**.{made.kind}.add_agent"):
        receiver = value.receiver
        given = call.arg("agent", 0)
        if given is not None and receiver is not None and any(c.site == made.call.site for c in receiver.calls):
            agent = agent_of(model, project.resolver.resolve(given, call.scope))
            if agent is not None:
                found.append(agent)
    return found
