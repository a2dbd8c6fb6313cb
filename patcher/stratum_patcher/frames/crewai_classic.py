"""CrewAI without an event bus (up to 0.102), and the memory of versions whose bus does not tell it: their methods."""

from __future__ import annotations

import sys
from typing import Any

from .. import facts, spans, wrap
from ..frame import Frame, Hook
from ..wrap import Call, NotApplied, Watch
from . import crewai_names as names
from .crewai_bus import Use, at_work, begin_use, end_use, no_such_tool, open_use, tries_again

_MEMORY_EVENTS = ("crewai.events.types.memory_events", "crewai.utilities.events.memory_events")


class _Usage(Watch):
    """`ToolUsage._use`: one attempt at a tool. What is still open when it ends is closed with its result."""

    def __init__(self, usage: Any, calling: Any) -> None:
        self.usage = usage
        name = names.text(names.field(calling, "tool_name")) or ""
        self.use: Use | None = None
        if not _repeats(usage, calling):
            arguments = names.field(calling, "arguments")
            self.use = begin_use(FRAME, name, arguments, usage, names.field(usage, "agent"))

    def done(self, result: Any) -> Any:
        if self.use is not None and not self.use.closed:
            end_use(self.use, result)
        return result

    def failed(self, error: BaseException) -> None:
        if self.use is not None and not self.use.closed:
            self.use.fail(error)


def _repeats(usage: Any, calling: Any) -> bool:
    """Whether the same call was just made: the tool is not used then."""
    last = names.field(names.field(usage, "tools_handler"), "last_used_tool")
    if last is None or type(last) is dict:
        return False
    same = names.field(last, "tool_name") == names.field(calling, "tool_name")
    return bool(same and names.field(last, "arguments") == names.field(calling, "arguments"))


def _use(call: Call) -> Watch:
    return _Usage(call.instance, call.get("calling", 2))


def _failed(call: Call) -> None:
    use, error = open_use(), call.get("e", 2)
    if use is not None and isinstance(error, BaseException):
        use.fail(error, handling="caught_retry" if tries_again(call.instance) else "caught_default")


class _Selection(Watch):
    """A search for the tool that the model named."""

    def __init__(self, usage: Any) -> None:
        self.usage = usage

    def failed(self, error: BaseException) -> None:
        no_such_tool(FRAME, self.usage, facts.message(error))


def _select(call: Call) -> Watch:
    return _Selection(call.instance)


def _tools(module: Any) -> None:
    if "crewai_event_bus" in vars(module):
        raise NotApplied("the event bus tells the uses of tools")
    wrap.method(module.ToolUsage, "_use", _use)
    wrap.method(module.ToolUsage, "on_tool_error", _failed)
    wrap.method(module.ToolUsage, "_select_tool", _select)


class _Access(Watch):
    """An access to one of the memories."""

    def __init__(self, memory: Any, access: str, value: Any) -> None:
        self.access = access
        self.value = value
        self.store = _snake(type(memory).__name__)

    def done(self, result: Any) -> Any:
        spans.state(FRAME, at_work(), self.store, self.access, result if self.access == "read" else self.value)
        return result


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


def _search(call: Call) -> Watch:
    return _Access(call.instance, "read", None)


def _save(call: Call) -> Watch:
    return _Access(call.instance, "write", call.get("value", 0))


def _memory(module: Any) -> None:
    if any(name in sys.modules for name in _MEMORY_EVENTS):
        raise NotApplied("the event bus tells the uses of memory")
    wrap.every_subclass(module.Memory, "search", _search)
    wrap.every_subclass(module.Memory, "save", _save)


FRAME = Frame(
    "crewai_classic",
    names.FAMILY,
    "crewai",
    (
        Hook("crewai.tool_usage", "crewai.tools.tool_usage", _tools),
        Hook("crewai.memory@0.121", "crewai.memory.memory", _memory),
    ),
    suppresses={"tool": ("langchain",)},
)
