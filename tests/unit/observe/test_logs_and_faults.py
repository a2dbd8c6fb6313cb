"""Logs never leak secrets or control a terminal; fault points do nothing unless armed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from stratum_lab.observe import faults, logs
from stratum_lab.settings import LogSettings

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    """Logging as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü", "plain äöü"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\rb\x08c\x7fd", "a\\x0db\\x08c\\x7fd"),
        ("a\x9b31mb", "a\\x9b31mb"),
        ("two\nlines\tand tab", "two\nlines\tand tab"),
        ("\x00", "\\x00"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    assert logs.clean(text) == shown


@given(st.text())
def test_cleaned_text_holds_no_control_character_but_newline_and_tab(text: str) -> None:
    cleaned = logs.clean(text)
    assert not [c for c in cleaned if c not in "\n\t" and (ord(c) < 32 or 127 <= ord(c) < 160)]
    assert logs.clean(cleaned) == cleaned


def test_json_lines_go_to_standard_error_with_secrets_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json"))
    logs.get("test").warning("hello", token="abc", sasl_password="def", url="x")
    shown = capsys.readouterr()
    assert shown.out == ""
    (text,) = shown.err.splitlines()
    line = json.loads(text)
    assert (line["event"], line["part"], line["level"], line["url"]) == ("hello", "test", "warning", "x")
    assert (line["token"], line["sasl_password"]) == ("***", "***")
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json", level="error"))
    logs.get("test").warning("hello")
    assert capsys.readouterr().err == ""


def test_an_unarmed_point_does_nothing() -> None:
    faults.point("sink.after_write")


@pytest.mark.parametrize(
    ("plan", "passes"),
    [("a.point", 1), ("a.point:3", 3), ("other:1, a.point:2", 2)],
)
def test_an_armed_point_ends_the_process_at_the_pass_it_names(plan: str, passes: int) -> None:
    code = (
        "from stratum_lab.observe.faults import point\n"
        "for n in range(1, 10):\n"
        "    print(n, flush=True)\n"
        "    point('a.point')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "STRATUM_FAULTS": plan},
    )
    assert done.returncode == 9
    assert done.stdout.split() == [str(n) for n in range(1, passes + 1)]
