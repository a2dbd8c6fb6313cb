"""Prints the table of the ping specification's checks, each with the outcome of the tests marked for it.

A test carries `@pytest.mark.check("S5")`. S16 and S17 say that the V and M checks hold, so they follow from those.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

SERIES = {"S": 18, "V": 16, "M": 18}
"""Checks S1 to S18, V1 to V16, M1 to M18."""
FOLLOWS = {"S16": "V", "S17": "M"}

_PROPERTY = "checks"
_OUTCOMES = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what the run tells."""
    outcomes: dict[str, list[str]] = defaultdict(list)
    config.stash[_OUTCOMES] = outcomes
    config.pluginmanager.register(_Recorder(config), "checks-table")


class _Recorder:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which checks each test answers, where its report carries it, from another process too."""
        for item in items:
            ids = [check for mark in item.iter_markers("check") for check in mark.args]
            if ids:
                item.user_properties.append((_PROPERTY, ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how it ended: its call, or what kept it from one."""
        ids = [check for name, found in report.user_properties if name == _PROPERTY for check in _texts(found)]
        if report.when == "call" or report.outcome != "passed":
            for check in ids:
                self._config.stash[_OUTCOMES][check].append(report.outcome)


def _texts(found: object) -> list[str]:
    return [str(check) for check in found] if isinstance(found, (list, tuple)) else []


def names() -> list[str]:
    """Every check, in order."""
    return [f"{letter}{number}" for letter, last in SERIES.items() for number in range(1, last + 1)]


def verdict(outcomes: dict[str, list[str]], check: str) -> str:
    """`pass` or `fail` with the number of tests, or `not run`."""
    found = outcomes.get(check, [])
    if check in FOLLOWS:
        letter = FOLLOWS[check]
        found = [o for name in names() if name.startswith(letter) for o in outcomes.get(name, [])]
    if "failed" in found:
        return f"fail {found.count('failed')}/{len(found)}"
    return f"pass {found.count('passed')}" if "passed" in found else "not run"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table (the reporter's type is private to pytest, hence Any)."""
    outcomes = config.stash[_OUTCOMES]
    if not outcomes:
        return
    terminalreporter.section("checks of the ping specification")
    cells = [f"{name:<4}{verdict(outcomes, name):<14}" for name in names()]
    for start in range(0, len(cells), 6):
        terminalreporter.line("".join(cells[start : start + 6]).rstrip())
    others = sorted(set(outcomes) - set(names()))
    held = sum("failed" not in outcomes[name] for name in others)
    terminalreporter.line(f"invariants of ours: {held} of {len(others)} hold")
