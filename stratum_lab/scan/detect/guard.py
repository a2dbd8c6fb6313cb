"""Guardrails (A9): keyword arguments of constructing calls, for every framework, and filter libraries.

Only arguments and calls count. What a library call covers is decided here once all agents are known; a detector that
knows what its own argument covers passes the targets.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.guard_links import Runners
from stratum_lab.scan.detect.providers_clients import client_slug, model_call
from stratum_lab.scan.model import Agent, Crew, Guardrail, GuardrailKind, Model, Site, Step, Task, Tool
from stratum_lab.scan.source.index import chain
from stratum_lab.scan.source.value import UNKNOWN

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value

FRAMEWORK: Final = "generic"
Target = Agent | Tool | Task | Crew | Step

RATE_LIMITS: Final = frozenset({
    "max_rpm", "max_iter", "max_iterations", "max_turns", "max_round", "max_rounds", "max_tokens", "recursion_limit",
    "max_execution_time", "rate_limit", "max_consecutive_auto_reply", "max_tool_iterations", "max_completion_tokens",
    "max_output_tokens",
})  # fmt: skip
"""Arguments that bound work when they are a literal number above zero."""
VALIDATIONS: Final = frozenset({
    "output_pydantic", "output_json", "response_format", "result_type", "output_type", "output_content_type",
    "output_schema", "response_model", "response_schema", "text_format",
})  # fmt: skip
"""Arguments that put a schema on the output when they are not empty and not plain text."""
_TASK_VALIDATIONS: Final = frozenset({"guardrail", "guardrails"})
"""CrewAI only: a callable on a task's output."""
_SWITCHES: Final = frozenset({"human_input", "needs_approval", "requires_approval"})
"""Arguments that ask a person when they are true or decided by a callable."""
_FILTERS: Final[dict[str, GuardrailKind]] = {
    "input_guardrails": "input_filter",
    "tool_input_guardrails": "input_filter",
    "output_guardrails": "output_filter",
    "tool_output_guardrails": "output_filter",
}
_PLAIN: Final = frozenset({"str", "dict", "Any", "text", "builtins.str", "builtins.dict", "typing.Any"})
"""Output types that check nothing."""


def keyword_guardrails(
    call: Call, project: Project, model: Model, framework: str, targets: Sequence[Target]
) -> list[Guardrail]:
    """The guardrails that the keyword arguments of a call put on what it makes or runs.

    A guardrail stands on the line of its argument: two limits on two lines are two signals, as the catalogue counts
    distinct (file, line, kind). A task among the targets is marked as validated or gated, a crew as rate limited.

    Args:
        call: The call that takes the arguments (agent, task, crew, tool, run).
        project: The project of the call.
        model: Receives the guardrails.
        framework: Framework of the call.
        targets: What they cover.

    Returns:
        The guardrails, in order of the arguments.
    """
    found = []
    for name, value, site in arguments(call):
        kind = _kind(name, value, call.scope, project, framework)
        if kind is not None:
            found.append(add_guardrail(project, model, site, kind, framework, targets))
    return found


def arguments(call: Call) -> list[tuple[str, ast.expr, Site]]:
    """Keyword arguments of a call with their places; literal `**{...}` are looked into."""
    out: list[tuple[str, ast.expr, Site]] = []
    path = call.module.path
    for keyword in call.node.keywords:
        if keyword.arg is not None:
            out.append((keyword.arg, keyword.value, Site(path, keyword.lineno, keyword.col_offset)))
        elif isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    out.append((key.value, value, Site(path, key.lineno, key.col_offset)))
    return out


def is_limit(value: ast.expr, scope: Scope, project: Project) -> bool:
    """Whether an argument is a literal number above zero, written there or under a name."""
    number = project.resolver.literal(value, scope)
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < float("inf")


