"""What the supervising process and the scanning child say to each other: one order, then length-prefixed frames."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final, NamedTuple

from stratum_lab.scan.source.limits import Limits

EXIT_MEMORY: Final = 81
"""The child used up its memory."""
EXIT_TREE: Final = 82
"""The tree as a whole cannot be scanned; a frame says why."""
MAX_FRAME: Final = 32 << 20
"""Bytes of one frame; a child that announces more is broken or hostile."""
MAX_SKIPPED: Final = 1_000
"""Skipped files that are told; all are counted."""
_HEAD = struct.Struct(">BI")
_NAMES: Final = ("files", "measured", "view", "graph", "tree_error", "end")


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to do.

    Attributes:
        root: Folder to scan.
        limits: Limits it puts itself under.
        parent: Process id of who started it.
        repo_id: Repository of the structural graph; None: no graph is wanted.
        commit: Its commit, where known.
        files_only: Only hash and count the files; nothing is parsed.
    """

    root: str
    limits: Limits
    parent: int
    repo_id: str | None = None
    commit: str | None = None
    files_only: bool = False

    def to_json(self) -> str:
        """As the child's argument; bytes of the path that are no UTF-8 travel as surrogates."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Order:
        """From the child's argument."""
        return cls(**{**values, "limits": Limits(**values["limits"])})


class Frame(NamedTuple):
    """One message of the child."""

    name: str
    values: dict[str, Any]


class BrokenFrames(ValueError):
    """The child's output is not a sequence of frames."""


def write_frame(out: BinaryIO, name: str, values: dict[str, Any]) -> None:
    """Send one frame; it is on its way when this returns. A view or graph that is too large is not sent."""
    body = json.dumps(values).encode("ascii")
    if len(body) > MAX_FRAME and name in ("view", "graph"):
        return
    out.write(_HEAD.pack(_NAMES.index(name), len(body)) + body)
    out.flush()


class FrameReader:
    """Takes a child's output in pieces and gives whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take more bytes.

        Raises:
            BrokenFrames: They are no frames.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._buffer)
            if kind >= len(_NAMES) or size > MAX_FRAME:
                raise BrokenFrames(f"a frame of kind {kind} with {size} bytes")
            if len(self._buffer) < _HEAD.size + size:
                return
            body = bytes(self._buffer[_HEAD.size : _HEAD.size + size])
            del self._buffer[: _HEAD.size + size]
            try:
                values = json.loads(body)
            except (ValueError, RecursionError) as exc:
                raise BrokenFrames("a frame that is no JSON") from exc
            if not isinstance(values, dict):
                raise BrokenFrames("a frame that is no object")
            yield Frame(_NAMES[kind], values)


def environment() -> dict[str, str]:
    """The child's environment: nothing of the parent's but where programs and libraries lie."""
    kept = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C.UTF-8"}
