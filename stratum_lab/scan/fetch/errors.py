"""Why a source could not be fetched: a closed list of reasons, and whether trying again may help."""

from __future__ import annotations

from typing import Final, Literal

from stratum_lab.errors import EXIT_TRY_LATER, StratumError, Terminal, Transient

Reason = Literal[
    "unreachable",
    "auth",
    "not_found",
    "no_such_commit",
    "timeout",
    "too_large",
    "bad_archive",
    "bad_repository",
    "unsupported",
]

REMEDIES: Final[dict[Reason, str]] = {
    "unreachable": "check that the host answers from this machine, then submit it again",
    "auth": "only repositories that this machine may read without being asked can be scanned",
    "not_found": "check the address",
    "no_such_commit": "give a commit, branch or tag that the repository has",
    "timeout": "set STRATUM_SCAN__TIMEOUT_SECONDS higher, or submit it again",
    "too_large": "set STRATUM_SCAN__CLONE_BYTES or STRATUM_SCAN__FILES higher",
    "bad_archive": "make the archive again; entries that lead out of it are refused",
    "bad_repository": "check the repository with git fsck",
    "unsupported": "valid are git addresses, folders, .zip and .tar.* archives, and pypi:NAME==VERSION",
}
"""What each reason asks for."""


class FetchError(StratumError):
    """A source could not be fetched; raised as one of its two subclasses.

    Attributes:
        reason: One of `Reason`.
    """

    kind = "fetch"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, remedy=REMEDIES[reason])
        self.reason: Reason = reason


class FetchFailed(FetchError, Terminal):
    """The same source will fail again."""


class FetchLater(FetchError, Transient):
    """The host did not answer, or not in time."""

    exit_code = EXIT_TRY_LATER


def fetch_error(reason: Reason, message: str) -> FetchError:
    """The error of a reason."""
    return (FetchLater if reason in ("unreachable", "timeout") else FetchFailed)(reason, message)
