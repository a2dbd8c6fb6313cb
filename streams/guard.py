"""The guards' repair: what Faust did not deliver is read again from the log, while the event loop goes on.

Both guards of a partition end here: offsets that were skipped (`forward`), and sequence numbers of one attempt whose
hole was closed or is to be closed as incomplete (`again`). Reading runs in a thread, folding in the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from typing import Protocol

from stratum_lab.contract.topics import RUN_EVENTS
from stratum_lab.observe import logs
from streams import metrics
from streams.codecs import AttemptKey
from streams.messages import Raw
from streams.partition import Partition

SLICE = 64
"""Messages fetched between two turns of the event loop."""

AHEAD = 2000
"""Messages read at most in one go where it is not known that more is missing."""

log = logs.get("streams.guard")


class Revoked(Exception):
    """The partition went to another worker while it was being read."""


class Log(Protocol):
    """The log as the guards read it.

    `read` yields the messages of one partition with start <= offset < end, in order, offsets that the log does not
    hold left out; it blocks, raises BrokerUnavailable without progress and LogIdentityChanged where the log no longer
    holds `start`.
    """

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Raw]:
        """Messages of a range; `topic` is the catalogue name."""
        ...


class Repair:
    """Reads ranges again for one process.

    Args:
        source: Where to read.
    """

    def __init__(self, source: Log) -> None:
        self._source = source

    async def forward(self, part: Partition, topic: str, end: int, found: str) -> None:
        """Fold everything from `next` up to `end`; the caller holds the partition's lock.

        Args:
            part: The partition.
            topic: Catalogue name.
            end: Offset after the last to fold.
            found: How the hole was found, for logs and metrics.

        Raises:
            Revoked: The partition is no longer ours.
        """
        start = part.next[topic]
        if start >= end:
            return
        log.warning("reading skipped messages", topic=topic, partition=part.number, start=start, end=end, found=found)
        async for m in self._read(part, topic, start, end):
            if m.offset >= part.next[topic]:
                part.fold(m)
        part.skip_to(topic, end)
        metrics.HOLES.labels(found).inc()

    async def again(self, part: Partition, starts: Mapping[AttemptKey, int]) -> dict[AttemptKey, list[tuple[int, int]]]:
        """Fold the batches of some attempts again, from where each has a hole; the caller holds the lock.

        Args:
            part: The partition.
            starts: First offset of `run.events` to look at, per attempt.

        Returns:
            First and last sequence number of every batch seen, per attempt.

        Raises:
            Revoked: The partition is no longer ours.
        """
        seen: dict[AttemptKey, list[tuple[int, int]]] = {key: [] for key in starts}
        wanted = set(starts)
        part.refolding = True
        for key in starts:
            part.release_held(key)
        async for m in self._read(part, RUN_EVENTS, min(starts.values()), part.next[RUN_EVENTS]):
            batch = part.refold(m, wanted)
            if batch is not None:
                seen[batch[0]].append(batch[1:])
        part.refolding = False
        part.refilled(starts)
        metrics.HOLES.labels("sequence").inc(len(starts))
        return seen

    async def _read(self, part: Partition, topic: str, start: int, end: int) -> AsyncIterator[Raw]:
        """Messages of a range, fetched in a thread slice by slice."""
        messages = iter(self._source.read(topic, part.number, start, end))
        while True:
            batch = await asyncio.to_thread(lambda: list(islice(messages, SLICE)))
            if not part.owned:
                raise Revoked
            metrics.REREAD.inc(len(batch))
            for m in batch:
                yield m
            if len(batch) < SLICE:
                return
