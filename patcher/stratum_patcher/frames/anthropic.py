"""Anthropic's SDK: every model call passes its client's `post`, whatever method made it; streams end where they are
read.

That covers messages and legacy completions, `create`, `stream`, `parse`, beta twins, tool runners, raw and streaming
responses, sync and async. When calls are redirected they go to `<VLLM_HOST>/v1/messages` with the served model, in
Anthropic's own format (`redirected_to` = `vllm_messages`); the translation is the model relay's. Bedrock, Vertex and
other platform clients sign their requests for one host: they are watched, not redirected (see `unredirected`).
"""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import nodes, redirect, spans, wrap
from ..frame import Frame, Hook
from ..wrap import NotApplied
from . import anthropic_redirect

if TYPE_CHECKING:
    from collections.abc import MutableMapping

KINDS = {"/v1/messages": "Messages", "/v1/complete": "Completions"}
"""Path of a model call -> name of its node; token counts, batches and models are no model calls."""
REDIRECTED_TO = "vllm_messages"
STATUS_ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "APITimeoutError",
    409: "ConflictError",
    413: "RequestTooLargeError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
    504: "DeadlineExceededError",
    529: "OverloadedError",
}
"""HTTP status -> exception class of the SDK; other statuses from 500 on are `InternalServerError`."""
_LIBRARY = ("anthropic",)

_reading: MutableMapping[Any, _Call] = weakref.WeakKeyDictionary()
"""HTTP response whose body the program still reads -> the open call."""


def _of(thing: Any, name: str) -> Any:
    """A field of one of the SDK's models, or of the same thing as plain JSON."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


class _Call(spans.Llm):
    """One model call, from `post` to its answer or to the end of its stream."""

    _text: list[str]
    _tools: dict[Any, list[Any]]
    _streamed = False

    def done(self, result: Any) -> Any:
        """Close with what the answer says; stay open while the program reads a stream."""
        if result is None:
            self._tell_streamed()
            return super().done(result)
        response = _unread(result)
        if response is None:
            self.tell(_answer_of(result))
            return super().done(result)
        _reading[response] = self
        weakref.finalize(response, _dropped, self)
        self.leave()
        return result

    def item(self, value: Any) -> None:
        """Gather what a stream event says."""
        if not self._streamed:
            self._streamed, self._text, self._tools = True, [], {}
        kind = _of(value, "type")
        if kind == "content_block_delta":
            delta = _of(value, "delta")
            if _of(delta, "type") == "text_delta":
                self._text.append(_of(delta, "text") or "")
            elif _of(delta, "type") == "input_json_delta" and _of(value, "index") in self._tools:
                self._tools[_of(value, "index")].append(_of(delta, "partial_json") or "")
        elif kind == "content_block_start":
            block = _of(value, "content_block")
            if _of(block, "type") == "tool_use":
                self._tools[_of(value, "index")] = [_of(block, "name")]
        elif kind == "message_start":
            message = _of(value, "message")
            self.served(_of(message, "model"))
            self._count(_of(message, "usage"))
        elif kind == "message_delta":
            self._stopped(_of(_of(value, "delta"), "stop_reason"))
            self._count(_of(value, "usage"))
        elif kind == "completion":
            self._text.append(_of(value, "completion") or "")
            self._stopped(_of(value, "stop_reason"))

    def failed(self, error: BaseException) -> None:
        """The call failed, or its stream broke or was left before its end."""
        self._tell_streamed()
        super().failed(error)

    def pause(self) -> None:
        """Nothing: while a stream is read, the reader's own spans are current, not this one."""

    def resume(self) -> None:
        """Nothing, see `pause`."""

    def tell(self, message: Any) -> None:
        """Note what a whole answer says.

        Args:
            message: The SDK's model or the JSON it is made of; None when unknown.
        """
        if message is None:
            return
        self.served(_of(message, "model"))
        self._stopped(_of(message, "stop_reason"))
        self._count(_of(message, "usage"))
        blocks = _of(message, "content")
        if not isinstance(blocks, list):
            self.answer(_of(message, "completion"))
            return
        text = [_of(block, "text") or "" for block in blocks if _of(block, "type") == "text"]
        self.answer("".join(text) if text else None)
        used = [(_of(block, "name"), _arguments(block)) for block in blocks if _of(block, "type") == "tool_use"]
        if used:
            self.tools_called(used)

    def _tell_streamed(self) -> None:
        if self._streamed:
            self._streamed = False
            self.answer("".join(self._text) or None)
            if self._tools:
                self.tools_called([(parts[0], "".join(parts[1:]) or "{}") for parts in self._tools.values()])

    def _stopped(self, reason: Any) -> None:
        if isinstance(reason, str):
            self.finish(reason)

    def _count(self, usage: Any) -> None:
        self.usage(_of(usage, "input_tokens"), _of(usage, "output_tokens"))


