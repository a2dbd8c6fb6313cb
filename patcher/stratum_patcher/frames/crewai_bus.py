"""What crewai's event bus tells (0.108 and later): uses of tools, memory, knowledge, guardrails.

The tap is `CrewAIEventsBus.emit` itself: handlers that are registered run later, on threads of the bus, and are lost
when the process is killed; `emit` runs where the thing happens. Agents and crews are `crewai_crew`'s, calls of models
are told by their transports.
"""

from __future__ import annotations

import json
from typing import Any, Callable

from .. import nodes, spans, wrap
from ..frame import Frame, Hook
from ..nodes import Node
from ..wrap import Call, Watch
from . import crewai_names as names
from . import crewai_tasks as tasks

MEMORY = "memory"
KNOWLEDGE = "knowledge"
_LONGEST_ARGUMENTS = 1_000_000
"""Characters of a tool input that are still read as JSON."""


class Use(spans.Tool):
    """A use of a tool.

    Attributes:
        cached: Whether the cache answered instead of the tool.
    """

    cached = False


def begin_use(frame: Frame, name: str, arguments: Any, *holders: Any) -> Use:
    """Open the use of a tool by the agent at work.

    Args:
        frame: Who saw it.
        name: What the model or the framework calls the tool.
        arguments: Its arguments, as a structure or as JSON text.
        holders: Objects that may hold the tool.
    """
    if isinstance(arguments, str) and len(arguments) < _LONGEST_ARGUMENTS:
        try:
            arguments = json.loads(str.__str__(arguments))
        except (ValueError, RecursionError):
            arguments = str.__str__(arguments)
    node = names.tool_node(name, *holders)
    structured = type(arguments) is dict
    return Use(
        frame,
        node,
        tool_name=node.name,
        arguments=None if structured else arguments,
        keywords=arguments if structured else None,
    )


def open_use() -> Use | None:
    """The innermost use of a tool, when no agent works inside it."""
    span = spans.current()
    while span is not None and not isinstance(span, spans.Agent):
        if isinstance(span, Use) and not span.closed:
            return span
        span = span.parent
    return None


def cache_read(call: Call) -> Watch:
    """Begin of `CacheHandler.read`."""
    return _CacheRead()


class _CacheRead(Watch):
    def done(self, result: Any) -> Any:
        use = open_use()
        if use is not None and result is not None:
            use.cached = True
        return result


def end_use(use: Use, result: Any, cached: bool = False) -> None:
    """Close the use of a tool with its result."""
    told: dict[str, Any] = dict(use.result_facts(result))
    if cached or use.cached:
        told["from_cache"] = True
    use.close(**told)


def at_work(source: Any = None, event: Any = None) -> Node:
    """The agent that acts; else the one that an event names, the crew, flow or program."""
    span = spans.agent()
    if span is not None:
        return span.node
    agent = names.field(source, "agent") or source
    if isinstance(agent, str) or nodes.known(agent) is None:
        return names.named_agent(names.field(event, "agent_role")) or tasks.nobody()
    return names.agent_node(agent)


def no_such_tool(frame: Frame, source: Any, message: str) -> None:
    """Tell that the model asked for a tool there is not: once for each request, however often crewai looks."""
    if _TOLD.get(source) != message:
        _TOLD.put(source, message)
        spans.error_text(frame, at_work(source), "ToolSelectionError", message, handling="caught_default")


_TOLD = names.Side()


def _unknown(source: Any, event: Any) -> bool:
    """Whether an executor is about to look for a tool that its agent does not have."""
    offered = names.field(source, "original_tools")
    wanted = names.letters(names.field(event, "tool_name"))
    return isinstance(offered, list) and all(names.letters(names.tool_name(tool)) != wanted for tool in offered)


def _tool_selection(source: Any, event: Any) -> None:
    no_such_tool(FRAME, source, names.text(names.field(event, "error")) or "no such tool")


def _tool_started(source: Any, event: Any) -> None:
    if _unknown(source, event):
        return
    agent = names.field(source, "agent") or names.field(event, "agent")
    task = names.field(source, "task")
    begin_use(FRAME, names.field(event, "tool_name") or "", names.field(event, "tool_args"), source, agent, task)


