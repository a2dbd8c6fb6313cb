"""How much of a tree one scan attempt may read and use, and the ways a tree as a whole cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from stratum_lab.errors import StratumError, Terminal

if TYPE_CHECKING:
    from stratum_lab.settings import ScanSettings

MAX_DEPTH: Final = 500
"""Folders inside folders that are followed; more cannot be checked out by Git on Linux with names of usual length."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one attempt; the defaults are those of ping.md section 2.

    Attributes:
        timeout_seconds: Wall time of the whole attempt.
        memory_bytes: Address space of the scanning process.
        clone_bytes: Size of a clone or of an unpacked archive.
        files: Files walked; more make the attempt fail.
        candidate_files: Candidate files parsed; each one beyond counts as a parser error.
        candidate_bytes: Bytes of candidate files parsed; each file beyond counts as a parser error.
        file_bytes: Size of one candidate; a larger one counts as a parser error.
        nesting: Depth of one expression or of an `elif` chain; a file beyond counts as a parser error.
    """

    timeout_seconds: float = 300.0
    memory_bytes: int = 1 << 30
    clone_bytes: int = 2 << 30
    files: int = 100_000
    candidate_files: int = 20_000
    candidate_bytes: int = 256 << 20
    file_bytes: int = 1 << 20
    nesting: int = 1_000

    @classmethod
    def of(cls, settings: ScanSettings) -> Limits:
        """The limits that this installation is set to."""
        return cls(
            timeout_seconds=settings.timeout_seconds,
            memory_bytes=settings.memory_bytes,
            clone_bytes=settings.clone_bytes,
            files=settings.files,
            candidate_files=settings.candidate_files,
            candidate_bytes=settings.candidate_bytes,
            file_bytes=settings.file_bytes,
            nesting=settings.nesting,
        )


DEFAULT: Final = Limits()


class TreeError(StratumError, Terminal):
    """The tree as a whole cannot be scanned; the attempt is `failed`."""

    kind = "tree"
    reason: ClassVar[str] = "unreadable"


class TooManyFiles(TreeError):
    """More files than a scan walks."""

    reason = "too_many_files"


class Unreadable(TreeError):
    """The root, a folder or a file cannot be read, so its content has no hash."""
