"""The child processes of `stratum dev`: started, restarted with a growing pause, stopped in reverse order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from stratum_lab.errors import EXIT_CONFIG, EXIT_INTEGRITY, EXIT_USAGE, ProblemsFound

_GRACE_S = 15.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_LAST_LINES = 6
_FINAL = (EXIT_USAGE, EXIT_INTEGRITY, EXIT_CONFIG)
"""Exit codes after which the same start fails again."""


@dataclass
class Child:
    """One `stratum worker <name>` process."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = None
    restarts: int = 0
    not_before: float = 0.0
    pause: float = field(default=_FIRST_PAUSE_S)

    @property
    def state(self) -> str:
        """What the status screen shows."""
        if self.process is None:
            return "stopped"
        code = self.process.poll()
        running = f"pid {self.process.pid}" if code is None else f"ended with {code}, restarting"
        return running + (f", {self.restarts} restarts" if self.restarts else "")


class Children:
    """Runs one `stratum worker` per name; logs go to `<folder>/<name>.log`."""

    def __init__(self, names: tuple[str, ...], logs: Path) -> None:
        self._children = [Child(n) for n in names]
        self._logs = logs

    def start(self) -> None:
        """Start all of them."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for child in self._children:
            self._launch(child)

    def _launch(self, child: Child) -> None:
        if child.log is None:
            child.log = (self._logs / f"{child.name}.log").open("ab")
        child.process = subprocess.Popen(
            [sys.executable, "-m", "stratum_lab.cli", "worker", child.name],
            stdin=subprocess.DEVNULL,
            stdout=child.log,
            stderr=child.log,
            start_new_session=True,
        )

    def tend(self) -> None:
        """Restart what has ended, each time after a longer pause.

        Raises:
            ProblemsFound: A part ended in a way that no restart cures; its last words are in the message.
        """
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            if child.process.returncode in _FINAL:
                raise ProblemsFound(
                    f"{child.name} ended with {child.process.returncode}:\n{self._last_words(child.name)}",
                    remedy=f"do what it says, then start again; its log is {self._logs / child.name}.log",
                )
            now = time.monotonic()
            if child.not_before == 0.0:
                child.not_before = now + child.pause
                child.pause = min(child.pause * 2, _LONGEST_PAUSE_S)
            elif now >= child.not_before:
                child.not_before = 0.0
                child.restarts += 1
                self._launch(child)

    def _last_words(self, name: str) -> str:
        lines = (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:])

    def states(self) -> dict[str, str]:
        """Name to one line about it."""
        return {c.name: c.state for c in self._children}

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to the process groups that are still there after the grace time."""
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        for child in reversed(self._children):
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
            if child.log is not None:
                child.log.close()
                child.log = None
            child.process = None
