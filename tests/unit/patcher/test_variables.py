"""The variable that takes a new object is read from the running code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stratum_patcher import nodes, variables

LIBRARY = """
class Team:
    def __init__(self):
        self.name = assigned()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

async def made():
    return Team()
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a program of the repository against a library outside it, and gives its variables."""
    monkeypatch.setattr(nodes, "ROOT", f"{tmp_path}/")
    library: dict[str, Any] = {"assigned": variables.assigned}
    exec(compile(LIBRARY, "/elsewhere/library.py", "exec"), library)

    def run_text(text: str) -> dict[str, Any]:
        program = dict(library)
        exec(compile(text, f"{tmp_path}/app.py", "exec"), program)
        return program

    return run_text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("desk = Team()\nfound = desk", "desk"),
        ("desk = (\n    Team(\n    )\n)\nfound = desk", "desk"),
        ("a = b = Team()\nfound = b", "a"),
        ("class Shop:\n    def __init__(self):\n        self.desk = Team()\nfound = Shop().desk", "desk"),
        ("def make():\n    desk = Team()\n    return desk\nfound = make()", "desk"),
        ("def make():\n    global desk\n    desk = Team()\nmake()\nfound = desk", "desk"),
        ("def make():\n    desk = Team()\n    return lambda: desk\nfound = make()()", "desk"),
        ("with Team() as desk:\n    found = desk", "desk"),
        ("found = [Team()][0]", None),
        ("def make():\n    return Team()\nfound = make()", None),
        ("table = {}\ntable['desk'] = Team()\nfound = table['desk']", None),
    ],
    ids=["plain", "lines", "chain", "attribute", "local", "global", "closure", "with", "list", "returned", "key"],
)
def test_the_variable_that_keeps_a_new_object_gives_its_name(run: Any, text: str, name: str | None) -> None:
    assert run(text)["found"].name == name


def test_code_outside_the_repository_gives_no_variable() -> None:
    library: dict[str, Any] = {"assigned": variables.assigned}
    exec(compile(LIBRARY + "\ndesk = Team()", "/elsewhere/library.py", "exec"), library)
    assert library["desk"].name != "desk"
