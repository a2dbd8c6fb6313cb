"""Files that appear whole: written beside their place, synced, renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

TEMP_SUFFIX = ".tmp"
"""Ending of a file that is being written; one that a crash left may be deleted."""


def write_whole(path: Path, fill: bytes | Callable[[BinaryIO], object]) -> None:
    """Make or replace a file in one step, durable when this returns.

    Args:
        path: The file; its folder is made when it is not there.
        fill: The content, or a function that writes it.

    Raises:
        OSError: It could not be written; what was there before is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}{TEMP_SUFFIX}")
    try:
        with fresh.open("wb") as file:
            if isinstance(fill, bytes):
                file.write(fill)
            else:
                fill(file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """A rename lasts only when its folder is on disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
