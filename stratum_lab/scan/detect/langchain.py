"""LangChain agents (A5): factories and executors in any position, their tools, guardrails and middleware."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect import langchain_flow
from stratum_lab.scan.detect.construction import Construction, constructions, define
from stratum_lab.scan.detect.guard import Target, add_guardrail, is_limit, keyword_guardrails
from stratum_lab.scan.detect.guard_links import Runners
from stratum_lab.scan.detect.teams import (
    RUN_METHODS,
    add_links,
    agent_of,
    delegations,
    form_crews,
    mark_agents_run,
    run_by,
)
from stratum_lab.scan.detect.tools import tools_of
from stratum_lab.scan.model import Agent, GuardrailKind, Model, Site, Tool

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

FRAMEWORK: Final = "langchain"
ROOTS: Final = ("langchain", "langchain_classic", "langchain_community", "langchain_experimental", "langchain_core")
_WRAPPERS: Final = (".RunnableAgent", ".RunnableMultiActionAgent")
_EXECUTOR: Final = "AgentExecutor"
_FACTORIES: Final[dict[str, int]] = {
    "initialize_agent": 0, "create_agent": 1, "create_react_agent": 1, "create_tool_calling_agent": 1,
    "create_openai_functions_agent": 1, "create_openai_tools_agent": 1, "create_structured_chat_agent": 1,
    "create_json_chat_agent": 1, "create_xml_agent": 1, "create_self_ask_with_search_agent": 1,
    "create_conversational_retrieval_agent": 1, "create_sql_agent": 1, "create_pandas_dataframe_agent": -1,
    "create_csv_agent": -1, "create_python_agent": 1, "create_spark_dataframe_agent": -1, "create_xorbits_agent": -1,
    "create_spark_sql_agent": 1, "create_json_agent": 1, "create_openapi_agent": 1, "create_vectorstore_agent": 1,
    "create_vectorstore_router_agent": 1, "create_pbi_agent": 1, "create_pbi_chat_agent": 1,
}  # fmt: skip
"""Factories with the position of their tools (or toolkit); -1 when the library brings the tools."""
_IMPLIED: Final[dict[str, str]] = {
    "create_sql_agent": "SQLDatabaseToolkit", "create_spark_sql_agent": "SparkSQLToolkit",
    "create_pandas_dataframe_agent": "PythonAstREPLTool", "create_csv_agent": "PythonAstREPLTool",
    "create_spark_dataframe_agent": "PythonAstREPLTool", "create_xorbits_agent": "PythonAstREPLTool",
    "create_python_agent": "PythonREPLTool",
}  # fmt: skip
"""What the library gives an agent of these factories when it is not passed."""
_ON_LANGGRAPH: Final = "create_agent"
"""The factory whose agents LangGraph runs (events.md 2.1)."""
_TOOL_ARGUMENTS: Final = ("tools", "toolkit", "tool", "extra_tools")
_HUMAN_TOOLS: Final = frozenset({"HumanInputRun", "human"})


def agents(project: Project, model: Model) -> None:
    """One agent an executor, with the factory's result that it wraps; else one a factory call."""
    factories = {made.call.site: made for root in ROOTS for made in _made(project, root, tuple(_FACTORIES))}
    executors = _executors(project)
    for made in executors:
        agent = define(project, model, FRAMEWORK, made)
        for inner in _wrapped(project, made.call):
            if inner.site in factories:
                model.stand_for(agent, inner.site)
    for made in executors:  # branches that assign the same name: if ...: agent = a(...) else: agent = b(...)
        known = model.agent_at(made.call.site)
        for inner in _alternatives(project, made.call):
            if known is not None and inner.site in factories and model.agent_at(inner.site) is None:
                model.stand_for(known, inner.site)
    for site, made in factories.items():
        if model.agent_at(site) is None:
            name = made.text("name")
            agent = define(project, model, FRAMEWORK, made, name=name, identified=name is not None)
            if made.kind == _ON_LANGGRAPH:
                agent.runs_on = "langgraph"


