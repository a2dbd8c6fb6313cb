"""Stand-ins for iterators that somebody else consumes: they pass everything on and tell a watch."""

from __future__ import annotations

from . import wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any


def tee(iterator: Any, watch: wrap.Watch) -> Iterator[Any]:
    """A generator over `iterator` that tells a watch of each item, of the end, of an early close and of errors."""
    return wrap.drive(_Plain(iterator), watch, "stream")  # type: ignore[no-any-return]


def atee(iterator: Any, watch: wrap.Watch) -> AsyncIterator[Any]:
    """The same for an async iterator."""
    return wrap.adrive(_AsyncPlain(iterator), watch, "stream")  # type: ignore[no-any-return]


class _Plain:
    """An iterator with a generator's methods, where it has them itself."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __next__(self) -> Any:
        return next(self._inner)

    def send(self, value: Any) -> Any:
        return self._inner.send(value) if hasattr(self._inner, "send") else next(self._inner)

    def throw(self, error: BaseException) -> Any:
        if hasattr(self._inner, "throw"):
            return self._inner.throw(error)
        raise error

    def close(self) -> None:
        if hasattr(self._inner, "close"):
            self._inner.close()


class _AsyncPlain:
    """An async iterator with an async generator's methods, where it has them itself."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def asend(self, value: Any) -> Any:
        if value is not None and hasattr(self._inner, "asend"):
            return await self._inner.asend(value)
        if hasattr(self._inner, "ag_frame"):
            return await wrap.unowned(self._inner.__anext__)
        return await self._inner.__anext__()

    async def athrow(self, error: BaseException) -> Any:
        if hasattr(self._inner, "athrow"):
            return await self._inner.athrow(error)
        raise error

    async def aclose(self) -> None:
        if hasattr(self._inner, "aclose"):
            await self._inner.aclose()
