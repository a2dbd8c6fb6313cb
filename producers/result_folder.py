"""Finding recorded runs on disk and reading their lines with bounded memory.

A result folder holds `events_run_N.jsonl` and `run_metadata_N.json` per run and one optional `status.json`.
What a line or a metadata file means is decided elsewhere (`producers.metadata`, `producers.recorded_run`).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from stratum_lab.contract.events.dead_letter import MAX_BODY
from stratum_lab.contract.events.lines import MAX_LINE_BYTES
from stratum_lab.errors import UsageError

EVENTS_NAME = re.compile(r"^events_run_([0-9]{1,9})\.jsonl\Z")
METADATA_NAME = re.compile(r"^run_metadata_([0-9]{1,9})\.json\Z")
STATUS_NAME = "status.json"

MAX_DEPTH = 2
"""Levels below a given folder in which result folders are sought."""

MAX_TEXT_FILE = 512 * 1024
"""Largest metadata or status file that is read, bytes; a marker must fit into one message."""

_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 20


class Problem(NamedTuple):
    """Something in the input that the person who gave it has to know."""

    where: str
    what: str


class Line(NamedTuple):
    """One line without its line end.

    Attributes:
        number: From 1.
        body: The line; of a line longer than MAX_LINE_BYTES at most MAX_BODY bytes.
        length: Length of the whole line, bytes.
        sha256: Of the whole line when it is longer than MAX_LINE_BYTES, else None.
    """

    number: int
    body: bytes
    length: int
    sha256: str | None


@dataclass(frozen=True)
class RunFiles:
    """The files of one recorded run; at least one of events and metadata is there.

    Attributes:
        folder: The result folder, resolved.
        run_number: N of the file names.
        events: The events file.
        metadata: The metadata file.
        status: The folder's status file.
    """

    folder: Path
    run_number: int
    events: Path | None = None
    metadata: Path | None = None
    status: Path | None = None

    @property
    def label(self) -> str:
        """Folder and run for messages to a person."""
        return f"{self.folder.name}, run {self.run_number}"

    @property
    def source_file(self) -> str:
        """The events file as dead letters name it: the same from whatever level the import started."""
        name = os.fsencode(self.folder.name).decode("utf-8", "backslashreplace")
        return f"{name}/events_run_{self.run_number}.jsonl"

    @property
    def size(self) -> int:
        """Bytes of the events file."""
        return self.events.stat().st_size if self.events is not None else 0


@dataclass
class Found:
    """What lies in the given folders."""

    folders: int = 0
    runs: list[RunFiles] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def find_runs(dirs: Sequence[Path]) -> Found:
    """Find the recorded runs in folders: each a result folder itself or, up to MAX_DEPTH levels down, holding some.

    The order depends on names only: folders by name, runs of a folder by number. Links that lead out of the given
    folder, linked folders and things that are no regular files are not followed but named.

    Raises:
        UsageError: A given path is no folder.
    """
    found = Found()
    seen: set[Path] = set()
    for given in dirs:
        root = given.expanduser().resolve()
        if not root.is_dir():
            raise UsageError(f"{given} is not a folder", remedy="name folders with events_run_N.jsonl files in them")
        _walk(root, root, 0, found, seen)
    return found


def _walk(root: Path, folder: Path, depth: int, found: Found, seen: set[Path]) -> None:
    if folder in seen:
        return
    seen.add(folder)
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError as exc:
        found.problems.append(Problem(str(folder), f"cannot be listed: {exc.strerror}"))
        return
    events: dict[int, Path] = {}
    metadata: dict[int, Path] = {}
    status: Path | None = None
    below: list[Path] = []
    for entry in entries:
        path = Path(entry.path)
        event_name, meta_name = EVENTS_NAME.match(entry.name), METADATA_NAME.match(entry.name)
        if event_name or meta_name or entry.name == STATUS_NAME:
            why = _not_ours(root, path)
            if why is not None:
                found.problems.append(Problem(str(path), why))
            elif event_name:
                _keep(events, int(event_name.group(1)), path, found)
            elif meta_name:
                _keep(metadata, int(meta_name.group(1)), path, found)
            else:
                status = path
        elif entry.is_dir(follow_symlinks=False):
            below.append(path)
        elif entry.is_symlink() and entry.is_dir():
            found.problems.append(Problem(str(path), "a link to a folder; links are not followed"))
    numbers = sorted(events.keys() | metadata.keys())
    if numbers:
        found.folders += 1
    found.runs += [RunFiles(folder, n, events.get(n), metadata.get(n), status) for n in numbers]
    if depth < MAX_DEPTH:
        for path in below:
            _walk(root, path, depth + 1, found, seen)


def _keep(into: dict[int, Path], number: int, path: Path, found: Found) -> None:
    """Two names can mean one number (run 1 and run 01); the first one counts."""
    if number < 1:
        found.problems.append(Problem(str(path), "run numbers start at 1"))
    elif number in into:
        found.problems.append(Problem(str(path), f"run {number} is already {into[number].name}"))
    else:
        into[number] = path


def _not_ours(root: Path, path: Path) -> str | None:
    """Why a file is left alone, or None."""
    try:
        target = path.resolve(strict=True)
        mode = target.stat().st_mode
    except (OSError, RuntimeError) as exc:
        return f"cannot be read: {exc}"
    if not target.is_relative_to(root):
        return "a link that leads out of the given folder; it is not followed"
    return None if stat.S_ISREG(mode) else "not a regular file"


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """The lines of a buffered binary file, however long they are, in memory bounded by MAX_BODY.

    A line ends with LF or CRLF, the last one also with the file. A byte order mark before the first is not part of it.
    """
    limit = MAX_LINE_BYTES + 2  # with CRLF
    number = 0
    readline = file.readline
    while raw := readline(limit):
        number += 1
        cut = len(raw) == limit and not raw.endswith(b"\n")
        if number == 1 and raw.startswith(_BOM):
            raw = raw[len(_BOM) :]
            if not raw:
                return
        if cut:
            yield _long_line(file, number, raw)
            continue
        if raw.endswith(b"\n"):
            raw = raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
        yield Line(number, raw, len(raw), hashlib.sha256(raw).hexdigest() if len(raw) > MAX_LINE_BYTES else None)


def _long_line(file: BinaryIO, number: int, piece: bytes) -> Line:
    """Read on to the end of a line that is longer than one read, keeping MAX_BODY bytes of it."""
    digest, body, length = hashlib.sha256(), bytearray(), 0
    held, done = b"", False  # a CR at the end of a piece belongs to the line end when an LF follows
    while piece and not done:
        piece, held = held + piece, b""
        if piece.endswith(b"\n"):
            piece, done = (piece[:-2] if piece.endswith(b"\r\n") else piece[:-1]), True
        elif piece.endswith(b"\r"):
            piece, held = piece[:-1], b"\r"
        digest.update(piece)
        length += len(piece)
        body += piece[: max(0, MAX_BODY - len(body))]
        if not done:
            piece = file.readline(_CHUNK)
    digest.update(held)
    body += held[: max(0, MAX_BODY - len(body))]
    length += len(held)
    return Line(number, bytes(body), length, digest.hexdigest() if length > MAX_LINE_BYTES else None)


def content_digest(files: RunFiles) -> str:
    """SHA-256 over events and metadata of a run; the status file is left out, because later runs overwrite it.

    Raises:
        OSError: A file cannot be read.
    """
    total = hashlib.sha256()
    for path in (files.events, files.metadata):
        part = hashlib.sha256()
        if path is not None:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    part.update(chunk)
        total.update(part.digest() if path is not None else b"-")
    return total.hexdigest()
