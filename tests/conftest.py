"""Fixtures shared by every test."""

from __future__ import annotations

import os

os.environ.pop("COLUMNS", None)
"""Workers of a parallel run are told a narrow terminal; commands look at it when they are imported."""
pytest_plugins = ["tests.support.kafka", "tests.support.checks_table", "tests.support.patcher.coverage_session"]
collect_ignore = ["fixtures"]
"""Scanned repositories among the fixtures hold files that look like tests."""
