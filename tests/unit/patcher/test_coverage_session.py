"""What the workers of a parallel run produced is put together and held against the coverage table."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.patcher import coverage, coverage_session

TABLE: coverage.Cells = {"openai-3": {"llm.call_start": ["openai.post"], "error.occurred": ["openai.post"]}}


def finished(*workers: coverage.Cells, whole: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    """Exit status and differences of a session whose workers produced these cells."""
    monkeypatch.setattr(coverage, "read", lambda: TABLE)
    config: Any = SimpleNamespace(stash=pytest.Stash())
    coverage_session.pytest_configure(config)
    for cells in workers:
        told = json.dumps({"cells": cells, "whole": whole})
        node = SimpleNamespace(config=config, workeroutput={coverage_session._KEY: told})
        coverage_session.pytest_testnodedown(node, None)
    session: Any = SimpleNamespace(config=config, exitstatus=pytest.ExitCode.OK)
    coverage_session.pytest_sessionfinish(session)
    return session.exitstatus, config.stash[coverage_session._FOUND]


def test_workers_that_together_produced_the_table_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    halves: list[coverage.Cells] = [{"openai-3": {"llm.call_start": []}}, {"openai-3": {"error.occurred": []}}]
    assert finished(*halves, whole=True, monkeypatch=monkeypatch) == (pytest.ExitCode.OK, [])


def test_a_claim_that_no_worker_produced_fails_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    status, found = finished({"openai-3": {"llm.call_start": []}}, whole=True, monkeypatch=monkeypatch)
    assert status is pytest.ExitCode.TESTS_FAILED
    assert found == ["openai-3: error.occurred is claimed and not tested"]


def test_a_run_of_some_tests_only_is_not_held_to_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finished({}, whole=False, monkeypatch=monkeypatch) == (pytest.ExitCode.OK, [])