def groups(project: Project, model: Model) -> None:
    """Tools and guardrails of every agent; then delegation through tools, hand-over in code, and the crews of both."""
    own = [agent for agent in model.agents if agent.framework == FRAMEWORK]
    for call, agent in _calls(project, model):
        agent.hold(_tools(project, model, call))
        keyword_guardrails(call, project, model, FRAMEWORK, [agent])
        _middleware(project, model, call, agent)
    for agent in own:
        for tool in agent.tools:
            if tool.identity in _HUMAN_TOOLS:
                add_guardrail(project, model, tool.site, "hitl", FRAMEWORK, [agent])
    _approvals(project, model)
    _configurations(project, model)
    links = [*delegations(project, model, own), *langchain_flow.links(project, model, own)]
    crews = form_crews(project, model, FRAMEWORK, add_links(model, links), "handoff")
    langchain_flow.describe(project, model, crews)
    mark_agents_run(project, model, FRAMEWORK)


def _made(project: Project, root: str, names: tuple[str, ...]) -> Iterator[Construction]:
    yield from constructions(project, root, names)


def _executors(project: Project) -> list[Construction]:
    found: dict[Site, Construction] = {}
    for root in ROOTS:
        for made in constructions(project, root, (_EXECUTOR,), ("from_agent_and_tools",)):
            found.setdefault(made.call.site, made)
    return sorted(found.values(), key=lambda made: made.call.site)


def _wrapped(project: Project, call: Call) -> tuple[Call, ...]:
    """The calls that made what an executor is given as its agent."""
    given = call.arg("agent", 0)
    return project.resolver.resolve(given, call.scope).calls if given is not None else ()


def _alternatives(
    project: Project, call: Call, argument: str = "agent", known: frozenset[Call] = frozenset()
) -> Iterator[Call]:
    """Calls of every assignment to the name that an executor is given as its agent, and what wrappers are given."""
    given = call.arg(argument, 0)
    bindings = []
    made: list[Call] = list(project.resolver.resolve(given, call.scope).calls) if given is not None else []
    if isinstance(given, ast.Name):
        bindings = [(b, call.scope) for b in call.scope.bindings.get(given.id, ())]
    elif isinstance(given, ast.Attribute):
        owner = project.resolver.resolve(given.value, call.scope).cls
        bindings = list(owner.scope.attributes.get(given.attr, ())) if owner is not None else []
    for binding, scope in bindings:
        if binding.kind == "assign" and binding.value is not None:
            made += project.resolver.resolve(binding.value, scope).calls
    for inner in dict.fromkeys(made):
        yield inner
        if inner not in known and (project.callee(inner).origin or "").endswith(_WRAPPERS):
            yield from _alternatives(project, inner, "runnable", known | {inner})


def _calls(project: Project, model: Model) -> Iterator[tuple[Call, Agent]]:
    """The calls that stand for an agent of this framework: its executor and the factory inside."""
    for module in project.modules:
        for call in () if module.excluded else module.calls:
            agent = model.agent_at(call.site)
            if agent is not None and agent.framework == FRAMEWORK and _kind(project, call) is not None:
                yield call, agent


def _kind(project: Project, call: Call) -> str | None:
    """Factory or executor that a call calls; None when another call only stands at the same place."""
    callee = project.callee(call)
    if callee.cls is not None:
        return _EXECUTOR
    parts = (callee.origin or "").split(".")
    if parts[0] not in ROOTS:
        return None
    return next((p for p in parts[-2:] if p == _EXECUTOR), None) or (parts[-1] if parts[-1] in _FACTORIES else None)


def _tools(project: Project, model: Model, call: Call) -> list[Tool]:
    kind = _kind(project, call) or ""
    position = _FACTORIES.get(kind, 1 if (project.callee(call).origin or "").endswith("tools") else None)
    found: list[Tool] = []
    for name in _TOOL_ARGUMENTS:
        given = call.arg(name)
        if given is not None:
            found += tools_of(project, model, given, call.scope, FRAMEWORK)
    if not found and position is not None and position >= 0:
        found += tools_of(project, model, call.arg(None, position), call.scope, FRAMEWORK)
    implied = _IMPLIED.get(kind)
    if implied is not None and not any(tool.identity in (implied, "SQLDatabaseToolkit") for tool in found):
        found.append(Tool(implied, implied, "toolkit" if implied.endswith("Toolkit") else "class", call.site,
                          origin=project.callee(call).origin, call=call))  # fmt: skip
    return found


