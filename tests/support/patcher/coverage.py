"""The coverage table: which event types each framework line's tested runs produced, and by which hook.

Every run that keeps the contract is noted; what a passing test noted counts. `python -m tests.support.patcher.coverage`
runs the tests with the hooks traced and writes the table (`tests/fixtures/patcher/coverage.json`) and the pages that
show it; with test files it adds what these produce, with `--pages` it writes only the pages. What no test shows is not
claimed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.support.patcher.environments import PINS
from tests.support.patcher.hook_trace import VARIABLE
from tests.support.patcher.lines import LINES

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "tests" / "fixtures" / "patcher" / "coverage.json"
PAGES = (ROOT / "README.md", ROOT / "docs" / "patcher.md")
TESTS = ROOT / "tests" / "integration" / "patcher"
BEGIN, END = "<!-- coverage: begin (make docs) -->", "<!-- coverage: end -->"

Cells = dict[str, dict[str, list[str]]]
"""Line -> event type -> hooks."""

COLUMNS = (
    ("model call", "llm.call_start", "llm.call_end"),
    ("agent task", "agent.task_start", "agent.task_end"),
    ("tool", "tool.invoked", "tool.completed"),
    ("delegation", "delegation.initiated", "delegation.completed"),
    ("routing", "routing.decision", "routing.decision"),
    ("state", "state.access", "state.access"),
    ("error", "error.occurred", "error.occurred"),
    ("execution", "execution.start", "execution.end"),
)
"""Heading, opening type (whose hook is named) and closing type."""


class Recorder:
    """What the tests of this session produced."""

    def __init__(self) -> None:
        self.cells: Cells = {}
        self._noted: list[tuple[str, dict[str, set[str]]]] = []

    def note(self, line: str, produced: Mapping[str, set[str]]) -> None:
        """Note a run that kept the contract; runs outside the framework lines are not counted.

        Args:
            line: The framework line.
            produced: Event type -> hooks that wrote it; no hooks where they were not traced.
        """
        if line in LINES:
            self._noted.append((line, dict(produced)))

    def settle(self, passed: bool) -> None:
        """End of a test: what it noted counts when it passed."""
        noted, self._noted = self._noted, []
        for line, produced in noted if passed else ():
            row = self.cells.setdefault(line, {})
            for kind, hooks in produced.items():
                row[kind] = sorted({*row.get(kind, ()), *hooks})


RECORDER = Recorder()
"""Of this process."""
WHOLE = pytest.StashKey[bool]()
"""Whether every test on the real libraries was collected in this session."""


def traced() -> bool:
    """Whether runs are to note their hooks."""
    return VARIABLE in os.environ


def finish() -> None:
    """End of a session: where hooks are traced, write what it produced into the file that the variable names."""
    if traced():
        Path(os.environ[VARIABLE]).write_text(json.dumps(RECORDER.cells))


def hooks_of(trace: Path, applied: Iterable[str]) -> dict[str, str]:
    """Event id -> hook, as a run noted it.

    Args:
        trace: File that the run wrote.
        applied: Hooks that the run told as applied.
    """
    known = set(applied)
    found = {}
    for row in trace.read_text().splitlines() if trace.exists() else ():
        event_id, module, named = row.split(" ", 2)
        found[event_id] = named if named in known else module
    return found


def read() -> Cells:
    """The committed table."""
    cells: Cells = json.loads(TABLE.read_text())
    return cells


def merged(*tables: Cells) -> Cells:
    """Several tables as one, in the order of the lines."""
    recorder = Recorder()
    for cells in tables:
        for line, row in cells.items():
            recorder.note(line, {kind: set(hooks) for kind, hooks in row.items()})
    recorder.settle(passed=True)
    return {line: dict(sorted(recorder.cells[line].items())) for line in LINES if line in recorder.cells}


def differences(made: Cells, committed: Cells, *, whole: bool) -> list[str]:
    """Where the committed table and what the tests produced disagree.

    Args:
        made: What the tests produced.
        committed: The table.
        whole: All tests ran, so what they did not produce may not be claimed.
    """
    found = []
    for line in sorted(made.keys() | committed.keys()):
        here, there = made.get(line, {}), committed.get(line, {})
        found += [f"{line}: {kind} is produced and not in the table" for kind in sorted(here.keys() - there.keys())]
        if whole:
            found += [f"{line}: {kind} is claimed and not tested" for kind in sorted(there.keys() - here.keys())]
    return found


def rendered(cells: Cells) -> str:
    """The table as Markdown."""
    heads = ["line", "version", *(heading for heading, _, _ in COLUMNS)]
    rows = [heads, ["---"] * len(heads)]
    for line in LINES:
        if line not in cells:
            continue
        row = cells[line]
        shown = ["<br>".join(f"`{h}`" for h in row[a]) or "yes" if a in row and b in row else "" for _, a, b in COLUMNS]
        rows.append([line, _version(line), *shown])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _version(line: str) -> str:
    """The pinned version of what a line is named for."""
    wanted = LINES[line].wants[0].partition("=")[0].partition("<")[0].partition("[")[0]
    pins = (PINS / f"{line}.txt").read_text().splitlines()
    return next(row.partition("==")[2] for row in pins if row.partition("==")[0].lower() == wanted.lower())


def page(text: str, cells: Cells) -> str:
    """A page with the table put between its marks.

    Raises:
        ValueError: The page has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs the marks {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n{rendered(cells)}\n{END}{after}"


def write_pages() -> None:
    """Put the committed table into the pages."""
    for path in PAGES:
        path.write_text(page(path.read_text(), read()))


def main(arguments: list[str] | None = None) -> int:
    """Run the tests and write the table, or only the pages.

    Args:
        arguments: Instead of those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.support.patcher.coverage", description=__doc__)
    parser.add_argument("tests", nargs="*", type=Path, help="test files; all of them when none is named")
    parser.add_argument("--pages", action="store_true", help="write the pages from the committed table")
    given = parser.parse_args(arguments)
    good = True
    if not given.pages:
        files = given.tests or [path for path in TESTS.glob("test_*.py") if path.name != "test_coverage.py"]
        good = _rewrite(files, read() if given.tests else {})
    write_pages()
    return 0 if good else 1


def _rewrite(files: list[Path], table: Cells) -> bool:
    """Run test files, one process each and as many at a time as there are processors; the longest first.

    Args:
        files: The test files.
        table: What they add to.

    Returns:
        Whether every test passed.
    """
    ordered = sorted(files, key=lambda path: -path.stat().st_size)
    good = True
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, done in zip(ordered, pool.map(partial(_run, Path(folder)), ordered), strict=True):
            print(f"{path.name}: {done.stdout.strip().splitlines()[-1]}", flush=True)
            if done.returncode:
                good = False
                print(done.stdout)
            made = Path(folder) / f"{path.stem}.json"
            table = merged(table, json.loads(made.read_text()) if made.exists() else {})
            TABLE.write_text(json.dumps(table, indent=1) + "\n")
    return good


def _run(folder: Path, tests: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", str(tests)]
    environment = {**os.environ, VARIABLE: str(folder / f"{tests.stem}.json")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
