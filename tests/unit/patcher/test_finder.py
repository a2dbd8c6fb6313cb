"""Importing a watched module looks the same to the program: its tracebacks and where its warnings point."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stratum_patcher.finder import Finder

SOURCES = {
    "watched_missing": "import there_is_no_such_module",
    "watched_broken": "def fail():\n    raise KeyError('at import')\nfail()",
    "watched_warning": "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules on the path, all of them watched by no frame."""
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [Finder(dict.fromkeys(SOURCES, ())), *sys.meta_path])
    importlib.invalidate_caches()
    yield tmp_path
    for name in SOURCES:
        sys.modules.pop(name, None)


def import_here(name: str, base: Path) -> Any:
    """Run an import statement in a file of the program."""
    exec(compile(f"import {name}", str(base / "program.py"), "exec"), {})


@pytest.mark.parametrize("name", ["watched_missing", "watched_broken"])
def test_a_traceback_out_of_an_import_shows_the_program_and_the_module_only(name: str, folder: Path) -> None:
    with pytest.raises((ImportError, KeyError)) as error:
        import_here(name, folder)
    files = [Path(step.filename).name for step in traceback.extract_tb(error.tb)]
    assert {*files[2:]} == {"program.py", f"{name}.py"}, files


def test_a_warning_at_import_points_at_the_import_statement(folder: Path) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        import_here("watched_warning", folder)
    assert [Path(warning.filename).name for warning in seen] == ["program.py"]


def test_a_module_s_spec_can_be_copied_before_it_is_imported(folder: Path) -> None:
    spec = importlib.util.find_spec("watched_warning")
    assert spec is not None
    twin = copy.copy(spec.loader)
    assert twin is not None
    assert twin.name == "watched_warning"  # type: ignore[attr-defined]


def test_a_program_that_forbids_imports_can_import_what_is_watched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "stratum_patcher.frame", None)
    with pytest.warns(DeprecationWarning, match="old"):
        import_here("watched_warning", folder)
    assert "watched_warning" in sys.modules
