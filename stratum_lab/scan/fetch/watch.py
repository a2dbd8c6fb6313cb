"""Running a program that meets hostile input: with a deadline, and a size that what it writes may have in all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from stratum_lab.errors import PrerequisiteError
from stratum_lab.scan.fetch.errors import fetch_error

_LOOK_S: Final = 0.05
_LOOK_SHARE: Final = 10
"""Between two looks at the size passes this many times what a look took."""
_TAIL: Final = 8192
_LATE_S: Final = 10


class Ended(NamedTuple):
    """How a program ended, with the end of what it said."""

    code: int
    out: str
    err: str


class Watch:
    """What remains of one fetch: its deadline, and the folder whose size is bounded.

    Args:
        scratch: Everything a program writes lies below it.
        seconds: Time from now.
        size: Bytes that may lie in `scratch`.
        stop: Set from another thread to end the fetch early; it then fails with `timeout`.
    """

    def __init__(self, scratch: Path, seconds: float, size: int, stop: threading.Event | None = None) -> None:
        self.scratch = scratch
        self.size = size
        self._stop = stop
        self._deadline = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left.

        Raises:
            FetchLater: None is.
        """
        left = self._deadline - time.monotonic()
        if left <= 0 or (self._stop is not None and self._stop.is_set()):
            raise fetch_error("timeout", "the source was not fetched in the time allowed")
        return left

    def check_size(self) -> None:
        """See that not too much was written.

        Raises:
            FetchFailed: It was.
        """
        if sum(_sizes(self.scratch)) > self.size:
            raise fetch_error("too_large", f"the source takes more than the {self.size:,} bytes allowed")

    def run(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> Ended:
        """Run a program to its end; it and its children are killed when a bound is passed.

        Raises:
            FetchError: Time or size was used up.
            PrerequisiteError: There is no such program.
        """
        # Files, not pipes: a program that says more than is read would wait, and files count in the size.
        out, err = self.scratch / ".out", self.scratch / ".err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            try:
                process = subprocess.Popen(
                    [*_bound_to_us(command[0], env, self.left), *command],
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=out_file,
                    stderr=err_file,
                    start_new_session=True,
                )
            except FileNotFoundError as exc:
                raise PrerequisiteError(
                    f"{command[0]} is needed and not installed", remedy=f"install {command[0]}"
                ) from exc
            try:
                self._wait(process)
            finally:
                kill_group(process)
        self.check_size()
        return Ended(process.returncode, _tail(out), _tail(err))

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        pause = _LOOK_S
        while True:
            try:
                process.wait(min(pause, self.left))
                return
            except subprocess.TimeoutExpired:
                began = time.monotonic()
                self.check_size()
                pause = max(_LOOK_S, (time.monotonic() - began) * _LOOK_SHARE)


def _bound_to_us(program: str, env: Mapping[str, str], seconds: float) -> tuple[str, ...]:
    """What ends a program and all it starts when its parent dies, or at the latest some time after its deadline.

    `setpriv` has the kernel tell `timeout` of its parent's death, and `timeout` ends its whole process group. Where
    the system lacks them, a killed worker may leave a program that waits for a silent host.
    """
    path = env.get("PATH")
    if shutil.which(program, path=path) is None:
        raise FileNotFoundError(program)
    setpriv, timeout = shutil.which("setpriv", path=path), shutil.which("timeout", path=path)
    if setpriv is None or timeout is None:
        return ()
    return (setpriv, "--pdeathsig", "TERM", "--", timeout, "--kill-after=2", str(int(seconds) + _LATE_S))


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session, and every process that is still in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _sizes(folder: Path) -> Iterator[int]:
    pending = [str(folder)]
    while pending:
        # A file that goes away meanwhile is none of the size.
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as listing:
            for item in listing:
                if item.is_dir(follow_symlinks=False):
                    pending.append(item.path)
                else:
                    with contextlib.suppress(OSError):
                        yield item.stat(follow_symlinks=False).st_blocks * 512


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().decode("utf-8", "replace")
