"""Unpacking one archive, in a process of its own: `python -m ... ARCHIVE FOLDER BYTES FILES MEMORY`.

Regular files and folders are written, links to files of the archive become copies, and other links, devices and
FIFOs are left out; so is anything named `.git`, because an archive is no work tree. A name that leads out of the
folder refuses the whole archive. The last line of output is the reason, empty when all went well.
"""

from __future__ import annotations

import lzma
import resource
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from stratum_lab.scan.fetch.errors import FetchFailed, Reason, fetch_error

_CHUNK: Final = 1 << 20
_FILES_PER_WALKED: Final = 4
"""Entries an archive may have for each file that is walked: installed packages and caches are not."""
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
           NotImplementedError, RuntimeError, OverflowError, KeyError)  # fmt: skip
"""What the two libraries raise on archives that are damaged, encrypted or of an unknown kind."""


class _Member(NamedTuple):
    """One entry: `link` is the name of an earlier one it shares its content with, `file` its content."""

    name: str
    folder: bool
    link: str | None
    file: IO[bytes] | None


class Writer:
    """Writes members below a folder, within bounds.

    Args:
        folder: An empty folder that nobody else writes to.
        size: Bytes of all files together.
        files: Number of entries.
    """

    def __init__(self, folder: Path, size: int, files: int) -> None:
        self._folder = folder
        self._size = size
        self._files = files

    def write(self, member: _Member) -> None:
        """Write one member.

        Raises:
            FetchFailed: Its name leads out of the folder, or a bound is passed.
        """
        parts = _parts(member.name)
        self._files -= 1
        if self._files < 0:
            raise fetch_error("too_large", "the archive has too many entries")
        if not parts or ".git" in parts:
            return
        path = self._folder.joinpath(*parts)
        if member.folder:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        source = member.file
        if member.link is not None:
            linked = self._folder.joinpath(*_parts(member.link))
            source = linked.open("rb") if linked != path and linked.is_file() else None
        if source is None:
            return
        with source:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The last of several members with one name counts, as with tar.
            path.unlink(missing_ok=True)
            self._copy(source, path)

    def _copy(self, source: IO[bytes], path: Path) -> None:
        with path.open("xb") as file:
            while chunk := source.read(_CHUNK):
                self._size -= len(chunk)
                if self._size < 0:
                    raise fetch_error("too_large", "the unpacked archive is larger than allowed")
                file.write(chunk)


def _parts(name: str) -> list[str]:
    if name.startswith("/") or "\0" in name:
        raise fetch_error("bad_archive", "an entry has an absolute name")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise fetch_error("bad_archive", "an entry leads out of the archive")
    return parts


def _tar(path: Path) -> Iterator[_Member]:
    with tarfile.open(path, "r:*") as archive:
        for info in archive:
            name = info.name
            if info.isdir():
                yield _Member(name, True, None, None)
            elif info.islnk():
                yield _Member(name, False, info.linkname, None)
            elif info.isreg():
                yield _Member(name, False, None, archive.extractfile(info))


def _zip(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            # Without the flag zipfile takes bytes for code page 437, which is hardly ever meant.
            raw = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
            name = raw.decode("utf-8", "surrogateescape")
            if info.is_dir():
                yield _Member(name, True, None, None)
            elif kind in (0, stat.S_IFREG):
                yield _Member(name, False, None, archive.open(info))


def unpack(path: Path, folder: Path, size: int, files: int) -> None:
    """Unpack an archive into an empty folder.

    Raises:
        FetchFailed: bad_archive, or too_large.
    """
    writer = Writer(folder, size, files * _FILES_PER_WALKED)
    try:
        for member in _zip(path) if zipfile.is_zipfile(path) else _tar(path):
            writer.write(member)
    except MemoryError as exc:
        raise fetch_error("too_large", "the archive needs more memory than allowed") from exc
    except _BROKEN as exc:
        raise fetch_error("bad_archive", f"the archive cannot be unpacked: {type(exc).__name__}") from exc


def main(arguments: list[str]) -> int:
    """Unpack with bounded memory; returns the exit code."""
    archive, folder, size, files, memory = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reason: Reason | str = ""
    try:
        unpack(Path(archive), Path(folder), int(size), int(files))
    except FetchFailed as exc:
        reason = exc.reason
    sys.stdout.write(f"{reason}\n")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
