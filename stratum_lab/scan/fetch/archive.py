"""Unpacking a local archive into scratch, by a process whose memory, time and output are bounded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import get_args

from stratum_lab.scan.fetch.errors import Reason, fetch_error
from stratum_lab.scan.fetch.watch import Watch
from stratum_lab.scan.source.limits import Limits

ENDINGS = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""Archives that can be unpacked; content decides which it is."""


def fetch_archive(path: Path, watch: Watch, limits: Limits) -> Path:
    """Unpack an archive into `<scratch>/tree`.

    Returns:
        Root of its content: the single top folder when there is just that.

    Raises:
        FetchError: The closed list of reasons.
    """
    folder = watch.scratch / "tree"
    folder.mkdir()
    arguments = (str(path), str(folder), str(limits.clone_bytes), str(limits.files), str(limits.memory_bytes))
    ended = watch.run(
        [sys.executable, "-I", "-B", "-X", "utf8", "-m", "stratum_lab.scan.fetch.unpack", *arguments],
        {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        watch.scratch,
    )
    said = ended.out.strip().rpartition("\n")[2]
    if ended.code == 0 and not said:
        return _root(folder)
    reason: Reason = next((r for r in get_args(Reason) if r == said), "bad_archive")
    raise fetch_error(reason, f"the archive cannot be unpacked ({reason})")


def _root(folder: Path) -> Path:
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
