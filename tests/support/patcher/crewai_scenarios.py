"""Scenarios of crewai: what the models in them answer, and the part of a run's story that belongs to each.

A crewai process takes seconds to start, so one process of a line runs them all, each ended by a file of its name.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.support.patcher import stories
from tests.support.patcher.endpoint import Endpoint, call, calls, failure, text
from tests.support.patcher.program import Run, run_program
from tests.support.patcher.wire import Reply

LINES = FIRST, MIDDLE, CURRENT = ("crewai-0.80", "crewai-0.121", "crewai")
EVERYWHERE = (
    "sequential",
    "delegation",
    "hierarchical",
    "failing_delegate",
    "unknown",
    "tool_error",
    "cached",
    "async_tasks",
    "for_each",
    "class_crew",
    "conditional",
    "async_kickoff",
    "same_role",
    "time_limit",
    "schema",
    "model_error",
    "own_model",
    "memory",
    "flow",
    "flow_error",
)
SINCE_BUS = ("guardrail", "lite", "lite_async", "streaming", "knowledge")
ONLY_CURRENT = ("parallel", "crew_stream")
PROGRAM = "crewai/crews"
GPT = "gpt-4o"
"""The model that the crews ask."""
_ENDED = "file.write "


def scenarios(line: str) -> tuple[str, ...]:
    """The scenarios that a version has the notions for."""
    return EVERYWHERE + (() if line == FIRST else SINCE_BUS) + (ONLY_CURRENT if line == CURRENT else ())


def use(line: str, tool: str, **arguments: object) -> Reply:
    """The model wants a tool: by a native tool call in current versions, in words before."""
    if line == CURRENT:
        return call(tool.lower().replace(" ", "_"), **arguments)
    return text(f"Thought: I need it\nAction: {tool}\nAction Input: {json.dumps(arguments)}")


def final(answer: str) -> Reply:
    """The model's last answer, in a form that every version reads."""
    return text(f"Thought: I now can give a great answer\nFinal Answer: {answer}")


def delegate(line: str, coworker: str) -> Reply:
    """The model hands work to a coworker."""
    return use(line, "Delegate work to coworker", task="Do it", context="All we know", coworker=coworker)


def ask(line: str, coworker: str) -> Reply:
    """The model asks a coworker a question."""
    return use(line, "Ask question to coworker", question="Is it so?", context="All we know", coworker=coworker)


def answers(line: str) -> dict[str, list[Reply]]:
    """What the model says to whom: the agents that need more than a last answer."""
    return {
        "You are Researcher": [use(line, "Add numbers", a=1, b=2), final("three")],
        "You are Lead": [delegate(line, "Writer"), ask(line, '"fact CHECKER"'), final("published")],
        "You are Crew Manager": [delegate(line, "Sign Writer"), final("a poster")],
        "You are Boss": [delegate(line, "Intern"), final("done")],
        "You are Intern": [failure(400, "boom")],
        "You are Chief": [use(line, "nothing", x=1), delegate(line, "Nobody"), final("alone")],
        "You are Clerk": [use(line, "lookup", key="k"), final("none")],
        "You are Buyer": [use(line, "price", item="tea"), final("5"), use(line, "price", item="tea"), final("5")],
        "You are Scout": [final("a foe"), final("rest")],
        "You are Accountant": [final("no json")] * 3,
        "You are Caller": [failure(400, "boom")] * 3,
        "You are Poet": [final("much too long an answer"), final("short")],
        "You are Solo": [use(line, "double", number=4), final("eight")],
        "You are Walker": [calls(("left", {"step": 1}), ("right", {"step": 2})), final("there")],
    }


@cache
def ran(line: str) -> Run:
    """All scenarios of a line, run once for all tests."""
    with Endpoint(when=answers(line), always=final("fine")) as endpoint:
        run = run_program(line, PROGRAM, endpoint=endpoint, args=scenarios(line), timeout=300)
    assert run.returncode == 0, run.stderr
    return run


def part(line: str, name: str) -> list[str]:
    """The story of one scenario."""
    return cut(ran(line).story, scenarios(line))[name]


def cut(story: list[str], names: tuple[str, ...]) -> dict[str, list[str]]:
    """A run's story by scenario, without the lines that end them.

    Raises:
        AssertionError: A scenario did not end.
    """
    parts: dict[str, list[str]] = {}
    rest = list(story)
    for name in names:
        end = f"{_ENDED}{name}.done"
        assert end in rest, f"{name} did not end: {rest[-5:]}"
        at = rest.index(end)
        parts[name], rest = rest[:at], rest[at + 1 :]
    assert not rest, rest
    return parts


def asked(agent: str) -> list[str]:
    """The story of one model call."""
    return stories.asked(agent, GPT)


def events(line: str, name: str, event_type: str) -> list[dict[str, Any]]:
    """The events of one type in one scenario."""
    found: list[dict[str, Any]] = []
    for event in ran(line).events:
        if event["event_type"] == "file.write" and event["payload"]["path"].endswith(".done"):
            if event["payload"]["path"] == f"{name}.done":
                return found
            found = []
        elif event["event_type"] == event_type:
            found.append(event)
    raise AssertionError(f"{name} did not end")
