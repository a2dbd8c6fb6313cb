"""CrewAI's agents.yaml and tasks.yaml: which file and key an `Agent` or `Task` takes its configuration from (A3)."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal

from stratum_lab.scan.model import Site
from stratum_lab.scan.source.loader import is_excluded
from stratum_lab.scan.source.value import UNKNOWN

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Scope
    from stratum_lab.scan.source.project import Project, YamlFile

Sort = Literal["agent", "task"]
NEEDED: Final[dict[Sort, tuple[str, str]]] = {"agent": ("role", "goal"), "task": ("description", "expected_output")}
"""Keys that make a mapping an agent or a task."""
_DEFAULTS: Final[dict[Sort, str]] = {"agent": "config/agents.yaml", "task": "config/tasks.yaml"}


@dataclass(slots=True)
class Config:
    """What a `config=` argument stands for.

    Attributes:
        key: Key of the mapping in the file; None when the code computes it.
        file: The YAML file; None when it was not found, or the configuration is a literal.
        data: The mapping; empty when it is missing or unknown.
        missing: The key is literal, and the file of the crew does not have it.
    """

    key: str | None = None
    file: YamlFile | None = None
    data: dict[str, object] = field(default_factory=dict)
    missing: bool = False

    def text(self, name: str) -> str | None:
        """A text of the mapping."""
        value = self.data.get(name)
        return value if isinstance(value, str) else None

    def texts(self, name: str) -> list[str]:
        """A list of texts of the mapping; a single text is a list of one."""
        value = self.data.get(name)
        if isinstance(value, str):
            return [value]
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    @property
    def site(self) -> Site | None:
        """The line of the key in the file."""
        if self.file is None or self.key is None or self.missing:
            return None
        return Site(self.file.path, self.file.lines.get(self.key, 1))


NO_CONFIG: Final = Config()


def config_of(project: Project, call: Call, sort: Sort, cls: Class | None) -> Config:
    """The configuration that an `Agent(...)` or `Task(...)` call reads: `config=...["key"]` or `**...["key"]`.

    Args:
        cls: The class around the call, whose `agents_config` and `tasks_config` name the files.
    """
    given = call.arg("config")
    if given is None:
        spread = [k.value for k in call.node.keywords if k.arg is None and not isinstance(k.value, ast.Dict)]
        given = spread[0] if spread else None
    if given is not None:
        return _read(project, given, call.scope, sort, cls)
    for keyword in call.node.keywords:  # role=agents_config["key"]["role"]
        part = keyword.value
        if (
            keyword.arg in NEEDED[sort]
            and isinstance(part, ast.Subscript)
            and project.resolver.text(part, call.scope) is None
        ):
            found = _read(project, part.value, call.scope, sort, cls)
            if found.data:
                return found
    return NO_CONFIG


def unread_files(project: Project) -> Iterator[YamlFile]:
    """YAML files that hold agents by name or shape and may give agents, in order of path."""
    for path, file in sorted(project.yaml.items()):
        if not is_excluded(path) and isinstance(file.data, dict) and (_named(path, "agent") or file.config):
            yield file


def entries(file: YamlFile, sort: Sort) -> Iterator[tuple[str, dict[str, object]]]:
    """Keys of a file that are agents or tasks, with their mappings, in order."""
    if isinstance(file.data, dict):
        for key, value in file.data.items():
            if isinstance(key, str) and isinstance(value, dict) and all(k in value for k in NEEDED[sort]):
                yield key, value


def _named(path: str, sort: Sort) -> bool:
    name = posixpath.basename(path).lower()
    return fnmatchcase(name, f"*{sort}*.yaml") or fnmatchcase(name, f"*{sort}*.yml")


def _read(project: Project, given: ast.expr, scope: Scope, sort: Sort, cls: Class | None) -> Config:
    resolver = project.resolver
    for _ in range(4):
        if isinstance(given, ast.Subscript):
            key = resolver.literal(given.slice, scope)
            return _entry(project, given.value, scope, key, sort, cls)
        if (
            isinstance(given, ast.Call)
            and isinstance(given.func, ast.Attribute)
            and given.func.attr == "get"
            and given.args
        ):
            key = resolver.literal(given.args[0], scope)
            return _entry(project, given.func.value, scope, key, sort, cls)
        value = resolver.resolve(given, scope)
        if value.kind == "dict" and value.node is not None and value.scope is not None:
            pairs = resolver.mapping(value.node, value.scope).items()
            known = {name: resolver.literal(*item) for name, item in pairs}
            return Config(data={name: item for name, item in known.items() if item is not UNKNOWN})
        if value.node is None or value.node is given or value.scope is None:
            return NO_CONFIG
        given, scope = value.node, value.scope
    return NO_CONFIG


def _entry(project: Project, base: ast.expr, scope: Scope, key: object, sort: Sort, cls: Class | None) -> Config:
    literal = project.resolver.resolve(base, scope)
    if literal.kind == "dict" and literal.node is not None and literal.scope is not None and isinstance(key, str):
        found = project.resolver.mapping(literal.node, literal.scope).get(key)
        if found is not None:
            data = project.resolver.literal(*found)
            return Config(key=key, data=data if isinstance(data, dict) else {})
    files, declared = _files(project, base, scope, sort, cls)
    if not isinstance(key, str):
        return Config(file=files[0] if files else None)
    for file in files:
        data = file.data.get(key) if isinstance(file.data, dict) else None
        if isinstance(data, dict):
            return Config(key, file, data)
    return Config(key, files[0] if files else None, missing=declared or bool(files))


def _files(
    project: Project, base: ast.expr, scope: Scope, sort: Sort, cls: Class | None
) -> tuple[list[YamlFile], bool]:
    """YAML files a configuration object is read from, and whether the code says so: a class attribute or a path."""
    texts = list(_paths(project, base, scope))
    declared = bool(texts)
    if not texts and cls is not None and isinstance(base, ast.Attribute) and is_crew_base(project, cls):
        texts, declared = [_DEFAULTS[sort]], True
    found = [file for text in texts if (file := _locate(project, scope.module.path, text)) is not None]
    if found or declared:
        return found, declared
    unit = project.unit_of(scope.module.path)
    near = [f for p, f in sorted(project.yaml.items()) if f.config and project.unit_of(p) == unit]
    return [f for f in near if _named(f.path, sort) or any(True for _ in entries(f, sort))], False


def _paths(project: Project, base: ast.expr, scope: Scope) -> Iterator[str]:
    """Texts that name a YAML file: a class attribute, or a path in the code that loads the object."""
    resolver = project.resolver
    if isinstance(base, ast.Attribute):
        owner = resolver.resolve(base.value, scope).cls
        for current in resolver.lineage(owner) if owner is not None else ():
            if isinstance(current, str):
                continue
            bound = [(b, current.scope) for b in current.scope.bindings.get(base.attr, ())]
            bound += list(current.scope.attributes.get(base.attr, ()))
            texts = [t for b, where in bound if b.value is not None for t in _texts_in(project, b.value, where)]
            if texts:
                yield from texts
                return
    elif isinstance(base, ast.Name):
        where: Scope | None = scope
        while where is not None and base.id not in where.bindings:
            where = where.parent
        for binding in where.bindings[base.id] if where is not None else ():
            if binding.value is not None and where is not None:
                yield from _texts_in(project, binding.value, where)
        value = resolver.resolve(base, scope)
        for function in value.via:
            for call in function.calls:
                yield from _texts_in(project, call.node, call.scope)
        for call in value.calls:
            yield from _texts_in(project, call.node, call.scope)


def _texts_in(project: Project, expr: ast.expr, scope: Scope) -> Iterator[str]:
    """Texts ending in .yaml or .yml in an expression, in the calls it names and in the files it reads from."""
    for node in ast.walk(expr):
        if not isinstance(node, ast.Constant | ast.Name | ast.JoinedStr | ast.BinOp):
            continue
        text = project.resolver.text(node, scope)
        if text is not None and text.endswith((".yaml", ".yml")):
            yield text
        elif isinstance(node, ast.Name):
            for binding in scope.bindings.get(node.id, ()):
                if binding.value is not None and binding.kind in ("with", "assign") and binding.value is not expr:
                    for inner in ast.walk(binding.value):
                        named = project.resolver.text(inner, scope) if isinstance(inner, ast.Constant) else None
                        if named is not None and named.endswith((".yaml", ".yml")):
                            yield named


def _locate(project: Project, base: str, text: str) -> YamlFile | None:
    path = project.resolve_path(base, text.rpartition("}")[2].lstrip("/"))
    if path is None:
        unit = project.unit_of(base)
        name = posixpath.basename(text)
        same = [p for p in project.yaml if posixpath.basename(p) == name and project.unit_of(p) == unit]
        path = same[0] if len(same) == 1 else None
    return project.yaml_file(path) if path is not None else None


def is_crew_base(project: Project, cls: Class) -> bool:
    """Whether a class, or a repo class it derives from, is decorated `@CrewBase`."""
    for owner in project.resolver.lineage(cls):
        if isinstance(owner, str):
            continue
        for decorator in owner.decorators:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = (
                target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
            )
            if name == "CrewBase":
                return True
    return False
