"""Python's cycle collector, set for processes that hold millions of small objects without cycles.

Collections of the oldest generation walk every live object; with decoded batches and run states in memory they took
half of the time of building Arrow tables and a fifth of a replay (docs/bench.md). Reference counting frees our data;
the collector is only there for what libraries leave in cycles, so it may run rarely.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG, MIDDLE, OLD = 100_000, 50, 100
"""Allocations before a young collection, young ones before a middle one, middle ones before an old one."""


def tune() -> None:
    """Call once when a long-lived or data-heavy process has started; what is loaded by then is never walked again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


@contextmanager
def paused() -> Iterator[None]:
    """No collection in this block, for building up a lot that has no cycles; `resumed` allows them within."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


@contextmanager
def resumed() -> Iterator[None]:
    """Collections again, within `paused`, for work that leaves cycles; what was there before is not walked."""
    gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        gc.collect()
        gc.disable()
