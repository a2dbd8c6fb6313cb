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
from stratum_lab.contract.topics import REPO_RECORDS, REPO_TOPOLOGY, RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS, full_name
from stratum_lab.errors import IntegrityError
from stratum_lab.kafka.reader import all_watermarks
from stratum_lab.kafka.topics import create_shadow, partition_count, partition_counts
from stratum_lab.observe import garbage
from stratum_lab.settings import Settings

if TYPE_CHECKING:
    from producers.replay_warehouse import WarehouseTarget

SOURCES = (SCAN_GRAPHS, RUN_STATUS, RUN_EVENTS)
DERIVED = (REPO_RECORDS, REPO_TOPOLOGY)

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
    compared = DERIVED if options.diff or options.promote else ()
    # The ends of run.events come last, so that every marker within the bounds has its batches within them too.
    marks = _bounds(settings, (*compared, SCAN_GRAPHS, RUN_STATUS)) | _bounds(settings, (RUN_EVENTS,))
    live = {name: marks[name] for name in compared}
    sources = {name: marks[name] for name in SOURCES}
    counts = {name: len(found) for name, found in marks.items()}
    if len(set(counts.values())) > 1:
        raise IntegrityError(
            f"topics that are joined by key have different numbers of partitions: {counts}",
            remedy="recreate the topics that differ with the same number (kafka.partitions)",
        )
    write_to = {n: create_shadow(settings, n, options.replay_id) for n in DERIVED} if options.target == "shadow" else {}
    return [
        Task(
            partition=number,
            sources={name: found[number] for name, found in sources.items()},
            live={name: found[number] for name, found in live.items()},
            status_offset=_last(sources[RUN_STATUS][number]),
            write_to=write_to,
            promote=options.promote,
        )
        for number in sorted(sources[RUN_EVENTS])
    ]


def _bounds(settings: Settings, names: Sequence[str]) -> dict[str, dict[int, Bounds]]:
    """Bounds of every partition of these topics, by catalogue name."""
    full = {full_name(settings.kafka.topic_prefix, name): name for name in names}
    existing = partition_counts(settings)
    counts = {topic: existing.get(topic) or partition_count(settings, topic) for topic in full}
    out: dict[str, dict[int, Bounds]] = {name: {} for name in names}
    for (topic, number), bounds in all_watermarks(settings, counts).items():
        out[full[topic]][number] = bounds
    return out


def _last(bounds: Bounds) -> int:
    return bounds[1] - 1 if bounds[1] > bounds[0] else -1


def messages(tasks: Sequence[Task]) -> int:
    """How many messages the tasks will read, at most."""
    return sum(end - start for t in tasks for start, end in (*t.sources.values(), *t.live.values()))


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
        for task in tasks:
            total.add(replayer.replay(task))
        if warehouse is not None:
            warehouse.finish()
        done = True
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
    def work(cls, task: Task) -> PartitionResult:
        """Replay one partition in this process."""
        assert cls.replayer is not None
        try:
            return cls.replayer.replay(task)
        except Interrupted:
            return PartitionResult(interrupted=True)


def _in_processes(
    settings: Settings, tasks: Sequence[Task], summary: ReplaySummary, advance: Callable[[int], None]
) -> None:
    count, stop = CONTEXT.Value("q", 0), CONTEXT.Event()
    largest_first = sorted(tasks, key=lambda t: messages([t]), reverse=True)
    shown = 0
    try:
        with pool(summary.processes, _Worker.begin, (settings, count, stop)) as workers:
            try:
                waiting = set(submit_all(workers, _Worker.work, largest_first))
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
