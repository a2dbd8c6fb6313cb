"""What the tests on the real libraries share: time for environments to be built, and the coverage table."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.patcher import coverage

HERE = Path(__file__).parent
SETUP_S = 1800
"""A test may be the first that needs its environment; programs have a limit of their own."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give these tests time, and let the one that holds the coverage table come last."""
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    for item in ours:
        item.add_marker(pytest.mark.timeout(SETUP_S), append=False)
    last = [item for item in ours if item.path.name == "test_coverage.py"]
    items[:] = [item for item in items if item not in last] + last
    narrowed = bool(config.getoption("keyword") or config.getoption("markexpr")) or any(
        "::" in arg for arg in config.args
    )
    config.stash[coverage.WHOLE] = not narrowed and {item.path for item in ours} == set(HERE.glob("test_*.py"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count what a test's runs produced when it passed."""
    report = yield
    if report.when == "call":
        coverage.RECORDER.settle(report.passed)
    return report


def pytest_sessionfinish() -> None:
    """Hand over what the tests produced, where the table's command asked for it."""
    coverage.finish()
