"""Named points where a test may make the process die; nothing happens unless STRATUM_FAULTS names the point.

`STRATUM_FAULTS="sink.after_write:3,streams.after_fold"` exits with status 9 at the third and first pass.
"""

from __future__ import annotations

import os


def _plan(text: str) -> dict[str, int]:
    plan: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, count = part.partition(":")
        plan[name] = int(count or 1)
    return plan


_armed = _plan(os.environ.get("STRATUM_FAULTS", ""))


def point(name: str) -> None:
    """Die here when the environment asks for it."""
    if not _armed or name not in _armed:
        return
    _armed[name] -= 1
    if _armed[name] == 0:
        os._exit(9)
