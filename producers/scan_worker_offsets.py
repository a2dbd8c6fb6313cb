"""Which jobs of each partition are taken and which are through; the offset that may be committed. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

Partition = tuple[str, int]


@dataclass
class _Lane:
    """One partition: `next` is the lowest offset that is not through; `taken` says which from there on are."""

    next: int
    committed: int
    taken: dict[int, bool] = field(default_factory=dict)


class Offsets:
    """Jobs end in any order; what is committed is contiguous, so that a crash repeats every job that is not through."""

    def __init__(self) -> None:
        self._lanes: dict[Partition, _Lane] = {}

    def take(self, where: Partition, offset: int) -> bool:
        """Note a job that was read.

        Returns:
            False when it is known already: it was read again after a rebalance.
        """
        lane = self._lanes.setdefault(where, _Lane(offset, offset))
        if offset < lane.next or offset in lane.taken:
            return False
        lane.taken[offset] = False
        return True

    def through(self, where: Partition, offset: int) -> None:
        """Note that the results of a job are acknowledged, or that nothing is to be done for it."""
        lane = self._lanes.get(where)
        if lane is None or offset not in lane.taken:
            return  # the partition went to another worker meanwhile
        lane.taken[offset] = True
        # Offsets without a message (of transactions, or compacted away) are no holes: only what was taken counts.
        for number in sorted(lane.taken):
            if not lane.taken[number]:
                break
            del lane.taken[number]
            lane.next = number + 1

    def committable(self, among: Collection[Partition] | None = None) -> dict[Partition, int]:
        """Offsets to commit: those that moved since `committed` was told, of these partitions."""
        return {
            where: lane.next
            for where, lane in self._lanes.items()
            if (among is None or where in among) and lane.committed != lane.next
        }

    def committed(self, offsets: dict[Partition, int]) -> None:
        """Note a commit that the broker confirmed."""
        for where, offset in offsets.items():
            if where in self._lanes:
                self._lanes[where].committed = offset

    def keep_only(self, assigned: Collection[Partition]) -> None:
        """Forget the partitions that another worker has now."""
        self._lanes = {where: lane for where, lane in self._lanes.items() if where in assigned}

    def forget(self, partitions: Collection[Partition]) -> None:
        """Forget these partitions."""
        self._lanes = {where: lane for where, lane in self._lanes.items() if where not in partitions}

    def waiting(self) -> int:
        """Jobs that are taken and not through."""
        return sum(not done for lane in self._lanes.values() for done in lane.taken.values())