def is_schema(value: ast.expr, scope: Scope, project: Project) -> bool:
    """Whether an argument is an output schema: not empty, not plain text."""
    if isinstance(value, ast.Name | ast.Attribute) and ast.unparse(value) in _PLAIN:
        return False
    resolved = project.resolver.resolve(value, scope)
    if isinstance(value, ast.Subscript):
        return True
    if resolved.kind in ("none", "bool", "number") or (resolved.kind != "instance" and resolved.origin in _PLAIN):
        return False
    if resolved.kind == "text":
        return resolved.text not in ("", "text", "auto")
    if resolved.kind == "dict":
        kind = project.resolver.mapping(value, scope).get("type")
        return kind is None or project.resolver.text(*kind) != "text"
    return True


def add_guardrail(
    project: Project,
    model: Model,
    site: Site,
    kind: GuardrailKind,
    framework: str,
    targets: Iterable[Target],
    *,
    active: bool = True,
    vendor: str = "",
    by_unit: bool = False,
) -> Guardrail:
    """Register a guardrail; one with the same file, line and kind takes the further targets."""
    wanted = list(targets)
    found = next((g for g in model.guardrails if g.kind == kind and g.site[:2] == site[:2]), None)
    if found is None:
        found = Guardrail(site, kind, framework, project.unit_of(site.file), [], active, vendor, by_unit)
        model.guardrails.append(found)
    found.active = found.active or active
    for target in wanted:
        if target not in found.targets:
            found.targets.append(target)
        if not active:
            continue
        if isinstance(target, Crew) and kind == "rate_limit":
            target.rate_limited = True
        elif isinstance(target, Task):
            target.hitl = target.hitl or kind == "hitl"
            target.validated = target.validated or kind == "validation"
    return found


def _kind(name: str, value: ast.expr, scope: Scope, project: Project, framework: str) -> GuardrailKind | None:
    """The guardrail that one argument is, None when it is none or switched off."""
    if name in RATE_LIMITS:
        return "rate_limit" if is_limit(value, scope, project) else None
    if name in VALIDATIONS or (framework == "crewai" and name in _TASK_VALIDATIONS):
        return "validation" if is_schema(value, scope, project) else None
    if name in _SWITCHES:
        literal = project.resolver.literal(value, scope)
        resolved = project.resolver.resolve(value, scope)
        return "hitl" if literal is True or resolved.kind == "function" else None
    if name == "human_input_mode":
        return "hitl" if project.resolver.text(value, scope) in ("ALWAYS", "TERMINATE") else None
    if name in _FILTERS:
        items = project.resolver.items(value, scope)
        literal = project.resolver.literal(value, scope)
        return _FILTERS[name] if items.values or (literal is UNKNOWN and not items.complete) else None
    return None


_LIBRARIES: Final[dict[str, GuardrailKind]] = {
    "nemoguardrails.LLMRails": "input_filter",
    "nemoguardrails.rails.LLMRails": "input_filter",
    "nemoguardrails.integrations.langchain.runnable_rails.RunnableRails": "input_filter",
    "guardrails.Guard": "output_filter",
    "guardrails.AsyncGuard": "output_filter",
    "guardrails.Guard.for_pydantic": "output_filter",
    "guardrails.Guard.from_pydantic": "output_filter",
    "guardrails.Guard.for_string": "output_filter",
    "guardrails.Guard.from_string": "output_filter",
    "guardrails.Guard.for_rail": "output_filter",
    "guardrails.Guard.from_rail": "output_filter",
    "guardrails.Guard.for_rail_string": "output_filter",
    "guardrails.Guard.from_rail_string": "output_filter",
    "rebuff.Rebuff": "input_filter",
    "rebuff.RebuffSdk": "input_filter",
    "langchain_experimental.prompt_injection_identifier.HuggingFaceInjectionIdentifier": "input_filter",
}
"""Objects that filter once they are used: called, given a message, piped or passed on."""
_SETUP: Final = frozenset({"use", "use_many", "register_action", "register_prompt_context", "from_path", "configure"})
"""Methods that set such an object up, and are no use of it."""
_SCANS: Final[dict[str, GuardrailKind]] = {
    "llm_guard.scan_prompt": "input_filter",
    "llm_guard.scan_output": "output_filter",
    "llm_guard.evaluate.scan_prompt": "input_filter",
    "llm_guard.evaluate.scan_output": "output_filter",
}
"""Functions whose call is the use."""
_CHECKED: Final[dict[str, GuardrailKind]] = {
    "llm_guard.input_scanners.": "input_filter",
    "llm_guard.output_scanners.": "output_filter",
}
"""Scanner classes of which only the `.scan(...)` call is a use of its own; lists of them go to the functions above."""

