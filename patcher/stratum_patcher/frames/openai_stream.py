"""Answers of the OpenAI client library that are not there yet when the request returns: streams and unread responses.

A stream keeps its class; only its private iterator is replaced by one that listens. A request stays open until its
stream ends, fails, is closed early or is dropped.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any, Callable

from .. import spans, streams, wrap
from ..wrap import Watch
from .openai_answer import Reader

if TYPE_CHECKING:
    from ..wrap import Call

Handler = Callable[[Any, "spans.Llm", Reader], bool]
"""Takes over what a request returned; False when the answer was all there and has been read."""


class Reading(Watch):
    """A request whose answer is still to come."""

    __slots__ = ("over", "reader", "span")

    def __init__(self, span: spans.Llm, reader: Reader) -> None:
        self.span = span
        self.reader = reader
        self.over = False

    def item(self, value: Any) -> None:
        """Another piece of the answer."""
        if not self.over:
            self.reader.item(value)

    def done(self, result: Any) -> Any:
        """The answer is complete."""
        if not self.over:
            self.over = True
            self.reader.close(self.span)
        return result

    def failed(self, error: BaseException) -> None:
        """Reading failed."""
        if not self.over:
            self.over = True
            self.reader.tell(self.span)
            self.span.failed(error)

    def abandoned(self) -> None:
        """Nobody will read the rest."""
        if not self.over:
            self.over = True
            self.reader.tell(self.span)
            self.span.failed(GeneratorExit())


class Unread:
    """What is still being read -> its `Reading`, by identity, without keeping anything of the program alive."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[weakref.ref[Any], Reading]] = {}

    def keep(self, thing: Any, reading: Reading) -> None:
        """Note it; when the program drops it unread, the reading is over."""
        identity = id(thing)

        def dropped(_: Any, ending: Any = sys.is_finalizing) -> None:
            entry = self._held.pop(identity, None)
            if entry is not None and not ending():
                wrap.guarded("openai.stream", entry[1].abandoned)

        self._held[identity] = (weakref.ref(thing, dropped), reading)

    def of(self, thing: Any) -> Reading | None:
        """The reading of a thing, if it is still to be read."""
        entry = self._held.get(id(thing))
        return entry[1] if entry is not None and entry[0]() is thing and not entry[1].over else None

    def forget(self, thing: Any) -> None:
        """It is over, or somebody else's now."""
        self._held.pop(id(thing), None)


_unread = Unread()


class Pieces:
    """The private iterator of an asynchronous stream, listened to.

    No async generator: the event loop would close it and the library's own, which it holds, at the same time at exit,
    and complain of the second.
    """

    __slots__ = ("_inner", "_reading")

    def __init__(self, inner: Any, reading: Reading) -> None:
        self._inner = inner
        self._reading = reading

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> Any:
        try:
            value = await self._inner.__anext__()
        except StopAsyncIteration:
            wrap.guarded("openai.stream", self._reading.done, None)
            raise
        except BaseException as error:
            wrap.guarded("openai.stream", self._reading.failed, error)
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        wrap.guarded("openai.stream", self._reading.item, value)
        return value

    async def aclose(self) -> None:
        """Close the library's iterator."""
        wrap.guarded("openai.stream", self._reading.abandoned)
        await self._inner.aclose()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _listen(stream: Any, reading: Reading) -> None:
    if hasattr(type(stream), "__anext__"):
        stream._iterator = Pieces(stream._iterator, reading)
    else:
        stream._iterator = streams.tee(stream._iterator, reading)
    _unread.keep(stream, reading)


def _stream(stream: Any, span: spans.Llm, reader: Reader) -> bool:
    _listen(stream, Reading(span, reader))
    return True


def _raw(response: Any, span: spans.Llm, reader: Reader) -> bool:
    """`with_raw_response`: the body is there, except for streams, which begin when it is parsed."""
    if response._stream:
        return _later(response, span, reader)
    reader.raw(_content(response) or b"")
    return False


def _later(response: Any, span: spans.Llm, reader: Reader) -> bool:
    """`with_streaming_response`: the body is not there yet."""
    _watch_reading(type(response))
    _unread.keep(response, Reading(span, reader))
    return True


def _content(response: Any) -> bytes | None:
    """The body, if it has been read."""
    content = vars(response.http_response).get("_content")
    return content if isinstance(content, bytes) else None


