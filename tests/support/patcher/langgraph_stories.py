"""LangGraph's fixture programs: what the model says to each, and where their nodes are made."""

from __future__ import annotations

from typing import Any

from tests.support.patcher.endpoint import Endpoint, call, text
from tests.support.patcher.program import PROGRAMS, Run, run_program
from tests.support.patcher.wire import Reply

OLD, CURRENT, TEAMS = "langgraph-0.2", "langgraph", "langgraph-teams"
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


def made(program: str, name: str, code: str, family: str = "langgraph", folder: str = "langgraph") -> str:
    """The id of a node that is made where a program's text goes on with some code."""
    lines = (PROGRAMS / folder / f"{program}.py").read_text().splitlines()
    number = next(number for number in range(1, len(lines)) if "\n".join(lines[number - 1 :]).startswith(code))
    return f"{family}:{name}:{program}.py:{number}"
