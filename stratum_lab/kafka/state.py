"""The note `stratum up` leaves about the broker it started: `<home>/broker.json`, written in one step."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from stratum_lab.errors import IntegrityError, PrerequisiteError
from stratum_lab.files import write_whole

STATE_FILE = "broker.json"
_CLOCK_SLACK_S = 2.0
"""The kernel counts from the boot time, which follows the clock when that is set."""


@dataclass(frozen=True)
class BrokerState:
    """A broker started here.

    Attributes:
        backend: Name of the back-end that started it.
        bootstrap: host:port of the broker.
        pid: Its process, or None when an engine or somebody else runs it.
        started: Creation time of that process, seconds since 1970; tells a reused pid from ours.
        container: Name of the container, for the docker back-end.
        command: Command line it was started with, quoted as for a shell; tells a reused pid from ours, too.
    """

    backend: str
    bootstrap: str
    pid: int | None
    started: float
    container: str | None = None
    command: str | None = None

    def process(self) -> psutil.Process | None:
        """Our process when it is alive; None when it is dead or the pid belongs to another program now."""
        if self.pid is None:
            return None
        try:
            found = psutil.Process(self.pid)
            if found.status() == psutil.STATUS_ZOMBIE:
                return None
            ours = abs(found.create_time() - self.started) < _CLOCK_SLACK_S
            # A process that is just being started has no command line yet.
            if ours and self.command is not None and (words := found.cmdline()):
                # The last argument names this home or address; the program before it may be a wrapper's choice.
                ours = shlex.split(self.command)[-1] in words
            return found if ours else None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    @property
    def stale(self) -> bool:
        """True when the process this note speaks of is gone."""
        return self.pid is not None and self.process() is None


def state_path(home: Path) -> Path:
    """Where the note lies."""
    return home / STATE_FILE


def read_state(home: Path) -> BrokerState | None:
    """The note, or None when `stratum up` has not been used in this home.

    Raises:
        IntegrityError: The file is there and is not such a note.
        PrerequisiteError: It may not be read.
    """
    path = state_path(home)
    try:
        return BrokerState(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise PrerequisiteError(f"{path} cannot be read: {exc.strerror}", remedy="set STRATUM_HOME") from exc
    except (ValueError, TypeError) as exc:
        raise IntegrityError(f"{path} cannot be read: {exc}", remedy=f"remove {path}, then stratum up") from exc


def write_state(home: Path, state: BrokerState) -> None:
    """Replace the note in one step."""
    write_whole(state_path(home), (json.dumps(asdict(state), indent=2) + "\n").encode())


def remove_state(home: Path) -> None:
    """Forget the broker."""
    state_path(home).unlink(missing_ok=True)
