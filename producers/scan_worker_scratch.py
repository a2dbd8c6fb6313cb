"""The scratch folder of a worker: one folder a job, removed whatever happens; leftovers of dead workers are swept.

A worker holds a lock on its folder as long as it lives, so a folder whose lock is free belongs to nobody.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stratum_lab.errors import DestinationFull
from stratum_lab.observe import logs

_log = logs.get("scan")

LOCK = "lock"
_MIB = 1 << 20


class Scratch:
    """Folders for what is fetched, below `<root>/<worker name>`.

    Args:
        root: Scratch folder of this machine.
        name: Name of the worker; one folder name.
        min_free_mb: Below this much free disk no job folder is made, MiB.

    Raises:
        DestinationFull: The folder cannot be made.
    """

    def __init__(self, root: Path, name: str, min_free_mb: int) -> None:
        self._root, self._own, self._min_free = root, root / name, min_free_mb * _MIB
        try:
            self._own.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise DestinationFull(
                f"the scratch folder {self._own} cannot be made: {exc.strerror}",
                remedy="set STRATUM_JOBS__SCRATCH to a folder on a disk with room",
            ) from exc
        self._lock = FileLock(self._own / LOCK)
        self._lock.acquire(timeout=0)
        self._number = 0
        self._counting = threading.Lock()  # guards _number, which names folders of several threads

    def sweep(self) -> int:
        """Remove what dead workers left; returns how many workers that were."""
        swept = 0
        for folder in self._root.iterdir():
            if folder == self._own or folder.is_symlink() or not folder.is_dir():
                continue
            lock = FileLock(folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except (Timeout, OSError):
                continue  # its worker lives, or it is not ours to open
            try:
                remove_tree(folder)
                swept += 1
            finally:
                lock.release()
        return swept

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder for one job; it is gone after the block.

        Raises:
            DestinationFull: There is not enough room, or it cannot be made.
        """
        with self._counting:
            self._number += 1
            path = self._own / str(self._number)
        try:
            free = shutil.disk_usage(self._own).free
            if free < self._min_free:
                raise DestinationFull(
                    f"{self._own} has {free // _MIB} MiB free, {self._min_free // _MIB} MiB are kept",
                    remedy="make room, or set STRATUM_JOBS__SCRATCH to a larger disk",
                )
            path.mkdir(mode=0o700)
        except OSError as exc:
            raise DestinationFull(
                f"{path} cannot be made: {exc.strerror}", remedy="make room, or set STRATUM_JOBS__SCRATCH"
            ) from exc
        try:
            yield path
        finally:
            remove_tree(path)

    def close(self) -> None:
        """Remove the folder of this worker."""
        # The lock goes with the folder: nobody waits for it, a sweep only looks whether it is held.
        remove_tree(self._own)
        self._lock.release()


def remove_tree(path: Path) -> None:
    """Remove a folder whatever its files' modes and its depth are; links are removed, not followed."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(path)
        return
    if not path.exists():
        return
    # Deeper than Python's recursion or the number of open files allows, or folders without the right to write.
    for command in (["chmod", "-R", "u+rwX", "--", str(path)], ["rm", "-rf", "--", str(path)]):
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    if path.exists():
        _log.warning("scratch_left", folder=str(path), fix="remove it by hand")