_BY_CLASS: dict[str, Handler] = {
    "Stream": _stream,
    "AsyncStream": _stream,
    "LegacyAPIResponse": _raw,
    "BaseAPIResponse": _later,
    "APIResponse": _raw,
}
"""Class of the library -> who takes it over; `APIResponse` is the raw response of the first 1.x, later ones have
`BaseAPIResponse` above it."""
_of_class: dict[type, Handler | None] = {}
"""Plain classes of the library -> what `handler` found."""


def handler(kind: type) -> Handler | None:
    """Who takes over results of a class; None for answers."""
    if kind in _of_class:
        return _of_class[kind]
    names = {cls.__name__ for cls in kind.__mro__ if cls.__module__.partition(".")[0] == "openai"}
    found = next((_BY_CLASS[name] for name in _BY_CLASS if name in names), None)
    if kind.__name__ in names and "[" not in kind.__name__:
        # Classes filled in with one of the program's own are not kept.
        _of_class[kind] = found
    return found


class Parsed(Watch):
    """`parse` of a response: of a streaming one it makes the stream."""

    __slots__ = ("reading", "response")

    def __init__(self, response: Any, reading: Reading) -> None:
        self.response = response
        self.reading = reading

    def done(self, result: Any) -> Any:
        """The stream takes the request over."""
        if handler(type(result)) is _stream:
            _unread.forget(self.response)
            _listen(result, self.reading)
        return result

    def failed(self, error: BaseException) -> None:
        """Whether the response can be read in another way is not known yet, so the request stays open."""


class Read(Watch):
    """`read` of a response, to which `text`, `json` and `parse` come too."""

    __slots__ = ("reading",)

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def done(self, result: Any) -> Any:
        """The body is there."""
        self.reading.reader.raw(result)
        self.reading.done(None)
        return result

    def failed(self, error: BaseException) -> None:
        """The body did not come."""
        self.reading.failed(error)


def _begin_parse(call: Call) -> Watch | None:
    reading = _unread.of(call.instance)
    return None if reading is None else Parsed(call.instance, reading)


def _begin_read(call: Call) -> Watch | None:
    reading = _unread.of(call.instance)
    return None if reading is None or getattr(call.instance, "_is_sse_stream", False) else Read(reading)


def _begin_close(call: Call) -> Watch | None:
    """Closing what was read to its end ends the request well; closing earlier abandons it."""
    _close(call.instance)
    return None


def _begin_close_helper(call: Call) -> Watch | None:
    _close(getattr(call.instance, "_raw_stream", None))
    return None


def _close(thing: Any) -> None:
    reading = _unread.of(thing)
    if reading is None:
        return
    _unread.forget(thing)
    response = getattr(thing, "http_response", None)
    if response is not None and response.is_closed:
        reading.done(None)
    else:
        reading.abandoned()


def watch_streams(module: Any) -> None:
    """Closing of streams; the first 1.x had none."""
    for cls in (module.Stream, module.AsyncStream):
        if hasattr(cls, "close"):
            wrap.method(cls, "close", _begin_close)


def watch_raw(module: Any) -> None:
    """Raw responses: their stream begins at `parse`; see `watch_responses`."""
    _has(module.LegacyAPIResponse, "parse")


def watch_responses(module: Any) -> None:
    """Responses that the program reads.

    Nothing is wrapped before the first one is seen, since every ordinary call passes the same methods too.
    """
    _has(module.APIResponse, "parse")
    if hasattr(module, "AsyncAPIResponse"):
        for name in ("parse", "read", "close"):
            _has(module.APIResponse, name)
            _has(module.AsyncAPIResponse, name)


def _has(cls: type, name: str) -> None:
    if not hasattr(cls, name):
        raise wrap.NotApplied(f"{cls.__name__} has no {name}")


def _watch_reading(cls: type) -> None:
    with wrap.owned_by("openai.response"):
        for name, begin in _READING.items():
            if hasattr(cls, name):
                wrap.method(cls, name, begin)


_READING = {"parse": _begin_parse, "read": _begin_read, "close": _begin_close}


def watch_chat_helpers(module: Any) -> None:
    """`chat.completions.stream`: it closes the response past the stream."""
    for name in ("ChatCompletionStream", "AsyncChatCompletionStream"):
        wrap.method(getattr(module, name), "close", _begin_close_helper)


def watch_helpers(module: Any) -> None:
    """`responses.stream`, likewise."""
    for name in ("ResponseStream", "AsyncResponseStream"):
        wrap.method(getattr(module, name), "close", _begin_close_helper)
