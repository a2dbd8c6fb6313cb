"""A project: every parsed file of one tree, with the questions detectors ask of it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stratum_lab.scan.model import Site
from stratum_lab.scan.source.index import Call, Class, Function, Module
from stratum_lab.scan.source.modules import ModuleTable
from stratum_lab.scan.source.resolve import Resolver, Value

UNIT_FILES = ("pyproject.toml", "setup.py", "langgraph.json")
"""Files that make their folder a project unit, beside requirements*.txt and crew definitions."""


@dataclass(eq=False, slots=True)
class YamlFile:
    """A YAML file; `data` is None when it is empty or did not parse, `lines` of its top-level keys from 1.

    `config` says that it is agent, task or crew configuration: by name, by shape, or named so in code.
    """

    path: str
    data: object = None
    lines: dict[str, int] = field(default_factory=dict)
    error: str = ""
    config: bool = False


@dataclass(eq=False, slots=True)
class JsonFile:
    """A JSON candidate; `data` is None when it did not parse, `lines` of the keys of its top level and its maps."""

    path: str
    data: object = None
    lines: dict[str, int] = field(default_factory=dict)
    error: str = ""


class Project:
    """The parsed files of one tree.

    Attributes:
        root: Root of the tree, for messages only; nothing is read from it here.
        modules: Python files in order of path.
        yaml, json: Parsed YAML and JSON candidates by path.
        texts: Small files that are read as text, by path: dependency files, env files, ignore files, notebooks.
        paths: Every path of the scan set.
        untracked: Env files that lie in the tree but not in the scan set.
        secrets: Places of literal secrets, noted when the files were read (`source/secrets.py`).
    """

    def __init__(
        self,
        modules: Iterable[Module],
        *,
        root: Path = Path(),
        yaml: Iterable[YamlFile] = (),
        json: Iterable[JsonFile] = (),
        texts: dict[str, str] | None = None,
        paths: Iterable[str] = (),
        untracked: Iterable[str] = (),
        secrets: Iterable[Site] = (),
    ) -> None:
        self.root = root
        self.table = ModuleTable(modules)
        self.modules: list[Module] = self.table.all
        self.resolver = Resolver(self.table)
        self.yaml: dict[str, YamlFile] = {f.path: f for f in yaml}
        self.json: dict[str, JsonFile] = {f.path: f for f in json}
        self.texts: dict[str, str] = texts or {}
        self.paths: set[str] = set(paths) | {m.path for m in self.modules}
        self.untracked: list[str] = sorted(untracked)
        self.secrets: list[Site] = sorted(secrets)
        self._units: set[str] = {
            posixpath.dirname(path)
            for path in self.paths
            if posixpath.basename(path) in UNIT_FILES or _is_requirements(posixpath.basename(path))
        }
        self._callees: dict[int, Value] = {}
        self._by_origin: dict[str, list[tuple[Call, Value]]] | None = None

    # -- calls -------------------------------------------------------------------------------------------------

    def calls_to(self, *patterns: str) -> Iterator[tuple[Call, Value]]:
        """Kept calls of files that may give agents whose callee has one of these origins, in order of place.

        Args:
            patterns: A dotted origin; "a.b.*" for everything under a.b; "a.**.C" for any name C under the root a.
        """
        for call, value in self.all_calls_to(*patterns):
            if not call.module.excluded:
                yield call, value

    def all_calls_to(self, *patterns: str) -> Iterator[tuple[Call, Value]]:
        """As `calls_to`, tests and vendored files included."""
        found: dict[int, tuple[Call, Value]] = {}
        for pattern in patterns:
            for call, value in self._matching(pattern):
                found[id(call)] = (call, value)
        yield from sorted(found.values(), key=lambda pair: pair[0].site)

    def _matching(self, pattern: str) -> Iterator[tuple[Call, Value]]:
        table = self._origins()
        if "**" in pattern:
            root, _, last = pattern.partition(".**.")
            for origin, pairs in table.items():
                if origin.endswith("." + last) and (origin.startswith(root + ".")):
                    yield from pairs
        elif pattern.endswith(".*"):
            prefix = pattern[:-1]
            for origin, pairs in table.items():
                if origin.startswith(prefix):
                    yield from pairs
        else:
            yield from table.get(pattern, ())

    def _origins(self) -> dict[str, list[tuple[Call, Value]]]:
        if self._by_origin is None:
            self._by_origin = {}
            for module in self.modules:
                for call in module.calls:
                    value = self.resolver.resolve(call.node.func, call.scope)
                    if value.origin is not None:
                        self._by_origin.setdefault(value.origin, []).append((call, value))
        return self._by_origin

    def callee(self, call: Call) -> Value:
        """What a call calls."""
        return self.resolver.resolve(call.node.func, call.scope)

    # -- definitions -------------------------------------------------------------------------------------------

    def functions(self) -> Iterator[Function]:
        """Functions and methods of files that may give agents, lambdas left out."""
        for module in self.modules:
            if not module.excluded:
                yield from (f for f in module.functions if not f.name.startswith("<lambda"))

    def classes(self) -> Iterator[Class]:
        """Classes of files that may give agents."""
        for module in self.modules:
            if not module.excluded:
                yield from module.classes

    def subclasses(self, *origins: str) -> Iterator[Class]:
        """Repo classes that derive, directly or not, from one of these dotted origins ("a.**.C" allowed)."""
        for cls in self.classes():
            if cls.bases and any(_matches(base, origin) for base in self.resolver.bases(cls) for origin in origins):
                yield cls

    def modules_importing(self, *prefixes: str) -> list[Module]:
        """Modules, tests included, that import one of these dotted prefixes (component boundary) in any scope."""
        return [
            module
            for module in self.modules
            if any(name == p or name.startswith(p + ".") for name in module.imported for p in prefixes)
        ]

    # -- places ------------------------------------------------------------------------------------------------

    def add_unit(self, folder: str) -> None:
        """Make a folder a project unit (it holds a crew definition)."""
        self._units.add(folder)

    def unit_of(self, path: str) -> str:
        """Project unit of a file: nearest folder above it that is a unit, "" for the root."""
        folder = posixpath.dirname(path)
        while folder and folder not in self._units:
            folder = posixpath.dirname(folder)
        return folder

    def resolve_path(self, base: str, relative: str) -> str | None:
        """A path of the scan set given relative to the file `base` or a folder above it; None when there is none."""
        folder = posixpath.dirname(base)
        while True:
            path = posixpath.normpath(posixpath.join(folder, relative))
            if path in self.paths:
                return path
            if not folder:
                return None
            folder = posixpath.dirname(folder)

    def yaml_file(self, path: str) -> YamlFile | None:
        """A parsed YAML candidate by path."""
        return self.yaml.get(path)


def matches_origin(origin: str, pattern: str) -> bool:
    """Whether a dotted origin fits a pattern: equal, "a.b.*" (under a.b) or "a.**.C" (root a, last name C)."""
    return _matches(origin, pattern)


def _matches(origin: str, pattern: str) -> bool:
    if "**" in pattern:
        root, _, last = pattern.partition(".**.")
        return origin.startswith(root + ".") and origin.endswith("." + last)
    if pattern.endswith(".*"):
        return origin.startswith(pattern[:-1])
    return origin == pattern


def _is_requirements(name: str) -> bool:
    return name.startswith("requirements") and name.endswith(".txt")
