"""Turns of nodes: each attempt is a task of the node, with the state it reads and writes.

The library runs a node inside `run_with_retry`, which may try several times; an attempt is one run of the node's
sequence inside it. Decisions that fall during an attempt are told at its end, after what it wrote.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from .. import facts, nodes, spans, wrap
from ..wrap import Watch
from . import langgraph_names as names
from .langgraph_runs import Run, run_around

if TYPE_CHECKING:
    from ..frame import Frame
    from ..wrap import Call

LIBRARY = "langgraph"


class Turn(spans.Span):
    """One turn of a node in a run of its graph: no events of its own.

    Attributes:
        run: The run of the graph.
        name: Name of the node.
        attempts: How many attempts began.
        basis: What a decision of an inner graph that reached this node rested on.
        commanded: Whether the last attempt ended with a command of an inner graph, which this node carries out.
        decided: Calls that tell decisions, kept until the attempt, or the carrying out of a command, ends.
        step: Number of the step.
    """

    kind = "turn"

    def __init__(self, frame: Frame, run: Run, task: Any, policies: Any) -> None:
        self.run = run
        self.name: str = task.name
        self.sequence = id(task.proc)
        self.task = task
        self.policies = policies
        self.attempts = 0
        self.basis = "state"
        self.trying: Attempt | None = None
        self.commanded = False
        self.decided: list[Callable[[], None]] = []
        metadata = task.config.get("metadata") if isinstance(task.config, dict) else None
        self.step = metadata.get("langgraph_step") if isinstance(metadata, dict) else None
        hidden = task.name == names.START
        super().__init__(frame, run.node if hidden else run.graph.member(task.name, task.proc))
        self.hidden = hidden
        self.speaks = False
        self.outcome: tuple[str, dict[str, Any]] = (spans.SUCCESS, {})
        self.enter()

    def settle(self, given: dict[str, Any]) -> None:
        """Tell what the node wrote, then what was decided; the input of a graph is nobody's writing."""
        for key, value in () if self.hidden else written(self.task.writes, given, self.run.graph):
            spans.state(self.frame, self.node, key, "write", value)
        decided, self.decided = self.decided, []
        for tell in decided:
            wrap.guarded("langgraph.route", tell)

    def asks_tools(self) -> bool:
        """Whether the node runs tools."""
        return self.name in self.run.graph.tools

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        """See `Span`. What was handed to this node is done; what follows it has its source."""
        if self.closed:
            return
        super().close(status)
        if self.commanded or self.hidden:
            self.settle({})
        outcome, facts_told = self.outcome
        for delegation in self.run.handed.pop(self.name, ()):
            delegation.close(outcome, **facts_told)
        if outcome == spans.SUCCESS and not self.hidden:
            for target in self.run.graph.follows.get(self.name, ()):
                if target != names.END:
                    self.run.leads(self.name, target, self.step)

    def fail(self, error: BaseException, *, handling: str | None = None, **told: Any) -> None:
        """See `Span`. The attempts told their errors; what arises beside them, such as a time limit, is told here."""
        status = spans.status_of(self.frame, error)
        if status not in _QUIET and not spans.told(error) and not self.closed:
            spans.error(self.frame, self.node, error, handling=handling, parent=self)
            self.outcome = (spans.SUCCESS, {})
        if self.outcome[0] == spans.SUCCESS:
            facts_told = spans.error_facts(self.frame, error)
            self.outcome = (facts_told.pop("status"), facts_told)
        self.close()


class Attempt(spans.Agent):
    """One attempt of a turn.

    Attributes:
        turn: The turn.
        on_behalf: The agent that the node's graph is, which uses the tools that the node runs.
        asked_model: Whether a model was called in it.
    """

    def __init__(self, frame: Frame, turn: Turn) -> None:
        graph, task = turn.run.graph, turn.task
        self.turn = turn
        self.on_behalf = turn.run.agent
        turn.attempts += 1
        self.given = _fields(task.input)
        super().__init__(
            frame,
            turn.node,
            tools=graph.tools.get(turn.name) or graph.offered.get(turn.name) or (),
            input_source=turn.run.source_of(turn.name),
            payload={
                "node_name": nodes.clean(turn.name),
                "input_shape": facts.shape(task.input),
                "input_state_keys": [nodes.clean(key) for key in list(self.given)[:50]],
                "attempt": turn.attempts if turn.attempts > 1 else None,
            },
        )
        turn.trying = self
        for key, value in self.given.items():
            if graph.keys is not None and key in graph.keys:
                spans.state(frame, turn.node, key, "read", value)

    def close(self, status: str = spans.SUCCESS, **told: Any) -> None:
        """See `Span`."""
        if self.closed:
            return
        turn = self.turn
        turn.trying = None
        if status == spans.SUCCESS:
            turn.settle(self.given)
        turn.outcome = (status, {key: told[key] for key in ("error", "error_type") if key in told})
        super().close(status, **told)

    def fail(self, error: BaseException, *, handling: str | None = None, **told: Any) -> None:
        """See `Span`. Whether the error ends the run is for the node's retry policy and error handler to say."""
        turn = self.turn
        if type(error).__name__ == "ParentCommand":
            around = turn.parent
            while around is not None and not isinstance(around, Turn):
                around = around.parent
            if around is not None:
                around.commanded = True
                around.basis = "llm_output" if self.asked_model or turn.asks_tools() else turn.basis
        if handling is None and spans.status_of(self.frame, error) in (spans.ERROR, spans.TIMEOUT):
            again = retried(turn.policies, error, turn.attempts)
            if again:
                handling = "caught_retry"
            elif again is False and turn.name in turn.run.graph.caught:
                handling = "caught_default"
        super().fail(error, handling=handling, **told)


