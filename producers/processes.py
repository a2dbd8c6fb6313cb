"""Worker processes that an interrupt does not reach: the parent decides what becomes of the work."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")

CONTEXT = multiprocessing.get_context("spawn")
"""librdkafka's threads do not survive a fork."""


@contextmanager
def pool(
    processes: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool whose waiting work is cancelled when the block ends early.

    Args:
        processes: How many.
        initializer: Runs once in each process.
        initargs: Its arguments (whatever it takes, hence Any).
    """
    made = ProcessPoolExecutor(processes, CONTEXT, initializer, initargs)
    try:
        yield made
    finally:
        made.shutdown(wait=True, cancel_futures=True)


def submit_all(
    to: ProcessPoolExecutor, call: Callable[[Argument], Result], arguments: Iterable[Argument]
) -> list[Future[Result]]:
    """Submit one call per argument; the processes this starts ignore Ctrl-C, which reaches the whole group."""
    if threading.current_thread() is not threading.main_thread():
        return [to.submit(call, a) for a in arguments]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by what is started now
    try:
        return [to.submit(call, a) for a in arguments]
    finally:
        signal.signal(signal.SIGINT, before)