def _arguments(block: Any) -> str:
    given = _of(block, "input")
    try:
        return json.dumps(given)
    except (TypeError, ValueError, RecursionError):
        return "{}"


def _unread(result: Any) -> Any:
    """The HTTP response behind a stream or a streaming response; None when the answer is there already."""
    if hasattr(type(result), "__stream__"):
        return getattr(result, "response", None)
    response = vars(result).get("http_response") if hasattr(result, "__dict__") else None
    return None if response is None or hasattr(response, "_content") else response


def _answer_of(result: Any) -> Any:
    """What a finished call returned: a model of the SDK, or the JSON body of a raw response."""
    response = vars(result).get("http_response") if hasattr(result, "__dict__") else None
    return result if response is None else _body_of(response)


def _body_of(response: Any) -> Any:
    content = getattr(response, "_content", None)
    if not isinstance(content, bytes) or not content.startswith(b"{"):
        return None
    try:
        return json.loads(content)
    except ValueError:
        return None


def _dropped(call: _Call) -> None:
    wrap.guarded("anthropic.stream", call.abandoned)


def _begin_post(asynchronous: bool, call: wrap.Call) -> wrap.Watch | None:
    path, body = call.get("path", 0), call.kwargs.get("body")
    kind = KINDS.get(path.partition("?")[0]) if isinstance(path, str) else None
    if kind is None or not isinstance(body, Mapping):
        return None
    requested = actual = body.get("model")
    redirected = anthropic_redirect.redirected(call.instance)
    if redirected:
        actual = redirect.model_for(requested)[0]
        body = anthropic_redirect.at_endpoint(body, actual)
        call.kwargs["body"] = body
        options = call.kwargs.get("options")
        extra = options.get("extra_json") if isinstance(options, dict) else None
        if isinstance(extra, Mapping):  # `extra_body` is laid over the body when the request is built
            call.kwargs["options"] = {**options, "extra_json": anthropic_redirect.at_endpoint(extra, actual)}  # type: ignore[dict-item]
    node = nodes.node(
        "anthropic", "Async" + kind if asynchronous else kind, nodes.caller(_LIBRARY), node_type="capability"
    )
    return _Call(
        FRAME,
        node,
        requested=requested,
        actual=actual,
        messages=_messages(body),
        tools=bool(body.get("tools")),
        payload={"redirected_to": REDIRECTED_TO} if redirected else None,
    )


def _messages(body: Mapping[str, Any]) -> list[Any]:
    """The conversation with the system prompt as its first message; what would be used up by reading is left alone."""
    given = body.get("messages")
    messages = [_spoken(each) for each in given] if isinstance(given, (list, tuple)) else []
    prompt = body.get("prompt")
    if isinstance(prompt, str):
        messages = [{"role": "user", "content": prompt}]
    system = body.get("system")
    if isinstance(system, (str, list)) and system:
        messages.insert(0, {"role": "system", "content": system})
    return messages


