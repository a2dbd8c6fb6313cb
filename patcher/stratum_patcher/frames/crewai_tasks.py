"""Tasks of crewai: what is handed from one to the next, threads of their own, and outputs that fail their schema."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

from .. import facts, nodes, spans, wrap
from ..emit import emit
from ..frame import Frame
from ..nodes import Node
from ..wrap import Call, Watch
from . import crewai_names as names

HANDING: ContextVar[Any] = ContextVar("stratum_crewai_handing", default=None)
"""The delegation that the next agent of this context carries out."""
_frames: list[Frame] = []


class Fed(NamedTuple):
    """What a task is given.

    Attributes:
        source: Id of the node whose output it is.
        read: State keys that it comes from, with the hash of what they hold.
    """

    source: str | None
    read: tuple[tuple[str, str | None], ...]


_fed = names.Side()
_outside = names.Side()
_open: dict[int, _Run] = {}


def frame(found: Frame) -> None:
    """Name the frame that the events of this module belong to."""
    _frames[:] = [found]


def nobody() -> Node:
    """The node that acts where no agent does."""
    span = spans.enclosing("execution")
    return nodes.program() if span is None else span.node


def name_of(task: Any) -> str:
    """A task's name, or the first digits of its description's hash: descriptions are content."""
    named = names.text(names.field(task, "name"))
    return named or facts.sha(names.text(names.field(task, "description")) or "")[:12]


def key_of(task_name: str) -> str:
    """State key of a task's output."""
    return "task:" + task_name


def access(found: Frame, accessor: Node, key: str, kind: str, digest: str | None) -> None:
    """Tell an access to a task's output, of which only the hash was kept."""
    if spans.silent("state"):
        return
    payload = {"accessor_node": accessor.id, "state_key": nodes.clean(key), "access_type": kind, "data_hash": digest}
    emit(found, "state.access", source=accessor, payload=payload, depth=len(spans.stack()))


def fed(task: Any) -> Fed | None:
    """What a task was given as context, once."""
    found = _fed.take(task)
    return found if isinstance(found, Fed) else None


class _HandedOn(Watch):
    """`Crew._get_context`: the outputs that a task gets."""

    def __init__(self, task: Any, outputs: Any) -> None:
        self.task = task
        self.outputs = outputs

    def done(self, result: Any) -> Any:
        if not names.text(result):
            return result
        given = names.field(self.task, "context")
        if isinstance(given, (list, tuple)) and given:
            rows = [_told(names.field(task, "output"), task) for task in given]
        else:
            rows = [_told(output, None) for output in self.outputs or ()]
        rows = [row for row in rows if row[2] is not None]  # a task that was skipped hands on nothing
        sources = [source for source, _, _ in rows if source is not None]
        read = tuple((key_of(name), digest) for _, name, digest in rows)
        _fed.put(self.task, Fed(sources[-1].id if sources else None, read))
        return result


def _told(output: Any, task: Any) -> tuple[Node | None, str, str | None]:
    """The agent that made an output, the name of its task, and the output's hash."""
    made = nodes.known(output)
    if made is None:
        made = names.named_agent(names.field(output, "agent"))
    raw = names.text(names.field(output, "raw"))
    named = names.text(names.field(output, "name")) if task is None else None
    description = names.text(names.field(output, "description"))
    if task is not None:
        named = name_of(task)
    elif named is None or named == description:
        named = facts.sha(description or "")[:12]
    return made, named, None if raw is None else facts.sha(raw)


def handed_on(call: Call) -> Watch:
    """Begin of `Crew._get_context`."""
    return _HandedOn(call.get("task", 0), call.get("task_outputs", 1))


