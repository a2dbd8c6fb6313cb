"""Fixtures shared by every test."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.support.kafka", "tests.support.checks_table"]
collect_ignore = ["fixtures"]
"""Scanned repositories among the fixtures hold files that look like tests."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Two halves that two workers can run beside each other (`-n 2 --dist loadgroup`): what shares a broker, and what
    runs the programs of other environments and is counted together."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            half = "patcher" if "patcher" in item.path.parts else "lab"
            item.add_marker(pytest.mark.xdist_group(half))
