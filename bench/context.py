"""One invocation: options, the broker's settings, inputs produced once and shared, and the series measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench import rows
from bench.inputs import Shape, natural, runs_of, throughput
from bench.stats import Sample, Series
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.topics import RUN_EVENTS, RUN_STATUS, full_name
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import Settings

Layout = Literal["columnar", "rows"]

SIZES = (1, 10, 22, 100, 500)
SHARE = {1: 20, 10: 5, 22: 2}
"""Small messages are slow: their input is this many times smaller, so that no measurement lasts minutes."""

CHILD_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Options:
    """What to measure, how much of it and how often.

    Attributes:
        parts: Letters of the measurements.
        sizes: Events per message.
        events: Events of the throughput shape at 100 and 500 events a message.
        natural_runs: Runs of the natural shape.
        repeat: Repetitions; tables show their median.
        profile: Whether to profile as well.
    """

    parts: str
    sizes: tuple[int, ...]
    events: int
    natural_runs: int
    repeat: int
    profile: bool

    def shapes(self) -> list[Shape]:
        """Every input shape, the natural one last."""
        made = [throughput(size, self.events // SHARE.get(size, 1)) for size in self.sizes]
        return [*made, natural(self.natural_runs)]


@dataclass(frozen=True)
class Produced:
    """Input that lies in topics of its own.

    Attributes:
        settings: Settings whose topic prefix leads to it.
        shape: What it is.
        layout: Columns, or rows for comparison.
        events: Number of events.
        messages: Number of event batches.
        runs: Number of runs, and of end-of-run markers.
        value_bytes: Encoded size of all batches before compression.
    """

    settings: Settings
    shape: Shape
    layout: Layout
    events: int
    messages: int
    runs: int
    value_bytes: int


@dataclass
class Bench:
    """State of one invocation, handed to every measurement."""

    settings: Settings
    options: Options
    work: Path
    say: Callable[[str], None]
    results: dict[str, Series] = field(default_factory=dict)
    _inputs: dict[tuple[str, Layout], Produced] = field(default_factory=dict)

    def record(self, part: str, name: str, label: str, sample: Sample, unit: str = "events", **notes: Any) -> None:
        """Add one repetition to a series and say it."""
        series = self.results.setdefault(name, Series(part, name, label, unit))
        series.samples.append(sample)
        series.notes |= notes
        self.say(
            f"  {label}: {sample.per_second:,.0f} {unit}/s, {sample.per_cpu_second:,.0f} per CPU second "
            f"({sample.units:,} in {sample.wall_s:.2f} s)"
        )

    def input(self, shape: Shape, layout: Layout = "columnar") -> Produced:
        """The topics that hold a shape; produced at the first call."""
        key = (shape.name, layout)
        if key not in self._inputs:
            self._inputs[key] = self._produce(shape, layout)
        return self._inputs[key]

    def inputs(self) -> list[Produced]:
        """What was produced so far."""
        return list(self._inputs.values())

    def _produce(self, shape: Shape, layout: Layout) -> Produced:
        prefix = f"{self.settings.kafka.topic_prefix}{shape.name}.{layout}."
        settings = with_prefix(self.settings, prefix)
        ensure_topics(settings)
        codec, topic = Codec(), full_name(prefix, RUN_EVENTS)
        events = messages = runs = size = 0
        began = time.perf_counter()
        with Producer(settings) as producer:
            for run in runs_of(shape):
                for batch in run.batches:
                    if layout == "rows":
                        value, headers = rows.encode(batch), list[tuple[str, bytes]]()
                    else:
                        value, headers = codec.encode(batch)
                    producer.send_raw(topic, batch.repo_id, value, headers)
                    size += len(value)
                messages += len(run.batches)
                events += run.finished.event_count
                runs += 1
            # Markers come last, as after an import: nobody has to wait for batches.
            producer.flush()
            for run in runs_of(shape):
                producer.send(RUN_STATUS, run.finished.repo_id, run.finished)
        self.say(
            f"produced {events:,} events in {messages:,} messages, {runs:,} runs, {size / events:.0f} B per event, "
            f"{layout}, in {time.perf_counter() - began:.1f} s"
        )
        return Produced(settings, shape, layout, events, messages, runs, size)


def with_prefix(settings: Settings, prefix: str) -> Settings:
    """The same settings with other topics."""
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"topic_prefix": prefix})})


def child_env(settings: Settings) -> dict[str, str]:
    """What a process needs to work on the same topics."""
    return {
        "STRATUM_HOME": str(settings.home),
        "STRATUM_BROKER__BOOTSTRAP": settings.broker.bootstrap or "",
        "STRATUM_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "STRATUM_KAFKA__PARTITIONS": str(settings.kafka.partitions),
        "STRATUM_LOG__LEVEL": "warning",
    }


def run_child(bench: Bench, module: str, settings: Settings, *args: str, profile: Path | None = None) -> dict[str, Any]:
    """Run a measurement in a process of its own; its last line of output is the result as JSON.

    Args:
        bench: The invocation.
        module: What to run.
        settings: Topics it works on.
        args: Its arguments.
        profile: Where cProfile's data goes; None: not profiled.

    Raises:
        subprocess.CalledProcessError: It failed; its stderr has been shown.
    """
    # Libraries' warnings are not for whoever reads the table; a failure shows everything.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *profiler(profile), "-m", module, *args],
        env=os.environ | child_env(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=CHILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        bench.say(done.stderr.decode(errors="replace"))
        done.check_returncode()
    # Any: whatever the module measures.
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def profiler(path: Path | None) -> list[str]:
    """Arguments of Python that profile what follows."""
    return ["-m", "cProfile", "-o", str(path)] if path is not None else []


def sample_of(result: dict[str, Any]) -> Sample:
    """The sample in a child's result."""
    return Sample(result["units"], result["wall_s"], result["cpu_s"])
