"""LiteLLM: one call of the program is one model call, however often the library tries again, falls back or routes.

It speaks for the client libraries under it; tokens come from the innermost call. Attempts that failed inside a call
are errors of it that were caught. `completion`, `text_completion`, `responses`, their async twins and the Router's are
watched; embeddings are only redirected. A synchronous Router inside a running event loop works in a bare thread, where
its attempts cannot be told from calls of their own. Newer versions may hand a call to native code before `litellm.main`
is reached, so their public functions are watched too. `litellm.anthropic_messages` is not watched.
"""

from __future__ import annotations

import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, redirect, spans, wrap
from ..frame import Frame, Hook
from ..wrap import Watch
from . import litellm_redirect
from .litellm_answer import Answer

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import ModuleType

    from ..wrap import Call

PACKAGES = ("litellm", "openai", "tenacity", "backoff")
"""A caller inside these packages is LiteLLM itself."""

_reading: MutableMapping[Any, Completion] = weakref.WeakKeyDictionary()
"""Stream that the program still reads -> the open call."""


class Completion(spans.Llm):
    """One call of the program.

    Attributes:
        caught: What the last attempt inside the call failed with, while it is not known what becomes of it.
        kept: Whether a stream of its answer is listened to.
    """

    caught: BaseException | None = None
    told: Answer
    kept = False

    def done(self, result: Any) -> Any:
        """Close with what the answer says; stay open while the program reads a stream."""
        self._tell_caught("caught_default")
        if result is not None and _is_stream(result):
            self.keep(result)
            self.leave()
            return result
        if result is not None:
            self.told.whole(result)
        self._tell()
        return super().done(result)

    def failed(self, error: BaseException) -> None:
        """The call failed for good, its stream broke or was left before its end."""
        self.caught = None
        self._tell()
        super().failed(error)

    def keep(self, stream: Any) -> None:
        """Listen to a stream; one that wraps another that is listened to says nothing new."""
        if not self.kept:
            self.kept = True
            _reading[stream] = self
        weakref.finalize(stream, _dropped, self)

    def retry(self, error: BaseException | None = None) -> None:
        """Another attempt begins: what the one before failed with was caught."""
        if error is not None:
            self.caught = error
        self._tell_caught("caught_retry")

    def _tell_caught(self, handling: str) -> None:
        error, self.caught = self.caught, None
        if error is not None and self.speaks and spans.status_of(FRAME, error) in (spans.ERROR, spans.TIMEOUT):
            spans.error(FRAME, self.node, error, handling=handling, parent=self)

    def _tell(self) -> None:
        """Give what was learnt to the closing event; tokens and model of an inner call are the surer ones."""
        inner: dict[str, Any] = {
            key: self._end[key] for key in ("input_tokens", "output_tokens", "model_actual") if key in self._end
        }
        told = self.told
        self.usage(told.input_tokens, told.output_tokens)
        self.served(told.model)
        self.finish(told.finish)
        self.answer(told.content())
        self.tools_called(told.tools())
        self._end.update(inner)


class Attempt(Watch):
    """A call of LiteLLM inside another one: its result is the outer one's, its failure may be made good there."""

    def __init__(self, outer: Completion) -> None:
        self.outer = outer

    def done(self, result: Any) -> Any:
        """A stream is listened to where it comes from, whatever is wrapped around it."""
        if _is_stream(result):
            self.outer.keep(result)
        return result

    def failed(self, error: BaseException) -> None:
        """Keep it until it is known what becomes of it."""
        self.outer.caught = error


class Reading(Watch):
    """One step of reading a stream."""

    def __init__(self, stream: Any, call: Completion) -> None:
        self.stream = stream
        self.call = call

    def done(self, result: Any) -> Any:
        """A piece of the answer."""
        self.call.told.piece(result)
        return result

    def failed(self, error: BaseException) -> None:
        """The stream's end, or an error."""
        _reading.pop(self.stream, None)
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            self.call.done(None)
        else:
            self.call.failed(error)


class Closing(Watch):
    """A stream is being closed, perhaps before its end."""

    def __init__(self, call: Completion) -> None:
        self.call = call

    def done(self, result: Any) -> Any:
        """See `Watch`."""
        self.call.abandoned()
        return result


def _is_stream(result: Any) -> bool:
    return hasattr(type(result), "__next__") or hasattr(type(result), "__anext__")


def _dropped(call: Completion) -> None:
    if not call.closed:
        wrap.guarded("litellm.stream", call.abandoned)


def _outer() -> Completion | None:
    """The call of the program that this one is a part of."""
    span = spans.current()
    while span is not None and span.kind not in ("tool", "agent"):
        if isinstance(span, Completion) and not span.closed:
            return span
        span = span.parent
    return None


def _begin(name: str, position: int, prompt: str, call: Call) -> Watch | None:
    """A call begins.

    Args:
        name: Name of its endpoint node.
        position: Where the model stands among its arguments.
        prompt: Name of the argument that holds messages or prompt; it is the other one of the first two.
        call: The call.
    """
    if call.kwargs.get("acompletion") is True or call.kwargs.get("aresponses") is True:
        return None  # the second half of an asynchronous call
    requested = call.get("model", position)
    actual = litellm_redirect.lead(call, position, through_openai=not name.endswith("Responses"))
    return _open(name, requested, actual, call.get(prompt, 1 - position), call)


