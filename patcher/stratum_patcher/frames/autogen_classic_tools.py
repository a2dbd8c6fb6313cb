"""Tools and generated code of the classic AutoGen API.

The agent whose model asked for a tool uses it, whichever agent runs it: `register_function` calls them caller and
executor. Code is run by the agent that holds the executor, which is its user. The library turns exceptions of tools
into the tool's answer, so the functions it registers are watched too, for the exception itself.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .. import nodes, spans
from ..stored import held
from ..wrap import NotApplied, Watch, every_subclass, function, method
from .autogen_classic_agents import FAMILY, VOICE, name_of
from .autogen_classic_groups import EXECUTOR
from .autogen_classic_handoffs import is_handoff

if TYPE_CHECKING:
    from ..nodes import Node
    from ..wrap import Call

CODE = "code_exec"
"""Name of the tool that runs generated code, as the scanner calls the capability."""

asker: ContextVar[Node | None] = ContextVar("stratum_autogen_asker", default=None)
"""Node of the agent that asked for the tools that are run now."""
_running: ContextVar[_Use | None] = ContextVar("stratum_autogen_tool", default=None)
replies: dict[int, list[tuple[spans.Span, Node | None]]] = {}
"""Agent -> its open turns, each with the agent that asked: ag2 runs the async tools of a sync chat in new threads."""


class _Use(Watch):
    """One run of a tool; `error` is what its function raised."""

    def __init__(self, span: spans.Tool, carried: bool) -> None:
        self.span = span
        self.carried = carried
        self.error: BaseException | None = None
        self.before = _running.get()
        _running.set(self)

    def done(self, result: Any) -> Any:
        _running.set(self.before)
        succeeded, answer = _outcome(result)
        if succeeded:
            self.span.done(answer)
        elif self.error is not None:
            self.span.fail(self.error, handling="caught_default")
        else:
            text = answer if isinstance(answer, str) else ""
            self.span.fail_text(_kind(text), text, handling="caught_default")
        self._leave()
        return result

    def failed(self, error: BaseException) -> None:
        _running.set(self.before)
        self.span.failed(error)
        self._leave()

    def _leave(self) -> None:
        if self.carried:
            spans.switch(None)


def _outcome(result: Any) -> tuple[bool, Any]:
    """Whether a tool succeeded, and its answer, from `(succeeded, {"content": answer})`."""
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
        return bool(result[0]) if isinstance(result[0], (bool, int)) else True, result[1].get("content")
    return True, result


def _kind(answer: str) -> str:
    """Class of an error of which only the answer made from it is known."""
    if answer.endswith("The argument must be in JSON format."):
        return "JSONDecodeError"
    if answer.startswith("Error: Function ") and answer.endswith(" not found."):
        return "FunctionNotFound"
    return "Exception"


def _execute(call: Call) -> Watch | None:
    request = call.get("func_call", 0)
    if not isinstance(request, dict):
        return None
    name = request.get("name")
    name = name if isinstance(name, str) else ""
    user, carried = asker.get(), False
    if user is None and spans.current() is None and replies.get(id(call.instance)):
        turn, user = replies[id(call.instance)][-1]
        spans.switch(turn)
        carried = True
    if user is not None and name_of(call.instance) == EXECUTOR and is_handoff(call.instance, user.name, name):
        if carried:
            spans.switch(None)
        return None
    functions = held(call.instance, "_function_map")
    found = functions.get(name) if isinstance(functions, dict) else None
    arguments = _arguments(request.get("arguments"))
    return _Use(spans.Tool(VOICE, _tool_node(name, found), tool_name=name, keywords=arguments, agent=user), carried)


def _tool_node(name: str, found: Any) -> Node:
    place = nodes.NOWHERE if found is None else nodes.place_of(found)
    return nodes.node(FAMILY, name, place, "capability")


def _arguments(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    from json import loads

    try:
        return loads(text)
    except (ValueError, RecursionError):
        return text


class _Registration(Watch):
    """The library makes the function that it will run: ours stands in for it and notes what it raises."""

    def done(self, result: Any) -> Any:
        return function(result, lambda call: _Run()) if callable(result) else result


class _Run(Watch):
    """A tool's function at work."""

    def failed(self, error: BaseException) -> None:
        use = _running.get()
        if use is not None:
            use.error = error


def watch_tools(module: Any) -> None:
    """Watch the execution of tools, in subclasses of the program too."""
    agent = module.ConversableAgent
    every_subclass(agent, "execute_function", _execute)
    every_subclass(agent, "a_execute_function", _execute)
    method(agent, "_wrap_function", lambda call: _Registration())


class _CodeRun(Watch):
    """Generated code at work."""

    def __init__(self, span: spans.Tool) -> None:
        self.span = span

    def done(self, result: Any) -> Any:
        exit_code = result[0] if isinstance(result, tuple) and result else held(result, "exit_code")
        if type(exit_code) is int and exit_code != 0:
            self.span.fail_text("CodeExecutionError", f"exit code {exit_code}", handling="caught_default")
        else:
            self.span.done(None)
        return result

    def failed(self, error: BaseException) -> None:
        self.span.failed(error)


def _run_code(call: Call) -> Watch:
    node = nodes.node(FAMILY, CODE, nodes.NOWHERE, "capability")
    return _CodeRun(spans.Tool(VOICE, node, tool_name=CODE, arguments=call.get("code_blocks", 0)))


def watch_agents_code(module: Any) -> None:
    """Watch code that an agent runs by itself (`code_execution_config` without an executor)."""
    every_subclass(module.ConversableAgent, "execute_code_blocks", _run_code)


def watch_executor(name: str, module: Any) -> None:
    """Watch code that an executor runs.

    Raises:
        NotApplied: There is no such executor.
    """
    executor = getattr(module, name, None)
    if executor is None:
        raise NotApplied(f"no {name}")
    every_subclass(executor, "execute_code_blocks", _run_code)
