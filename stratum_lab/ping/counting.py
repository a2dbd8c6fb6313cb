"""Maps of counts as a ping carries them: zero counts omitted, keys in byte order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def counted(keys: Iterable[str]) -> dict[str, int]:
    """How often each key occurs."""
    return dict(sorted(Counter(keys).items()))


def descending(sizes: Iterable[int]) -> list[int]:
    """A distribution: largest first."""
    return sorted(sizes, reverse=True)
