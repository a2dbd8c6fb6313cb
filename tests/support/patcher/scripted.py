"""A fixture program run to its expected end, while the model says what a test wants."""

from __future__ import annotations

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
