"""The scan set of a tree: which files are counted, hashed and scanned (ping.md section 3).

Tracked files when the root is the root of a Git work tree, else every regular file found by walking. Links are never
followed, FIFOs and devices never opened. Reading the files is left to `read`.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from stratum_lab.scan.source.folders import Folders
from stratum_lab.scan.source.limits import DEFAULT, MAX_DEPTH, Limits, TooManyFiles, Unreadable
from stratum_lab.scan.source.tracked import tracked_files

EXCLUDED: Final = frozenset(
    name.encode()
    for name in (
        ".git", ".hg", ".svn", ".bzr", ".jj", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache",
        ".ruff_cache", ".ipynb_checkpoints", ".tox", ".nox", ".eggs", "site-packages", ".venv", "venv", "virtualenv",
        ".stratum",
    )
)  # fmt: skip
"""Names of path components that take everything below them out of the scan set."""
_EXCLUDED_ENDS = (b".egg-info", b".dist-info")
_EXCLUDED_FILE_ENDS = (b".pyc", b".pyo")
_MARKER = b"pyvenv.cfg"


class Entry(NamedTuple):
    """One file of the scan set, in the order of `key`.

    Attributes:
        key: The path that is hashed: NFC and UTF-8, raw bytes where a name is no UTF-8.
        raw: The path on disk.
        size: Bytes, as the folder says.
    """

    key: bytes
    raw: bytes
    size: int

    @property
    def path(self) -> str:
        """The path as text that can go anywhere; a byte that is no UTF-8 stands as `\\xff`."""
        return self.key.decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Tree:
    """The files of one tree.

    Attributes:
        entries: The scan set in order of `key`.
        tracked: The scan set is what Git tracks.
        untracked: Files named `.env` or `.env.*` that lie in the tree but not in the scan set.
    """

    root: Path
    entries: list[Entry] = field(default_factory=list)
    tracked: bool = False
    untracked: list[Entry] = field(default_factory=list)


def walk(root: Path, limits: Limits = DEFAULT) -> Tree:
    """List the scan set of a tree.

    Raises:
        TooManyFiles: There are more than `limits.files`.
        Unreadable: The root or a folder cannot be read.
    """
    tracked = tracked_files(root, limits.files)
    if tracked is None:
        return Tree(root, sorted(_walked(root, limits.files)))
    entries = _present(root, tracked)
    known = {entry.raw for entry in entries}
    return Tree(root, entries, True, sorted(e for e in _env_files(root, limits.files) if e.raw not in known))


def _entry(raw: bytes, size: int) -> Entry:
    if raw.isascii():
        return Entry(raw, raw, size)
    try:
        key = unicodedata.normalize("NFC", raw.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:
        key = raw
    return Entry(key, raw, size)


def _skips(name: bytes) -> bool:
    return name in EXCLUDED or name.endswith(_EXCLUDED_ENDS)


def _skips_file(name: bytes) -> bool:
    return _skips(name) or name.endswith(_EXCLUDED_FILE_ENDS) or name == b".DS_Store"


def is_env_name(name: bytes) -> bool:
    """Whether a file of this name may be an env file."""
    return name == b".env" or name.startswith(b".env.")


def _present(root: Path, tracked: list[bytes]) -> list[Entry]:
    """The tracked files that lie in the work tree as regular files and are not excluded."""
    markers = {path.rpartition(b"/")[0] for path in tracked if path.endswith(b"/" + _MARKER)}
    entries: list[Entry] = []
    with Folders(root) as folders:
        for raw in tracked:
            *parts, name = raw.split(b"/")
            if _skips_file(name) or any(map(_skips, parts)):
                continue
            if markers and any(b"/".join(parts[:depth]) in markers for depth in range(1, len(parts) + 1)):
                continue
            size = folders.size(raw)
            if size is not None:
                entries.append(_entry(raw, size))
    return sorted(entries)


def _env_files(root: Path, limit: int) -> Iterator[Entry]:
    """Env files below the root after exclusions; what cannot be read is left out, and at most `limit` are looked at."""
    with Folders(root) as folders:
        for raw, size in islice(_listed(folders, lenient=True), limit):
            if is_env_name(raw.rpartition(b"/")[2]):
                yield _entry(raw, size)


def _walked(root: Path, limit: int) -> Iterator[Entry]:
    """Every file below the root after exclusions."""
    with Folders(root) as folders:
        for number, (raw, size) in enumerate(_listed(folders)):
            if number >= limit:
                raise TooManyFiles(f"the tree holds more than {limit:,} files")
            yield _entry(raw, size)


def _listed(folders: Folders, *, lenient: bool = False) -> Iterator[tuple[bytes, int]]:
    """Path and size of every regular file after exclusions, folder by folder."""
    pending: list[list[bytes]] = [[]]
    while pending:
        parts = pending.pop()
        files: list[tuple[bytes, int]] = []
        inner: list[bytes] = []
        try:
            with os.scandir(folders.folder(parts)) as listing:
                for item in listing:
                    name = os.fsencode(item.name)
                    if item.is_dir(follow_symlinks=False):
                        if not _skips(name):
                            inner.append(name)
                    elif item.is_file(follow_symlinks=False) and not _skips_file(name):
                        files.append((name, item.stat(follow_symlinks=False).st_size))
        except OSError as exc:
            if lenient:
                continue
            raise Unreadable(f"a folder of the tree cannot be read: {exc.strerror}") from exc
        if parts and any(name == _MARKER for name, _ in files):
            continue
        for name, size in files:
            yield b"/".join([*parts, name]), size
        if not (lenient and len(parts) >= MAX_DEPTH):
            pending += [[*parts, name] for name in inner]
