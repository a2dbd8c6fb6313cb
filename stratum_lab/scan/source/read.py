"""Reading the files of a tree once: every byte is hashed, and the content of what a scan looks into is handed on.

Which files are candidates by name is decided here; a YAML or JSON file that is one by its shape is known only after
parsing. The caps on candidates are applied here, in order of path.
"""

from __future__ import annotations

import codecs
import fnmatch
import hashlib
import io
import os
import re
import tokenize
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from stratum_lab.scan.source.folders import Folders
from stratum_lab.scan.source.limits import DEFAULT, Limits, Unreadable
from stratum_lab.scan.source.repo_hash import RepoHash
from stratum_lab.scan.source.walk import Entry, Tree, is_env_name

Kind = Literal["python", "yaml", "json", "text"]
Reason = Literal["too_large", "too_many_candidates", "too_many_bytes", "encoding", "null_bytes", "nesting", "syntax"]
"""Why a candidate was not parsed."""

REASONS: Final[dict[Reason, str]] = {
    "too_large": "larger than a candidate may be",
    "too_many_candidates": "beyond the number of candidate files",
    "too_many_bytes": "beyond the bytes of candidate files",
    "encoding": "cannot be decoded by its declared encoding",
    "null_bytes": "holds NUL bytes",
    "nesting": "nested too deeply",
    "syntax": "syntax error",
}
"""What each reason means, for people."""

MCP_NAMES: Final = frozenset({"mcp.json", ".mcp.json", "mcp_config.json", "claude_desktop_config.json"})
_YAML_NAMES: Final = ("*agent*.yaml", "*agent*.yml", "*task*.yaml", "*task*.yml")
_OTHER_YAML: Final = re.compile(rb"(?:^|/)(?:\.github/|(?:docker-)?compose[.-][^/]*$)")
"""Workflows and compose files: they configure no agent, whatever their name."""
_TEXT_NAMES: Final = frozenset({".gitignore", "setup.cfg", "Pipfile", "OAI_CONFIG_LIST"})
_TEXT_ENDS: Final = (".toml", ".ipynb", "requirements.txt")
_MCP_KEY: Final = b'"mcpServers"'
_CODING: Final = re.compile(rb"coding[:=]")
_CHUNK: Final = 1 << 20


class Content(NamedTuple):
    """One file a scan looks into.

    Attributes:
        certain: A candidate by its name; a YAML or JSON file that is not may turn out to be one, a text never is.
        data: Its bytes; None when it was not kept, with the reason in `error`.
    """

    entry: Entry
    kind: Kind
    certain: bool
    data: bytes | None
    error: Reason | None = None

    @property
    def path(self) -> str:
        """Its path as text."""
        return self.entry.path


class Undecodable(ValueError):
    """A Python file that is no text in its declared encoding; `reason` says how."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def kind_of(raw: bytes) -> tuple[Kind, bool] | None:
    """What a file is by its name, and whether the name makes it a candidate; None: it is only hashed."""
    name = os.fsdecode(raw.rpartition(b"/")[2])
    if name.endswith(".py"):
        return "python", True
    low = name.lower()
    if low.endswith((".yaml", ".yml")):
        named = any(fnmatch.fnmatchcase(low, pattern) for pattern in _YAML_NAMES)
        return "yaml", named and _OTHER_YAML.search(raw) is None
    if low.endswith(".json"):
        return "json", low in MCP_NAMES
    if name in _TEXT_NAMES or low.endswith(_TEXT_ENDS) or is_env_name(os.fsencode(name)) or is_requirements(low):
        return "text", False
    return None


def is_requirements(name: str) -> bool:
    """Whether a file of this name lists dependencies."""
    return name.startswith("requirements") and name.endswith(".txt")


def loc(data: bytes) -> int:
    """Physical lines: newlines, and a last line without one."""
    return data.count(b"\n") + (not data.endswith(b"\n") if data else 0)


def decode_python(data: bytes) -> str:
    """The text of a Python file by its byte order mark or coding line, UTF-8 without either.

    Raises:
        Undecodable: It holds NUL bytes, or is no text in that encoding.
    """
    if b"\0" in data:
        raise Undecodable("null_bytes")
    try:
        if _CODING.search(data, 0, 1024) is None:
            return data.decode("utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "utf-8")
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, ValueError, LookupError) as exc:
        raise Undecodable("encoding") from exc


class Reader:
    """Reads a tree once.

    Attributes:
        files_total: Files of the scan set.
        repo_hash: Known when `contents` is exhausted.
    """

    def __init__(self, tree: Tree, limits: Limits = DEFAULT) -> None:
        self.tree = tree
        self.limits = limits
        self.files_total = len(tree.entries)
        self.repo_hash = ""
        self._room = {True: _Room(limits), False: _Room(limits)}

    def contents(self) -> Iterator[Content]:
        """Every file a scan looks into, in order of path; all others are hashed on the way.

        Raises:
            Unreadable: A file cannot be read, so the tree has no hash.
        """
        whole = RepoHash()
        with Folders(self.tree.root) as folders:
            for entry in self.tree.entries:
                kind = kind_of(entry.raw)
                digest, data = _read(folders, entry, self.limits.file_bytes if kind is not None else -1)
                whole.add(entry.key, digest)
                if kind is not None:
                    yield self._content(entry, *kind, data)
        self.repo_hash = whole.value()

    def env_files(self) -> Iterator[Content]:
        """Env files that lie in the tree but not in the scan set; one that cannot be read has no data."""
        with Folders(self.tree.root) as folders:
            for entry in self.tree.untracked:
                try:
                    data = _read(folders, entry, self.limits.file_bytes)[1]
                except Unreadable:
                    data = None
                yield self._content(entry, "text", False, data)

    def _content(self, entry: Entry, kind: Kind, certain: bool, data: bytes | None) -> Content:
        # What may turn out to be a candidate has caps of its own: it must not take the room of what is one.
        error: Reason | None = "too_large" if data is None else self._room[certain].take(len(data))
        return Content(entry, kind, certain, None if error else data, error)


def repo_hash(tree: Tree, limits: Limits = DEFAULT) -> str:
    """The hash of a tree by itself; a scan gets it from its `Reader` without reading twice.

    Raises:
        Unreadable: A file cannot be read.
    """
    reader = Reader(tree, limits)
    for _ in reader.contents():
        pass
    return reader.repo_hash


class _Room:
    """What is left of the caps."""

    def __init__(self, limits: Limits) -> None:
        self._files = limits.candidate_files
        self._bytes = limits.candidate_bytes

    def take(self, size: int) -> Reason | None:
        if not self._files:
            return "too_many_candidates"
        if size > self._bytes:
            return "too_many_bytes"
        self._files -= 1
        self._bytes -= size
        return None


def _read(folders: Folders, entry: Entry, keep: int) -> tuple[str, bytes | None]:
    """SHA-256 of a file, and its content when that is at most `keep` bytes."""
    try:
        fd = folders.open(entry.raw)
        try:
            data = os.read(fd, min(keep, entry.size) + 1) if keep >= 0 else b""
            digest = hashlib.sha256(data)
            kept = data
            while chunk := os.read(fd, _CHUNK):
                digest.update(chunk)
                if len(kept) <= keep:
                    kept += chunk
        finally:
            os.close(fd)
    except OSError as exc:
        raise Unreadable(f"a file of the tree cannot be read: {exc.strerror}") from exc
    return digest.hexdigest(), kept if len(kept) <= keep else None