def _begin_router(name: str, prompt: str, call: Call) -> Watch | None:
    """A router's model is the name of a group of deployments; each attempt is redirected by itself."""
    target = redirect.target()
    actual = None if target is None else target.model
    return _open(name, call.get("model", 0), actual, call.get(prompt, 1), call)


def _open(name: str, requested: Any, actual: Any, said: Any, call: Call) -> Watch:
    outer = _outer()
    if outer is not None:
        outer.retry()
        return Attempt(outer)
    span = Completion(
        FRAME,
        nodes.node("litellm", name, nodes.caller(PACKAGES), "capability"),
        requested=requested,
        actual=actual,
        messages=_messages(said, call.kwargs.get("instructions")),
        tools=bool(call.kwargs.get("tools") or call.kwargs.get("functions")),
        payload=None if actual is None else {"redirected_to": "vllm_openai_compat"},
    )
    span.told = Answer()
    return span


def _messages(said: Any, instructions: Any) -> Any:
    if isinstance(said, str):
        said = [{"role": "user", "content": said}]
    if isinstance(said, list) and said and isinstance(said[0], str):
        said = [{"role": "user", "content": each} for each in said]
    if isinstance(said, list) and isinstance(instructions, str):
        return [{"role": "system", "content": instructions}, *said]
    return said


def _begin_retries(call: Call) -> Watch | None:
    """The library turns to its own retries while it handles the error of the first attempt."""
    outer, error = _outer(), sys.exc_info()[1]
    if outer is not None and error is not None:
        outer.retry(error)
    return None


def _begin_embedding(call: Call) -> Watch | None:
    if call.kwargs.get("aembedding") is not True:
        litellm_redirect.lead(call, 0, through_openai=False)
    return None


def _begin_step(call: Call) -> Watch | None:
    reading = _reading.get(call.instance)
    return None if reading is None or reading.closed else Reading(call.instance, reading)


def _begin_close(call: Call) -> Watch | None:
    reading = _reading.get(call.instance)
    return None if reading is None or reading.closed else Closing(reading)


def _watch_chat(module: ModuleType) -> None:
    wrap.method(module, "completion", partial(_begin, "Completion", 0, "messages"))
    wrap.method(module, "acompletion", partial(_begin, "AsyncCompletion", 0, "messages"))


def _watch_texts(module: ModuleType) -> None:
    wrap.method(module, "text_completion", partial(_begin, "TextCompletion", 1, "prompt"))
    wrap.method(module, "atext_completion", partial(_begin, "AsyncTextCompletion", 1, "prompt"))


def _watch_retries(module: ModuleType) -> None:
    wrap.method(module, "completion_with_retries", _begin_retries)
    wrap.method(module, "acompletion_with_retries", _begin_retries)


def _watch_embeddings(module: ModuleType) -> None:
    wrap.method(module, "embedding", _begin_embedding)
    wrap.method(module, "aembedding", _begin_embedding)


def _watch_responses(module: ModuleType) -> None:
    wrap.method(module, "responses", partial(_begin, "Responses", 1, "input"))
    wrap.method(module, "aresponses", partial(_begin, "AsyncResponses", 1, "input"))


def _watch_router(module: Any) -> None:
    for name in ("completion", "text_completion"):
        kind = "TextCompletion" if name == "text_completion" else "Completion"
        said = "prompt" if name == "text_completion" else "messages"
        wrap.method(module.Router, name, partial(_begin_router, kind, said))
        wrap.method(module.Router, "a" + name, partial(_begin_router, "Async" + kind, said))


def _watch_streams(module: ModuleType) -> None:
    """Every stream class that a module defines."""
    found = [
        cls
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__ and _steps(cls)
    ]
    if not found:
        raise wrap.NotApplied(f"{module.__name__} defines no stream")
    for cls in found:
        for name in _steps(cls):
            wrap.method(cls, name, _begin_step)
        if "aclose" in vars(cls):
            wrap.method(cls, "aclose", _begin_close)


def _steps(cls: type) -> list[str]:
    return [name for name in ("__next__", "__anext__") if name in vars(cls)]


FRAME = Frame(
    "litellm",
    family="litellm",
    library="litellm",
    hooks=(
        Hook("litellm.completion", "litellm.main", _watch_chat),
        Hook("litellm.completion@dispatch", "litellm.chat_completions.dispatch", _watch_chat),
        Hook("litellm.text_completion", "litellm.main", _watch_texts),
        Hook("litellm.retries", "litellm.main", _watch_retries),
        Hook("litellm.embedding", "litellm.main", _watch_embeddings),
        Hook("litellm.embedding@dispatch", "litellm.embeddings.dispatch", _watch_embeddings),
        Hook("litellm.responses", "litellm.responses.main", _watch_responses),
        Hook("litellm.responses@dispatch", "litellm.responses.dispatch", _watch_responses),
        Hook("litellm.router", "litellm.router", _watch_router),
        Hook("litellm.stream", "litellm.litellm_core_utils.streaming_handler", _watch_streams),
        Hook("litellm.text_stream", "litellm.utils", _watch_streams),
        Hook("litellm.responses_stream", "litellm.responses.streaming_iterator", _watch_streams),
        Hook(
            "litellm.responses_bridge",
            "litellm.responses.litellm_completion_transformation.streaming_iterator",
            _watch_streams,
        ),
    ),
    suppresses={"llm": ("openai", "anthropic", "http"), "external": ("http",)},
)
