"""The OpenAI client library, 1.x to 3.x: every generation request passes `post` of its two base clients.

Embeddings, token counts and the like are no generation and give no `llm.*` facts. Streams and unread responses are
`openai_stream`'s, what an answer says is `openai_answer`'s, where requests go is `openai_redirect`'s.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from .. import facts, nodes, spans, wrap
from ..frame import Frame, Hook
from ..wrap import NotApplied, Watch
from . import openai_answer as answer
from . import openai_redirect, openai_stream

if TYPE_CHECKING:
    from ..wrap import Call

PACKAGES = ("openai",)
"""A caller inside these packages is the library itself."""


class Kind(NamedTuple):
    """One sort of generation request.

    Attributes:
        path: Where it is posted, relative to the base address.
        sync: Name of its endpoint node for synchronous clients; `Async` before it for the others.
        messages: What the request body says to the model, as messages.
        reader: Makes the collector of what the answer says.
    """

    path: str
    sync: str
    messages: Callable[[Any], Any]
    reader: Callable[[], answer.Reader]


def _chat_messages(body: dict[str, Any]) -> Any:
    return body.get("messages")


def _prompt(body: dict[str, Any]) -> Any:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], str):
        return [{"role": "user", "content": each} for each in prompt]
    return [{"role": "user", "content": prompt}]


def _responses_input(body: dict[str, Any]) -> Any:
    given, instructions = body.get("input"), body.get("instructions")
    messages = list(given) if isinstance(given, (list, tuple)) else [{"role": "user", "content": given}]
    if isinstance(instructions, str):
        messages.insert(0, {"role": "system", "content": instructions})
    return messages


KINDS = {
    kind.path: kind
    for kind in (
        Kind("/chat/completions", "ChatCompletion", _chat_messages, answer.Chat),
        Kind("/completions", "Completion", _prompt, answer.Text),
        Kind("/responses", "Responses", _responses_input, answer.Responses),
    )
}
"""Path -> sort of generation request. A path matches whole: `/responses/input_tokens` only counts tokens."""

STATUS_ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
"""HTTP status -> the exception class that the library raises for it."""


def _kind(path: Any) -> Kind | None:
    kind = KINDS.get(path) if type(path) is str else None
    if kind is not None or not isinstance(path, str):
        return kind
    if "://" in path:
        return next((KINDS[each] for each in KINDS if path.endswith(each)), None)
    return KINDS.get("/" + path.strip("/"))


class Generation(Watch):
    """One generation request: open until its answer is there, or, for streams, until the stream ends."""

    __slots__ = ("reader", "span")

    def __init__(self, span: spans.Llm, reader: answer.Reader) -> None:
        self.span = span
        self.reader = reader

    def done(self, result: Any) -> Any:
        """The library gives an answer, a stream, or a response that is yet to be read."""
        unread = openai_stream.handler(type(result))
        if unread is not None and unread(result, self.span, self.reader):
            self.span.leave()
            return result
        if unread is None:
            self.reader.whole(result)
        self.reader.tell(self.span)
        self.span.done(result)
        return result

    def failed(self, error: BaseException) -> None:
        """The request failed for good."""
        self.span.failed(error)

    def broken(self, error: BaseException | None) -> None:
        """See `Watch`."""
        self.span.broken(error)


def _begin(prefix: str, call: Call) -> Watch | None:
    path = call.get("path", 0)
    kind = _kind(path)
    if kind is None:
        return None
    body = call.kwargs.get("body")
    if not isinstance(body, dict):
        body = {}
    requested = body.get("model")
    requested = requested if isinstance(requested, str) else None
    actual = openai_redirect.body(call, kind.path, path, body, requested)
    node = nodes.node("openai", prefix + kind.sync, nodes.caller(PACKAGES), "capability")
    tools = body.get("tools") or body.get("functions")
    span = spans.Llm(
        FRAME,
        node,
        requested=requested,
        actual=actual,
        messages=kind.messages(body),
        tools=isinstance(tools, (list, tuple)),
    )
    return Generation(span, kind.reader())


def _retry(call: Call) -> Watch | None:
    """The library waits before it sends a request again: the attempt that failed is a fact of its own."""
    span = spans.enclosing("llm")
    while span is not None and not (span.kind == "llm" and span.speaks):
        span = span.parent
    failure = sys.exc_info()[1]
    options = call.get("options", 0)
    if span is None or failure is None or _kind(_undeployed(getattr(options, "url", None))) is None:
        return None
    status = getattr(getattr(failure, "response", None), "status_code", None)
    if isinstance(status, int):
        name = STATUS_ERRORS.get(status) or ("InternalServerError" if status >= 500 else "APIStatusError")
        message, error_class = f"Error code: {status}", facts.class_of_status(status)
    elif "Timeout" in type(failure).__name__:
        name, message, error_class = "APITimeoutError", "Request timed out.", "timeout"
    else:
        name, message, error_class = "APIConnectionError", "Connection error.", "api_error"
    spans.error_text(span.frame, span.node, name, message, handling="caught_retry", error_class=error_class)
    return None


def _undeployed(url: Any) -> Any:
    return openai_redirect.undeployed(url) if isinstance(url, str) else None


def _watch_post(module: Any) -> None:
    wrap.method(module.SyncAPIClient, "post", partial(_begin, ""))
    wrap.method(module.AsyncAPIClient, "post", partial(_begin, "Async"))


def _watch_retries(module: Any) -> None:
    name = "_sleep_for_retry" if hasattr(module.SyncAPIClient, "_sleep_for_retry") else "_retry_request"
    wrap.method(module.SyncAPIClient, name, _retry)
    wrap.method(module.AsyncAPIClient, name, _retry)


def _too_old(_module: Any) -> None:
    raise NotApplied("openai before 1.0 has no client classes; its module-level functions are not watched")


FRAME = Frame(
    name="openai",
    family="openai",
    library="openai",
    hooks=(
        Hook("openai.post", "openai._base_client", _watch_post),
        Hook("openai.retry", "openai._base_client", _watch_retries),
        Hook("openai.redirect", "openai._base_client", openai_redirect.watch_client),
        Hook("openai.redirect_azure", "openai.lib.azure", openai_redirect.watch_azure),
        Hook("openai.stream", "openai._streaming", openai_stream.watch_streams),
        Hook("openai.raw_response", "openai._legacy_response", openai_stream.watch_raw),
        Hook("openai.response", "openai._response", openai_stream.watch_responses),
        Hook("openai.chat_stream", "openai.lib.streaming.chat._completions", openai_stream.watch_chat_helpers),
        Hook("openai.responses_stream", "openai.lib.streaming.responses._responses", openai_stream.watch_helpers),
        Hook("openai.before_1_0", "openai.api_requestor", _too_old),
    ),
    suppresses={"llm": ("openai",), "external": ("http",)},
)
