"""Opening what lies in a tree without ever passing through a symbolic link.

Every folder is opened from the one above it by descriptor, so that neither a link in the tree nor one put there while
it is read leads out. Names are raw bytes.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from stratum_lab.scan.source.limits import MAX_DEPTH, Unreadable

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without O_NONBLOCK, opening a FIFO that took a file's place would wait forever."""


class Folders:
    """The folders of one tree, open along the way to the last one asked for. Use as a context manager.

    Paths asked for in sorted order open each folder once.

    Raises:
        Unreadable: The root is no folder that can be read.
    """

    def __init__(self, root: Path) -> None:
        try:
            self._fds = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
        except (OSError, ValueError) as exc:
            raise Unreadable(f"the root of the tree cannot be opened as a folder: {exc}") from exc
        self._names: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._up(-1)

    def _up(self, depth: int) -> None:
        while len(self._fds) > depth + 1:
            os.close(self._fds.pop())
        del self._names[max(depth, 0) :]

    def folder(self, parts: list[bytes]) -> int:
        """Descriptor of a folder, valid until the next call.

        Raises:
            OSError: It is missing, a link, or may not be read.
            Unreadable: It lies too deep.
        """
        if len(parts) > MAX_DEPTH:
            raise Unreadable(f"the tree is more than {MAX_DEPTH} folders deep")
        same = 0
        while same < len(parts) and same < len(self._names) and parts[same] == self._names[same]:
            same += 1
        self._up(same)
        for name in parts[same:]:
            self._fds.append(os.open(name, FOLDER_FLAGS, dir_fd=self._fds[-1]))
            self._names.append(name)
        return self._fds[-1]

    def size(self, path: bytes) -> int | None:
        """Size of a regular file; None when there is nothing, or something else, at this path.

        Raises:
            Unreadable: A folder on the way may not be read.
        """
        *parts, name = path.split(b"/")
        try:
            found = os.stat(name, dir_fd=self.folder(parts), follow_symlinks=False)
        except PermissionError as exc:
            raise Unreadable("a folder of the tree may not be read") from exc
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, path: bytes) -> int:
        """Descriptor of a regular file, owned by the caller.

        Raises:
            OSError: It is missing, no regular file, a link on the way to it, or may not be read.
        """
        *parts, name = path.split(b"/")
        fd = os.open(name, FILE_FLAGS, dir_fd=self.folder(parts))
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError("no regular file")
        return fd
