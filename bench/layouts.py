"""(a) Rows against columns without a broker: decode alone, and decode with the fold, at each batch size.

One thread, messages in memory, CPU time. Rows are measured twice: as the generic records a reader of rows gets at
best, and turned into what this fold takes. The choice is in docs/adr/0001-columnar-batches.md.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from itertools import islice

from bench import rows
from bench.context import Bench
from bench.inputs import Run, runs_of, throughput
from bench.stats import Sample
from stratum_lab.contract.codec import Codec, Encoded
from stratum_lab.contract.events import EventBatch
from stratum_lab.fold import AttemptState, fold_batch

EVENTS = 22_000
"""Events of one repetition: every recorded run once, repeated to 1,000 events."""

_EXPECT = ("EventBatch",)


def measure(bench: Bench) -> None:
    """Both layouts at every size."""
    for size in bench.options.sizes:
        runs = list(islice(runs_of(throughput(size, EVENTS)), EVENTS // 1000))
        codec = Codec()
        columns = [[codec.encode(b) for b in run.batches] for run in runs]
        encoded_rows = [[rows.encode(b) for b in run.batches] for run in runs]
        sizes = {
            "columnar": sum(len(e.value) for r in columns for e in r) / EVENTS,
            "rows": sum(len(v) for r in encoded_rows for v in r) / EVENTS,
        }
        for _ in range(bench.options.repeat):
            for layout, step, work in _works(codec, columns, encoded_rows):
                bench.record(
                    "a",
                    f"{step}.{layout}.{size}",
                    f"{step.replace('_', ' + ')}, {layout}, {size} events a message, no broker",
                    _timed(work),
                    bytes_per_event=round(sizes[layout]),
                )
        _agree(codec, runs, encoded_rows)


def _works(
    codec: Codec, columns: list[list[Encoded]], encoded_rows: list[list[bytes]]
) -> list[tuple[str, str, Callable[[], None]]]:
    def decode_columns() -> None:
        for run in columns:
            for value, headers in run:
                codec.decode(value, headers, _EXPECT)

    def decode_rows() -> None:
        for run in encoded_rows:
            for value in run:
                rows.decode(value)

    def fold_columns() -> None:
        for run in columns:
            state = AttemptState()
            for value, headers in run:
                batch = codec.decode_for_fold(value, headers, _EXPECT)
                assert isinstance(batch, EventBatch)
                fold_batch(state, batch)

    def fold_rows() -> None:
        for run in encoded_rows:
            state = AttemptState()
            for value in run:
                fold_batch(state, rows.to_batch(rows.decode(value)))

    return [
        ("columnar", "decode", decode_columns),
        ("rows", "decode", decode_rows),
        ("columnar", "decode_fold", fold_columns),
        ("rows", "decode_fold", fold_rows),
    ]


def _timed(work: Callable[[], None]) -> Sample:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Sample(EVENTS, time.perf_counter() - wall, time.process_time() - cpu)


def _agree(codec: Codec, runs: list[Run], encoded_rows: list[list[bytes]]) -> None:
    """Off the clock: both layouts hold the same events."""
    for run, values in zip(runs, encoded_rows, strict=True):
        for batch, value in zip(run.batches, values, strict=True):
            again = rows.to_batch(rows.decode(value))
            assert codec.encode(again).value == codec.encode(batch).value, "the layouts differ in what they hold"
