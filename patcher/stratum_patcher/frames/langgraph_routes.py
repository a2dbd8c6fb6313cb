"""Where a node's output goes: conditional edges, `Command`, `Send`, and hand-overs from one agent to another."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import spans, wrap
from . import langgraph_names as names
from .langgraph_turns import Turn

if TYPE_CHECKING:
    from types import CodeType

    from ..frame import Frame
    from ..wrap import Call

CONTROL = "_control_branch"
"""Name of the router through which `Command` passes before 0.3."""
_OF_MODEL = frozenset(("tool_calls", "function_call", "invoke", "ainvoke"))
"""Names in a router's code that tell that a model's answer decides: tool calls that it reads, a model that it asks."""


def turn_around() -> Turn | None:
    """The innermost turn of a node around here."""
    span = spans.current()
    while span is not None and not (isinstance(span, Turn) and not span.closed):
        span = span.parent
    return span


def basis_of(router: Any) -> str:
    """What a router's decision rests on: `llm_output` or `state`."""
    function = names.function_of(router)
    if function is None:
        return "state" if isinstance(router, type) or callable(router) else "llm_output"
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return "llm_output" if code is not None and _names(code, 2) & _OF_MODEL else "state"


def _names(code: CodeType, depth: int) -> frozenset[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, str):
            found.add(constant)
        elif depth and hasattr(constant, "co_names"):
            found |= _names(constant, depth - 1)
    return frozenset(found)


def _named(target: Any) -> str | None:
    """Name of the node that a destination means: a name, or a packet for it."""
    if isinstance(target, str):
        return str.__str__(target)
    name = getattr(target, "node", None)
    return name if isinstance(name, str) else None


def _distinct(targets: list[Any]) -> list[str]:
    return list(dict.fromkeys(name for name in map(_named, targets) if name is not None))


def _finish(frame: Frame, call: Call) -> None:
    """A router gave its result."""
    turn = turn_around()
    branch, result = call.instance, call.get("result", 2)
    given = list(result) if isinstance(result, (list, tuple)) else [result]
    if turn is None or not given:
        return
    router = branch.path
    if getattr(names.function_of(router), "__name__", "") == CONTROL:
        _command(frame, turn, _distinct(given), from_tool=turn.asks_tools())
        return
    ends = branch.ends if isinstance(branch.ends, dict) else None
    if ends is not None:
        given = [ends[each] if isinstance(each, (str, bool, int)) and each in ends else each for each in given]
    candidates = None if ends is None else list(dict.fromkeys(end for end in ends.values() if isinstance(end, str)))
    _tell(frame, turn, _distinct(given), "conditional_edge", basis_of(router), candidates)


def _control(frame: Frame, call: Call) -> None:
    """A node gave its result, which may command where to go on."""
    value = call.args[0] if call.args else None
    types = sys.modules.get("langgraph.types")
    turn = turn_around()
    if types is None or turn is None:
        return
    if isinstance(value, types.Send):
        _command(frame, turn, _distinct([value]), from_tool=False)
        return
    targets: list[Any] = []
    for command in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(command, types.Command):
            if command.graph == types.Command.PARENT:
                return
            goto = command.goto
            targets.extend(goto if isinstance(goto, (list, tuple)) else [goto])
    if targets:
        _command(frame, turn, _distinct(targets), from_tool=turn.asks_tools())


def _command(frame: Frame, turn: Turn, targets: list[str], *, from_tool: bool) -> None:
    """A command of a node, of one of its tools, or, while no attempt is under way, of a graph inside it.

    It hands work over when it comes from an inner graph or a tool, or when the node asked a model before it decided.
    """
    attempt = turn.trying
    asked = attempt is not None and attempt.asked_model
    if attempt is None:
        basis, handed = turn.basis, turn.commanded
    else:
        basis, handed = ("llm_output" if asked or from_tool else "state"), asked or from_tool
    _tell(frame, turn, targets, "handoff" if handed else "conditional_edge", basis, None)


def _tell(frame: Frame, turn: Turn, targets: list[str], kind: str, basis: str, candidates: list[str] | None) -> None:
    for name in targets:
        turn.decided.append(partial(_decided, frame, turn, name, kind, basis, candidates))


def _decided(frame: Frame, turn: Turn, name: str, kind: str, basis: str, candidates: list[str] | None) -> None:
    run = turn.run
    target = None if name == names.END else run.graph.members.get(name)
    if target is None and name != names.END:
        return  # no node of the graph: the library does not go there, and the text may be the model's own words
    kind = "conditional_edge" if target is None or target is turn.node else kind
    spans.route(frame, turn.node, target, kind, basis, candidates)
    if target is None:
        return
    if not turn.hidden:
        run.leads(turn.name, name, turn.step)
    if kind == "handoff":
        run.handed.setdefault(name, []).append(spans.Delegation(frame, turn.node, target, kind))


def watch_branch(frame: Frame, class_name: str, module: Any) -> None:
    """Hook of the modules that may define conditional edges.

    Args:
        frame: Who emits.
        class_name: Name of the class.
        module: The module.
    """
    if not hasattr(module, class_name):
        raise wrap.NotApplied(f"no class {class_name}")
    wrap.method(getattr(module, class_name), "_finish", partial(_finish, frame))


def watch_control(frame: Frame, module: Any) -> None:
    """Hook of the module with the function that reads commands."""
    wrap.method(module, CONTROL, partial(_control, frame))
