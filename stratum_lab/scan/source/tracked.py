"""The files that a Git work tree tracks, asked of Git without letting the repository's configuration act.

`ls-files` reads the index and nothing else; hooks, file system monitors, filters, lazy fetching and aliases of the
repository are switched off all the same, because the repository is not trusted.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from pathlib import Path
from typing import IO

from stratum_lab.scan.source.limits import TooManyFiles

GIT_TIMEOUT_S = 60.0
_REGULAR = (b"100644", b"100755", b"100664")
_CHUNK = 1 << 16

HARDENED = (
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.untrackedCache=false",
    "-c", "core.preloadIndex=false",
    "-c", "submodule.recurse=false",
    "-c", "protocol.allow=never",
    "-c", "credential.helper=",
)  # fmt: skip
"""Options of every Git command that meets a repository which is not ours."""


def git_env(home: str = "/nonexistent") -> dict[str, str]:
    """The environment of a Git command: nothing of the user's, no prompt, no lazy fetch."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


def tracked_files(root: Path, limit: int) -> list[bytes] | None:
    """Paths of tracked regular files, in the order of the index; links and submodules are left out.

    Args:
        root: A folder; it is a work tree when it holds `.git`.
        limit: Most files allowed.

    Returns:
        None when the folder is no work tree, or Git is absent or cannot read it.

    Raises:
        TooManyFiles: There are more than `limit`.
    """
    if not os.path.lexists(root / ".git"):
        return None
    # With GIT_DIR set, Git asks no safe.directory and believes no core.worktree.
    env = git_env() | {"GIT_DIR": str(root / ".git"), "GIT_WORK_TREE": str(root), "GIT_ALLOW_PROTOCOL": "none"}
    try:
        git = subprocess.Popen(
            ["git", *HARDENED, "ls-files", "--stage", "-z"],
            cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    assert git.stdout is not None
    try:
        with git.stdout as pipe:
            found = _read(pipe, limit)
        return found if found is not None and git.wait(GIT_TIMEOUT_S) == 0 else None
    except subprocess.TimeoutExpired:
        return None
    finally:
        # It stays in our process group: whoever ends the scan ends it too.
        git.kill()
        git.wait()


def _read(pipe: IO[bytes], limit: int) -> list[bytes] | None:
    """Entries of `ls-files --stage -z` as they come; None when they stop coming."""
    found: dict[bytes, None] = {}
    rest = b""
    deadline = time.monotonic() + GIT_TIMEOUT_S
    while True:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        data = os.read(pipe.fileno(), _CHUNK)
        if not data:
            return list(found)
        *entries, rest = (rest + data).split(b"\0")
        for entry in entries:
            facts, _, path = entry.partition(b"\t")
            if facts[:6] in _REGULAR:
                found[path] = None
        if len(found) > limit:
            raise TooManyFiles(f"the tree tracks more than {limit:,} files")