class _Run(Watch):
    """A task under way.

    Attributes:
        turn: The agent's last turn at it.
        held: Whether that turn is open until the output was held against the task's schema.
    """

    def __init__(self, task: Any) -> None:
        self.task = task
        self.turn: Any = None
        self.node: Node | None = None
        self.held = False
        self.output: Any = None
        self.mismatch: bool | None = None
        _open[id(task)] = self

    def done(self, result: Any) -> Any:
        _open.pop(id(self.task), None)
        self.settle()
        if self.node is not None:
            nodes.remember(result, self.node)
            raw = names.text(names.field(result, "raw"))
            if raw is not None:
                access(_frames[0], self.node, key_of(name_of(self.task)), "write", facts.sha(raw))
        return result

    def failed(self, error: BaseException) -> None:
        _open.pop(id(self.task), None)
        if self.held and not self.turn.closed:
            self.turn.fail(error, **self._verdict())
        self.held = False

    def settle(self) -> None:
        """Close the turn that was held."""
        if self.held and not self.turn.closed:
            self.turn.close(**self.turn.result_facts(self.output), **self._verdict())
        self.held, self.output, self.mismatch = False, None, None

    def _verdict(self) -> dict[str, Any]:
        return {"schema_mismatch": True} if self.mismatch else {}


def begin(task: Any, turn: Any) -> None:
    """Note that an agent begins a turn at a task."""
    run = _open.get(id(task))
    if run is not None:
        run.turn, run.node = turn, turn.node


def hold(turn: Any, result: Any) -> bool:
    """Whether a turn stays open because its task has a schema; its output is kept until then."""
    for run in list(_open.values()):
        if run.turn is turn and (declared(run.task) is not None):
            run.held, run.output = True, result
            return True
    return False


def release(task: Any) -> None:
    """Close the turn that a task holds, since its agent is asked once more."""
    run = _open.get(id(task))
    if run is not None and run.held:
        run.settle()


def declared(task: Any) -> Any:
    """The schema that a task declares for its output."""
    return names.field(task, "output_pydantic") or names.field(task, "output_json")


class _Exported(Watch):
    """`Task._export_output`: the output as what the task declares."""

    def __init__(self, run: _Run) -> None:
        self.run = run

    def done(self, result: Any) -> Any:
        if isinstance(result, tuple) and len(result) == 2:
            schema = names.field(self.run.task, "output_pydantic")
            if isinstance(schema, type):
                self.run.mismatch = not isinstance(result[0], schema)
            else:
                self.run.mismatch = result[1] is None
        return result

    def failed(self, error: BaseException) -> None:
        self.run.mismatch = True


def _core(call: Call) -> Watch | None:
    # A guardrail of 0.121 runs the whole task once more inside itself: that is the same run.
    return None if id(call.instance) in _open else _Run(call.instance)


def _export(call: Call) -> Watch | None:
    run = _open.get(id(call.instance))
    return None if run is None or not run.held else _Exported(run)


class _Condition(Watch):
    """`ConditionalTask.should_execute`: the output before decides whether the task's agent comes next."""

    def __init__(self, task: Any, output: Any) -> None:
        self.task = task
        self.source = _told(output, None)[0]

    def done(self, result: Any) -> Any:
        agent = names.field(self.task, "agent")
        if result is True and self.source is not None and agent is not None:
            target = names.agent_node(agent)
            spans.route(_frames[0], self.source, target, "conditional_edge", "state", candidates=[target.name])
        return result


def asked(call: Call) -> Watch:
    """Begin of `ConditionalTask.should_execute`."""
    return _Condition(call.instance, call.get("context", 0))


def leaving(call: Call) -> None:
    """A call that goes on in another thread without this one's context: note what is open here."""
    _outside.put(call.instance, spans.current())


def arriving(call: Call) -> None:
    """The other thread: what was open where it was started is open here."""
    span = _outside.take(call.instance)
    if span is not None and spans.current() is None:
        span.enter()


def apply(module: Any) -> None:
    """Watch the tasks of `crewai.task`."""
    wrap.method(module.Task, "execute_async", leaving)
    wrap.method(module.Task, "_execute_task_async", arriving)
    wrap.method(module.Task, "_execute_core", _core)
    wrap.method(module.Task, "_export_output", _export)
    for name, begun in (("_aexecute_core", _core), ("_aexport_output", _export)):
        if hasattr(module.Task, name):
            wrap.method(module.Task, name, begun)
