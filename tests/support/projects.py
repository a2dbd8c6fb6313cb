"""Projects from texts, for tests of resolver and detectors."""

from __future__ import annotations

import ast
import textwrap

from stratum_lab.scan.source.index import Module, index
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
