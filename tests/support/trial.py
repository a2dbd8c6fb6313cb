"""Fault trials: input produced while workers are killed, and a verifier that shares no code with the workers.

Every process runs in a session of its own and is killed with it. The seed of a trial is printed, so that a failed one
can be run again.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from stratum_lab.contract.events import BehavioralRecord, EventBatch, Message, RunFinished, StructuralGraph
from stratum_lab.contract.topics import REPO_RECORDS, RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS
from stratum_lab.errors import DecodeError, StratumError
from stratum_lab.fold import Folder, canonical_json
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import read_topic, watermarks
from stratum_lab.kafka.topics import committed, on_broker
from stratum_lab.settings import Settings, StreamsSettings
from streams.supervisor import environment
from tests.support.fold import batches_of, events_of, finished_of
from tests.support.streams import repo_name, sample_events, sample_graph

SOURCES = (RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS)
SOAK = os.environ.get("STRATUM_SOAK", "") not in ("", "0")
"""Long forms of the trials; durations in docs/runbook.md."""

SESSION_S = 6.0


def soak(short: float, long: float) -> float:
    """A duration or number: short in CI, long under STRATUM_SOAK=1."""
    return long if SOAK else short


def trial_settings(settings: Settings, **streams: object) -> Settings:
    """Settings of a trial: an application id of its own, and short times."""
    own = {
        "app_id": f"trial-{uuid.uuid4().hex[:8]}",
        "session_timeout_s": SESSION_S,
        "sweep_interval_s": 2.0,
        "stuck_after_s": 30.0,
    }
    return settings.model_copy(update={"streams": StreamsSettings.model_validate(own | streams)})


def wait_until(what: str, condition: Callable[[], bool], timeout_s: float, pause_s: float = 0.3) -> None:
    """Poll a condition.

    Raises:
        AssertionError: It did not come true in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(pause_s)


