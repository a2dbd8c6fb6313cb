"""The SDK's own trace spans, taken where they start and finish: whether or not tracing is on, whatever processors there
are. Processors, exporters and switches of the program are left as they are.
"""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import facts, nodes, redirect, spans, wrap
from ..stored import held
from ..wrap import Call, NotApplied, Watch
from . import openai_agents_run as run
from .openai_agents_run import FAMILY

if TYPE_CHECKING:
    from ..frame import Frame

TRACES = ("TraceImpl", "NoOpTrace", "ReattachedTrace")
"""Classes of traces: real, switched off, taken up again."""
TRIPPED = "Guardrail tripwire triggered"
"""What the SDK notes at an agent whose input a guardrail refused."""


class Task(spans.Agent):
    """An agent at its task.

    Attributes:
        handoffs: Names of the agents that it can hand over to.
    """

    handoffs: Any = ()


class _Open:
    """A span of the SDK that is told, and what is known of it meanwhile."""

    def __init__(self, span: spans.Span) -> None:
        self.span = span
        self.before = id(sys.exc_info()[1])
        self.error: BaseException | None = None
        self.said = ""

    def raised(self) -> BaseException | None:
        """The exception that leaves the span now."""
        error = sys.exc_info()[1]
        return None if error is None or id(error) == self.before else error

    def note(self, error: Any) -> None:
        """The SDK notes an error at the span, while it handles the exception or without one."""
        caught = self.raised()
        if self.error is None:
            self.error = caught
        message = dict.get(error, "message") if isinstance(error, dict) else None
        if isinstance(message, str) and not self.said:
            self.said = message


_open: MutableMapping[Any, _Open] = weakref.WeakKeyDictionary()


def _agent_starts(frame: Frame, data: Any) -> _Open:
    going = run.started()
    name = str(getattr(data, "name", None))
    agent = going.agent(name)
    node = run.node(agent, name)
    outer = spans.agent()
    if going.first and isinstance(outer, Task) and outer.node is not node:
        going.asked = spans.Delegation(frame, outer.node, node, "explicit")
    going.first, going.target, going.output = False, None, None
    going.inbound, going.handed = going.handed, None
    task = Task(frame, node, tools=run.names(held(agent, "tools")))
    task.handoffs = run.names(held(agent, "handoffs")) or getattr(data, "handoffs", None) or ()
    return _Open(task)


def _agent_ends(frame: Frame, opened: _Open, data: Any) -> None:
    going, task, error = run.started(), opened.span, opened.raised()
    if error is not None:
        task.fail(error)
        told = spans.error_facts(frame, error)
    elif opened.said.startswith(TRIPPED):
        task.close(spans.CANCELLED)
        told = {"status": spans.CANCELLED}
    elif opened.said and opened.error is None:
        task.fail_text("MaxTurnsExceeded" if "turns" in opened.said else "AgentsException", opened.said)
        words = facts.scrub(opened.said)[: facts.MESSAGE_CHARACTERS]
        told = {"status": spans.ERROR, "error": words, "error_type": facts.class_of_text(words)}
    else:
        task.done(going.output)
        told = {"status": spans.SUCCESS, "result_shape": facts.shape(going.output)}
    last = going.asked if going.handed is None else None
    for delegation in (going.inbound, last):
        if delegation is not None:
            delegation.close(**told)
    going.inbound = going.output = None


def _tool_starts(frame: Frame, data: Any) -> _Open:
    name = str(getattr(data, "name", None))
    node, arguments = run.started().called(name)
    keywords = _parsed(arguments)
    return _Open(
        spans.Tool(frame, node, tool_name=name, arguments=arguments if keywords is None else None, keywords=keywords)
    )