_QUIET = (spans.SUCCESS, spans.CANCELLED, spans.ABANDONED)


def _fields(value: Any) -> dict[str, Any]:
    """The state keys of what a node is given: a dictionary's, a data class's or a model's."""
    if type(value) is dict:
        return {key: held for key, held in value.items() if isinstance(key, str)}
    kind = type(value)
    known = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__dataclass_fields__", None)
    if not isinstance(known, dict):
        return {}
    held = names.attributes(value)
    return {key: held[key] for key in known if key in held}


def written(writes: Any, given: dict[str, Any], graph: names.Graph) -> list[tuple[str, Any]]:
    """The state keys whose value a node's result changes, with what it writes; one entry per key.

    Args:
        writes: Pairs of channel and value.
        given: The state that the node was given.
        graph: Its graph.
    """
    if graph.keys is None:
        return []
    found: dict[str, list[Any]] = {}
    for key, value in list(writes):
        if key not in graph.keys:
            continue
        merge = graph.reduced.get(key)
        if merge is not None and isinstance(value, (list, tuple, dict)) and not len(value):
            continue
        if (merge is None or "add_messages" in merge) and key in given and same(given[key], value):
            continue
        found.setdefault(key, []).append(value)
    return [(key, values[0] if len(values) == 1 else values) for key, values in found.items()]


def same(one: Any, other: Any, depth: int = 0) -> bool:
    """Whether two values are surely equal, found out without running the program's code."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other) or depth > 8:
        return False
    if kind in (str, int, float, bool, bytes):
        return bool(one == other)
    if kind in (list, tuple):
        return len(one) == len(other) <= 1000 and all(same(a, b, depth + 1) for a, b in zip(one, other))
    if kind is dict:
        return len(one) == len(other) <= 1000 and all(
            type(key) is str and key in other and same(one[key], other[key], depth + 1) for key in one
        )
    return False


def retried(policies: Any, error: BaseException, attempts: int) -> bool | None:
    """Whether a node will be run again after an error.

    Args:
        policies: Its retry policy, a sequence of them, or None.
        error: What an attempt raised.
        attempts: How many attempts there were.

    Returns:
        None when the program's own function decides; it is not called a second time.
    """
    if policies is None or not isinstance(error, Exception):
        return False
    if hasattr(type(policies), "max_attempts"):
        policies = (policies,)
    for policy in policies:
        on = policy.retry_on
        if isinstance(on, type):
            fits = issubclass(on, BaseException) and isinstance(error, on)
        elif isinstance(on, (list, tuple)):
            fits = isinstance(error, tuple(on))
        elif (getattr(on, "__module__", None) or "").partition(".")[0] == LIBRARY:
            fits = bool(on(error))
        else:
            return None
        if fits:
            return attempts < policy.max_attempts  # type: ignore[no-any-return]
    return False


def _turn(frame: Frame, call: Call) -> Watch | None:
    run = run_around()
    task = call.args[0] if call.args else call.kwargs.get("task")
    if run is None or task is None:
        return None
    return Turn(frame, run, task, getattr(task, "retry_policy", None) or call.get("retry_policy", 1))


def _attempt(frame: Frame, call: Call) -> Watch | None:
    turn = spans.current()
    if not isinstance(turn, Turn) or turn.hidden or turn.sequence != id(call.instance):
        return None
    return Attempt(frame, turn)


def watch_turns(frame: Frame, module: Any) -> None:
    """Hook of the modules that define `run_with_retry`."""
    wrap.method(module, "run_with_retry", partial(_turn, frame))
    wrap.method(module, "arun_with_retry", partial(_turn, frame))


def watch_attempts(frame: Frame, module: Any) -> None:
    """Hook of the modules that define the sequence of a node and its writers."""
    sequence = getattr(module, "RunnableSeq", None)
    if sequence is None:
        raise wrap.NotApplied("no class RunnableSeq")
    for name in ("invoke", "ainvoke", "stream", "astream"):
        wrap.method(sequence, name, partial(_attempt, frame))
