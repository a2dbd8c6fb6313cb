"""The Protocol of every back-end, and what process-based ones share: ports, detached processes, log tails."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from stratum_lab.errors import Busy
from stratum_lab.kafka.state import BrokerState
from stratum_lab.observe.logs import clean

STOP_GRACE_S = 30.0
"""A broker that has not ended this long after SIGTERM gets SIGKILL."""

_KILL_WAIT_S = 10.0
_EXEC_S = 2.0
_EXEC_PAUSE_S = 0.005
_TAIL_LINES = 12
_TAIL_BYTES = 8192
LOG_FOLDER = "broker"


class Obstacle(NamedTuple):
    """Why a back-end does not apply here, and what would change that."""

    reason: str
    fix: str


class Backend(Protocol):
    """One way to provide a broker.

    Methods are called under the home's lock, so never by two processes at once. No call blocks without a time limit.
    """

    name: str

    def obstacle(self) -> Obstacle | None:
        """Why it cannot be used here, or None. Quick, changes nothing, downloads nothing, does not raise."""
        ...

    def prepare(self) -> None:
        """Fetch what is missing and can be fetched.

        Raises:
            PrerequisiteError: It could not be fetched.
            BrokerUnavailable: An engine answers and fails.
        """
        ...

    def start(self) -> BrokerState:
        """Start the broker and return at once; the caller waits until it answers.

        Raises:
            Busy: The port is taken.
            PrerequisiteError: It cannot be started.
        """
        ...

    def alive(self, state: BrokerState) -> bool:
        """Whether what `start` returned still runs."""
        ...

    def stop(self, state: BrokerState) -> None:
        """End it and wait; data stays where the back-end keeps data at all."""
        ...

    def log_tail(self, state: BrokerState) -> str:
        """The last lines it logged, safe for a terminal; empty when there are none."""
        ...


def port_taken(host: str, port: int) -> bool:
    """Whether something listens on that port of this machine."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def free_port(host: str) -> int:
    """Any port that is free now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_holder(port: int) -> str | None:
    """Name and pid of the process that listens on a port, where this user may know."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for c in found:
        if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid:
            try:
                return f"{psutil.Process(c.pid).name()}, pid {c.pid}"
            except psutil.NoSuchProcess:
                return None
    return None


def require_port(host: str, port: int) -> None:
    """Refuse to start on a port that is taken.

    Raises:
        Busy: It is; the message names the holder when it can be found.
    """
    if port_taken(host, port):
        holder = port_holder(port)
        by = f" by {holder}" if holder else ""
        raise Busy(
            f"port {port} on {host} is in use{by}",
            remedy=f"stratum up --port {free_port(host)}  (or set STRATUM_BROKER__BOOTSTRAP if that is your broker)",
        )


def log_folder(home: Path) -> Path:
    """Where a broker started here logs."""
    folder = home.absolute() / LOG_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def spawn(backend: str, bootstrap: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> BrokerState:
    """Start a program in its own session, so that it outlives this command and its terminal.

    Args:
        backend: Name for the note.
        bootstrap: Address for the note.
        argv: Program (absolute path) and arguments.
        env: Its whole environment.
        log: File that gets its output; the one of the last start is replaced.
    """
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    process = psutil.Process(pid)
    # The kernel shows the new command line a moment after the start; notes are compared with it.
    deadline = time.monotonic() + _EXEC_S
    while process.status() != psutil.STATUS_ZOMBIE and not process.cmdline() and time.monotonic() < deadline:
        time.sleep(_EXEC_PAUSE_S)
    return BrokerState(backend, bootstrap, pid, process.create_time(), command=shlex.join(argv))


def terminate(state: BrokerState, grace_s: float = STOP_GRACE_S) -> None:
    """SIGTERM, wait, SIGKILL; does nothing when the process is gone or the pid is another program's."""
    process = state.process()
    if process is None:
        return
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILL_WAIT_S)):
        try:
            process.send_signal(number)
            process.wait(wait_s)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            continue
        return


def tail(log: Path) -> str:
    """The last lines of a log file, safe for a terminal."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(clean(line) for line in text.splitlines()[-_TAIL_LINES:])