def _parsed(arguments: Any) -> Any:
    try:
        found = json.loads(arguments) if isinstance(arguments, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _tool_ends(frame: Frame, opened: _Open, data: Any) -> None:
    raised = opened.raised()
    if raised is not None:
        opened.span.fail(opened.error or raised)
    elif opened.error is not None:
        opened.span.fail(opened.error, handling="caught_default")
    elif opened.said:
        opened.span.fail_text("ToolError", opened.said, handling="caught_default")
    else:
        opened.span.done(getattr(data, "output", None))


def _handoff_ends(frame: Frame, data: Any) -> None:
    going, outer = run.current(), spans.agent()
    if going is None or going.target is None or not isinstance(outer, Task):
        return
    target, going.target = going.target, None
    spans.route(frame, outer.node, target, "handoff", "llm_output", candidates=[*outer.handoffs] or None)
    going.handed = spans.Delegation(frame, outer.node, target, "handoff")


def _guardrail_ends(frame: Frame, data: Any) -> None:
    outer = spans.agent()
    if getattr(data, "triggered", None) is True and isinstance(outer, Task):
        spans.route(frame, outer.node, None, "conditional_edge", "guardrail")


_STARTS = {"AgentSpanData": _agent_starts, "FunctionSpanData": _tool_starts}
_ENDS = {"AgentSpanData": _agent_ends, "FunctionSpanData": _tool_ends}
_INSTANTS = {"HandoffSpanData": _handoff_ends, "GuardrailSpanData": _guardrail_ends}


def _data(span: Any) -> Any:
    return getattr(span, "_span_data", None)


def _start(frame: Frame, call: Call) -> Watch | None:
    data = _data(call.instance)
    begins = _STARTS.get(type(data).__name__)
    if begins is not None and call.instance not in _open:
        _open[call.instance] = begins(frame, data)
    return None


def _finish(frame: Frame, call: Call) -> Watch | None:
    data = _data(call.instance)
    kind = type(data).__name__
    opened = _open.pop(call.instance, None)
    if opened is not None:
        _ENDS[kind](frame, opened, data)
    elif kind in _INSTANTS and sys.exc_info()[0] is None:
        _INSTANTS[kind](frame, data)
    return None


def _error(call: Call) -> Watch | None:
    opened = _open.get(call.instance)
    if opened is not None:
        opened.note(call.get("error", 0))
    return None


def watch_spans(frame: Frame, module: Any) -> None:
    """Apply to `agents.tracing.spans`."""
    for cls in (module.SpanImpl, module.NoOpSpan):
        wrap.method(cls, "start", partial(_start, frame))
        wrap.method(cls, "finish", partial(_finish, frame))
        wrap.method(cls, "set_error", _error)


class _Created(Watch):
    """A trace, real or switched off, was made for a workflow of this name."""

    def __init__(self, name: str) -> None:
        self._node = nodes.node(FAMILY, name, nodes.here())

    def done(self, result: Any) -> Any:
        _workflows[result] = self._node
        return result


_workflows: MutableMapping[Any, nodes.Node] = weakref.WeakKeyDictionary()


def watch_provider(module: Any) -> None:
    """Apply to `agents.tracing.provider`: only there a trace that is switched off has a name."""

    def begin(call: Call) -> Watch | None:
        name = call.get("name", 0)
        return _Created(name) if isinstance(name, str) else None

    owner = vars(module).get("DefaultTraceProvider") or module.TraceProvider
    wrap.method(owner, "create_trace", begin)


def watch_traces(frame: Frame, module: Any) -> None:
    """Apply to `agents.tracing.traces`: the outermost trace is an execution."""

    def start(call: Call) -> Watch | None:
        name, outer = getattr(call.instance, "_name", None), spans.enclosing("execution")
        node = _workflows.get(call.instance)
        if node is None and isinstance(name, str):  # a run goes on in the trace in which it was interrupted
            node = nodes.node(FAMILY, name, nodes.here())
        if node is not None and call.instance not in _open and (outer is None or outer.frame is not frame):
            _open[call.instance] = _Open(spans.Execution(frame, node, {"workflow_name": node.name}))
        return None

    def finish(call: Call) -> Watch | None:
        opened = _open.pop(call.instance, None)
        if opened is not None:
            error = opened.raised()
            if error is None:
                opened.span.close()
            else:
                opened.span.fail(error)
        return None

    classes = [vars(module)[name] for name in TRACES if name in vars(module)]
    if not classes:
        raise NotApplied("no traces")
    for cls in classes:
        wrap.method(cls, "start", start)
        wrap.method(cls, "finish", finish)


def watch_exporter(module: Any) -> None:
    """Apply to `agents.tracing.processors`: when model calls are redirected no trace is uploaded.

    The exporter then finds nothing to send; unless redirected it does what it always does.
    """

    def begin(call: Call) -> Watch | None:
        call.set("items", 0, [])
        return None

    if redirect.target() is None:
        return
    exporter = module.BackendSpanExporter
    wrap.method(exporter, "_export_with_deadline" if hasattr(exporter, "_export_with_deadline") else "export", begin)
