"""`stratum replay records`: every record again from the log, in parallel over partitions.

The ends of all topics are noted once at the start, so a writer that goes on meanwhile changes nothing. This module
plans, runs worker processes and sums up; `producers.replay_partition` does the work on one partition.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from producers.processes import CONTEXT, pool, submit_all
from producers.replay_partition import Bounds, Interrupted, PartitionResult, Replayer, Task
from stratum_lab.contract.topics import (
    REPO_RECORDS,
    REPO_TOPOLOGY,
    RUN_EVENTS,
    RUN_STATUS,
    SCAN_GRAPHS,
    SCAN_IDENTITIES,
    SCAN_PINGS,
    SCAN_STATUS,
    full_name,
)
from stratum_lab.errors import IntegrityError
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.reader import all_watermarks
from stratum_lab.kafka.topics import create_shadows, partition_count, partition_counts
from stratum_lab.observe import garbage
from stratum_lab.settings import Settings

if TYPE_CHECKING:
    from producers.replay_warehouse import WarehouseTarget

SOURCES = (SCAN_GRAPHS, RUN_STATUS, RUN_EVENTS)
STORED = (SCAN_PINGS, SCAN_STATUS, SCAN_IDENTITIES)
"""Raw topics that only a warehouse takes: nothing is folded from them, so their partitions need not match."""
DERIVED = (REPO_RECORDS, REPO_TOPOLOGY)

AT_ONCE = 4
"""Partitions a process reads at once: enough to always have something fetched, few enough to hold their states."""

_POLL_S = 0.2

Target = Literal["shadow", "warehouse", "none"]


@dataclass(frozen=True)
class Options:
    """How to replay.

    Attributes:
        replay_id: Names the shadow topics.
        target: `shadow` writes shadow topics, `warehouse` a new DuckDB file, `none` writes nothing.
        warehouse: That file.
        diff: Compare with what is live.
        promote: Correct what is live where it differs; implies `diff`.
        processes: Worker processes; 0: one per core. Never more than there are partitions, and one for a warehouse.
    """

    replay_id: str
    target: Target = "shadow"
    warehouse: Path | None = None
    diff: bool = False
    promote: bool = False
    processes: int = 0


@dataclass
class ReplaySummary:
    """What a replay did."""

    replay_id: str
    processes: int = 0
    partitions: int = 0
    shadow_topics: list[str] = field(default_factory=list)
    total: PartitionResult = field(default_factory=PartitionResult)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def events_per_second(self) -> float:
        """Folded events by wall time, start of the processes included."""
        return self.total.events / self.seconds if self.seconds > 0 else 0.0

    @property
    def events_per_cpu_second(self) -> float:
        """Folded events by CPU time of the work on partitions."""
        return self.total.events / self.total.cpu_seconds if self.total.cpu_seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """The document of `--json`."""
        out = asdict(self)
        total = out.pop("total")
        total["differences"] = [d._asdict() for d in self.total.differences]
        total["incomplete"] = [i._asdict() for i in self.total.incomplete]
        total.pop("interrupted")
        return {
            **out,
            **total,
            "events_per_second": round(self.events_per_second, 1),
            "events_per_cpu_second": round(self.events_per_cpu_second, 1),
        }


def plan(settings: Settings, options: Options) -> list[Task]:
    """Note the bounds of every topic and make one task per partition.

    Raises:
        PrerequisiteError: A topic does not exist.
        IntegrityError: Topics that belong together have different numbers of partitions.
        BrokerUnavailable: The broker does not answer.
    """
    prefix, client = settings.kafka.topic_prefix, admin(settings)
    compared = DERIVED if options.diff or options.promote else ()
    shadowed = DERIVED if options.target == "shadow" else ()
    stored = STORED if options.target == "warehouse" else ()
    existing = partition_counts(settings, client)
    counts = {
        n: existing.get(topic := full_name(prefix, n)) or partition_count(settings, topic)
        for n in dict.fromkeys((*compared, *SOURCES, *stored, *shadowed))
    }
    if len({count for name, count in counts.items() if name not in stored}) > 1:
        raise IntegrityError(
            f"topics that are joined by key have different numbers of partitions: {counts}",
            remedy="recreate the topics that differ with the same number (kafka.partitions)",
        )
    full = {full_name(prefix, n): n for n in (*compared, *SOURCES, *stored)}
    marks: dict[str, dict[int, Bounds]] = {n: {} for n in full.values()}
    # The ends of run.events come last, so that every marker within the bounds has its batches within them too.
    found = all_watermarks(
        settings, {f: counts[n] for f, n in full.items()}, last=(full_name(prefix, RUN_EVENTS),), client=client
    )
    for (topic, number), bounds in found.items():
        marks[full[topic]][number] = bounds
    live = {name: marks[name] for name in compared}
    sources = {name: marks[name] for name in (*SOURCES, *stored)}
    write_to = create_shadows(settings, {n: counts[n] for n in shadowed}, options.replay_id, client)
    return [
        Task(
            partition=number,
            sources={name: found[number] for name, found in sources.items() if number in found},
            live={name: found[number] for name, found in live.items() if number in found},
            status_offset=_last(sources[RUN_STATUS].get(number, (0, 0))),
            write_to=write_to,
            promote=options.promote,
        )
        for number in sorted(set().union(*sources.values()))
    ]


def _last(bounds: Bounds) -> int:
    return bounds[1] - 1 if bounds[1] > bounds[0] else -1


def messages(tasks: Sequence[Task]) -> int:
    """How many messages the tasks will read, at most."""
    return sum(end - start for t in tasks for start, end in (*t.sources.values(), *t.live.values()))


def groups(tasks: Sequence[Task], processes: int) -> list[list[Task]]:
    """Tasks that are read together, at most AT_ONCE each, every process with as much to read as the others."""
    number = max(processes, -(-len(tasks) // AT_ONCE))
    largest_first = sorted(tasks, key=lambda t: messages([t]), reverse=True)
    return [largest_first[i::number] for i in range(min(number, len(tasks)))]


def replay(
    settings: Settings,
    options: Options,
    summary: ReplaySummary,
    *,
    start: Callable[[int], None],
    advance: Callable[[int], None],
) -> None:
    """Rebuild every record.

    Args:
        settings: Broker, prefix, codec.
        options: How.
        summary: Filled on the way.
        start: Told how many messages there are.
        advance: Told how many were read since the last call.

    Raises:
        PrerequisiteError: A topic does not exist.
        UsageError: The new warehouse is there already.
        IntegrityError: Topics do not belong together, or the log changed meanwhile.
        BrokerUnavailable: The broker does not answer.
    """
    began = time.monotonic()
    tasks = plan(settings, options)
    summary.partitions = len(tasks)
    summary.shadow_topics = sorted(tasks[0].write_to.values())
    summary.processes = min(options.processes or os.cpu_count() or 1, len(tasks))
    warehouse: WarehouseTarget | None = None
    if options.target == "warehouse" and options.warehouse is not None:
        from producers.replay_warehouse import WarehouseTarget  # DuckDB and Arrow: slow to import for every replay

        warehouse, summary.processes = WarehouseTarget(settings, options.warehouse), 1
    start(messages(tasks))
    try:
        if summary.processes == 1:
            _here(settings, tasks, summary.total, advance, warehouse)
        else:
            _in_processes(settings, tasks, summary, advance)
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        summary.seconds = time.monotonic() - began


def _here(
    settings: Settings,
    tasks: Sequence[Task],
    total: PartitionResult,
    advance: Callable[[int], None],
    warehouse: WarehouseTarget | None,
) -> None:
    replayer = Replayer(settings, advance, warehouse)
    done = False
    try:
        for group in groups(tasks, 1):
            for result in replayer.replay(group):
                total.add(result)
        if warehouse is not None:
            warehouse.finish()
        done = True
    except KeyboardInterrupt:
        replayer.finish()
        raise
    else:
        replayer.finish()
    finally:
        replayer.close()
        if warehouse is not None and not done:
            warehouse.abandon()


class _Worker:
    """State of one worker process; the pool gives its functions no other place to keep some."""

    replayer: ClassVar[Replayer | None] = None

    @classmethod
    def begin(cls, settings: Settings, count: Any, stop: Any) -> None:
        """Runs once in each process. Any: multiprocessing's synchronised types are not importable names."""

        def on_messages(number: int) -> None:
            if stop.is_set():
                raise Interrupted
            with count.get_lock():
                count.value += number

        garbage.tune()
        cls.replayer = Replayer(settings, on_messages)

    @classmethod
    def work(cls, tasks: Sequence[Task]) -> PartitionResult:
        """Replay a few partitions in this process; the sum of those that were completed."""
        assert cls.replayer is not None
        total = PartitionResult()
        try:
            for result in cls.replayer.replay(tasks):
                total.add(result)
        except Interrupted:
            total.interrupted = True
        cls.replayer.finish()
        return total


def _in_processes(
    settings: Settings, tasks: Sequence[Task], summary: ReplaySummary, advance: Callable[[int], None]
) -> None:
    count, stop = CONTEXT.Value("q", 0), CONTEXT.Event()
    shown = 0
    try:
        with pool(summary.processes, _Worker.begin, (settings, count, stop)) as workers:
            try:
                waiting = set(submit_all(workers, _Worker.work, groups(tasks, summary.processes)))
                while waiting:
                    done, waiting = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                    for future in done:
                        summary.total.add(future.result())
                    advance(count.value - shown)
                    shown = count.value
            finally:
                stop.set()
    except BrokenProcessPool as exc:
        raise IntegrityError(
            "a replay process died, perhaps for lack of memory; nothing was promoted for its partition",
            remedy="run it again with fewer --processes",
        ) from exc


def differences_by_kind(summary: ReplaySummary) -> Mapping[str, int]:
    """How many differences of each kind there are."""
    out: dict[str, int] = {}
    for d in summary.total.differences:
        out[d.kind] = out.get(d.kind, 0) + 1
    return out
