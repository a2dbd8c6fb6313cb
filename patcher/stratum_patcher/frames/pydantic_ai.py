"""Pydantic AI, 0.8 to current: runs, agents that run in tools or outputs of other agents, tools, model retries.

Nothing of this goes through the library's own instrumentation: `Agent.instrument_all` is a setting of the program, and
turning it on would put wrappers around its models and spans into its OpenTelemetry context. `run`, `run_sync` and the
like are not wrapped either: the library reads an unnamed agent's name off the frame that calls them. All of them enter
`Agent.iter`; the context that it returns is followed from its start to its end.
"""

from __future__ import annotations

import inspect
import weakref
from typing import Any, Callable

from .. import facts, nodes, spans, wrap
from ..frame import Frame, Hook
from ..stored import held
from ..wrap import Call, Watch
from . import pydantic_ai_models, pydantic_ai_nodes, pydantic_ai_tools
from .pydantic_ai_nodes import FAMILY


class Task(spans.Agent):
    """An agent at its task.

    Attributes:
        stream: The result that the program reads as a stream, if it does.
    """

    stream: Any = None


class Run(Watch):
    """One run: the delegation if it happens in another agent's tool or output, the execution if it is the outermost,
    and the task. It begins when the program gets the run, in the context in which it goes on."""

    def __init__(self, agent: Any, call: Call) -> None:
        self._agent = agent
        self._prompt = call.get("user_prompt", 0)
        self._run: Any = None
        self._task: Task | None = None
        self._execution: spans.Execution | None = None
        self._delegation: spans.Delegation | None = None

    def done(self, result: Any) -> Any:
        """The context was made, or, later, left without an exception."""
        generator = held(result, "gen")
        if inspect.isasyncgen(generator):
            result.gen = wrap.adrive(generator, self, "pydantic_ai.run")
        elif self._task is not None:
            final = self._run.result
            stream = self._task.stream
            complete = final is not None or (stream is not None and held(stream(), "is_complete") is True)
            self._close(held(final, "output"), None if complete else GeneratorExit())
        return result

    def item(self, value: Any) -> None:
        """The run can go on."""
        self._run = value
        node = pydantic_ai_nodes.agent(self._agent)
        prompt = self._prompt if isinstance(self._prompt, str) else None
        self._delegation = _delegation(node, self._prompt)
        outer = spans.enclosing("execution")
        if outer is None or outer.frame is not FRAME:
            self._execution = spans.Execution(FRAME, node, {"input_shape": facts.shape(self._prompt)})
        self._task = Task(FRAME, node, description=prompt, tools=pydantic_ai_nodes.tools_of(self._agent))

    def failed(self, error: BaseException) -> None:
        """The context was left with an exception."""
        self._close(None, error)

    def _close(self, output: Any, error: BaseException | None) -> None:
        told: dict[str, Any] = {"result_shape": facts.shape(output)}
        status = spans.SUCCESS if error is None else spans.status_of(FRAME, error)
        if error is not None:
            told = {}
            if status in (spans.ERROR, spans.TIMEOUT):
                told = {"error": facts.message(error), "error_type": facts.error_class(error)}
        if self._task is not None:
            if error is None:
                self._task.done(output)
            else:
                self._task.fail(error)
        if self._execution is not None:
            self._execution.close(status, **told)
        if self._delegation is not None:
            self._delegation.close(status, **told)
        self._run = self._agent = self._prompt = None


def _delegation(node: nodes.Node, prompt: Any) -> spans.Delegation | None:
    """The delegation by which another agent's tool, or the function behind its output, lets this one run."""
    span, within = spans.current(), None
    while span is not None and not isinstance(span, Task):
        if within is None and not span.closed and isinstance(span, (pydantic_ai_tools.Use, pydantic_ai_tools.Output)):
            within = span
        span = span.parent
    if span is None or within is None or span.node is node:
        return None
    if isinstance(within, pydantic_ai_tools.Use):
        return spans.Delegation(FRAME, span.node, node, "explicit", task=prompt)
    spans.route(FRAME, span.node, node, "handoff", "llm_output")
    return spans.Delegation(FRAME, span.node, node, "handoff", task=prompt)


def _streamed(call: Call) -> Watch | None:
    """A result that is read as a stream: whether it was read to its end tells how the run ended."""
    task = spans.agent()
    if isinstance(task, Task):
        task.stream = weakref.ref(call.instance)
    return None


def _agents(module: Any) -> None:
    wrap.method(module.Agent, "__init__", lambda call: pydantic_ai_nodes.MadeAgent(call.instance))
    wrap.method(module.Agent, "iter", lambda call: Run(call.instance, call))


def _results(module: Any) -> None:
    wrap.method(module.StreamedRunResult, "__init__", _streamed)


def _framed(apply: Callable[[Frame, Any], None]) -> Callable[[Any], None]:
    return lambda module: apply(FRAME, module)


FRAME = Frame(
    "pydantic_ai",
    FAMILY,
    "pydantic-ai-slim",
    (
        Hook("pydantic_ai.run", "pydantic_ai.agent", _agents),
        Hook("pydantic_ai.stream", "pydantic_ai.result", _results),
        Hook("pydantic_ai.tool", "pydantic_ai.tools", pydantic_ai_tools.watch_tools),
        Hook("pydantic_ai.tool_call", "pydantic_ai.tool_manager", _framed(pydantic_ai_tools.watch_manager)),
        Hook("pydantic_ai.tool_call@0", "pydantic_ai._tool_manager", _framed(pydantic_ai_tools.watch_manager)),
        Hook("pydantic_ai.model", "pydantic_ai.models", _framed(pydantic_ai_models.watch_models)),
    ),
    benign={"CallDeferred": "cancelled", "ApprovalRequired": "cancelled", "RunCancelled": "cancelled"},
)
