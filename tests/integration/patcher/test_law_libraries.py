"""The law on the real libraries: programs of every framework behave the same, whether the endpoint answers or fails."""

from __future__ import annotations

import os
import re

import pytest

from tests.support.patcher.endpoint import Endpoint, failure, text
from tests.support.patcher.program import PROGRAMS, Prepared, Run, prepared
from tests.support.patcher.wire import Reply

LINES = {
    "openai": "openai-2",
    "anthropic": "anthropic",
    "litellm": "litellm",
    "langgraph": "langgraph",
    "langchain": "langgraph-0.2",
    "autogen_agentchat": "autogen-0.7",
    "autogen": "ag2-0",
    "ag2": "ag2-1",
    "openai_agents": "openai-agents",
    "smolagents": "smolagents",
    "pydantic_ai": "pydantic-ai",
    "crewai": "crewai",
}
"""Folder of the fixture programs -> the line they run on here."""
ANSWERS = {"answers": text("All done."), "fails": failure(400, "refused")}
GIVEN: dict[str, str | None] = {
    "PYTHONWARNINGS": "default,ignore::ResourceWarning",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "STRATUM_VLLM_MODEL": None,
}
"""Warnings show where they arose; when sockets are collected differs from run to run by itself. Without the patcher the
OpenAI Agents SDK would upload its traces, and complain when it cannot; when calls are redirected the patcher keeps it
from trying. Models keep their names, since libraries remark on an answer of another one."""
OWN = re.compile(r"https://[a-z0-9.-]+\.(?:example|test|invalid|example\.org|example\.com)(?::\d+)?/v1")
PATHS = re.compile(r"/[^\s\"',)]*?/(lib/python3\.\d+/site-packages|bin)/")
NUMBERS = (
    re.compile(r"0x[0-9a-f]+"),
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    re.compile(r"\b\d+\.\d+ ?(?:s|ms|seconds)\b"),
    re.compile(r"127\.0\.0\.1:\d+"),
    re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?"),
    re.compile(r"\b\d\d:\d\d:\d\d\b"),
)


def programs(folder: str) -> list[str]:
    """The programs of a framework."""
    place = PROGRAMS / folder
    return sorted(path.name for path in place.iterdir() if path.name != "__pycache__") if place.is_dir() else []


def seen(run: Run, ready: Prepared) -> tuple[int, str, str]:
    """What a user sees, without what differs from run to run."""

    def same(told: str) -> str:
        told = PATHS.sub(r"<environment>/\1/", told.replace(str(ready.root.parent), "<base>"))
        for number in NUMBERS:
            told = number.sub("N", told)
        return told

    return run.returncode, same(run.stdout), same(run.stderr)


def run_once(line: str, program: str, reply: Reply, patched: bool) -> tuple[int, str, str]:
    """One run beside an endpoint of its own."""
    with (
        Endpoint(always=reply) as endpoint,
        prepared(line, program, endpoint=endpoint, patched=patched, env=GIVEN) as ready,
    ):
        for path in ready.root.rglob("*.py"):  # addresses of their own, which the patcher would redirect
            path.write_text(OWN.sub(endpoint.url + "/v1", path.read_text()))
        run = ready.ended(ready.start())
        assert bool(run.events) is patched
        return seen(run, ready)


SHORT = {
    "openai": ("errors.py", "streams.py"),
    "anthropic": ("streams.py",),
    "litellm": ("retries.py",),
    "langgraph": ("routed.py", "uncaught.py"),
    "langchain": ("executor.py",),
    "autogen_agentchat": ("selector.py", "failing.py"),
    "autogen": ("group_auto.py",),
    "ag2": ("failing.py",),
    "openai_agents": ("handoff.py", "tracing.py"),
    "smolagents": ("managed.py",),
    "pydantic_ai": ("tools.py", "instrumented.py"),
}
"""What runs every time; with STRATUM_SOAK=1 every program of every framework does."""
CASES = [
    (folder, name, answer)
    for folder in LINES
    for name in programs(folder)
    for answer in ANSWERS
    if os.environ.get("STRATUM_SOAK") or name in SHORT.get(folder, ())
]


def test_the_short_list_names_programs_that_there_are() -> None:
    assert all(set(names) <= set(programs(folder)) for folder, names in SHORT.items())


@pytest.mark.parametrize("folder, name, answer", CASES, ids=["/".join(case) for case in CASES])
def test_a_program_on_a_real_library_behaves_the_same(folder: str, name: str, answer: str) -> None:
    line, program, reply = LINES[folder], f"{folder}/{name}", ANSWERS[answer]
    assert run_once(line, program, reply, True) == run_once(line, program, reply, False)
