"""Turns file contents into a project: parses each candidate once, keeps what detectors need, counts what failed.

It opens nothing; whoever walks the tree hands it each file's bytes.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

import yaml

from stratum_lab.scan.model import Site, Skipped
from stratum_lab.scan.result import FileFacts
from stratum_lab.scan.source.bare import strip
from stratum_lab.scan.source.index import Module
from stratum_lab.scan.source.indexer import index
from stratum_lab.scan.source.light import lighten
from stratum_lab.scan.source.limits import DEFAULT, Limits
from stratum_lab.scan.source.parse import Newer, ParseFailure, parse_python
from stratum_lab.scan.source.project import JsonFile, Project, YamlFile
from stratum_lab.scan.source.read import MCP_NAMES, REASONS, Undecodable, decode_python, kind_of, loc
from stratum_lab.scan.source.secrets import secret_lines

FULL_BYTES: Final = 1_200_000
"""Bytes of Python source that are indexed in full whatever they import."""
FRAMEWORK_BYTES: Final = 2_400_000
"""Bytes of source importing a framework that are indexed in full; beyond, the light form."""
LIGHT_BYTES: Final = 24_000_000
"""Bytes of source that are kept in the light form; of what is beyond, only files with facts are."""
TEXT_BYTES: Final = 262_144
"""Largest dependency, env or ignore file that is kept as text."""
ASIDE_BYTES: Final = 4_000_000
"""Bytes of YAML without name or shape of a configuration that are kept until it is known whether code names them."""
_EXCLUDED_PARTS = frozenset({"test", "tests", "vendor", "_vendor", "third_party"})
_EXCLUDED_NAMES = ("test_*.py", "*_test.py", "conftest.py")
_YAML_SHAPES = ((b"role", b"goal"), (b"description", b"expected_output"))
_TEXT_NAMES = ("requirements*.txt", "pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "environment.y*ml", ".env",
               ".env.*", "*.env", ".gitignore", "langgraph.json", "OAI_CONFIG_LIST*", "constraints*.txt")  # fmt: skip
_OPENING_KEY = re.compile(r'"([^"\\\n]{1,200})"\s*:\s*\{')
_SECRET_MARKS = (b"sk-", b"sk_live_", b"earer ", b"://")
"""One of these stands in every secret: a file without them is not decoded for the search."""
_SECRET_ENDINGS = (".py", ".yaml", ".yml", ".json", ".toml", ".ipynb")


def is_excluded(path: str) -> bool:
    """Tests and vendored code: parsed and counted, but giving no agents."""
    *folders, name = path.split("/")
    return not _EXCLUDED_PARTS.isdisjoint(folders) or any(fnmatchcase(name, p) for p in _EXCLUDED_NAMES)


def is_mcp_name(path: str) -> bool:
    """Whether a JSON file is an MCP configuration by its name."""
    return posixpath.basename(path).lower() in MCP_NAMES


def is_text(path: str) -> bool:
    """Whether detectors read the file as text."""
    return any(fnmatchcase(posixpath.basename(path), pattern) for pattern in _TEXT_NAMES)


def has_shape(data: object) -> bool:
    """Whether parsed YAML has the shape of agents or tasks: every top-level value a mapping with their two keys."""
    if not isinstance(data, dict) or not data:
        return False
    values = list(data.values())
    return any(
        all(isinstance(v, dict) and all(key in v for key in keys) for v in values)
        for keys in (("role", "goal"), ("description", "expected_output"))
    )


class Loader:
    """Collects the parsed files of one tree.

    Args:
        full_bytes: Source kept in full whatever it imports.
        framework_bytes: Further source kept in full when it imports a framework.
        light_bytes: Further source kept in the light form whether or not it holds facts.
        limits: Depth of nesting a Python file may have.
    """

    def __init__(
        self,
        *,
        full_bytes: int = FULL_BYTES,
        framework_bytes: int = FRAMEWORK_BYTES,
        light_bytes: int = LIGHT_BYTES,
        limits: Limits = DEFAULT,
    ) -> None:
        self.facts = FileFacts()
        self._limits = limits
        self._room = full_bytes
        self._framework_room = framework_bytes
        self._light_room = light_bytes
        self._modules: list[Module] = []
        self._yaml: list[YamlFile] = []
        self._json: list[JsonFile] = []
        self._texts: dict[str, str] = {}
        self._secrets: list[Site] = []
        self._unparsed_yaml: dict[str, str] = {}
        self._aside: dict[str, bytes] = {}
        self._aside_room = ASIDE_BYTES
        self._lines: dict[str, int] = {}

    def add(self, path: str, data: bytes) -> None:
        """Take the content of one file of the scan set; what is no candidate and holds no fact is dropped."""
        if path.endswith(_SECRET_ENDINGS) and any(mark in data for mark in _SECRET_MARKS):
            self._secrets += [Site(path, line) for line in secret_lines(data.decode("utf-8", "replace"))]
        kind, certain = kind_of(os.fsencode(path)) or ("text", False)
        if kind == "python":
            self._python(path, data)
        elif kind == "yaml":
            self._add_yaml(path, data, certain)
        elif kind == "json":
            self._add_json(path, data, certain)
        if is_text(path) and len(data) <= TEXT_BYTES:
            self._texts[path] = data.decode("utf-8", "replace")

    def fail(self, path: str, reason: str) -> None:
        """Count a candidate that could not be read or parsed."""
        self.facts.parser_errors += 1
        self.facts.skipped.append(Skipped(path, reason))

    def _parsed(self, data: bytes) -> None:
        self.facts.files_scanned += 1
        self.facts.total_loc += loc(data)

    def _python(self, path: str, data: bytes) -> None:
        try:
            parsed = parse_python(decode_python(data), path, self._limits)
        except Undecodable as exc:
            self.fail(path, REASONS[exc.reason])
            return
        if isinstance(parsed, ParseFailure):
            self.fail(path, REASONS[parsed.reason])
            return
        tree = parsed.tree if isinstance(parsed, Newer) else parsed
        self._parsed(data)
        module = Module(path, len(data), is_excluded(path))
        if tree is not None:
            index(tree, module)
            if self._room >= len(data):
                self._room -= len(data)
            elif module.frameworks and self._framework_room >= len(data):
                self._framework_room -= len(data)
            elif self._light_room >= len(data):
                self._light_room -= len(data)
                lighten(module)
            else:
                strip(lighten(module))
        self._modules.append(module)

    def _add_yaml(self, path: str, data: bytes, named: bool) -> None:
        if not named and not any(all(word in data for word in words) for words in _YAML_SHAPES):
            if len(data) <= self._aside_room:  # code may still name it as its configuration
                self._aside_room -= len(data)
                self._aside[path] = data
            return
        file = _parse_yaml(path, data)
        if file.error and not named:
            self._unparsed_yaml[path] = file.error  # an error only if code names it as its configuration
            return
        if file.error:
            self.fail(path, file.error)
            self._yaml.append(file)
            return
        file.config = named or has_shape(file.data)
        self._lines[path] = loc(data)
        self._yaml.append(file)

    def _add_json(self, path: str, data: bytes, named: bool) -> None:
        if not named and b'"mcpServers"' not in data:
            return
        try:
            parsed = json.loads(data)
        except (ValueError, RecursionError) as exc:
            if named:
                self.fail(path, f"not JSON: {exc}")
            return
        if named or (isinstance(parsed, dict) and isinstance(parsed.get("mcpServers"), dict)):
            self._parsed(data)
            self._json.append(JsonFile(path, parsed, _key_lines(data)))

    def project(self, paths: Iterable[str], untracked: Iterable[str] = ()) -> Project:
        """The project of everything added; YAML that code names as configuration is settled here."""
        known = set(paths)
        made = Project(
            self._modules,
            yaml=self._yaml,
            json=self._json,
            texts=self._texts,
            paths=known,
            untracked=untracked,
            secrets=self._secrets,
        )
        for target in sorted(_config_targets(made)):
            if target in self._aside:
                self._add_yaml(target, self._aside.pop(target), True)
                if self._yaml[-1].path == target:
                    made.yaml[target] = self._yaml[-1]
            elif target in self._unparsed_yaml:
                self.fail(target, self._unparsed_yaml[target])
            elif target in made.yaml:
                made.yaml[target].config = True
        for file in made.yaml.values():
            if file.config and not file.error:
                self.facts.files_scanned += 1
                self.facts.total_loc += self._lines[file.path]
        self.facts.yaml_config_count = sum(file.config or bool(file.error) for file in made.yaml.values())
        return made


def _key_lines(data: bytes) -> dict[str, int]:
    """Line of the first place of each key of a JSON text that opens a map; keys with escapes are left out."""
    lines: dict[str, int] = {}
    text = data.decode("utf-8", "replace")
    for found in _OPENING_KEY.finditer(text):
        lines.setdefault(found[1], text.count("\n", 0, found.start()) + 1)
    return lines


def _parse_yaml(path: str, data: bytes) -> YamlFile:
    """Parse the first document; aliases are shared, not copied, so that a small file stays small."""
    file = YamlFile(path)
    loader: yaml.CSafeLoader | None = None
    try:
        loader = yaml.CSafeLoader(data)
        node = loader.get_node() if loader.check_node() else None
        if node is not None:
            file.data = loader.construct_document(node)
            if isinstance(node, yaml.MappingNode):
                file.lines = {
                    str(key.value): key.start_mark.line + 1 for key, _ in node.value if isinstance(key, yaml.ScalarNode)
                }
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as exc:
        file.error = f"not YAML: {str(exc).splitlines()[0] if str(exc) else type(exc).__name__}"
    finally:
        if loader is not None:
            loader.dispose()
    return file


def _config_targets(project: Project) -> set[str]:
    """Paths of YAML files that a class names in `agents_config` or `tasks_config`."""
    found: set[str] = set()
    for module in project.modules:
        for cls in module.classes:
            for name in ("agents_config", "tasks_config"):
                for binding in cls.scope.bindings.get(name, ()):
                    text = project.resolver.text(binding.value, cls.scope) if binding.value is not None else None
                    path = project.resolve_path(module.path, text) if text else None
                    if path is not None:
                        found.add(path)
    return found