_PARSERS: Final = frozenset({
    "PydanticOutputParser", "JsonOutputParser", "StructuredOutputParser", "PydanticToolsParser", "XMLOutputParser",
    "JsonOutputToolsParser", "JsonOutputKeyToolsParser", "JsonOutputFunctionsParser", "PydanticOutputFunctionsParser",
    "OutputFixingParser", "RetryOutputParser", "RetryWithErrorOutputParser", "EnumOutputParser", "YamlOutputParser",
    "SimpleJsonOutputParser", "PandasDataFrameOutputParser", "BooleanOutputParser", "DatetimeOutputParser",
})  # fmt: skip
_VALIDATE: Final = frozenset({"model_validate", "model_validate_json", "parse_raw", "parse_obj"})
_MODEL_ARGUMENTS: Final = RATE_LIMITS | VALIDATIONS


def last(project: Project, model: Model) -> None:
    """Filter libraries, and schemas put on a model's output in code that runs as an agent."""
    runners = Runners(project, model)
    _filters(project, model, runners)
    _structured(project, model, runners)


def _filters(project: Project, model: Model, runners: Runners) -> None:
    for call, value in project.calls_to("nemoguardrails.*", "guardrails.*", "rebuff.*", "llm_guard.*",
                                        "langchain_experimental.prompt_injection_identifier.*"):  # fmt: skip
        origin = value.origin or ""
        made = _LIBRARIES.get(origin)
        kind = made or _SCANS.get(origin)
        if kind is None and origin.endswith(".scan"):
            kind = next((k for prefix, k in _CHECKED.items() if origin.startswith(prefix)), None)
        if kind is None:
            continue
        uses = [u for u in runners.uses(call) if _last(u) not in _SETUP] if made is not None else [call]
        add_guardrail(
            project, model, call.site, kind, FRAMEWORK,
            runners.covered(uses), active=bool(uses), vendor=origin.partition(".")[0], by_unit=True,
        )  # fmt: skip


def _last(call: Call) -> str:
    return chain(call.node.func).rpartition(".")[2] or getattr(call.node.func, "attr", "")


def _structured(project: Project, model: Model, runners: Runners) -> None:
    """Schemas on a model's output in code: `with_structured_output`, output parsers, `model_validate`, and the limits
    and schemas given to model clients and their calls."""
    for module in project.modules:
        if module.excluded:
            continue
        for call in module.calls:
            callee = project.callee(call)
            if client_slug(callee.origin) is not None or model_call(callee.origin) is not None:
                if any(name in _MODEL_ARGUMENTS for name in call.keywords()):
                    targets = runners.covered([call, *runners.uses(call)])
                    keyword_guardrails(call, project, model, FRAMEWORK, targets)
            elif _is_parser(callee.origin):
                uses = runners.uses(call)
                add_guardrail(
                    project, model, call.site, "validation", FRAMEWORK, runners.covered(uses), active=bool(uses)
                )
            elif _puts_schema(call, callee, runners):
                targets = runners.covered([call, *runners.uses(call)])
                add_guardrail(project, model, call.site, "validation", FRAMEWORK, targets)


def _is_parser(origin: str | None) -> bool:
    """A LangChain output parser that checks a structure; those that only pass text on are none."""
    if origin is None or not origin.startswith("langchain"):
        return False
    return any(part in _PARSERS for part in origin.split(".")[-2:])


def _puts_schema(call: Call, callee: Value, runners: Runners) -> bool:
    """`model.with_structured_output(X)`, or `X.model_validate(...)` on what a model said."""
    func = call.node.func
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr == "with_structured_output":
        return callee.function is None
    if func.attr not in _VALIDATE or callee.function is not None or not call.node.args:
        return False
    cls = callee.receiver.cls if callee.receiver is not None else None
    known = cls is not None and any(base.startswith("pydantic.") for base in runners.project.resolver.bases(cls))
    return known and runners.from_model(call.node.args[0], call.scope)
