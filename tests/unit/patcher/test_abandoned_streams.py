"""Async generators that the program leaves open when its event loop ends are closed once, without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from stratum_patcher import streams, wrap
from stratum_patcher.wrap import Watch


class Source:
    """A watched stream whose end takes a moment."""

    closed = 0

    async def numbers(self) -> AsyncIterator[int]:
        """Yields until it is closed."""
        try:
            for number in range(10):
                yield number
        finally:
            await asyncio.sleep(0)
            Source.closed += 1


class Seen(Watch):
    """Counts how often the watch was told of an early end."""

    def __init__(self) -> None:
        self.ends = 0

    def failed(self, error: BaseException) -> None:
        """See `Watch`."""
        self.ends += isinstance(error, GeneratorExit)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class of its own for each test."""
    monkeypatch.setattr(Source, "closed", 0)
    return type("Fresh", (Source,), {"numbers": Source.numbers})


def leave_open(stream: Any) -> list[dict[str, Any]]:
    """Read one item, keep the stream until the loop ends; what the loop had to complain of."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        kept.append(stream())
        assert await kept[0].__anext__() == 0

    kept: list[Any] = []
    asyncio.run(main())
    return complaints


def test_a_watched_generator_left_open_is_closed_once(source: Any) -> None:
    seen = Seen()
    wrap.method(source, "numbers", lambda call: seen)
    assert leave_open(source().numbers) == []
    assert (Source.closed, seen.ends) == (1, 1)


def test_an_unwatched_call_of_a_wrapped_generator_is_closed_once(source: Any) -> None:
    wrap.method(source, "numbers", lambda call: None)
    assert leave_open(source().numbers) == []
    assert Source.closed == 1


def test_a_stand_in_for_an_async_generator_left_open_is_closed_once(source: Any) -> None:
    seen = Seen()
    assert leave_open(lambda: streams.atee(source().numbers(), seen)) == []
    assert (Source.closed, seen.ends) == (1, 1)
