"""(b) Replay: every record again from the topics, end to end, with one and with two processes.

Measured around the call that `stratum replay records` makes: planning, start of the processes, reading, decoding,
folding, deriving, and shadow topics written and acknowledged. CPU time covers all processes.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid

from bench.context import Bench, run_child, sample_of
from producers.replay import Options, ReplaySummary, replay
from stratum_lab.settings import load

PROCESSES = (1, 2)


def measure(bench: Bench) -> None:
    """Every shape with one process, the largest and the natural one with two as well."""
    shapes = bench.options.shapes()
    for _ in range(bench.options.repeat):
        for shape in shapes:
            for processes in PROCESSES if shape in shapes[-2:] else PROCESSES[:1]:
                data = bench.input(shape)
                result = run_child(bench, "bench.replay", data.settings, str(processes))
                if result["units"] != data.events or result["repositories"] != shape.repos:
                    raise RuntimeError(f"replay found {result}, the input has {data.events} of {shape.repos}")
                bench.record(
                    "b",
                    f"replay.{processes}.{shape.name}",
                    f"replay, {processes} process{'es' if processes > 1 else ''}, {shape.label}",
                    sample_of(result),
                    processes=processes,
                )


def main() -> int:
    """Replay once and print the sample; argument: number of processes."""
    summary = ReplaySummary(uuid.uuid4().hex[:12])
    before, began = _cpu(), time.perf_counter()
    replay(
        load(),
        Options(summary.replay_id, processes=int(sys.argv[1])),
        summary,
        start=lambda _: None,
        advance=lambda _: None,
    )
    wall, cpu = time.perf_counter() - began, _cpu() - before
    total = summary.total
    assert not total.incomplete and not total.invalid and not total.problems, total
    print(json.dumps({"units": total.events, "wall_s": wall, "cpu_s": cpu, "repositories": total.records}))
    return 0


def _cpu() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    sys.exit(main())
