"""Fixtures shared by every test."""

from __future__ import annotations

pytest_plugins = ["tests.support.kafka", "tests.support.checks_table"]
collect_ignore = ["fixtures"]
"""Scanned repositories among the fixtures hold files that look like tests."""
