"""What the .gitignore files of a tree say about a path: anchoring, negation and nested files as Git reads them.

Patterns are compiled by pathspec; which one decides is settled here, level by level, because Git asks of every folder
on the way whether it is ignored, and nothing below an ignored folder can be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import pathspec

_ANY = {".": re.compile(".+", re.DOTALL), "(?P<ps_d>/)": re.compile(".+/", re.DOTALL)}
"""Expressions pathspec shortens to a search for any path or any folder, in the form for a full match."""
_MAX_PATTERN = 500
_MAX_STARS = 5
"""A pattern with more wildcards costs the matcher too much; nobody writes one in earnest."""


class _Pattern(NamedTuple):
    """One line of an ignore file; `folder` patterns match folders only."""

    expression: re.Pattern[str]
    ignored: bool
    folder: bool

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether it names exactly this path, not one above it."""
        if self.folder and not is_folder:
            return False
        text = path + "/" if self.folder else path
        found = self.expression.fullmatch(text)
        if found is None:
            return False
        return "ps_d" not in found.re.groupindex or found.end("ps_d") in (-1, len(text))


class IgnoreRules:
    """The ignore files of one tree, by path relative to its root."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._patterns: dict[str, list[_Pattern]] = {}
        for path, text in files.items():
            folder, _, name = path.rpartition("/")
            if name == ".gitignore":
                self._patterns[folder] = _parse(text)

    def ignores(self, path: str) -> bool:
        """Whether Git would ignore this file if it were untracked."""
        parts = path.split("/")
        return any(
            self._decision("/".join(parts[:depth]), depth < len(parts)) is True for depth in range(1, len(parts) + 1)
        )

    def ignores_env_at_root(self) -> bool:
        """Whether the ignore file of the root covers a file named .env."""
        return self._decision(".env", False) is True

    def _decision(self, path: str, is_folder: bool) -> bool | None:
        """What the nearest ignore file with an opinion says; inside a file the last matching line wins."""
        folder = path.rpartition("/")[0]
        while True:
            relative = path[len(folder) + 1 :] if folder else path
            for pattern in reversed(self._patterns.get(folder, ())):
                if pattern.matches(relative, is_folder):
                    return pattern.ignored
            if not folder:
                return None
            folder = folder.rpartition("/")[0]


def _parse(text: str) -> list[_Pattern]:
    patterns: list[_Pattern] = []
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.rstrip("\r")
        if len(line) > _MAX_PATTERN or line.count("*") > _MAX_STARS:
            continue
        bare = line.rstrip(" ") if not line.endswith("\\ ") else line
        if bare.endswith("/**"):
            bare += "/*"  # everything inside x, not x itself
        try:
            spec = pathspec.GitIgnoreSpec.from_lines([bare])
        except ValueError:
            continue  # Git takes a pattern it cannot read as one that matches nothing
        for made in spec.patterns:
            expression = getattr(made, "regex", None)
            if made.include is not None and isinstance(expression, re.Pattern):
                whole = _ANY.get(expression.pattern, expression)
                patterns.append(_Pattern(whole, made.include, bare.endswith("/")))
    return patterns
