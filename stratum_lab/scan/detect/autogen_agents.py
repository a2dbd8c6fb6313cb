"""AutoGen and AG2 agents (A6): where they are constructed, what they run code with, who asks and limits them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from stratum_lab.scan.detect.construction import Construction, constructions, define
from stratum_lab.scan.detect.guard import add_guardrail, is_limit, is_schema, keyword_guardrails
from stratum_lab.scan.detect.reach import class_reaches_model
from stratum_lab.scan.detect.teams import agent_of
from stratum_lab.scan.model import Agent, Model, Site
from stratum_lab.scan.source.index import Function

if TYPE_CHECKING:
    from stratum_lab.scan.detect.construction import Given
    from stratum_lab.scan.source.index import Call, Class
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

FRAMEWORK: Final = "autogen"
ROOTS: Final = ("autogen", "pyautogen", "ag2", "autogen_agentchat", "autogen_ext")
AGENTS: Final = (
    "AssistantAgent", "UserProxyAgent", "ConversableAgent", "CodeExecutorAgent", "SocietyOfMindAgent",
    "GroupChatManager", "GPTAssistantAgent", "RetrieveUserProxyAgent", "RetrieveAssistantAgent", "SwarmAgent",
    "QdrantRetrieveUserProxyAgent", "MultimodalConversableAgent", "LLaVAAgent", "MathUserProxyAgent", "TeachableAgent",
    "CompressibleAgent", "TextAnalyzerAgent", "CaptainAgent", "ReasoningAgent", "ThinkNode", "WebSurferAgent",
    "DeepResearchAgent", "DocAgent", "LlamaIndexConversableAgent", "TimeAgent", "DiscordAgent", "SlackAgent",
    "TelegramAgent", "PerplexityAgent", "WikipediaAgent", "RealtimeAgent", "OpenAIAssistantAgent", "OpenAIAgent",
    "MultimodalWebSurfer", "FileSurfer", "VideoSurfer", "MagenticOneCoderAgent", "AzureAIAgent", "Agent",
)  # fmt: skip
"""Library classes whose instances are agents; `Agent` is AG2 1.x and counts under the root `ag2` only."""
MANAGER: Final = "GroupChatManager"
_BARE: Final = ("BaseChatAgent", "RoutedAgent")
"""Bases that say nothing about a model: a repository class deriving from one counts when its methods reach one."""
_EXECUTOR_ENDING: Final = "CodeExecutor"
_SANDBOXED: Final = ("Docker", "ACADynamicSessions", "PodCommandLine", "Yepcode", "Daytona")
Place = Literal["local", "docker"]


def define_agents(project: Project, model: Model) -> None:
    """Register one agent a construction, instances of repository subclasses included."""
    for made in definitions(project):
        name = _name(made)
        if made.kind == "MessageFilterAgent":
            continue
        agent = define(project, model, FRAMEWORK, made, name=name, identified=name is not None)
        if made.kind == MANAGER and name is None:
            agent.name = agent.role = "chat_manager"
        if made.cls is not None:
            agent.code += [m for m in made.cls.methods.values() if m not in agent.code]
    for made in _of_root(project, ("MessageFilterAgent",)):
        inner = made.value("wrapped_agent") or made.value("agent", 1)
        wrapped = agent_of(model, inner) if inner is not None else None
        if wrapped is not None:
            model.stand_for(wrapped, made.call.site)
    _registered_types(project, model)


def definitions(project: Project) -> Iterator[Construction]:
    """Calls that construct an agent, in order of place within each family of classes."""
    for made in _of_root(project, AGENTS):
        if made.kind != "Agent" or _of_ag2(project, made):
            yield made
    for cls, base in _bare_classes(project):
        for call, value in project.calls_to(cls.dotted):
            if value.cls is cls:
                yield Construction(project, call, base, "", cls)


def _of_ag2(project: Project, made: Construction) -> bool:
    """Whether an `Agent` is AG2's: the class itself or a subclass of the repository."""
    origins = project.resolver.bases(made.cls) if made.cls is not None else [project.callee(made.call).origin or ""]
    return any(origin.startswith("ag2.") for origin in origins)


def _of_root(project: Project, names: tuple[str, ...]) -> Iterator[Construction]:
    seen: set[Site] = set()
    for root in ROOTS:
        for made in constructions(project, root, names):
            if made.call.site not in seen:
                seen.add(made.call.site)
                yield made


def _bare_classes(project: Project) -> Iterator[tuple[Class, str]]:
    for base in _BARE:
        for cls in project.subclasses(f"autogen_agentchat.**.{base}", f"autogen_core.**.{base}"):
            named = {b.rpartition(".")[2] for b in project.resolver.bases(cls)}
            if named.isdisjoint(AGENTS) and class_reaches_model(project, cls):
                yield cls, base


def _name(made: Construction) -> str | None:
    if made.kind == MANAGER:
        return made.text("name")
    if made.kind == "RoutedAgent":  # its only argument describes it; the name is that of its registered type
        return None
    given = made.arg("name", 0)
    text = made.project.resolver.text(*given) if given is not None else None
    return " ".join(text.split()) if text and text.strip() else None


