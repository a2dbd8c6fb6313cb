"""(d) Warehouse: the product's writer beside a plain Arrow insert of the same rows into the same table.

`plain`: Arrow tables made beforehand, one INSERT and COMMIT each. `writer`: messages in memory are decoded, turned
into Arrow and stored with ranges, run states and offsets. Both use transactions of `warehouse.batch_rows` rows on a
fresh file and the product's schema, limits and threads; both end with a checkpoint.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.context import Bench, run_child, sample_of
from bench.inputs import Shape, natural, runs_of, throughput
from bench.stats import Sample
from stratum_lab.contract.codec import Codec, Encoded
from stratum_lab.contract.events import EventBatch
from stratum_lab.settings import Settings, load
from stratum_lab.warehouse import Pending, Stored, Warehouse
from stratum_lab.warehouse.arrow import Slice, events_table

_EXPECT = ("EventBatch",)
_TOPIC = "bench.run.events"
WAYS = ("plain", "writer")


def measure(bench: Bench) -> None:
    """Both ways, 500 events a message and runs as recorded."""
    for _ in range(bench.options.repeat):
        for shape in bench.options.shapes()[-2:]:
            for way in WAYS:
                number = bench.options.natural_runs if not shape.run_events else bench.options.events
                result = run_child(bench, "bench.warehouse", bench.settings, way, shape.name, str(number))
                label = "plain Arrow insert" if way == "plain" else "warehouse writer"
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
    """What the sink does with messages."""

    def write() -> None:
        offset = 0
        for group in work:
            pending = Pending()
            for batch in _decoded(group):
                pending.add_batch(batch)
            offset += len(group)
            warehouse.write(pending, {(_TOPIC, 0): Stored(offset, "bench")})
        warehouse.con.execute("CHECKPOINT")

    return write


def run_once(settings: Settings, way: str, shape: Shape) -> Sample:
    """Store everything in a fresh file.

    Raises:
        RuntimeError: Not every row is there afterwards.
    """
    work = groups(settings, shape)
    folder = Path(tempfile.mkdtemp(prefix="stratum-bench-duckdb-"))
    try:
        warehouse = Warehouse(settings, path=folder / "bench.duckdb")
        store = (plain if way == "plain" else writer)(warehouse, work)
        wall, cpu = time.perf_counter(), time.process_time()
        store()
        wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        rows = warehouse.con.execute("SELECT count(*) FROM events").fetchone()[0]
        expected = sum(run.finished.event_count for run in runs_of(shape))
        if rows != expected:
            raise RuntimeError(f"{rows} rows are stored, {expected} were written")
        warehouse.close()
    finally:
        shutil.rmtree(folder)
    return Sample(rows, wall_s, cpu_s)


def main() -> int:
    """Measure once and print the sample; arguments: way, shape, events or runs."""
    way, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    shape = natural(number) if name == natural(1).name else throughput(int(name[1:]), number)
    sample = run_once(load(), way, shape)
    print(json.dumps({"units": sample.units, "wall_s": sample.wall_s, "cpu_s": sample.cpu_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
