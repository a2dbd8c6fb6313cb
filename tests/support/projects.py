"""Projects from texts, for tests of resolver and detectors."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

from stratum_lab.scan.source.index import Module
from stratum_lab.scan.source.indexer import index
from stratum_lab.scan.source.loader import Loader
from stratum_lab.scan.source.project import Project


def project(files: dict[str, str] | None = None, /, *, main: str | None = None) -> Project:
    """A project of Python files by path; `main` is `main.py`."""
    texts = dict(files or {})
    if main is not None:
        texts["main.py"] = main
    modules = []
    for path, text in texts.items():
        body = textwrap.dedent(text)
        modules.append(index(ast.parse(body), Module(path, len(body))))
    return Project(modules)


def tree(root: Path) -> Project:
    """The project of a fixture folder."""
    loader = Loader()
    paths = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = [path.relative_to(root).as_posix() for path in paths]
    for path, name in zip(paths, names, strict=True):
        loader.add(name, path.read_bytes())
    return loader.project(names)
