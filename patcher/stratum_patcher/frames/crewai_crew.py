"""CrewAI's crews, agents and delegations, by their methods: the same ones in every version since 0.80.

The event bus of later versions tells the same turns, but unpaired: an agent that is tried again starts twice and ends
once, and errors are texts only. So the bus is asked for what has no method of its own (`crewai_bus`).
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Mapping
from typing import Any, Callable

from .. import facts, nodes, spans, wrap
from ..frame import Frame, Hook
from ..nodes import Node
from ..wrap import Call, Watch
from . import crewai_names as names
from . import crewai_tasks as tasks
from .crewai_bus import Use

HIERARCHICAL = "hierarchical"
_SCHEMA_ERRORS = ("ValidationError", "ConverterError")


class Turn(spans.Agent):
    """An agent at a task.

    Attributes:
        manages: Whether it is the manager of a hierarchical crew.
        handing: The delegation it carries out.
        task: Gives the task, while that lives.
    """

    manages = False
    handing: Handing | None = None
    task: Callable[[], Any] = staticmethod(lambda: None)

    def done(self, result: Any) -> Any:
        """Close, unless the task is still to hold the output against its schema."""
        if not self.closed and not tasks.hold(self, result):
            super().done(result)
        return result

    def fail(self, error: BaseException, *, handling: str | None = None, **told: Any) -> None:
        """See `Span`; the delegation that it carries out fails with it."""
        if self.handing is not None:
            self.handing.error = error
        if type(error).__name__ in _SCHEMA_ERRORS and tasks.declared(self.task()) is not None:
            told["schema_mismatch"] = True
        super().fail(error, handling=handling, **told)

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        """See `Span`. The bus tells the two ends of a tool's use apart; one whose end never came ends with the turn."""
        left, span = [], None if self.closed else spans.current()
        while span is not None and span is not self:
            if isinstance(span, Use):
                left.append(span)
            span = span.parent
        for use in left if span is self else ():
            use.close(spans.ABORTED)
        super().close(status, **told)

    def result_facts(self, result: Any) -> Mapping[str, Any]:
        """The output's facts; of an agent without a crew its text."""
        raw = names.text(names.field(result, "raw"))
        return super().result_facts(result if raw is None else raw)


class Handing(Watch):
    """`_execute` of the tools that hand work, or a question, to a coworker: a delegation once the coworker begins.

    Which coworker a model's words mean is crewai's to decide, by rules that changed; so the delegation is told when
    that coworker takes its turn, and an error when none does.
    """

    def __init__(self, tool: Any, asked: Any, task: Any, context: Any) -> None:
        turn = spans.enclosing("agent")
        self.source = turn.node if turn is not None else tasks.nobody()
        self.manages = isinstance(turn, Turn) and turn.manages
        self.tool = tool
        self.asked = names.text(asked) or ""
        self.given = (task, context)
        self.error: BaseException | None = None
        self.span: spans.Delegation | None = None
        self.before = tasks.HANDING.get()
        tasks.HANDING.set(self)

    def begin(self, target: Node) -> None:
        """The coworker begins."""
        task, context = self.given
        if self.manages:
            roles = [names.role_of(agent) for agent in names.field(self.tool, "agents") or ()]
            spans.route(FRAME, self.source, target, "manager_delegation", "llm_output", candidates=roles)
        self.span = spans.Delegation(
            FRAME,
            self.source,
            target,
            HIERARCHICAL if self.manages else "explicit",
            task=task,
            context=context,
            payload={
                "tool_name": names.tool_name(self.tool),
                "context_source_node": self.source.id if context else None,
            },
        )

    def done(self, result: Any) -> Any:
        """The coworker's answer is there, or a text that says that there is no such coworker or that it failed."""
        tasks.HANDING.set(self.before)
        if self.span is None:
            message = "no coworker of the role " + self.asked
            spans.error_text(FRAME, self.source, "UnknownCoworker", message, handling="caught_default")
        elif self.error is not None:
            self._close(self.span, self.error, "caught_default")
        else:
            self.span.done(result)
        return result

    def failed(self, error: BaseException) -> None:
        """The coworker's error reached the one who delegated."""
        tasks.HANDING.set(self.before)
        if self.span is not None:
            self._close(self.span, error, None)

    def _close(self, span: spans.Delegation, error: BaseException, handling: str | None) -> None:
        status = spans.status_of(FRAME, error)
        told = {}
        if status in (spans.ERROR, spans.TIMEOUT):
            spans.error(FRAME, self.source, error, handling=handling, parent=spans.current())
            told = {"error": facts.message(error), "error_type": facts.error_class(error)}
        span.close(status, **told)


def _kickoff(call: Call) -> Watch | None:
    crew = call.instance
    if names.field(crew, "stream"):
        return None  # a crew that streams starts itself once more when it is consumed
    inputs = call.get("inputs", 0)
    given = [nodes.clean(names.filled_in(names.role_of(agent), inputs)) for agent in names.field(crew, "agents") or ()]
    jobs = list(names.field(crew, "tasks") or ())
    descriptions = [names.text(names.field(job, "description")) or "" for job in jobs]
    node = names.crew_node(crew)
    payload = {
        "crew_name": node.name,
        "agent_count": len(given),
        "task_count": len(jobs),
        "agent_roles": given,
        "task_hashes": [facts.sha(names.filled_in(text, inputs)) for text in descriptions],
        "process_type": _process(crew),
    }
    return spans.Execution(FRAME, node, payload)


