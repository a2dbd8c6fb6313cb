"""Hugging Face's smolagents, 1.0 to current: runs, managed agents, tools, executed code, and what steps fail on.

A run is an agent's task, the outermost one also an execution. A run inside another agent's run is a delegation:
`hierarchical`, after a routing decision, when the outer agent manages the inner one, else `explicit`. Model calls are
told by the client libraries below; models that use none (local ones, other services) are told here.
"""

from __future__ import annotations

from typing import Any

from .. import facts, spans, variables, wrap
from ..frame import Frame, Hook
from ..stored import held
from ..wrap import Call, NotApplied, Watch
from . import smolagents_models, smolagents_nodes, smolagents_tools
from .smolagents_nodes import FAMILY, keys

STREAMS = ("_run_stream", "_run", "stream_run")
"""Names that versions give to the generator behind `run(stream=True)`."""
GIVEN_UP = ("AgentMaxStepsError", "AgentMaxIterationsError")
"""Errors after which the library asks for an answer from what there is."""


class Task(spans.Agent):
    """An agent at its task.

    Attributes:
        managed: Nodes of the agents that it manages.
    """

    managed: Any = ()


class Run(Watch):
    """One run: the delegation if another agent asked for it, the execution if it is the outermost, and the task."""

    def __init__(self, agent: Any, call: Call, mode: str) -> None:
        node = smolagents_nodes.agent(agent)
        task, additional = call.get("task", 0), call.kwargs.get("additional_args")
        outer = spans.agent()
        self._last: Any = None
        self._delegation: spans.Delegation | None = None
        self._execution: spans.Execution | None = None
        if isinstance(outer, Task) and outer.node is not node:
            self._delegation = _delegation(outer, node, task)
        running = spans.enclosing("execution")
        if running is None or running.frame is not FRAME:
            self._execution = spans.Execution(FRAME, node, {"mode": mode, "input_shape": facts.shape(task)})
        managed = smolagents_nodes.managed(agent)
        self._task = Task(
            FRAME,
            node,
            description=task if isinstance(task, str) else None,
            tools=[*keys(held(agent, "tools")), *(each.name for each in managed)],
        )
        self._task.managed = managed
        for key in keys(additional):
            spans.state(FRAME, node, key, "write", dict.get(additional or {}, key))

    def done(self, result: Any) -> Any:
        """The run gave its answer, or the stream of its steps ended."""
        answer = _answer(self._last if result is None else result)
        self._task.done(answer)
        for span in (self._execution, self._delegation):
            if span is not None:
                span.close(result_shape=facts.shape(answer))
        return result

    def failed(self, error: BaseException) -> None:
        """The run raised, or its stream was left before the end."""
        self._task.fail(error)
        if self._execution is not None:
            self._execution.fail(error)
        if self._delegation is not None:
            status = spans.status_of(FRAME, error)
            said = {"error": facts.message(error), "error_type": facts.error_class(error)}
            self._delegation.close(status, **(said if status in (spans.ERROR, spans.TIMEOUT) else {}))

    def item(self, value: Any) -> None:
        """A step of a streamed run; the last one is the answer."""
        self._last = value
        if self._execution is not None:
            self._execution.item(value)

    def pause(self) -> None:
        """Between two steps the consumer is at work, not the agent."""
        self._task.leave()
        if self._execution is not None:
            self._execution.leave()

    def resume(self) -> None:
        """The agent takes its next step."""
        self._task.enter()


def _delegation(outer: Task, node: Any, task: Any) -> spans.Delegation:
    kind = "explicit"
    if any(each is node for each in outer.managed):
        kind = "hierarchical"
        candidates = [each.name for each in outer.managed]
        spans.route(FRAME, outer.node, node, "manager_delegation", "llm_output", candidates=candidates)
    return spans.Delegation(FRAME, outer.node, node, kind, task=task)


def _answer(result: Any) -> Any:
    """The answer in what a run gives: itself, or the `output` of a full result or of the last step."""
    return held(result, "output") if type(result).__name__ in ("RunResult", "FinalAnswerStep") else result


def _begin(call: Call) -> Watch | None:
    """`run`; a streamed one begins when its first step is asked for, see `_begin_stream`."""
    return None if call.get("stream", 1) is True else Run(call.instance, call, "sync")


def _begin_stream(call: Call) -> Watch | None:
    """The generator of steps: inside `run` it is no run of its own."""
    outer = spans.agent()
    if isinstance(outer, Task) and outer.node is smolagents_nodes.agent(call.instance):
        return None
    return Run(call.instance, call, "stream")


class _Made(Watch):
    """An agent was constructed."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent
        self._variable = variables.assigned()

    def done(self, result: Any) -> Any:
        smolagents_nodes.made(self._agent, "agent", self._variable)
        return result


def _named(call: Call) -> Watch | None:
    """A `ManagedAgent` of the first versions gives the agent in it its name."""
    agent, name = call.get("agent", 0), call.get("name", 1)
    if isinstance(name, str):
        smolagents_nodes.renamed(agent, smolagents_nodes.agent(agent), name)
    return None


def _step(call: Call) -> Watch | None:
    """A step ended. An error that it holds was caught, and the model is asked to do better."""
    step, outer = call.get("step_log", 0), spans.agent()
    error = held(step, "error")
    if isinstance(outer, Task) and isinstance(error, BaseException) and not smolagents_nodes.told(error):
        handling = "caught_default" if type(error).__name__ in GIVEN_UP else "caught_retry"
        spans.error(FRAME, outer.node, error, handling=handling)
    return None


def _agents(module: Any) -> None:
    base = module.MultiStepAgent
    wrap.method(base, "__init__", lambda call: _Made(call.instance))
    wrap.every_subclass(base, "run", _begin)
    stream = next((name for name in STREAMS if name in vars(base)), None)
    if stream is None:
        raise NotApplied("MultiStepAgent has no generator of steps")
    wrap.every_subclass(base, stream, _begin_stream)
    if "ManagedAgent" in vars(module):
        wrap.method(module.ManagedAgent, "__init__", _named)


def _monitor(module: Any) -> None:
    wrap.every_subclass(module.Monitor, "update_metrics", _step)


def _with_frame(apply: Any) -> Any:
    return lambda module: apply(FRAME, module)


FRAME = Frame(
    "smolagents",
    FAMILY,
    "smolagents",
    (
        Hook("smolagents.run", "smolagents.agents", _agents),
        Hook("smolagents.step", "smolagents.monitoring", _monitor),
        Hook("smolagents.tool", "smolagents.tools", _with_frame(smolagents_tools.watch_tools)),
        Hook("smolagents.code", "smolagents.local_python_executor", _with_frame(smolagents_tools.watch_code)),
        Hook("smolagents.code@1.0", "smolagents.e2b_executor", _with_frame(smolagents_tools.watch_remote_code)),
        Hook("smolagents.model", "smolagents.models", _with_frame(smolagents_models.watch_models)),
    ),
    suppresses={"tool": ("langchain",)},
)
