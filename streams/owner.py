"""The partitions one process owns: messages in, checkpoints out, and the sweep that finds what did not come.

A checkpoint is: settle what was touched, cut every partition, write state and dead letters, wait for their
acknowledgement, send records and topologies, wait again. Only then may its offsets be committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from stratum_lab.contract.topics import BY_NAME
from stratum_lab.errors import IntegrityError
from stratum_lab.observe import faults, logs
from streams import metrics
from streams.guard import AHEAD, Log, Repair, Revoked
from streams.messages import SOURCES, Checkpoint, Raw
from streams.partition import Partition

SETTLE_SLICE = 20
"""Repositories derived between two turns of the event loop."""

IDLE_SWEEPS = 1
"""Sweeps without movement after which a partition with unread messages is read, when nothing at all is delivered."""

BUSY_SWEEPS = 6
"""The same while messages are delivered: Faust leaves a partition waiting while it works off others."""

Where = tuple[str, int]
"""(catalogue name, partition)."""

log = logs.get("streams.owner")


class Outlet(Protocol):
    """Where checkpoints go. Both calls block until everything is acknowledged and raise a StratumError otherwise."""

    def write(self, cuts: Mapping[int, Checkpoint]) -> None:
        """Write changelog values and dead letters, per partition in the order given."""
        ...

    def send(self, cuts: Mapping[int, Checkpoint]) -> None:
        """Send records and topologies."""
        ...


class Owner:
    """Folds the partitions of this process.

    Args:
        source: The log, for repairs.
        outlet: Where checkpoints go.
        incomplete_after_s: A finished run with holes is closed after this.
        alive: Called before anything is written or sent; ends a process that others have given up on.
        clock: Wall clock, seconds; compared with message times only.
    """

    def __init__(
        self,
        source: Log,
        outlet: Outlet,
        *,
        incomplete_after_s: float,
        alive: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.partitions: dict[int, Partition] = {}
        self.durable: dict[Where, int] = {}
        """Offsets that may be committed."""
        self.suspended = False
        """True between losing all partitions and knowing which came back: nothing is written then."""
        self._repair, self._outlet = Repair(source), outlet
        self._incomplete_after_s, self._alive, self._clock = incomplete_after_s, alive, clock
        self._locks: dict[int, asyncio.Lock] = {}
        self._checkpoint_lock = asyncio.Lock()
        self._seen: dict[Where, tuple[int, int]] = {}
        self._delivered = self._delivered_before = 0
        self._restarted: set[int] = set()

    # Ownership

    def own(self, partitions: Iterable[Partition]) -> None:
        """Start folding these, besides those owned already."""
        for part in partitions:
            self.partitions[part.number] = part
            self._locks[part.number] = asyncio.Lock()
            self._restarted.discard(part.number)
            for topic in SOURCES:
                self.durable.pop((topic, part.number), None)
                self._seen.pop((topic, part.number), None)
        metrics.PARTITIONS.set(len(self.partitions))

    def disown(self, numbers: Iterable[int]) -> None:
        """Stop folding these; what was not written is folded again by whoever owns them next."""
        for number in numbers:
            part = self.partitions.pop(number, None)
            if part is not None:
                part.owned = False
        metrics.PARTITIONS.set(len(self.partitions))

    # Messages

    def take(self, m: Raw, number: int) -> bool:
        """Fold a delivered message at once, where nothing is in the way.

        Returns:
            False when it must go through `take_slowly`.
        """
        self._delivered += 1
        part = self.partitions.get(number)
        if part is None:
            return True  # not ours any more; the next owner folds it
        if self._locks[number].locked():
            return False
        expected = part.next[m.topic]
        if m.offset == expected:
            part.fold(m)
            return True
        if m.offset < expected:
            metrics.REDELIVERED.inc()
            return True
        return False

    async def take_slowly(self, m: Raw, number: int, end: int) -> None:
        """Fold a delivered message after whatever is missing before it.

        Args:
            m: The message.
            number: Its partition.
            end: Offset after the last message of the log, as far as it is known.
        """
        part = self.partitions.get(number)
        if part is None:
            return
        async with self._locks[number]:
            try:
                if m.offset > part.next[m.topic]:
                    # Compaction leaves offsets out all over the topic; reading on saves a read for each of them.
                    ahead = min(end, m.offset + AHEAD) if BY_NAME[m.topic].cleanup == "compact" else 0
                    await self._repair.forward(part, m.topic, max(m.offset, ahead), "offset")
            except Revoked:
                return
            if part.owned and m.offset >= part.next[m.topic]:
                part.fold(m)

    # Checkpoints

    async def checkpoint(self) -> None:
        """Make everything folded so far durable and emit what it changed.

        Raises:
            StratumError: Something was not acknowledged; the process must end.
        """
        async with self._checkpoint_lock:
            cuts: dict[int, Checkpoint] = {}
            for part in list(self.partitions.values()):
                if self.suspended:
                    break
                await self._settle(part)
                if self.suspended or not part.owned or part.refolding:
                    continue
                part.settle(part.unsettled)
                cut = None if part.regressed else part.cut()
                if cut is not None:
                    cuts[part.number] = cut
            if not cuts:
                return
            self._alive()
            faults.point("streams.before_write")
            await asyncio.to_thread(self._outlet.write, cuts)
            faults.point("streams.after_write")
            if any(c.outputs for c in cuts.values()):
                self._alive()
                await asyncio.to_thread(self._outlet.send, cuts)
                metrics.RECORDS.inc(sum(len(c.outputs) for c in cuts.values()))
            faults.point("streams.after_send")
            metrics.CHECKPOINTS.inc(len(cuts))
            for number, cut in cuts.items():
                if number in self.partitions:
                    self.durable.update({(topic, number): offset for topic, offset in cut.next.items()})

    async def _settle(self, part: Partition) -> None:
        rounds = part.unsettled // SETTLE_SLICE
        for _ in range(rounds):
            part.settle(SETTLE_SLICE)
            await asyncio.sleep(0)

    # Sweep

    async def sweep(self, ends: Mapping[Where, int]) -> None:
        """Find and repair what no delivered message shows: holes at the end, closed holes, regressed state.

        Args:
            ends: Offset after the last message, per source topic and partition, asked for just now.

        Raises:
            StratumError: The log could not be read, or does not hold what was emitted.
        """
        patience = BUSY_SWEEPS if self._delivered != self._delivered_before else IDLE_SWEEPS
        self._delivered_before = self._delivered
        for number in list(self.partitions):
            part = self.partitions.get(number)
            if part is None:
                continue
            async with self._locks[number]:
                try:
                    await self._sweep(part, ends, patience)
                except Revoked:
                    log.info("partition went away during a repair", partition=number)
        for topic in SOURCES:
            lag = sum(max(0, ends.get((topic, n), 0) - p.next[topic]) for n, p in self.partitions.items())
            metrics.LAG.labels(topic).set(lag)

    async def _sweep(self, part: Partition, ends: Mapping[Where, int], patience: int) -> None:
        if part.regressed:
            await self._from_start(part, ends)
        for topic in SOURCES:
            where = (topic, part.number)
            end, at = ends.get(where, 0), part.next[topic]
            before, sweeps = self._seen.get(where, (-1, 0))
            sweeps = sweeps + 1 if at == before else 0
            if at < end and sweeps >= patience:
                await self._repair.forward(part, topic, min(end, at + AHEAD), "tail")
            self._seen[where] = (part.next[topic], sweeps if part.next[topic] == at else 0)
        if part.refill:
            await self._repair.again(part, dict(part.refill))
        if all(part.next[topic] >= ends.get((topic, part.number), 0) for topic in SOURCES):
            await self._close(part)

    async def _from_start(self, part: Partition, ends: Mapping[Where, int]) -> None:
        if part.number in self._restarted:
            raise IntegrityError(
                f"partition {part.number}: the log holds less than was emitted from it",
                remedy="restore the topics (`stratum archive restore`), or set streams.app_id to a new name",
            )
        log.error("state is older than what was emitted from it; folding from the start", partition=part.number)
        self._restarted.add(part.number)
        part.restart_from_log()
        for topic in SOURCES:
            await self._repair.forward(part, topic, ends.get((topic, part.number), 0), "regress")

    async def _close(self, part: Partition) -> None:
        """Close finished attempts whose holes nothing filled in time."""
        limit = (self._clock() - self._incomplete_after_s) * 1000
        late = [key for key, since in part.waiting.items() if since <= limit]
        if not late:
            return
        seen = await self._repair.again(part, {key: part.read_from(key) for key in late})
        part.settle(part.unsettled)
        for key in late:
            if key in part.waiting:
                part.close_incomplete(key, seen[key])
