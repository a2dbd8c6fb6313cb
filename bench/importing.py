"""(e) Import: `stratum run import` of generated result folders, beside a loop that only parses and produces.

Measured around the call that the command makes, everything acknowledged. The loop reads the same files, parses every
line with `json.loads`, and produces the text of 500 lines as one message: no checks, numbers, schema or markers.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from pathlib import Path

from confluent_kafka import Producer

from bench.context import Bench, run_child, sample_of, with_prefix
from bench.peers import tree
from bench.stats import Sample
from bench.tree import NATURAL, THROUGHPUT
from producers.importer import Options, Summary, run_import
from stratum_lab.contract.events.batch import MAX_BATCH_EVENTS
from stratum_lab.contract.topics import RUN_EVENTS, full_name
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import Settings, load

_FLUSH_S = 120.0


def measure(bench: Bench) -> None:
    """Both trees, the importer and the plain loop."""
    folders = {shape: tree(bench, shape) for shape in (THROUGHPUT, NATURAL)}
    for _ in range(bench.options.repeat):
        for shape, folder in folders.items():
            for how, label in (("import", "stratum run import"), ("loop", "json.loads + produce")):
                settings = with_prefix(
                    bench.settings, f"{bench.settings.kafka.topic_prefix}{how}{uuid.uuid4().hex[:6]}."
                )
                result = run_child(bench, "bench.importing", settings, how, str(folder))
                bench.record("e", f"{how}.{shape}", f"{label}, {shape} shape", sample_of(result))


def imported(settings: Settings, folder: Path) -> Sample:
    """One import by the product."""
    summary = Summary()
    wall, cpu = time.perf_counter(), _cpu()
    run_import(settings, [folder], Options(), summary, start=lambda _: None, tick=lambda _: None, step=lambda: None)
    sample = Sample(summary.events, time.perf_counter() - wall, _cpu() - cpu)
    assert not summary.problems and not summary.open_runs, summary
    return sample


def plain(settings: Settings, folder: Path) -> Sample:
    """One pass of the loop."""
    topic = full_name(settings.kafka.topic_prefix, RUN_EVENTS)
    ensure_topics(settings, (RUN_EVENTS,))
    wall, cpu = time.perf_counter(), _cpu()
    producer = Producer(
        {
            "bootstrap.servers": settings.broker.bootstrap,
            "enable.idempotence": True,
            "compression.type": settings.kafka.compression,
            "linger.ms": 20,
            "message.max.bytes": 2 * 1024 * 1024,
        }
    )
    events = 0
    for path in sorted(folder.iterdir()):
        for file in sorted(path.glob("events_run_*.jsonl")):
            lines = file.read_bytes().splitlines()
            for at in range(0, len(lines), MAX_BATCH_EVENTS):
                part = lines[at : at + MAX_BATCH_EVENTS]
                for line in part:
                    json.loads(line)
                producer.produce(topic, b"\n".join(part), path.name)
                producer.poll(0)
                events += len(part)
    left = producer.flush(_FLUSH_S)
    assert not left, f"{left} messages were not acknowledged"
    return Sample(events, time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def main() -> int:
    """Measure once and print the sample; arguments: `import` or `loop`, folder."""
    work = imported if sys.argv[1] == "import" else plain
    sample = work(load(), Path(sys.argv[2]))
    print(json.dumps({"units": sample.units, "wall_s": sample.wall_s, "cpu_s": sample.cpu_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
