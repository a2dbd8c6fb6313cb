"""(a) The live path: topics, through the Faust worker, to the record topic.

The input lies in the topics before the worker starts. The clock starts when the worker's own metrics show the first
folded events (those are not counted), and stops when it has committed the end of every source partition, which it does
only after the records and topologies derived from them are acknowledged. CPU time is the worker's alone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Consumer, TopicPartition

from bench.context import Bench, Layout, Produced, child_env, profiler
from bench.inputs import Shape
from bench.stats import Sample
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import BehavioralRecord
from stratum_lab.contract.topics import REPO_RECORDS, RUN_EVENTS, RUN_STATUS, full_name
from stratum_lab.kafka.reader import read_topic

ROW_SIZES = (1, 22, 500)
"""Events per message at which the row layout goes through Faust as well."""

_METRIC = "stratum_streams_events_total "
_POLL_S = 0.05
_START_TIMEOUT_S = 90.0
_IDLE_TIMEOUT_S = 120.0
_CALL_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 20.0
_APPS = {"columnar": "streams.app", "rows": "bench.row_app"}


@dataclass(frozen=True)
class Live:
    """One pass of the worker over an input.

    Attributes:
        sample: Events, wall and CPU time.
        start_s: From process start to the first folded events, seconds.
        memory_mb: Largest resident size seen, MiB.
    """

    sample: Sample
    start_s: float
    memory_mb: float


def measure(bench: Bench) -> None:
    """Every shape in columns, some in rows."""
    shapes: list[tuple[Shape, Layout]] = [(s, "columnar") for s in bench.options.shapes()]
    shapes += [(s, "rows") for s in bench.options.shapes() if s.batch in ROW_SIZES and s.run_events]
    for _ in range(bench.options.repeat):
        for shape, layout in shapes:
            live = fold_live(bench.input(shape, layout))
            bench.record(
                "a",
                f"faust.{layout}.{shape.name}",
                f"Faust, {layout}, {shape.label}",
                live.sample,
                start_s=round(live.start_s, 1),
                memory_mb=round(live.memory_mb),
            )


@contextmanager
def worker(data: Produced, app_id: str, port: int, profile: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A stream worker in a process of its own."""
    env = os.environ | child_env(data.settings)
    env |= {
        "STRATUM_STREAMS__APP_ID": app_id,
        "STRATUM_STREAMS__METRICS_PORT": str(port),
        "STRATUM_HOME": str(data.settings.home / app_id),
    }
    faust = ["-m", "faust", "-A", _APPS[data.layout], "worker", "-l", "warn", "--without-web"]
    command = [sys.executable, *profiler(profile), *faust]
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fold_live(data: Produced, profile: Path | None = None) -> Live:
    """Let a fresh worker fold everything.

    Args:
        data: The input.
        profile: Where cProfile's data goes; the numbers mean little then.

    Raises:
        RuntimeError: The worker ended, stood still, or its records are not those of the input.
    """
    app_id, port = f"{data.settings.kafka.topic_prefix}w{uuid.uuid4().hex[:8]}", _free_port()
    prefix = data.settings.kafka.topic_prefix
    watcher = Consumer({"bootstrap.servers": data.settings.broker.bootstrap, "group.id": app_id})
    ends = {
        (topic, p): watcher.get_watermark_offsets(TopicPartition(topic, p), timeout=_CALL_TIMEOUT_S)[1]
        for topic in (full_name(prefix, RUN_EVENTS), full_name(prefix, RUN_STATUS))
        for p in range(data.settings.kafka.partitions)
    }
    launched = time.monotonic()
    with worker(data, app_id, port, profile) as process:
        probe = psutil.Process(process.pid)
        before = _first_events(process, port)
        wall, cpu = time.monotonic(), _cpu(probe)
        start_s, memory = wall - launched, 0
        left, moved = sum(ends.values()), time.monotonic()
        while left:
            time.sleep(_POLL_S)
            if process.poll() is not None:
                raise RuntimeError(f"the worker ended with exit code {process.returncode}")
            at = watcher.committed([TopicPartition(*where) for where in ends], timeout=_CALL_TIMEOUT_S)
            now, spent = time.monotonic(), _cpu(probe)
            memory = max(memory, probe.memory_info().rss)
            missing = sum(ends[p.topic, p.partition] - max(0, p.offset) for p in at)
            if missing < left:
                left, moved = missing, now
            elif now - moved > _IDLE_TIMEOUT_S:
                raise RuntimeError(f"{left} messages are left and nothing was committed for {_IDLE_TIMEOUT_S:g} s")
        sample = Sample(data.events - before, now - wall, spent - cpu)
    watcher.close()
    _check(data)
    return Live(sample, start_s, memory / 2**20)


def _first_events(process: subprocess.Popen[bytes], port: int) -> int:
    """Wait until the worker has folded something; how many events that is already."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended with exit code {process.returncode} before it folded anything")
        events = _scrape(port)
        if events:
            return events
        time.sleep(_POLL_S)
    raise RuntimeError(f"the worker folded nothing within {_START_TIMEOUT_S:g} s")


def _scrape(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_CALL_TIMEOUT_S) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0
    return next((int(float(line.split()[1])) for line in text.splitlines() if line.startswith(_METRIC)), 0)


def _cpu(probe: psutil.Process) -> float:
    times = probe.cpu_times()
    return float(times.user + times.system)


def _check(data: Produced) -> None:
    """Off the clock: every repository has a record of all its runs."""
    codec = Codec()
    runs: dict[str, int] = {}
    for message in read_topic(data.settings, REPO_RECORDS):
        record = codec.decode(message.value, message.headers)
        assert isinstance(record, BehavioralRecord)
        runs[record.repo_id] = len(record.runs)
    wrong = sum(n != data.shape.runs for n in runs.values())
    if len(runs) != data.shape.repos or wrong:
        raise RuntimeError(
            f"{len(runs)} of {data.shape.repos} repositories have a record, {wrong} not of {data.shape.runs} runs"
        )


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
