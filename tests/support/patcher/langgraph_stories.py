"""LangGraph's fixture programs: what the model says to each, and the story that a run of a graph tells, in parts."""

from __future__ import annotations

from typing import Any

from tests.support.patcher.endpoint import Endpoint, call, text
from tests.support.patcher.program import PROGRAMS, Run, run_program
from tests.support.patcher.wire import Reply

OLD, CURRENT, TEAMS = "langgraph-0.2", "langgraph", "langgraph-teams"
MODEL = "gpt-4o-mini"
SCRIPTS: dict[str, list[Reply]] = {
    "routed": [text("seven")],
    "prebuilt": [call("add", a=1, b=2), text("3"), call("add", a=2, b=2), text("4")],
    "created": [call("add", a=1, b=2), text("3")],
    "commands": [text("writer"), text("critic"), text("__end__")],
    "handoff": [call("transfer_to_bob"), text("hi")],
    "functional": [text("a draft")],
    "tokens": [text("one two"), text("three four"), text("five"), text("six")],
    "supervised": [call("transfer_to_maths"), call("add", a=1, b=2), text("3"), text("three")],
    "swarming": [call("transfer_to_bob"), text("hi")],
    "approvals": [call("pay", amount=5), text("done")],
}
"""Program -> what the model says."""


def run(line: str, program: str, **options: Any) -> Run:
    """Run one of the programs with its script."""
    with Endpoint(SCRIPTS.get(program, ())) as endpoint:
        return run_program(line, f"langgraph/{program}.py", endpoint=endpoint, **options)


def made(program: str, name: str, code: str, family: str = "langgraph") -> str:
    """The id of a node that is made where a program's text goes on with some code."""
    lines = (PROGRAMS / "langgraph" / f"{program}.py").read_text().splitlines()
    number = next(number for number in range(1, len(lines)) if "\n".join(lines[number - 1 :]).startswith(code))
    return f"{family}:{name}:{program}.py:{number}"


def reads(node: str, *keys: str) -> list[str]:
    """What the story says of the state that a node is given."""
    return [f"state.access {node} read {key}" for key in keys]


def writes(node: str, *keys: str) -> list[str]:
    """What the story says of the state that a node changes."""
    return [f"state.access {node} write {key}" for key in keys]


def asks(node: str) -> list[str]:
    """What the story says of a model call."""
    return [f"llm.call_start {MODEL}", f"llm.call_end {MODEL} success 5+3 by {node}"]


def task(node: str, *told: list[str] | str, around: str = "", status: str = "success") -> list[str]:
    """What the story says of a turn of a node."""
    inner = [line for part in told for line in ([part] if isinstance(part, str) else part)]
    start = f"agent.task_start {node}" + (f" in {around}" if around else "")
    return [start, *inner, f"agent.task_end {node} {status}"]


def execution(graph: str, *told: list[str], status: str = "success") -> list[str]:
    """What the story says of a run of a graph."""
    return [f"execution.start {graph}", *(line for part in told for line in part), f"execution.end {graph} {status}"]