def _spoken(message: Any) -> Any:
    """A message; one that only brings results of tools is none of the user's, though the form says so."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list) and content and all(_of(block, "type") == "tool_result" for block in content):
        return {"role": "tool", "content": content}
    return message


def _open_at(response: Any) -> _Call | None:
    found = None if response is None else _reading.get(response)
    return None if found is None or found.closed else found


def _begin_stream(call: wrap.Call) -> wrap.Watch | None:
    return _open_at(getattr(call.instance, "response", None))


class _Closing(wrap.Watch):
    """A stream or streaming response is being closed: with what was read, or left unread."""

    def __init__(self, response: Any, call: _Call) -> None:
        self._response = response
        self._call = call

    def done(self, result: Any) -> Any:
        """Close the call by what became of the body."""
        _reading.pop(self._response, None)
        body = _body_of(self._response)
        if body is not None:
            self._call.done(body)
        elif getattr(self._response, "is_stream_consumed", False) and not self._call._streamed:
            self._call.done(None)
        else:
            self._call.abandoned()
        return result


def _begin_close(name: str, call: wrap.Call) -> wrap.Watch | None:
    response = vars(call.instance).get(name)
    reading = _open_at(response)
    return None if reading is None else _Closing(response, reading)


def _begin_retry(call: wrap.Call) -> wrap.Watch | None:
    """The SDK is about to try again: the failed attempt is an error that it caught."""
    span = spans.enclosing("llm")
    if not isinstance(span, _Call):
        return None
    response = call.kwargs.get("response")
    error = None if response is not None else sys.exc_info()[1]
    if response is None:
        response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        name = STATUS_ERRORS.get(status, "InternalServerError" if status >= 500 else "APIStatusError")
        spans.error_text(FRAME, span.node, name, f"Error code: {status}", handling="caught_retry")
    elif error is not None and type(error).__module__.startswith(("anthropic", "httpx")):
        spans.error(FRAME, span.node, error, handling="caught_retry")
    return None


class _RunByRunner(spans.Tool):
    """A tool that the SDK's tool runner calls: what it raises is given to the model as its result."""

    def failed(self, error: BaseException) -> None:
        """See `Span`."""
        self.fail(error, handling="caught_default")


def _begin_tool(call: wrap.Call) -> wrap.Watch | None:
    """A tool that a tool runner, or the program, calls."""
    tool = vars(call.instance)
    name, function = tool.get("name"), tool.get("func")
    if not isinstance(name, str):
        return None
    given = call.get("input", 0)
    node = nodes.node("anthropic", name, nodes.place_of(function), node_type="capability")
    kind = _RunByRunner if _from_runner(sys._getframe(1)) else spans.Tool
    return kind(FRAME, node, tool_name=name, keywords=given if isinstance(given, dict) else None)


def _from_runner(frame: Any) -> bool:
    """Whether the call comes from the SDK's tool runner: the first caller that is not part of the wrapping."""
    while frame is not None and not frame.f_globals.get("__name__", "").startswith("anthropic."):
        if nodes.relative(frame.f_code.co_filename) is not None:
            return False
        frame = frame.f_back
    return frame is not None


def _apply_post(module: Any) -> None:
    for owner, asynchronous in ((module.SyncAPIClient, False), (module.AsyncAPIClient, True)):
        wrap.method(owner, "post", partial(_begin_post, asynchronous))


def _apply_redirect(module: Any) -> None:
    wrap.method(module.BaseClient, "_prepare_url", anthropic_redirect.begin_url)


def _apply_stream(module: Any) -> None:
    for owner in (module.Stream, module.AsyncStream):
        wrap.method(owner, "__stream__", _begin_stream)
        wrap.method(owner, "close", partial(_begin_close, "response"))


def _apply_response(module: Any) -> None:
    for owner in (module.APIResponse, module.AsyncAPIResponse):
        wrap.method(owner, "close", partial(_begin_close, "http_response"))


def _apply_retry(module: Any) -> None:
    for owner in (module.SyncAPIClient, module.AsyncAPIClient):
        name = "_sleep_for_retry" if hasattr(owner, "_sleep_for_retry") else "_retry_request"
        wrap.method(owner, name, _begin_retry)


def _apply_tools(module: Any) -> None:
    tools = [vars(module).get(name) for name in ("BetaFunctionTool", "BetaAsyncFunctionTool")]
    if None in tools:
        raise NotApplied("no function tools")
    for owner in tools:
        wrap.method(owner, "call", _begin_tool)


FRAME = Frame(
    "anthropic",
    family="anthropic",
    library="anthropic",
    hooks=(
        Hook("anthropic.post", "anthropic._base_client", _apply_post),
        Hook("anthropic.redirect", "anthropic._base_client", _apply_redirect),
        Hook("anthropic.retry", "anthropic._base_client", _apply_retry),
        Hook("anthropic.stream", "anthropic._streaming", _apply_stream),
        Hook("anthropic.response", "anthropic._response", _apply_response),
        Hook("anthropic.tools", "anthropic.lib.tools._beta_functions", _apply_tools),
    ),
    suppresses={},
)
