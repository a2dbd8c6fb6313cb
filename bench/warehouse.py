"""(d) Warehouse: the product's writer beside a plain Arrow insert of the same rows into the same table.

`plain`: Arrow tables made beforehand, one INSERT and COMMIT each. `writer`: messages in memory are decoded, turned
into Arrow and stored with ranges, run states and offsets. `sink`: the worker's loop reads the topics from the start and
ends when all is stored, start-up included. All use transactions of `warehouse.batch_rows` rows on a fresh file and the
product's schema, limits and threads; the first two end with a checkpoint.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.context import Bench, run_child, sample_of
from bench.inputs import Shape, natural, runs_of, throughput
from bench.stats import Sample
from consumers.loop import Loop
from consumers.warehouse_sink import WarehouseSink
from stratum_lab.contract.codec import Codec, Encoded
from stratum_lab.contract.events import EventBatch
from stratum_lab.contract.topics import RUN_EVENTS, RUN_STATUS
from stratum_lab.observe import garbage
from stratum_lab.settings import Settings, load
from stratum_lab.warehouse import Pending, Stored, Warehouse
from stratum_lab.warehouse.arrow import Slice, events_table
from stratum_lab.warehouse.writer import Written

_EXPECT = ("EventBatch",)
_TOPIC = "bench.run.events"
LABELS = {"plain": "plain Arrow insert", "writer": "warehouse writer", "sink": "warehouse sink, from Kafka"}


def measure(bench: Bench) -> None:
    """Both ways, 500 events a message and runs as recorded."""
    for _ in range(bench.options.repeat):
        for shape in bench.options.shapes()[-2:]:
            number = bench.options.natural_runs if not shape.run_events else bench.options.events
            for way, label in LABELS.items():
                settings = bench.input(shape).settings if way == "sink" else bench.settings
                result = run_child(bench, "bench.warehouse", settings, way, shape.name, str(number))
                bench.record("d", f"{way}.{shape.name}", f"{label}, {shape.label}", sample_of(result), unit="rows")


def groups(settings: Settings, shape: Shape) -> list[list[Encoded]]:
    """Messages of one transaction each."""
    codec, out, rows = Codec(), list[list[Encoded]](), settings.warehouse.batch_rows
    held: list[Encoded] = []
    count = 0
    for run in runs_of(shape):
        for batch in run.batches:
            held.append(codec.encode(batch))
            count += batch.count
            if count >= rows:
                out.append(held)
                held, count = [], 0
    return [*out, held] if held else out


def _decoded(group: list[Encoded]) -> list[EventBatch]:
    codec = Codec()
    out = []
    for value, headers in group:
        batch = codec.decode(value, headers, _EXPECT)
        assert isinstance(batch, EventBatch)
        out.append(batch)
    return out


def plain(warehouse: Warehouse, work: list[list[Encoded]]) -> Callable[[], None]:
    """Insert ready Arrow tables."""
    tables: list[Any] = [events_table([Slice(b, 0, b.count) for b in _decoded(group)]) for group in work]

    def insert() -> None:
        for table in tables:
            warehouse.con.execute("BEGIN")
            warehouse.con.register("bench_rows", table)
            warehouse.con.execute("INSERT INTO events BY NAME SELECT * FROM bench_rows")
            warehouse.con.unregister("bench_rows")
            warehouse.con.execute("COMMIT")
        warehouse.con.execute("CHECKPOINT")

    return insert


def writer(warehouse: Warehouse, work: list[list[Encoded]]) -> Callable[[], None]:
    """What the sink does with messages: one transaction is written while the next messages are decoded."""

    def write() -> None:
        offset = 0
        under_way: Future[Written] | None = None
        with ThreadPoolExecutor(1) as one:
            for group in work:
                pending = Pending()
                for batch in _decoded(group):
                    pending.add_batch(batch)
                offset += len(group)
                if under_way is not None:
                    under_way.result()
                under_way = one.submit(warehouse.write, pending, {(_TOPIC, 0): Stored(offset, "bench")})
            if under_way is not None:
                under_way.result()
        warehouse.con.execute("CHECKPOINT")

    return write


def sink(settings: Settings) -> Callable[[], None]:
    """What `stratum worker warehouse` does, without the read-only door."""
    target = WarehouseSink(settings, serve=False)
    target.topics = (RUN_EVENTS, RUN_STATUS)  # what other measurements wrote into the derived topics is not ours
    loop = Loop(settings, target, threading.Event(), drain=True)

    def drain() -> None:
        loop.run()
        target.close()

    return drain


def run_once(settings: Settings, way: str, shape: Shape, folder: Path) -> Sample:
    """Store everything in a fresh file.

    Raises:
        RuntimeError: Not every row is there afterwards.
    """
    path = folder / "bench.duckdb"
    if way == "sink":
        area = settings.warehouse.model_copy(update={"path": path})
        store = sink(settings.model_copy(update={"warehouse": area}))
    else:
        warehouse = Warehouse(settings, path=path)
        store = (plain if way == "plain" else writer)(warehouse, groups(settings, shape))
    garbage.tune()  # as the sink's process does
    wall, cpu = time.perf_counter(), time.process_time()
    store()
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    if way == "sink":
        warehouse = Warehouse(settings, path=path)
    rows = warehouse.con.execute("SELECT count(*) FROM events").fetchone()[0]
    warehouse.close()
    expected = sum(run.finished.event_count for run in runs_of(shape))
    if rows != expected:
        raise RuntimeError(f"{rows} rows are stored, {expected} were written")
    return Sample(rows, wall_s, cpu_s)


def main() -> int:
    """Measure once and print the sample; arguments: way, shape, events or runs."""
    way, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    shape = natural(number) if name == natural(1).name else throughput(int(name[1:]), number)
    with tempfile.TemporaryDirectory(prefix="stratum-bench-duckdb-") as folder:
        sample = run_once(load(), way, shape, Path(folder))
    print(json.dumps({"units": sample.units, "wall_s": sample.wall_s, "cpu_s": sample.cpu_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
