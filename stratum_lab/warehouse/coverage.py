"""Which sequence numbers of an attempt are stored: sorted, disjoint, merged ranges, both ends included. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class Coverage:
    """The stored sequence numbers of one attempt, and the last one it should have.

    Args:
        ranges: Ranges stored so far, in any order; they may touch, not overlap.
        expected: Highest sequence number by the end marker; None while the attempt is open.
    """

    __slots__ = ("expected", "ranges")

    def __init__(self, ranges: Iterable[Range] = (), expected: int | None = None) -> None:
        self.expected = expected
        self.ranges: list[Range] = []
        for first, last in sorted(ranges):
            self.add(first, last)

    def copy(self) -> Coverage:
        """An independent copy, for work that may be rolled back."""
        made = Coverage(expected=self.expected)
        made.ranges = self.ranges.copy()
        return made

    def add(self, first: int, last: int) -> list[Range]:
        """Store a range.

        Returns:
            The parts that were not stored yet, ascending; empty for a duplicate.
        """
        ranges = self.ranges
        if not ranges or first > ranges[-1][1]:
            # The common case: batches of an attempt arrive in order.
            if ranges and first == ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], last)
            else:
                ranges.append((first, last))
            return [(first, last)]
        fresh = list(self._holes(first, last))
        if fresh:
            low = bisect_left(ranges, first, key=lambda r: r[1] + 1)
            high = low
            start, end = first, last
            while high < len(ranges) and ranges[high][0] <= last + 1:
                start, end = min(start, ranges[high][0]), max(end, ranges[high][1])
                high += 1
            ranges[low:high] = [(start, end)]
        return fresh

    def _holes(self, first: int, last: int) -> Iterator[Range]:
        at = first
        for a, b in self.ranges[bisect_left(self.ranges, first, key=lambda r: r[1]) :]:
            if a > last:
                break
            if at < a:
                yield at, a - 1
            at = max(at, b + 1)
        if at <= last:
            yield at, last

    @property
    def stored(self) -> int:
        """Number of stored events."""
        return sum(b - a + 1 for a, b in self.ranges)

    def missing(self) -> list[Range]:
        """Ranges not stored: up to the end marker's count, or below the highest stored one while there is none."""
        top = max(self.expected or 0, self.ranges[-1][1] if self.ranges else 0)
        return list(self._holes(1, top)) if top else []

    @property
    def state(self) -> str:
        """`open`, `finished` or `incomplete`, as in table `runs`."""
        if self.expected is None:
            return "open"
        return "incomplete" if self.missing() else "finished"
