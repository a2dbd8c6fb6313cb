"""Holds the coverage table against what the tests of all worker processes produced together (`pytest -n`).

In one process `tests/integration/patcher/test_coverage.py` does it; here each worker hands over what it made, and
the process that leads them compares when the last one is down. A difference fails the session.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.patcher import coverage

_MADE = pytest.StashKey[coverage.Recorder]()
_WHOLE = pytest.StashKey[bool]()
_FOUND = pytest.StashKey[list[str]]()
_KEY = "coverage of the framework lines"


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what workers hand over."""
    config.stash[_MADE] = coverage.Recorder()
    config.stash[_WHOLE] = False
    config.stash[_FOUND] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what a worker's tests produced (the node's type is private to pytest-xdist, hence Any)."""
    told = json.loads(getattr(node, "workeroutput", {}).get(_KEY, "null"))
    if told is not None:
        recorder = node.config.stash[_MADE]
        for line, row in told["cells"].items():
            recorder.note(line, {kind: set(hooks) for kind, hooks in row.items()})
        recorder.settle(True)
        node.config.stash[_WHOLE] |= told["whole"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker hand over; in the process that leads them compare."""
    config = session.config
    output = getattr(config, "workeroutput", None)
    if output is not None:
        whole = config.stash.get(coverage.WHOLE, False)
        output[_KEY] = json.dumps({"cells": coverage.RECORDER.cells, "whole": whole})
    elif config.stash[_WHOLE]:
        config.stash[_FOUND] = coverage.differences(config.stash[_MADE].cells, coverage.read(), whole=True)
        if config.stash[_FOUND]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what differs (the reporter's type is private to pytest, hence Any)."""
    for difference in config.stash[_FOUND]:
        terminalreporter.line(f"coverage table: {difference}", red=True)
