"""The table that carries the state: Faust names, assigns and replays its changelog; the values live here by partition.

Faust's own store keeps the last value of a key; this one keeps the value of the highest rank, so that a late write of
a former owner does not undo newer state. Values are written by `streams.outlet`, whose producer is idempotent and can
be waited for; Faust's buffer gives up waiting after 0.1 s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP, EventT

from streams import codecs

STATE_TABLE = "state"

Recovered = Callable[[set[int]], Awaitable[None]]


class StateTable(faust.Table[bytes, bytes]):
    """Changelog-backed bytes by partition and key."""

    recovered: Recovered | None = None
    """Awaited with the partition numbers whose changelog was read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shards: dict[int, dict[bytes, bytes]] = {}
        self.replayed = 0
        """Changelog entries taken in so far."""
        self._generation = -1

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop what another worker may have changed meanwhile, and have it replayed."""
        name = self.changelog_topic_name
        fresh = {tp for tp in revoked | newly_assigned if tp.topic == name}
        if generation_id != self._generation + 1:
            # A generation went by without us: partitions we seem to have kept may have been elsewhere.
            fresh |= {tp for tp in assigned if tp.topic == name}
        self._generation = generation_id
        for tp in fresh:
            self.shards.pop(tp.partition, None)
            self._recovery().revoke(tp)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    def _recovery(self) -> Recovery:
        manager = self.app.tables
        assert isinstance(manager, TableManager)
        return manager.recovery

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Take replayed values in; of two of one key, the one of the higher rank stays, the later one of equals."""
        for event in batch:
            self.replayed += 1
            key, value = event.message.key, event.message.value
            if key is not None:
                codecs.merge(self.shards.setdefault(event.message.partition, {}), key, value)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Hand the replayed partitions over."""
        await super().on_recovery_completed(active_tps, standby_tps)
        if self.recovered is not None:
            await self.recovered({tp.partition for tp in active_tps})