def _replay(call: Call) -> Watch | None:
    return _kickoff(Call(call.instance, (call.get("inputs", 1),), {}))


def _process(crew: Any) -> str:
    process = names.field(crew, "process")
    value = names.field(process, "_value_", process)
    return names.text(value) or "sequential"


def _execute(call: Call) -> Watch | None:
    agent, task = call.instance, call.get("task", 0)
    tasks.release(task)
    _tried_again(agent, task)
    tools = call.get("tools", 2) or names.field(agent, "tools") or ()
    handing = tasks.HANDING.get()
    node = names.agent_node(agent)
    if handing is not None:
        handing.begin(node)
    fed = tasks.fed(task)
    if fed is None and handing is not None:
        fed = tasks.Fed(handing.source.id, ())
    job = names.text(names.field(task, "description"))
    crew = names.field(agent, "crew")
    turn = Turn(
        FRAME,
        node,
        task_name=tasks.name_of(task),
        description=job,
        goal=names.text(names.field(agent, "goal")),
        role=names.role_of(agent),
        tools=[names.tool_name(tool) for tool in tools] if isinstance(tools, (list, tuple)) else (),
        input_source=None if fed is None else fed.source,
    )
    turn.manages = _process(crew) == HIERARCHICAL and names.field(crew, "manager_agent") is agent
    turn.handing = handing
    turn.task = _reference(task)
    tasks.HANDING.set(None)
    tasks.begin(task, turn)
    if fed is not None:
        for key, digest in fed.read:
            tasks.access(FRAME, node, key, "read", digest)
    return turn


def _tried_again(agent: Any, task: Any) -> None:
    """An agent that failed asks itself once more, while the error is being handled."""
    turn, error = spans.enclosing("agent"), sys.exc_info()[1]
    if error is not None and isinstance(turn, Turn) and turn.task() is task and turn.node is names.agent_node(agent):
        spans.error(FRAME, turn.node, error, handling="caught_retry", parent=turn)


def _reference(thing: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(thing)
    except TypeError:
        return lambda: None


def _alone(call: Call) -> Watch | None:
    """An agent without a crew."""
    agent = names.field(call.instance, "original_agent") or call.instance
    node = names.agent_node(agent)
    outer = spans.current()
    if isinstance(outer, Turn) and outer.node is node:
        return None
    tools = names.field(agent, "tools") or ()
    given = call.get("messages", 0)
    return Turn(
        FRAME,
        node,
        description=given if isinstance(given, str) else None,
        task_name=facts.sha(given)[:12] if isinstance(given, str) else None,
        goal=names.text(names.field(agent, "goal")),
        role=names.role_of(agent),
        tools=[names.tool_name(tool) for tool in tools],
    )


def _alone_now(call: Call) -> Watch | None:
    """The same by `kickoff`, which inside an event loop only makes the coroutine of `kickoff_async`."""
    if asyncio._get_running_loop() is not None:
        return None
    return _alone(call)


def _delegate(call: Call) -> Watch:
    return Handing(call.instance, call.get("agent_name", 0), call.get("task", 1), call.get("context", 2))


def _crews(module: Any) -> None:
    wrap.method(module.Crew, "kickoff", _kickoff)
    wrap.method(module.Crew, "replay", _replay)
    if hasattr(module.Crew, "akickoff"):
        wrap.method(module.Crew, "akickoff", _kickoff)
    wrap.method(module.Crew, "_get_context", tasks.handed_on)


def _agents(module: Any) -> None:
    wrap.every_subclass(module.BaseAgent, "execute_task", _execute)
    if hasattr(module.BaseAgent, "aexecute_task"):
        wrap.every_subclass(module.BaseAgent, "aexecute_task", _execute)


def _agents_alone(module: Any) -> None:
    wrap.method(module.Agent, "kickoff", _alone_now)
    wrap.method(module.Agent, "kickoff_async", _alone)


def _time_limit(module: Any) -> None:
    wrap.method(module.Agent, "_execute_with_timeout", tasks.leaving)
    wrap.method(module.Agent, "_execute_without_timeout", tasks.arriving)


def _lite_agents(module: Any) -> None:
    wrap.method(module.LiteAgent, "kickoff", _alone_now)


def _conditions(module: Any) -> None:
    wrap.method(module.ConditionalTask, "should_execute", tasks.asked)


def _coworkers(module: Any) -> None:
    wrap.method(module.BaseAgentTool, "_execute", _delegate)


FRAME = Frame(
    "crewai_crew",
    names.FAMILY,
    "crewai",
    (
        Hook("crewai.kickoff", "crewai.crew", _crews),
        Hook("crewai.execute_task", "crewai.agents.agent_builder.base_agent", _agents),
        Hook("crewai.agent_kickoff", "crewai.agent", _agents_alone),
        Hook("crewai.time_limit", "crewai.agent", _time_limit),
        Hook("crewai.lite_agent_kickoff", "crewai.lite_agent", _lite_agents),
        Hook("crewai.delegation", "crewai.tools.agent_tools.base_agent_tools", _coworkers),
        Hook("crewai.tasks", "crewai.task", tasks.apply),
        Hook("crewai.conditional_task", "crewai.tasks.conditional_task", _conditions),
    ),
    benign={"HumanFeedbackPending": spans.SUCCESS},
)
tasks.frame(FRAME)
