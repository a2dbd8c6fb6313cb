"""Conversations of classic AutoGen and AG2 (A6): group chats and managers, patterns, pairs, nested chats, handoffs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.autogen_agents import FRAMEWORK, MANAGER, ROOTS, definitions
from stratum_lab.scan.detect.construction import Construction, add_crew, constructions, members_of, short
from stratum_lab.scan.detect.guard import add_guardrail, is_limit, keyword_guardrails
from stratum_lab.scan.detect.teams import add_links, agent_of
from stratum_lab.scan.model import Agent, Crew, GroupChat, Link, Model, Site

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project

_CLASSIC: Final = ("autogen", "pyautogen", "ag2")
_PATTERNS: Final = {
    "AutoPattern": "selector", "RandomPattern": "selector", "ManualPattern": "selector",
    "RoundRobinPattern": "round_robin", "DefaultPattern": "swarm",
}  # fmt: skip
_SWARMS: Final = ("initiate_swarm_chat", "a_initiate_swarm_chat", "run_swarm", "a_run_swarm")
_PATTERN_RUNS: Final = ("initiate_group_chat", "a_initiate_group_chat", "run_group_chat", "a_run_group_chat",
                        "run_group_chat_iter", "a_run_group_chat_iter")  # fmt: skip
_CHAT: Final = frozenset({"initiate_chat", "a_initiate_chat"})
_RUN: Final = frozenset({"run", "a_run"})
_CHATS: Final = frozenset({"initiate_chats", "a_initiate_chats", "sequential_run", "a_sequential_run"})
_HANDOFFS: Final = frozenset({
    "add_llm_condition", "add_llm_conditions", "add_context_condition", "add_context_conditions", "set_after_work",
    "add_after_work", "add_after_works", "register_hand_off", "add", "add_many", "set_llm_conditions",
})  # fmt: skip


def form_chats(project: Project, model: Model) -> None:
    """Crews and links of group chats, patterns and swarms, then of the chats that agents start with each other."""
    managed = _group_chats(project, model)
    _patterns(project, model)
    _swarms(project, model)
    _handoffs(project, model)
    _started(project, model, managed)


def lead(model: Model, crew: Crew, chat_name: str) -> None:
    """Links of a crew by its process: in order, or from its manager (else from the chat itself) to each."""
    if crew.process == "round_robin":
        crew.ordered = True
        members = [m for m in crew.members if m is not crew.manager]
        add_links(model, [Link(a, b, "feeds_into", crew) for a, b in pairwise(members)])
    elif crew.process == "selector":
        if crew.manager is None:
            crew.chat = GroupChat(crew.site, FRAMEWORK, chat_name, crew.unit)
            model.chats.append(crew.chat)
        source = crew.manager or crew.chat
        assert source is not None
        workers = [m for m in crew.members if m is not crew.manager]
        add_links(model, [Link(source, worker, "delegates_to", crew) for worker in workers])


def _constructions(project: Project, *names: str) -> Iterator[Construction]:
    seen: set[Site] = set()
    for root in _CLASSIC:
        for made in constructions(project, root, names):
            if made.call.site not in seen:
                seen.add(made.call.site)
                yield made


def _group_chats(project: Project, model: Model) -> dict[Agent, Crew]:
    """A crew for each GroupChat with members. Gives the crews by their managers."""
    managers: dict[Site, list[Agent]] = {}
    for made in definitions(project):
        chat = made.value("groupchat", 0) if made.kind == MANAGER else None
        agent = model.agent_at(made.call.site)
        if chat is not None and chat.call is not None and agent is not None:
            managers.setdefault(chat.call.site, []).append(agent)
    out: dict[Agent, Crew] = {}
    for made in _constructions(project, "GroupChat"):
        found = members_of(project, model, made.arg("agents", 0))
        if not found.agents:
            continue
        selection = made.text("speaker_selection_method")
        leaders = managers.get(made.call.site, [])
        process = "round_robin" if selection == "round_robin" else "selector"
        crew = add_crew(project, model, made, FRAMEWORK, process, [*found.agents, *leaders],
                        unknown_members=found.unknown)  # fmt: skip
        if leaders:
            crew.manager = leaders[0]
            if crew.manager.identified:
                crew.name = crew.manager.name
        keyword_guardrails(made.call, project, model, FRAMEWORK, [crew])
        lead(model, crew, short(project.resolver.symbol_of(made.call)))
        out.update(dict.fromkeys(leaders, crew))
    for made in definitions(project):  # a society of mind speaks for the chat behind its manager
        inner = made.value("chat_manager", 1) if made.kind == "SocietyOfMindAgent" else None
        agent, manager = model.agent_at(made.call.site), agent_of(model, inner) if inner is not None else None
        if agent is not None and manager is not None:
            add_links(model, [Link(agent, manager, "delegates_to")])
    return out


def _patterns(project: Project, model: Model) -> None:
    by_site: dict[Site, Crew] = {}
    for made in _constructions(project, *_PATTERNS):
        found = members_of(project, model, made.arg("agents", 1))
        user = made.value("user_agent", 2)
        person = agent_of(model, user) if user is not None else None
        members = list(dict.fromkeys([*found.agents, *([person] if person is not None else [])]))
        if members:
            crew = add_crew(project, model, made, FRAMEWORK, _PATTERNS[made.kind], members,
                            unknown_members=found.unknown)  # fmt: skip
            by_site[made.call.site] = crew
            lead(model, crew, crew.name)
    for call, _ in project.calls_to(*(f"{root}.**.{name}" for root in _CLASSIC for name in _PATTERN_RUNS)):
        given = call.arg("pattern", 0)
        made_by = project.resolver.resolve(given, call.scope).call if given is not None else None
        run = by_site.get(made_by.site) if made_by is not None else None
        if run is not None:
            run.run = True
            keyword_guardrails(call, project, model, FRAMEWORK, [run])


def _swarms(project: Project, model: Model) -> None:
    for call, _ in project.calls_to(*(f"{root}.**.{name}" for root in _CLASSIC for name in _SWARMS)):
        made = Construction(project, call, "swarm")
        found = members_of(project, model, made.arg("agents", 2))
        user = made.value("user_agent", 3)
        person = agent_of(model, user) if user is not None else None
        members = list(dict.fromkeys([*found.agents, *([person] if person is not None else [])]))
        if members:
            crew = add_crew(project, model, made, FRAMEWORK, "swarm", members, unknown_members=found.unknown)
            crew.name = short(members[0].symbol)
            crew.run = True
            keyword_guardrails(call, project, model, FRAMEWORK, [crew])


def _handoffs(project: Project, model: Model) -> None:
    """AG2 handoffs: conditions registered on an agent, and what its tool functions return as the next speaker."""
    links: list[Link] = []
    for module in project.modules_importing(*ROOTS):
        for call in () if module.excluded else module.calls:
            func = call.node.func
            if isinstance(func, ast.Attribute) and func.attr in _HANDOFFS:
                inner = func.value
                owner = inner.value if isinstance(inner, ast.Attribute) and inner.attr == "handoffs" else inner
                if func.attr in ("add", "add_many") and owner is inner:
                    continue
                source = agent_of(model, project.resolver.resolve(owner, call.scope))
            elif project.callee(call).origin in {f"{root}.register_hand_off" for root in _CLASSIC}:
                given = call.arg("agent", 0)
                source = agent_of(model, project.resolver.resolve(given, call.scope)) if given is not None else None
            else:
                continue
            if source is not None and source.framework == FRAMEWORK:
                links += [Link(source, t, "delegates_to") for t in _named(project, model, call) if t is not source]
    for agent in model.agents:
        if agent.framework == FRAMEWORK:
            for function in dict.fromkeys(f for tool in agent.tools for f in tool.code):
                for call in function.calls:
                    if (project.callee(call).origin or "").endswith((".ReplyResult", ".SwarmResult")):
                        targets = _named(project, model, call)
                        links += [Link(agent, t, "delegates_to") for t in targets if t is not agent]
    for link in add_links(model, links):
        link.crew = _shared(model, [link.source, link.target])


def _named(project: Project, model: Model, call: Call) -> list[Agent]:
    """Every agent that the arguments of a call name, also inside lists and conditions."""
    found: dict[Agent, None] = {}
    for given in (*call.node.args, *(k.value for k in call.node.keywords if k.arg != "agent")):
        parts: list[tuple[ast.expr, Scope]] = [(given, call.scope)]
        parts += [(v.node, v.scope) for v in project.resolver.items(given, call.scope).values if v.node and v.scope]
        for expr, scope in parts:
            for node in ast.walk(expr):
                if isinstance(node, ast.Name | ast.Attribute):
                    agent = agent_of(model, project.resolver.resolve(node, scope))
                    if agent is not None:
                        found[agent] = None
    return list(found)


def _shared(model: Model, things: Iterable[object]) -> Crew | None:
    wanted = list(things)
    return next((crew for crew in model.crews if all(thing in crew.members for thing in wanted)), None)


def _started(project: Project, model: Model, managed: dict[Agent, Crew]) -> None:
    for module in project.modules_importing(*ROOTS):
        for call in () if module.excluded else module.calls:
            func = call.node.func
            name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            if name in _CHAT or (name in _RUN and _recipient(project, model, call) is not None):
                _pair(project, model, managed, call)
            elif name in _RUN and (alone := _starter(project, model, call)) is not None:
                keyword_guardrails(call, project, model, FRAMEWORK, [alone])
            elif name in _CHATS or name == "register_nested_chats":
                _queue(project, model, managed, call, call.arg("chat_queue", 0))


def _starter(project: Project, model: Model, call: Call) -> Agent | None:
    func = call.node.func
    if not isinstance(func, ast.Attribute):
        return None
    found = agent_of(model, project.resolver.resolve(func.value, call.scope))
    return found if found is not None and found.framework == FRAMEWORK else None


def _recipient(project: Project, model: Model, call: Call) -> Agent | None:
    given = call.arg("recipient", 0)
    return agent_of(model, project.resolver.resolve(given, call.scope)) if given is not None else None


def _pair(project: Project, model: Model, managed: dict[Agent, Crew], call: Call) -> None:
    starter, target = _starter(project, model, call), _recipient(project, model, call)
    if starter is not None and target is not None and target is not starter:
        crew = _talk(project, model, managed, call, starter, [target])
        keyword_guardrails(call, project, model, FRAMEWORK, [crew])


def _queue(project: Project, model: Model, managed: dict[Agent, Crew], call: Call, queue: ast.expr | None) -> None:
    """`a.initiate_chats([{"recipient": b, ...}, ...])`, the function with "sender"s, and nested chats."""
    starter = _starter(project, model, call)
    limits: list[Site] = []
    groups: dict[Agent, list[Agent]] = {}
    for value in project.resolver.items(queue, call.scope).values if queue is not None else ():
        if value.node is None or value.scope is None:
            continue
        fields = project.resolver.mapping(value.node, value.scope)
        sender = agent_of(model, project.resolver.resolve(*fields["sender"])) if "sender" in fields else starter
        target = agent_of(model, project.resolver.resolve(*fields["recipient"])) if "recipient" in fields else None
        if sender is None or target is None or sender is target:
            continue
        if target not in groups.setdefault(sender, []):
            groups[sender].append(target)
        if "max_turns" in fields and is_limit(*fields["max_turns"], project):
            expr, scope = fields["max_turns"]
            limits.append(Site(scope.module.path, expr.lineno, expr.col_offset))
    for sender, targets in groups.items():
        crew = _talk(project, model, managed, call, sender, targets)
        for site in limits:
            add_guardrail(project, model, site, "rate_limit", FRAMEWORK, [crew])


def _talk(
    project: Project, model: Model, managed: dict[Agent, Crew], call: Call, starter: Agent, targets: Sequence[Agent]
) -> Crew:
    """The crew in which an agent talks to others: the group chat it starts, one that holds them all, or their own.

    One who starts a group chat takes part in it.
    """
    crew = managed.get(targets[0]) if len(targets) == 1 else None
    if crew is not None and starter not in crew.members:
        crew.members.append(starter)
    crew = crew or _shared(model, [starter, *targets])
    if crew is None:
        crew = Crew(call.site, FRAMEWORK, short(starter.symbol), "chat", project.unit_of(call.module.path))
        crew.members = [starter, *targets]
        model.crews.append(crew)
    crew.run = crew.run or not (isinstance(call.node.func, ast.Attribute) and "nested" in call.node.func.attr)
    add_links(model, [Link(starter, target, "delegates_to", crew) for target in targets])
    return crew
