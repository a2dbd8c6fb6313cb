"""A project: every parsed file of one tree, with the questions detectors ask of it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from stratum_lab.scan.model import Site
from stratum_lab.scan.source.index import Call, Class, Function, Module
from stratum_lab.scan.source.modules import ModuleTable
from stratum_lab.scan.source.read import is_requirements
from stratum_lab.scan.source.resolve import Resolver, Value

T = TypeVar("T")

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


_NAMESAKE = "agents."
"""What the repository defines in an `agents` folder of its own is not the library of that name."""


class _Origins(Generic[T]):
    """Things by dotted origin, found by origin or pattern without looking at every origin."""

    def __init__(self) -> None:
        self._by_origin: dict[str, list[T]] = {}
        self._by_root: dict[str, list[str]] = {}
        self._known: dict[str, list[T]] = {}

    def add(self, origin: str, thing: T) -> None:
        """Add one thing; not after the first question."""
        things = self._by_origin.get(origin)
        if things is None:
            things = self._by_origin[origin] = []
            self._by_root.setdefault(origin.partition(".")[0], []).append(origin)
        things.append(thing)

    def matching(self, pattern: str) -> list[T]:
        """Things whose origin fits a pattern (`matches_origin`)."""
        if "*" not in pattern:
            return self._by_origin.get(pattern, [])
        known = self._known.get(pattern)
        if known is None:
            origins = self._by_root.get(pattern.partition(".")[0], ())
            known = [t for origin in origins if matches_origin(origin, pattern) for t in self._by_origin[origin]]
            self._known[pattern] = known
        return known


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
            if posixpath.basename(path) in UNIT_FILES or is_requirements(posixpath.basename(path))
        }
        self._by_origin: _Origins[tuple[Call, Value]] | None = None
        self._by_base: _Origins[Class] | None = None
        self._importers: dict[str, dict[str, list[Module]]] | None = None

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

    def _matching(self, pattern: str) -> list[tuple[Call, Value]]:
        if self._by_origin is None:
            self._by_origin = _Origins()
            for module in self.modules:
                for call in module.calls:
                    value = self.resolver.resolve(call.node.func, call.scope)
                    own = value.kind in ("class", "function")
                    if value.origin is not None and not (own and value.origin.startswith(_NAMESAKE)):
                        self._by_origin.add(value.origin, (call, value))
        return self._by_origin.matching(pattern)

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
        if self._by_base is None:
            self._by_base = _Origins()
            for cls in self.classes():
                for base in dict.fromkeys(self.resolver.bases(cls)) if cls.bases else ():
                    self._by_base.add(base, cls)
        found = {cls: None for origin in origins for cls in self._by_base.matching(origin)}
        yield from sorted(found, key=lambda cls: cls.site)

    def modules_importing(self, *prefixes: str) -> list[Module]:
        """Modules, tests included, that import one of these dotted prefixes (component boundary) in any scope."""
        if self._importers is None:
            self._importers = {}
            for module in self.modules:
                for name in module.imported:
                    self._importers.setdefault(name.partition(".")[0], {}).setdefault(name, []).append(module)
        found = {
            module
            for prefix in prefixes
            for name, modules in self._importers.get(prefix.partition(".")[0], {}).items()
            if name == prefix or name.startswith(prefix + ".")
            for module in modules
        }
        return sorted(found, key=lambda module: module.path)

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
    if "**" in pattern:
        root, _, last = pattern.partition(".**.")
        return origin.startswith(root + ".") and origin.endswith("." + last)
    if pattern.endswith(".*"):
        return origin.startswith(pattern[:-1])
    return origin == pattern
