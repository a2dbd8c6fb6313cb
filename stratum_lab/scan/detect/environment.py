"""Environment variables: names referenced in Python or declared in env files; env files and the .gitignore over them.

Only names are kept, never values. Tests and vendored files count, as the definition says "anywhere in the tree".
"""

from __future__ import annotations

import ast
import re

from stratum_lab.scan.model import EnvFile, EnvReference, Model, Site
from stratum_lab.scan.source.ignore import IgnoreRules
from stratum_lab.scan.source.index import Call, Class
from stratum_lab.scan.source.project import Project

_READERS = ("os.getenv", "os.environ.get", "os.environ.setdefault", "os.environ.pop", "os.environ.__getitem__")
_SETTINGS = frozenset({"pydantic_settings.BaseSettings", "pydantic_settings.main.BaseSettings", "pydantic.BaseSettings",
                       "pydantic.v1.BaseSettings", "pydantic.env_settings.BaseSettings"})  # fmt: skip
_FIELDS = ("pydantic.Field", "pydantic.fields.Field", "pydantic.v1.Field")
_DECLARED = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")
_EXAMPLES = frozenset({"example", "examples", "template", "tpl", "tmpl", "sample", "dist", "default", "defaults",
                       "schema", "j2", "md", "txt", "enc", "encrypted", "gpg", "age", "vault"})  # fmt: skip


def agents(project: Project, model: Model) -> None:
    """Note every environment variable that is named, and the env files."""
    found: set[EnvReference] = set()
    for module in project.modules:
        for node, scope, _ in module.environ:
            if project.resolver.origin(node.value, scope) == "os.environ":
                name = project.resolver.text(node.slice, scope)
                _note(found, name, Site(module.path, node.lineno, node.col_offset))
    for call, _ in project.all_calls_to(*_READERS):
        key = call.arg("key", 0)
        _note(found, project.resolver.text(key, call.scope) if key is not None else None, call.site)
    for call, _ in project.all_calls_to(*_FIELDS):
        owner = call.scope.code
        if isinstance(owner, Class) and not _SETTINGS.isdisjoint(project.resolver.bases(owner)):
            for name in _aliases(project, call):
                _note(found, name, call.site)
    rules = IgnoreRules(project.texts)
    for path in sorted({*project.paths, *project.untracked, *project.texts}):
        if is_env_file(path):
            for number, line in enumerate(project.texts.get(path, "").splitlines(), 1):
                declared = _DECLARED.match(line)
                if declared is not None:
                    _note(found, declared[1], Site(path, number))
            if not is_example(path):
                model.env_files.append(EnvFile(path, rules.ignores(path)))
    model.env_references = sorted(found, key=lambda reference: (reference.site, reference.name))
    model.env_ignored = rules.ignores_env_at_root()


def is_env_file(path: str) -> bool:
    """Whether a path is `.env` or `.env.<anything>`."""
    name = path.rpartition("/")[2]
    return name == ".env" or name.startswith(".env.")


def is_example(path: str) -> bool:
    """Whether an env file only shows what to set (`.env.example`, `.env.local.sample`) or is encrypted."""
    return not _EXAMPLES.isdisjoint(path.rpartition("/")[2].lower().split("."))


def _note(found: set[EnvReference], name: str | None, site: Site) -> None:
    if name and "{" not in name and not name.isspace():
        found.add(EnvReference(name, site))


def _aliases(project: Project, call: Call) -> list[str]:
    """Environment names that a field of a settings class gives itself."""
    names: list[str] = []
    for keyword in ("env", "alias", "validation_alias"):
        given = call.arg(keyword)
        if given is None:
            continue
        text = project.resolver.text(given, call.scope)
        if text is not None:
            names.append(text)
        elif isinstance(given, ast.Call):  # AliasChoices("A", "B")
            names += [t for part in given.args if (t := project.resolver.text(part, call.scope)) is not None]
        elif isinstance(given, ast.List | ast.Tuple):
            names += [t for part in given.elts if (t := project.resolver.text(part, call.scope)) is not None]
    return [name.upper() for name in names]