def _tool_finished(source: Any, event: Any) -> None:
    use = open_use()
    failure = names.field(event, "failure")
    message = names.text(names.field(failure, "message"))
    if use is None and _unknown(source, event):
        spans.error_text(
            FRAME,
            at_work(source, event),
            "ToolSelectionError",
            message or names.text(names.field(event, "tool_name")) or "",
            handling="caught_default",
        )
        return
    if use is None:  # agents without a crew of 0.121 tell only the end
        _tool_started(source, event)
        use = open_use()
    if use is None:
        return
    if failure is not None:
        use.fail_text(type(failure).__name__, message or type(failure).__name__, handling="caught_default")
    else:
        end_use(use, names.field(event, "output"), bool(names.field(event, "from_cache")))


def _tool_failed(source: Any, event: Any) -> None:
    use = open_use()
    if use is None:
        _tool_started(source, event)
        use = open_use()
    if use is None:
        return
    error = names.field(event, "error")
    handling = "caught_retry" if tries_again(source) else "caught_default"
    if isinstance(error, BaseException):
        use.fail(error, handling=handling)
    else:
        use.fail_text("ToolError", names.text(error) or "", handling=handling)


def tries_again(usage: Any) -> bool:
    """Whether a `ToolUsage` whose tool just failed will call it once more."""
    made, most = names.field(usage, "_run_attempts"), names.field(usage, "_max_parsing_attempts")
    return type(made) is int and type(most) is int and made < most


def _bad_request(kind: str) -> Callable[[Any, Any], None]:
    def tell(source: Any, event: Any) -> None:
        spans.error_text(
            FRAME,
            at_work(source, event),
            kind,
            names.text(names.field(event, "error")) or kind,
            handling="caught_default",
        )

    return tell


def _guardrail(source: Any, event: Any) -> None:
    if names.field(event, "success") is False:
        message = names.text(names.field(event, "error")) or "guardrail not passed"
        spans.error_text(FRAME, at_work(source, event), "GuardrailError", message, handling="caught_retry")


def _memory(access: str) -> Callable[[Any, Any], None]:
    def tell(source: Any, event: Any) -> None:
        # Later classes of memory say in `source_type` which store they are.
        store = names.text(names.field(event, "source_type")) or MEMORY
        held = names.field(event, "results") if access == "read" else names.field(event, "value")
        spans.state(FRAME, at_work(source, event), store.replace("unified_memory", MEMORY), access, held)

    return tell


_TELLS: dict[str, Callable[[Any, Any], None]] = {
    "tool_usage_started": _tool_started,
    "tool_usage_finished": _tool_finished,
    "tool_usage_error": _tool_failed,
    "tool_selection_error": _tool_selection,
    "tool_validate_input_error": _bad_request("ToolValidateInputError"),
    "llm_guardrail_completed": _guardrail,
    "memory_query_completed": _memory("read"),
    "memory_save_completed": _memory("write"),
}


def _emitted(call: Call) -> None:
    event = call.get("event", 1)
    kind = names.field(event, "type")
    tell = _TELLS.get(kind) if isinstance(kind, str) else None
    if tell is not None:
        tell(call.get("source", 0), event)


class _Asked(Watch):
    """A question to the knowledge of an agent or a crew."""

    def done(self, result: Any) -> Any:
        spans.state(FRAME, at_work(), KNOWLEDGE, "read", result)
        return result


def _ask(call: Call) -> Watch:
    return _Asked()


def _bus(module: Any) -> None:
    wrap.method(module.CrewAIEventsBus, "emit", _emitted)


def _knowledge(module: Any) -> None:
    # The bus tells a retrieval once for the agent's and the crew's knowledge together; each has this method.
    wrap.method(module.Knowledge, "query", _ask)
    if hasattr(module.Knowledge, "aquery"):
        wrap.method(module.Knowledge, "aquery", _ask)


def _cache(module: Any) -> None:
    wrap.method(module.CacheHandler, "read", cache_read)


FRAME = Frame(
    "crewai_bus",
    names.FAMILY,
    "crewai",
    (
        Hook("crewai.bus", "crewai.events.event_bus", _bus),
        Hook("crewai.bus@0.121", "crewai.utilities.events.crewai_event_bus", _bus),
        Hook("crewai.knowledge", "crewai.knowledge.knowledge", _knowledge),
        Hook("crewai.cache", "crewai.agents.cache.cache_handler", _cache),
    ),
    suppresses={"tool": ("langchain",)},
)
