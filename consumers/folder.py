"""A folder that one process owns: a lock that names its holder, and files that appear whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from stratum_lab.errors import Busy, DestinationFull
from stratum_lab.files import TEMP_SUFFIX, write_whole

LOCK = ".owner.lock"
PID = ".owner.pid"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class OwnedFolder:
    """Holds the folder until it is closed; a lock of a dead process does not count.

    Raises:
        Busy: Another live process owns it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as exc:
            holder = (path / PID).read_text(encoding="ascii", errors="replace") if (path / PID).is_file() else "unknown"
            raise Busy(
                f"{path}: process {holder} already writes there", remedy="stop it, or use another folder"
            ) from exc
        self.write(path / PID, str(os.getpid()).encode())
        for left in path.rglob(f".*{TEMP_SUFFIX}"):
            left.unlink(missing_ok=True)

    def write(self, target: Path, fill: bytes | Callable[[BinaryIO], object]) -> None:
        """Make or replace a file in one step.

        Raises:
            DestinationFull: No room; nothing changed.
        """
        try:
            write_whole(target, fill)
        except OSError as exc:
            if exc.errno in _FULL:
                raise DestinationFull(f"{target} cannot be written: {exc.strerror}", remedy="make room") from exc
            raise

    def close(self) -> None:
        """Give the folder back."""
        (self.path / PID).unlink(missing_ok=True)
        self._lock.release()
