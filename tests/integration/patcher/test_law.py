"""The patcher's law: with and without it a program's output, exit code, exceptions and types are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.patcher.program import BARE, PROGRAMS, Prepared, Run, prepared

CORPUS = sorted(path.name for path in (PROGRAMS / "law").iterdir() if path.name != "__pycache__")
PATHS = re.compile(r"/[^\s\"',)]*/(bare-patched|bare)/")


def test_the_corpus_is_at_least_forty_programs() -> None:
    assert len(CORPUS) >= 40


def seen(run: Run, ready: Prepared) -> tuple[int, str, str]:
    """What a user sees, with the folder of this run replaced."""

    def same(text: str) -> str:
        text = PATHS.sub("<environment>/", text.replace(str(ready.root.parent), "<base>"))
        return re.sub(r"(pid=?|Thread-|0x)[0-9a-f]+", r"\1N", text)

    return run.returncode, same(run.stdout), same(run.stderr)


def run_both(program: str) -> tuple[tuple[int, str, str], tuple[int, str, str], Run]:
    """The same program without and with the patcher."""
    with prepared(BARE, program, patched=False) as ready:
        without = seen(ready.ended(ready.start()), ready)
    with prepared(BARE, program) as ready:
        run = ready.ended(ready.start())
        return without, seen(run, ready), run


@pytest.mark.parametrize("program", CORPUS)
def test_a_program_behaves_the_same_with_and_without_the_patcher(program: str) -> None:
    without, with_patcher, run = run_both(f"law/{program}")
    assert with_patcher == without
    assert run.events[0]["event_type"] == "patcher.status", "the patcher was there"
    faults = [e["payload"]["reason"] for e in run.of_type("patcher.dropped")]
    assert not faults


def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    with prepared(BARE, "law/hello.py", patched=False) as ready:
        without = seen(ready.ended(ready.start()), ready)
    with prepared(BARE, "law/hello.py") as ready:
        ready.argv[-1:] = ["-c", "import stratum_patcher; print('hello', stratum_patcher.__version__)"]
        assert seen(ready.ended(ready.start()), ready) != without