def _registered_types(project: Project, model: Model) -> None:
    """`Writer.register(runtime, "writer", lambda: Writer(...))`: the type's name is the agent's."""
    for module in project.modules_importing("autogen_core"):
        for call in () if module.excluded else module.calls:
            func = call.node.func
            given, factory = call.arg("type", 1), call.arg("factory", 2)
            if not (isinstance(func, ast.Attribute) and func.attr == "register") or given is None or factory is None:
                continue
            made = project.resolver.resolve(factory, call.scope)
            agent = None
            if made.function is not None:
                for returned in made.function.returns:
                    agent = agent or agent_of(model, project.resolver.resolve(returned, made.function.scope))
            name = project.resolver.text(given, call.scope)
            if agent is not None and agent.framework == FRAMEWORK and name and not agent.identified:
                agent.name = agent.role = " ".join(name.split())
                agent.identified = True


def equip(project: Project, model: Model) -> None:
    """Code execution, hitl, limits and output schemas of every agent."""
    for made in definitions(project):
        agent = model.agent_at(made.call.site)
        if agent is None or agent.framework != FRAMEWORK:
            continue
        for call in (made.call, *super_calls(made)):
            keyword_guardrails(call, project, model, FRAMEWORK, [agent])
        _person(project, model, made, agent)
        _model_settings(project, model, made, agent)
        agent.code_execution = agent.code_execution or _execution(project, made)


def super_calls(made: Construction) -> Iterator[Call]:
    """Calls of `super().__init__` in the repository classes of a construction."""
    for owner in made.project.resolver.lineage(made.cls) if made.cls is not None else ():
        init = None if isinstance(owner, str) else owner.methods.get("__init__")
        for call in init.calls if isinstance(init, Function) else ():
            if isinstance(call.node.func, ast.Attribute) and call.node.func.attr == "__init__":
                yield call


def _person(project: Project, model: Model, made: Construction, agent: Agent) -> None:
    """A user proxy with an input function, a code executor with an approval function."""
    for name, kind in (("input_func", "UserProxyAgent"), ("approval_func", "CodeExecutorAgent")):
        given = made.arg(name)
        if given is not None and made.kind == kind:
            site = Site(given.scope.module.path, given.expr.lineno, given.expr.col_offset)
            add_guardrail(project, model, site, "hitl", FRAMEWORK, [agent])


def _model_settings(project: Project, model: Model, made: Construction, agent: Agent) -> None:
    """Limits and schemas inside `llm_config`, as a dict or an LLMConfig."""
    given = made.arg("llm_config")
    if given is None:
        return
    value = project.resolver.resolve(*given)
    if value.call is not None and value.kind == "instance":
        keyword_guardrails(value.call, project, model, FRAMEWORK, [agent])
    for name, (expr, scope) in project.resolver.mapping(*given).items():
        site = Site(scope.module.path, expr.lineno, expr.col_offset)
        if name == "max_tokens" and is_limit(expr, scope, project):
            add_guardrail(project, model, site, "rate_limit", FRAMEWORK, [agent])
        elif name == "response_format" and is_schema(expr, scope, project):
            add_guardrail(project, model, site, "validation", FRAMEWORK, [agent])


def _execution(project: Project, made: Construction) -> Place | None:
    """Where an agent runs code: a configuration that is a dict or an executor, or an executor it is given.

    A dict without `use_docker` counts as local: the default differs between versions and with the environment.
    """
    for name, position in (("code_executor", 1 if made.kind == "CodeExecutorAgent" else None), ("executor", None)):
        value = made.value(name, position)
        if value is not None and (place := executor_place(value)) is not None:
            return place
    given = made.arg("code_execution_config")
    return _configured(project, given) if given is not None else _executing_tools(project, made)


def _configured(project: Project, given: Given) -> Place | None:
    value = project.resolver.resolve(*given)
    place = executor_place(value)
    if place is not None:
        return place
    fields = project.resolver.mapping(*given)
    if "executor" in fields:
        inner = project.resolver.resolve(*fields["executor"])
        if inner.text is not None:
            return "docker" if "docker" in inner.text.lower() else "local"
        return executor_place(inner) or "local"
    if "use_docker" in fields:
        literal = project.resolver.literal(*fields["use_docker"])
        return "docker" if literal is True or (isinstance(literal, str) and literal) else "local"
    return "local" if fields or value.kind == "dict" else None


def _executing_tools(project: Project, made: Construction) -> Place | None:
    """A code execution tool runs code with the executor it is given."""
    given = made.arg("tools")
    for value in project.resolver.items(*given).values if given is not None else ():
        if value.call is not None and (value.origin or "").endswith("CodeExecutionTool"):
            executor = value.call.arg("executor", 0)
            if executor is not None:
                return executor_place(project.resolver.resolve(executor, value.call.scope)) or "local"
    return None


def executor_place(value: Value) -> Place | None:
    """Where a code executor object runs its code, None when it is no executor."""
    origin = value.origin or ""
    parts = [part for part in origin.split(".") if part.endswith((_EXECUTOR_ENDING, "CodeExecutor"))]
    if value.kind != "instance" or not parts or origin.partition(".")[0] not in (*ROOTS, "autogen_core"):
        return None
    return "docker" if parts[-1].startswith(_SANDBOXED) else "local"