def _middleware(project: Project, model: Model, call: Call, agent: Agent) -> None:
    """What `middleware=` and `interrupt_before=` of `create_agent` put on it; a pause needs a checkpointer."""
    saver = call.arg("checkpointer")
    kept = saver is not None and project.resolver.resolve(saver, call.scope).kind not in ("none", "bool")
    for name in ("interrupt_before", "interrupt_after"):
        given = call.arg(name)
        if given is not None and project.resolver.items(given, call.scope).values:
            site = Site(call.module.path, given.lineno, given.col_offset)
            add_guardrail(project, model, site, "hitl", FRAMEWORK, [agent], active=kept)
    given = call.arg("middleware")
    for value in project.resolver.items(given, call.scope).values if given is not None else ():
        if value.call is None or not (value.origin or "").startswith("langchain"):
            continue
        last = (value.origin or "").rpartition(".")[2]
        if last == "HumanInTheLoopMiddleware":
            asked = _asked(project, value, agent)
            if asked:
                add_guardrail(project, model, value.call.site, "hitl", FRAMEWORK, asked, active=kept)
        elif last in ("ModelCallLimitMiddleware", "ToolCallLimitMiddleware"):
            limits = [value.call.arg(n) for n in ("thread_limit", "run_limit")]
            if any(limit is not None and is_limit(limit, value.call.scope, project) for limit in limits):
                add_guardrail(project, model, value.call.site, "rate_limit", FRAMEWORK, [agent])
        elif last == "PIIMiddleware":
            for kind in _filtered(project, value.call):
                add_guardrail(project, model, value.call.site, kind, FRAMEWORK, [agent], vendor="langchain")
        elif last == "ModelFallbackMiddleware":
            model.provider_fallback = True
        elif last == "ShellToolMiddleware":
            policy = value.call.arg("execution_policy")
            origin = project.resolver.origin(policy, value.call.scope) if policy is not None else None
            agent.code_execution = "docker" if "Docker" in (origin or "") else "local"


def _configurations(project: Project, model: Model) -> None:
    """A literal `recursion_limit` in the configuration of an agent or of a run of it."""
    for module in project.modules_importing(*ROOTS):
        for call in () if module.excluded else module.calls:
            func = call.node.func
            if not isinstance(func, ast.Attribute) or func.attr not in (*RUN_METHODS, "with_config"):
                continue
            given = call.arg("config", 0 if func.attr == "with_config" else 1)
            limit = project.resolver.mapping(given, call.scope).get("recursion_limit") if given is not None else None
            if limit is None or not is_limit(*limit, project):
                continue
            agent = agent_of(model, project.resolver.resolve(func.value, call.scope))
            if agent is not None and agent.framework == FRAMEWORK:
                site = Site(limit[1].module.path, limit[0].lineno, limit[0].col_offset)
                add_guardrail(project, model, site, "rate_limit", FRAMEWORK, [agent])


def _asked(project: Project, value: Value, agent: Agent) -> list[Target]:
    """The tools that need approval; the agent itself when none of the names is one it holds."""
    call = value.call
    given = call.arg("interrupt_on", 0) if call is not None else None
    if call is None or given is None:
        return [agent]
    fields = project.resolver.mapping(given, call.scope)
    names = {name for name, (expr, scope) in fields.items() if project.resolver.literal(expr, scope) is not False}
    tools: list[Target] = [tool for tool in agent.tools if tool.name in names or tool.identity in names]
    return tools or ([agent] if names or not fields else [])


def _filtered(project: Project, call: Call) -> list[GuardrailKind]:
    def given(name: str, default: bool) -> bool:
        expr = call.arg(name)
        return default if expr is None else project.resolver.literal(expr, call.scope) is True

    kinds: list[GuardrailKind] = ["input_filter"] if given("apply_to_input", True) else []
    return kinds + (["output_filter"] if given("apply_to_output", False) else [])


def _approvals(project: Project, model: Model) -> None:
    """`HumanApprovalCallbackHandler` given to a tool, an agent or a run of one."""
    runners = Runners(project, model)
    for call, _ in project.calls_to(*(f"{root}.**.HumanApprovalCallbackHandler" for root in ROOTS)):
        users = runners.uses(call)
        targets = {t: None for user in users for t in _approved(project, model, runners, user)}
        add_guardrail(project, model, call.site, "hitl", FRAMEWORK, list(targets), active=bool(users))


def _approved(project: Project, model: Model, runners: Runners, user: Call) -> list[Target]:
    """The tool or agent that is constructed or run with a handler; further down when it goes through something else."""
    for call in (user, *runners.uses(user)):
        tools: list[Target] = [t for a in model.agents for t in a.tools if t.call is call or t.site == call.site]
        agent = model.agent_at(call.site) or run_by(project, model, call)
        if tools or agent is not None:
            return tools or [agent for agent in [agent] if agent is not None]
    return []
