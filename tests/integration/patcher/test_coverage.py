"""The committed coverage table is what the tests of this session produced; runs after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.patcher import coverage
from tests.support.patcher.lines import LINES


def test_the_coverage_table_claims_what_the_tests_produced(pytestconfig: pytest.Config) -> None:
    if coverage.traced():
        return  # this session writes the table
    alone = not hasattr(pytestconfig, "workerinput")  # of several workers none ran all: see coverage_session
    whole = alone and pytestconfig.stash.get(coverage.WHOLE, False)
    assert coverage.differences(coverage.RECORDER.cells, coverage.read(), whole=whole) == []


def test_every_line_stands_in_the_coverage_table() -> None:
    assert coverage.read().keys() == LINES.keys()


@pytest.mark.parametrize("page", coverage.PAGES, ids=[page.name for page in coverage.PAGES])
def test_the_pages_show_the_committed_table(page: Path) -> None:
    text = page.read_text()
    assert coverage.page(text, coverage.read()) == text