@dataclass
class Processes:
    """Processes by name, each in its own session; a name that ended by itself is started again.

    Attributes:
        env: Environment of all of them.
        logs: Folder of their output.
        ends: How often each name ended by itself.
    """

    env: dict[str, str]
    logs: Path
    ends: dict[str, int] = field(default_factory=dict)
    _commands: dict[str, list[str]] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _tending: threading.Thread | None = None
    _done: threading.Event = field(default_factory=threading.Event)
    _lock: threading.RLock = field(default_factory=threading.RLock)  # names are started and tended by two threads

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process, and again whenever it ends by itself."""
        with self._lock:
            self._commands[name] = list(command)
            self._launch(name)
        if self._tending is None:
            self._tending = threading.Thread(target=self._tend, daemon=True)
            self._tending.start()

    def _launch(self, name: str) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as out:
            self._running[name] = subprocess.Popen(
                self._commands[name], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip

    def _tend(self) -> None:
        while not self._done.wait(1.0):
            with self._lock:
                for name, process in list(self._running.items()):
                    if process.poll() is not None:
                        self.ends[name] = self.ends.get(name, 0) + 1
                        self._launch(name)

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and all it started."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            os.killpg(self._running[name].pid, number)

    def kill(self, name: str) -> None:
        """SIGKILL, and start it again at once."""
        with self._lock:
            self._end(self._running.pop(name), signal.SIGKILL)
            self._launch(name)

    def stop(self, name: str, number: signal.Signals = signal.SIGKILL, grace_s: float = 15.0) -> None:
        """End a process for good: SIGKILL, or SIGTERM and SIGKILL after a time of grace."""
        with self._lock:
            process = self._running.pop(name)
            del self._commands[name]
        self._end(process, number, grace_s)

    @staticmethod
    def _end(process: subprocess.Popen[bytes], number: signal.Signals, grace_s: float = 15.0) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def names(self) -> list[str]:
        """What runs."""
        with self._lock:
            return sorted(self._running)

    def log_text(self, name: str) -> str:
        """The output of a process so far."""
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        with self._lock:
            for process in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._running.clear()


WORKER = [sys.executable, "-m", "faust", "-A", "streams.app", "worker", "-l", "warn", "--without-web"]


def processes(settings: Settings) -> Processes:
    """Processes that run with these settings."""
    return Processes({**os.environ, **environment(settings)}, settings.home / "logs")


@dataclass
class Load:
    """What is produced in a trial: messages in the order in which they leave, and poison between them."""

    messages: list[tuple[str, str, Message | bytes]]

    @classmethod
    def drawn(cls, rng: random.Random, *, repos: int, batches: int, size: int, poison: int = 6) -> Load:
        """Two runs of each repository, in batches of `size` events, interleaved; ends of run come early or late."""
        queues: list[list[tuple[str, str, Message | bytes]]] = []
        for n in range(repos):
            repo_id = repo_name(n)
            queues.append([(SCAN_GRAPHS, repo_id, sample_graph(rng, repo_id)) for _ in range(2)])
            for run_number in (1, 2):
                events = events_of(sample_events(rng, batches * size))
                cuts = range(size, len(events), size)
                parts = batches_of(events, cuts, repo_id=repo_id, run_number=run_number)
                marker = finished_of(events, run_number=run_number, repo_id=repo_id, batch_count=len(parts))
                run: list[tuple[str, str, Message | bytes]] = [(RUN_EVENTS, repo_id, b) for b in parts]
                run.insert(rng.randint(len(run) // 2, len(run)), (RUN_STATUS, repo_id, marker))
                queues.append(run)
        queues.append([(topic, repo_name(0), rng.randbytes(30)) for _ in range(poison) for topic in SOURCES])
        out: list[tuple[str, str, Message | bytes]] = []
        while queues:
            queue = rng.choice(queues)
            out.append(queue.pop(0))
            if not queue:
                queues.remove(queue)
        return cls(out)

    def produce(self, settings: Settings, seconds: float) -> None:
        """Send everything, spread over a time."""
        pause = seconds / max(1, len(self.messages) / 20)
        with Producer(settings) as producer:
            for n, (topic, key, message) in enumerate(self.messages):
                if isinstance(message, bytes):
                    producer.send_raw(on_broker(settings, topic), key, message)
                else:
                    producer.send(topic, key, message)
                if n % 20 == 19:
                    time.sleep(pause)

    def in_background(self, settings: Settings, seconds: float) -> threading.Thread:
        """`produce` in a thread."""
        thread = threading.Thread(target=self.produce, args=(settings, seconds))
        thread.start()
        return thread


def all_folded(settings: Settings) -> bool:
    """Whether the committed offset of every source partition is its end."""
    try:
        done = committed(settings, settings.streams.app_id, SOURCES)
        for topic in SOURCES:
            full = on_broker(settings, topic)
            for number, (_, end) in watermarks(settings, full).items():
                if done.get((full, number), 0) < end:
                    return False
    except StratumError:
        return False
    return True


def some_folded(settings: Settings) -> bool:
    """Whether the workers committed anything at all."""
    try:
        return any(committed(settings, settings.streams.app_id, (RUN_EVENTS,)).values())
    except StratumError:
        return False


def final_records(settings: Settings) -> dict[str, BehavioralRecord]:
    """The record of each repository that stays by the rule of the sinks."""
    decode = codec(settings).decode
    out: dict[str, BehavioralRecord] = {}
    for m in read_topic(settings, REPO_RECORDS):
        if m.value is None:
            out.pop((m.key or b"").decode(), None)
            continue
        record = decode(m.value, m.headers)
        assert isinstance(record, BehavioralRecord)
        known = out.get(record.repo_id)
        if known is None or (record.source_offset, record.revision) >= (known.source_offset, known.revision):
            out[record.repo_id] = record
    return out


def cold_records(settings: Settings) -> dict[str, str]:
    """Canonical records folded in one go from the source topics."""
    decode, folder = codec(settings).decode, Folder()
    for topic in SOURCES:
        for m in read_topic(settings, topic):
            try:
                message = decode(m.value, m.headers)
            except DecodeError:
                continue
            if isinstance(message, EventBatch):
                folder.batch(message)
            elif isinstance(message, RunFinished):
                folder.finished(message)
            elif isinstance(message, StructuralGraph):
                folder.graph(message)
    return {r.repo_id: canonical_json(r.record) for r in folder.results() if r.record is not None}


def verify(settings: Settings, running: Processes, timeout_s: float = 90.0) -> str:
    """Wait until everything is folded, compare the records with a cold fold.

    Returns:
        One line about the trial.

    Raises:
        AssertionError: Something is missing, extra or different.
    """
    started = time.monotonic()
    wait_until("committed offsets reach the ends", lambda: all_folded(settings), timeout_s)
    live = {k: r.record for k, r in final_records(settings).items()}
    cold = cold_records(settings)
    assert cold, "the trial produced no record"
    missing, extra = sorted(cold.keys() - live.keys()), sorted(live.keys() - cold.keys())
    different = sorted(k for k in cold.keys() & live.keys() if cold[k] != live[k])
    repaired = sum(running.log_text(p.stem).count("reading skipped messages") for p in running.logs.glob("*.log"))
    line = (
        f"{len(cold)} records; missing {missing}, extra {extra}, different {different}; holes repaired {repaired}, "
        f"own exits {running.ends}; settled {time.monotonic() - started:.1f} s after the last message"
    )
    assert not missing and not extra and not different, line
    return line
