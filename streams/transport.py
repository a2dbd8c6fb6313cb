"""Faust's aiokafka consumer, which folds messages as it reads them and commits the offsets of acknowledged checkpoints.

Handing a message to an agent costs Faust several tasks, a queue and a stream; small messages spend more time there
than in decoding and folding. So a message that is next in its partition is folded at once. Any other goes to the agent
by Faust's queue, and those read after it cannot overtake it, since `Owner.take` folds nothing but the next offset.

Faust commits what its agents acknowledged, can do so past messages it never delivered, and stops committing for ever
at some holes. A checkpoint's offsets are those below which everything is folded, durable and emitted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Generator, Mapping
from typing import Any, Final

from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP

TURN_BYTES = 2 * 1024 * 1024
"""Bytes folded between two turns of the event loop, besides the turn Faust takes every 100 messages."""


class Folded:
    """The delivery of a message that is folded already: there is nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


FOLDED: Final = Folded()


class CheckpointConsumer(Consumer):
    """Folds what is next in its partition and commits what `app.checkpointed()` returns."""

    def __init__(self, transport: Any, callback: Any, **options: Any) -> None:
        super().__init__(transport, callback, **options)
        self._enqueue = callback
        self.callback = self.deliver  # called by Faust's reader with each message
        self._folded_bytes = 0

    def deliver(self, message: Any) -> Awaitable[None]:
        """Fold a message at once, or give what puts it into Faust's queue.

        Faust's reader waits for the result by `wait_first`. While the flow is stopped (a rebalance) nothing is folded
        here: Faust's own hand-over waits, and is cancelled, as ever.
        """
        app: Any = self.app
        if not self.flow_active or not app.fold_now(message):
            delivery: Awaitable[None] = self._enqueue(message)
            return delivery
        app.monitor.stream_inbound_time[message.tp] = time.monotonic()  # else Faust reports an idle stream
        self._folded_bytes += len(message.value or b"")
        return FOLDED

    async def wait_first(self, *awaited: Any, timeout: Any = None) -> Any:
        """Wait for the first of some awaitables, as Faust does; at once if a message is folded already.

        Args:
            awaited: A delivery, and the end of the flow.
            timeout: Seconds, or None.
        """
        if awaited[0] is not FOLDED:
            return await super().wait_first(*awaited, timeout=timeout)
        for other in awaited[1:]:
            other.close()
        if self._folded_bytes >= TURN_BYTES:
            self._folded_bytes = 0
            await asyncio.sleep(0)
        return None

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Make a checkpoint, then commit its offsets.

        Args:
            topics: Ignored: a checkpoint covers every partition.
            start_new_transaction: Ignored: there are no transactions.
        """
        app: Any = self.app  # Faust's own type knows nothing of checkpoints
        durable: Mapping[TP, int] = await app.checkpointed()
        if not durable or app.rebalancing:
            return False
        for tp in list(self._acked):  # nobody else trims these
            self._acked[tp].clear()
            self._acked_index[tp].clear()
            self._gap.pop(tp, None)
        assigned = self.assignment()
        moved = {tp: offset for tp, offset in durable.items() if tp in assigned and offset > self.committed_at(tp)}
        if not moved or not await self._commit(moved):
            return False
        self._committed_offset.update(moved)
        self.app.monitor.on_tp_commit(moved)
        return True

    def on_buffer_full(self, tp: TP) -> None:
        """Go on fetching: a full queue holds the reader back by itself.

        Faust would take the partition out, and with all of them out its reader sleeps for a second.
        """

    def committed_at(self, tp: TP) -> int:
        """The offset last committed, or found committed at the start; 0 for none."""
        return self._committed_offset[tp] or 0


class CheckpointTransport(Transport):
    """The aiokafka transport with the consumer above."""

    Consumer = CheckpointConsumer
