"""What dependency files ask for: distribution names and the lowest version they allow.

Read are requirements*.txt, pyproject.toml (standard, Poetry, dependency groups), setup.cfg, setup.py and Pipfile.
"""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from stratum_lab.scan.source.loader import is_excluded

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project

_BOUND: Final = re.compile(r"(===|==|~=|>=|>|\^|~|=)?\s*v?(\d[^\s,;|*]*)")
_UPPER: Final = re.compile(r"(<=|<|!=)\s*[^,;|]*")


class Dependency(NamedTuple):
    """One requirement: normalised name, and its lowest bound or pin, None when it has none."""

    name: str
    version: str | None


def dependencies(project: Project) -> list[Dependency]:
    """Every requirement of the tree's dependency files, those of tests and vendored code left out."""
    found: list[Dependency] = []
    for path, text in sorted(project.texts.items()):
        if is_excluded(path):
            continue
        name = posixpath.basename(path)
        if name.startswith("requirements") and name.endswith(".txt"):
            found += _lines(text.splitlines())
        elif name == "pyproject.toml":
            found += _pyproject(text)
        elif name == "Pipfile":
            tables = _toml(text)
            found += [d for key in ("packages", "dev-packages") for d in _table(tables.get(key))]
        elif name == "setup.cfg":
            found += _setup_cfg(text)
    for call, _ in project.calls_to("setuptools.setup", "distutils.core.setup", "setuptools.*"):
        found += _setup_call(project, call.arg("install_requires"), call.arg("extras_require"), call.scope)
    return found


def lowest(found: Iterable[Dependency], names: Iterable[str]) -> str | None:
    """The lowest version asked for of the first of these distributions that has one."""
    known: dict[str, list[str]] = {}
    for dependency in found:
        if dependency.version is not None:
            known.setdefault(dependency.name, []).append(dependency.version)
    for name in names:
        if name in known:
            return min(known[name], key=_order)
    return None


def _order(version: str) -> tuple[int, Version, str]:
    try:
        return (0, Version(version), version)
    except InvalidVersion:
        return (1, Version("0"), version)


def _lines(lines: Iterable[str]) -> Iterator[Dependency]:
    for line in lines:
        text = line.partition(" #")[0].strip().rstrip("\\").strip()
        if text and text[0] not in "#-.":
            yield from _requirement(text.partition(" --hash")[0])


def _requirement(text: str) -> Iterator[Dependency]:
    try:
        asked = Requirement(text)
    except InvalidRequirement:
        return
    bounds = [s.version.removesuffix(".*") for s in asked.specifier if s.operator in ("==", "===", "~=", ">=", ">")]
    yield Dependency(canonicalize_name(asked.name), min(bounds, key=_order) if bounds else None)


def _pyproject(text: str) -> Iterator[Dependency]:
    tables = _toml(text)
    standard = _map(tables.get("project"))
    yield from _list(standard.get("dependencies"))
    for group in (
        *_map(standard.get("optional-dependencies")).values(),
        *_map(tables.get("dependency-groups")).values(),
    ):
        yield from _list(group)
    tool = _map(tables.get("tool"))
    poetry = _map(tool.get("poetry"))
    yield from _table(poetry.get("dependencies"))
    yield from _table(poetry.get("dev-dependencies"))
    for entry in _map(poetry.get("group")).values():
        yield from _table(_map(entry).get("dependencies"))
    yield from _list(_map(tool.get("uv")).get("dev-dependencies"))


def _list(given: object) -> Iterator[Dependency]:
    for item in given if isinstance(given, list) else ():
        if isinstance(item, str):
            yield from _requirement(item)


def _table(given: object) -> Iterator[Dependency]:
    """Poetry's and Pipfile's form: name to a version range, or to a table with `version`, or to a list of such."""
    for name, asked in _map(given).items():
        first = asked[0] if isinstance(asked, list) and asked else asked
        text = first.get("version") if isinstance(first, dict) else first
        if name.lower() != "python":
            yield Dependency(canonicalize_name(name), _bound(text) if isinstance(text, str) else None)


def _bound(text: str) -> str | None:
    bounds = [found[2].rstrip(".") for found in _BOUND.finditer(_UPPER.sub("", text))]
    return min(bounds, key=_order) if bounds else None


def _setup_cfg(text: str) -> Iterator[Dependency]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    yield from _lines(parser.get("options", "install_requires", fallback="").splitlines())
    if parser.has_section("options.extras_require"):
        for _, value in parser.items("options.extras_require"):
            yield from _lines(value.splitlines())


def _setup_call(
    project: Project, required: ast.expr | None, extras: ast.expr | None, scope: Scope
) -> Iterator[Dependency]:
    groups = [(required, scope)] if required is not None else []
    groups += project.resolver.mapping(extras, scope).values() if extras is not None else ()
    for expr, where in groups:
        for value in project.resolver.items(expr, where).values:
            if value.kind == "text" and value.text is not None:
                yield from _requirement(value.text)


def _toml(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _map(given: object) -> dict[str, object]:
    return given if isinstance(given, dict) else {}
