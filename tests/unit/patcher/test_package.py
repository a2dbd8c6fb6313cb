"""The patcher's source: standard library only, old enough syntax, and a table that tells the truth."""

from __future__ import annotations

import ast
import importlib
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import stratum_patcher
from stratum_patcher.targets import TARGETS

PACKAGE = Path(stratum_patcher.__file__).parent
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))
FRAMES = sorted(path.stem for path in (PACKAGE / "frames").glob("*.py") if path.stem != "__init__")
NAMES = [str(path.relative_to(PACKAGE)) for path in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_every_file_parses_as_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_only_the_standard_library_is_imported_and_ours_relatively(path: Path) -> None:
    allowed = sys.stdlib_module_names | {"_frozen_importlib", "_frozen_importlib_external"}
    if path.parent.name == "site":
        allowed = allowed | {"stratum_patcher"}  # the hook stands outside the package
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert all(name.name.partition(".")[0] in allowed for name in node.names), ast.dump(node)
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").partition(".")[0] in allowed, node.module


def test_the_start_imports_nothing_that_is_not_loaded_or_built_in() -> None:
    for name in ("__init__", "_start", "finder", "targets"):
        tree = ast.parse((PACKAGE / f"{name}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.Import):
                assert all(alias.name in ("os", "sys", "time") for alias in node.names), name
            if isinstance(node, ast.ImportFrom) and node.module != "_thread":
                assert node.level == 1, name
                assert (node.module or "__init__") in ("__init__", "finder", "targets"), name


def test_the_table_of_targets_is_that_of_the_frames() -> None:
    declared: dict[str, set[str]] = defaultdict(set)
    for name in FRAMES:
        frame = getattr(importlib.import_module(f"stratum_patcher.frames.{name}"), "FRAME", None)
        for hook in frame.hooks if frame is not None and frame.name == name else ():
            declared[hook.module].add(name)
    assert {module: set(frames) for module, frames in TARGETS.items()} == declared


def test_hook_names_are_unique() -> None:
    names: list[str] = []
    for name in FRAMES:
        frame = getattr(importlib.import_module(f"stratum_patcher.frames.{name}"), "FRAME", None)
        names += [hook.name for hook in frame.hooks] if frame is not None and frame.name == name else []
    assert sorted(names) == sorted(set(names))


def test_suppressed_frames_exist() -> None:
    for name in FRAMES:
        frame = getattr(importlib.import_module(f"stratum_patcher.frames.{name}"), "FRAME", None)
        for suppressed in frame.suppresses.values() if frame is not None else ():
            assert set(suppressed) <= set(FRAMES), name
