"""The error tree of Stratum Lab and the exit codes of its commands.

    StratumError
    |- PrerequisiteError (Terminal)      something must be installed or started first      78
    |- SettingsError (Terminal)          unknown key, wrong type, refused value            78
    |- UsageError (Terminal)             the command's arguments make no sense             2
    |- ProblemsFound (Terminal)          the work is done and some of its input was bad    1
    |- IntegrityError (Terminal)         stored data contradicts itself or the code        3
    |  |- SchemaMismatch                 lock, folder and registry disagree
    |  |- LogIdentityChanged             a topic was recreated under a stored offset
    |- DecodeError (Terminal)            one message that cannot be read (a dead letter)
    |- InvalidLine (Terminal)            one line that is no event (a dead letter)
    |- TreeError (Terminal)             a scanned tree that cannot be read as a whole
    |- FetchError                       a source that cannot be fetched; its subclasses say which of the two it is
    |- BrokerUnavailable (Transient)     the broker does not answer                        75
    |- GithubUnavailable (Transient)     GitHub does not answer                          75
    |- Backpressure (Transient)          a bounded queue stayed full past its deadline     75
    |- DestinationFull (Transient)       no room on the destination's disk                 75
    |- Busy (Transient)                  another live process holds the thing              75
    |- GapDetected (Transient)           messages are missing and could not be re-read     75

Two mix-ins decide retry: only `Transient` is retried, with a bound and jitter.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_PROBLEMS = 1
EXIT_USAGE = 2
EXIT_INTEGRITY = 3
EXIT_TRY_LATER = 75
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


class Transient:
    """Mix-in: the same call may succeed later."""


class Terminal:
    """Mix-in: the same call will fail again."""


class StratumError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        message: What failed, on which object, the value received and what would be valid.
        remedy: The next step for the person who reads it; a command where there is one.
    """

    kind: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = EXIT_PROBLEMS

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message}\n  fix: {self.remedy}"


class PrerequisiteError(StratumError, Terminal):
    """Something must be installed or started before this can work."""

    kind = "prerequisite"
    exit_code = EXIT_CONFIG


class SettingsError(StratumError, Terminal):
    """A setting is unknown, has the wrong type or a refused value."""

    kind = "settings"
    exit_code = EXIT_CONFIG


class UsageError(StratumError, Terminal):
    """The arguments of a command make no sense together."""

    kind = "usage"
    exit_code = EXIT_USAGE


class ProblemsFound(StratumError, Terminal):
    """The work was done, and part of its input was bad or is unfinished."""

    kind = "problems"
    exit_code = EXIT_PROBLEMS


class IntegrityError(StratumError, Terminal):
    """Stored data contradicts itself or the code; the writer stops rather than guesses."""

    kind = "integrity"
    exit_code = EXIT_INTEGRITY


class SchemaMismatch(IntegrityError):
    """Lock file, schema folder and registry do not agree."""


class LogIdentityChanged(IntegrityError):
    """A topic was deleted and recreated, or ends below an offset that was already stored."""


class DecodeError(StratumError, Terminal):
    """One message that cannot be read; it becomes one dead letter.

    Args:
        reason: One of `stratum_lab.contract.codec.DECODE_REASONS`.
    """

    kind = "decode"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidLine(StratumError, Terminal):
    """One line of an events file that is no valid event; it becomes one dead letter.

    Args:
        reason: One of `stratum_lab.contract.events.lines.LINE_REASONS`.
    """

    kind = "line"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BrokerUnavailable(StratumError, Transient):
    """The broker does not answer within the time allowed."""

    kind = "broker_unavailable"
    exit_code = EXIT_TRY_LATER


class Backpressure(StratumError, Transient):
    """A bounded queue stayed full past its deadline."""

    kind = "backpressure"
    exit_code = EXIT_TRY_LATER


class DestinationFull(StratumError, Transient):
    """There is no room left where rows or files are written."""

    kind = "destination_full"
    exit_code = EXIT_TRY_LATER


class Busy(StratumError, Transient):
    """Another live process holds the file, port or lease."""

    kind = "busy"
    exit_code = EXIT_TRY_LATER


class GapDetected(StratumError, Transient):
    """Messages are missing below the one at hand and could not be re-read."""

    kind = "gap"
    exit_code = EXIT_TRY_LATER


ERROR_KINDS = frozenset(
    {
        "internal",
        "prerequisite",
        "settings",
        "usage",
        "problems",
        "integrity",
        "decode",
        "line",
        "broker_unavailable",
        "backpressure",
        "destination_full",
        "busy",
        "gap",
        "tree",
        "fetch",
        "github_unavailable",
        "interrupted",
    }
)
"""Closed list for `kind` in the JSON error envelope of every command."""
