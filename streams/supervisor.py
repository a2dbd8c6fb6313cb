"""The streams service: runs `faust -A streams.app worker` processes and starts them again whenever one ends.

A worker ends itself hard rather than acknowledge something it is not sure of (`streams.application.end_process`), so
restarts are part of normal operation; a pause that grows keeps them from becoming rebalances without end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import orjson
from pydantic import BaseModel, SecretStr

from stratum_lab.errors import EXIT_CONFIG, EXIT_INTEGRITY, EXIT_OK
from stratum_lab.kafka.address import bootstrap
from stratum_lab.observe import logs
from stratum_lab.settings import Settings, env_name, known_keys

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
HEALTHY_S = 60.0
"""A worker that ran this long starts again without a longer pause."""

GRACE_S = 15.0
"""Time between SIGTERM and SIGKILL; Faust hangs now and then when it stops."""

POLL_S = 0.2
COMMAND = (sys.executable, "-m", "faust", "--quiet", "-A", "streams.app", "worker", "-l", "warn", "--without-web")
"""What one worker runs; quiet, since logs are structured and a banner in a log file is noise."""

FATAL = (EXIT_INTEGRITY, EXIT_CONFIG)
"""Exit codes that a restart does not cure."""

SUPERVISOR_ENV = "STRATUM_SUPERVISOR"
"""Process id of the supervisor, for workers that shall not outlive it."""

log = logs.get("streams.supervisor")


@dataclass
class Worker:
    """One worker process and its restarts."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    pause_s: float = 0.0
    not_before: float = 0.0
    last_exit: int | None = None


def state_file(settings: Settings) -> Path:
    """Where the supervisor notes its workers."""
    return settings.home / "streams.json"


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give a child process these settings."""
    defaults = Settings()
    out: dict[str, str] = {}
    for key in known_keys():
        value = _value(settings, key)
        if value == _value(defaults, key):
            continue
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        elif isinstance(value, dict):
            value = ",".join(f"{k}={v}" for k, v in value.items())
        elif isinstance(value, tuple):
            value = ",".join(value)
        elif isinstance(value, Path):
            value = value.absolute()
        out[env_name(key)] = str(value)
    return out


def _value(settings: BaseModel, key: str) -> object:
    for part in key.split("."):
        settings = getattr(settings, part)
    return settings


class Supervisor:
    """Keeps a number of workers running.

    Args:
        settings: Settings of the workers; worker n serves metrics on `streams.metrics_port` + n.
        workers: How many.
    """

    def __init__(self, settings: Settings, workers: int = 1) -> None:
        self._settings = settings
        self._workers = [Worker(n) for n in range(workers)]
        self._stop = threading.Event()
        self._env = os.environ | environment(settings) | {SUPERVISOR_ENV: str(os.getpid())}

    def stop(self, number: int | None = None, frame: FrameType | None = None) -> None:
        """Ask `run` to end; usable as a signal handler."""
        self._stop.set()

    def run(self) -> int:
        """Run until stopped.

        Returns:
            Exit code: 0, or that of a worker which a restart cannot help.
        """
        code = EXIT_OK
        try:
            while not self._stop.is_set():
                code = self._tend()
                if code != EXIT_OK:
                    break
                self._stop.wait(POLL_S)
        finally:
            self._end_all()
            state_file(self._settings).unlink(missing_ok=True)
        return code

    def _tend(self) -> int:
        changed = False
        for w in self._workers:
            now = time.monotonic()
            if w.process is None:
                if now >= w.not_before:
                    self._start(w)
                    changed = True
                continue
            code = w.process.poll()
            if code is None:
                continue
            if code in FATAL:
                log.error("a worker cannot go on", worker=w.number, exit_code=code)
                return code
            w.process, w.last_exit, changed = None, code, True
            w.restarts += 1
            healthy = now - w.started_at > HEALTHY_S or not w.pause_s
            w.pause_s = FIRST_PAUSE_S if healthy else min(2 * w.pause_s, LONGEST_PAUSE_S)
            w.not_before = now + w.pause_s
            log.warning("a worker ended; it starts again", worker=w.number, exit_code=code, pause_s=w.pause_s)
        if changed:
            self._note()
        return EXIT_OK

    def _start(self, w: Worker) -> None:
        env = dict(self._env)
        port = self._settings.streams.metrics_port
        if port:
            env[env_name("streams.metrics_port")] = str(port + w.number)
        # Logs go to stderr; what Faust writes to stdout, even when quiet, is escape codes for the cursor.
        w.process = subprocess.Popen(COMMAND, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        w.started_at = time.monotonic()

    def _note(self) -> None:
        """Write the state file, whole or not at all."""
        path = state_file(self._settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        workers = [
            {
                "number": w.number,
                "pid": w.process.pid if w.process is not None else None,
                "restarts": w.restarts,
                "last_exit": w.last_exit,
            }
            for w in self._workers
        ]
        part = path.with_suffix(".part")
        part.write_bytes(orjson.dumps({"pid": os.getpid(), "workers": workers}, option=orjson.OPT_INDENT_2))
        part.replace(path)

    def _end_all(self) -> None:
        running = [w.process for w in self._workers if w.process is not None and w.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a worker did not stop in time and is killed", pid=process.pid)
                process.kill()
                process.wait()


def service(settings: Settings, *, workers: int = 1) -> int:
    """Run the stream workers until SIGTERM or SIGINT.

    Args:
        settings: Settings of the workers.
        workers: How many processes share the partitions.

    Returns:
        Exit code.

    Raises:
        BrokerUnavailable: No broker is configured or started.
    """
    bootstrap(settings)  # say at once what is wrong, instead of a worker's traceback
    supervisor = Supervisor(settings, workers)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    return supervisor.run()
