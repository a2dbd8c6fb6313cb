"""Fixture programs run while the model says what a test wants: to their end, or with and without the patcher."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tests.support.patcher.endpoint import Endpoint
from tests.support.patcher.program import Run, run_program
from tests.support.patcher.wire import Reply


def run_scripted(
    line: str, program: str, *replies: Reply, always: Reply | None = None, ends: int = 0, **options: Any
) -> Run:
    """Run a program and hold that it ends as expected.

    Args:
        line: The framework line.
        program: File or folder among the fixture programs.
        replies: What the model says, request by request.
        always: What it says when these have run out.
        ends: Exit code of the program.
        options: As for `run_program`.
    """
    with Endpoint(replies, always=always) as endpoint:
        run = run_program(line, program, endpoint=endpoint, **options)
    assert run.returncode == ends, run.stderr
    return run


def with_and_without(
    line: str, program: str, replies: Sequence[Reply], **options: Any
) -> list[tuple[int, str, str, int]]:
    """What a program shows with and without the patcher: exit code, output, errors, number of its model calls.

    Args:
        line: The framework line.
        program: File or folder among the fixture programs.
        replies: What the model says, request by request, in either run.
        options: As for `run_program`.
    """
    seen = []
    for patched in (True, False):
        with Endpoint(replies) as endpoint:
            run = run_program(line, program, endpoint=endpoint, patched=patched, **options)
        seen.append((run.returncode, run.stdout, _placeless(run.stderr), len(endpoint.calls)))
    return seen


def _placeless(output: str) -> str:
    """Output without the folders of the two environments."""
    return re.sub(r'File "[^"]*/(site-packages|app)/', r'File "\1/', output)
