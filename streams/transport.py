"""Faust's aiokafka consumer, committing the offsets of acknowledged checkpoints instead of its own bookkeeping.

Faust commits what its agents acknowledged, can do so past messages it never delivered, and stops committing for ever
at some holes. A checkpoint's offsets are those below which everything is folded, durable and emitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP


class CheckpointConsumer(Consumer):
    """Commits what `app.checkpointed()` returns."""

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
