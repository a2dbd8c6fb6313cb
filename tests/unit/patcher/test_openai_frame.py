"""The frame of the OpenAI client library, on stand-ins of its classes."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import json
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from stratum_patcher import nodes, redirect, spans, wrap
from stratum_patcher.frames import openai, openai_answer, openai_redirect, openai_stream
from stratum_patcher.wrap import Call, NotApplied

from .conftest import Events

CHAT = {
    "model": "served",
    "choices": [{"finish_reason": "stop", "message": {"content": "hello"}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3},
}
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4000}
HOOKS = ("openai.post", "openai.retry", "openai.redirect")


def library() -> Any:
    """A module with the library's base clients, as far as requests go; new classes every time."""

    class BaseClient:
        answer: Any = CHAT
        sent: Any = None

        def _prepare_url(self, url: str) -> str:
            return "https://api.example.com/v1" + url

        def send(self, *sent: Any) -> Any:
            self.sent = sent
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    class SyncAPIClient(BaseClient):
        def post(self, path: str, *, cast_to: Any = None, body: Any = None, options: Any = None) -> Any:
            return self.send(path, body, options)

        def _sleep_for_retry(self, *, options: Any) -> None:
            """The library waits here."""

    class AsyncAPIClient(BaseClient):
        async def post(self, path: str, *, cast_to: Any = None, body: Any = None, options: Any = None) -> Any:
            return self.send(path, body, options)

        async def _sleep_for_retry(self, *, options: Any) -> None:
            """The library waits here."""

    module: Any = types.ModuleType("openai._base_client")
    module.BaseClient, module.SyncAPIClient, module.AsyncAPIClient = BaseClient, SyncAPIClient, AsyncAPIClient
    return module


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are redirected."""
    target = redirect.Target("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", "served", "127.0.0.1:8000")
    monkeypatch.setattr(redirect, "_found", target)


@pytest.fixture
def watched(events: Events) -> Iterator[Any]:
    """The library with the frame's hooks for requests applied."""
    module = library()
    for hook in openai.FRAME.hooks:
        if hook.name in ("openai.post", "openai.retry"):
            with wrap.owned_by(hook.name):
                hook.apply(module)
    yield module
    for name in HOOKS:
        wrap.undo(name)


def kinds(events: Events) -> list[str]:
    """Types of the events so far."""
    return [event["event_type"] for event in events()]


def test_hooks_are_applied_once_and_taken_back(events: Events) -> None:
    module = library()
    before = {cls: dict(vars(cls)) for cls in (module.SyncAPIClient, module.AsyncAPIClient)}
    for _ in range(2):
        for hook in openai.FRAME.hooks[:2]:
            with wrap.owned_by(hook.name):
                hook.apply(module)
    assert all(vars(cls)["post"] is not held["post"] for cls, held in before.items())
    module.SyncAPIClient().post("/chat/completions", body=dict(BODY))
    assert kinds(events) == ["llm.call_start", "llm.call_end"]
    for name in HOOKS:
        wrap.undo(name)
    assert all(dict(vars(cls)) == held for cls, held in before.items())


def test_responses_are_watched_from_the_first_that_a_program_reads_itself(events: Events) -> None:
    class APIResponse:
        http_response = types.SimpleNamespace(is_closed=False)

        def read(self) -> bytes:
            return json.dumps(CHAT).encode()

    class BaseAPIResponse(APIResponse):
        """The class by which later versions are told."""

    BaseAPIResponse.__module__ = "openai._response"
    response = BaseAPIResponse()
    opened(response)
    assert kinds(events) == ["llm.call_start"]
    assert response.read() == json.dumps(CHAT).encode()
    wrap.undo("openai.response")
    assert kinds(events) == ["llm.call_start", "llm.call_end"]
    assert events()[-1]["payload"]["input_tokens"] == 5


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("/chat/completions", "ChatCompletion"),
        ("chat/completions", "ChatCompletion"),
        ("https://elsewhere.example.com/v1/chat/completions", "ChatCompletion"),
        ("/completions", "Completion"),
        ("/responses", "Responses"),
    ],
)
def test_generation_requests_are_model_calls(watched: Any, events: Events, path: str, node: str) -> None:
    assert watched.SyncAPIClient().post(path, body=dict(BODY)) is CHAT
    start, end = events()
    assert (start["event_type"], end["event_type"]) == ("llm.call_start", "llm.call_end")
    assert start["source_node"]["node_name"] == node
    assert start["source_node"]["node_type"] == "capability"
    assert end["parent_event_id"] == start["event_id"]


@pytest.mark.parametrize(
    "path", ["/embeddings", "/responses/input_tokens", "/models", "/threads/t/runs", "/responses/compact", "", 7, None]
)
def test_other_requests_are_none(watched: Any, events: Events, path: Any) -> None:
    watched.SyncAPIClient().post(path, body=dict(BODY))
    assert events() == []


def test_asynchronous_clients_have_nodes_of_their_own(watched: Any, events: Events) -> None:
    asyncio.run(watched.AsyncAPIClient().post("/chat/completions", body=dict(BODY)))
    assert {event["source_node"]["node_name"] for event in events()} == {"AsyncChatCompletion"}


def test_a_request_without_a_readable_body_is_still_a_call(watched: Any, events: Events) -> None:
    for body in (None, b"{}", object()):
        watched.SyncAPIClient().post("/chat/completions", body=body)
    assert kinds(events) == ["llm.call_start", "llm.call_end"] * 3
    assert events()[0]["payload"]["model_requested"] == ""


def test_the_programs_body_and_options_are_never_changed(watched: Any, endpoint: None) -> None:
    body, options = copy.deepcopy(BODY), {"extra_json": {"model": "other", "max_tokens": 9000}, "timeout": 3}
    client = watched.SyncAPIClient()
    client.post("/chat/completions", body=body, options=options)
    assert body == BODY
    assert options == {"extra_json": {"model": "other", "max_tokens": 9000}, "timeout": 3}
    path, sent, given = client.sent
    assert (path, sent) == ("/chat/completions", {**BODY, "model": "served", "max_tokens": 512})
    assert given == {"extra_json": {"model": "served", "max_tokens": 512}, "timeout": 3}


def test_without_an_endpoint_the_program_sends_its_own_body(watched: Any) -> None:
    body, client = copy.deepcopy(BODY), watched.SyncAPIClient()
    client.post("/chat/completions", body=body)
    assert client.sent == ("/chat/completions", body, None)
    assert client.sent[1] is body


def test_whole_addresses_become_paths_of_the_endpoint(watched: Any, endpoint: None) -> None:
    client = watched.SyncAPIClient()
    client.post("https://api.example.com/v1/responses", body={"model": "m", "input": "hi"})
    assert client.sent[0] == "/responses"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("/chat/completions", "/chat/completions"),
        ("/deployments/my-gpt/chat/completions", "/chat/completions"),
        ("/openai/deployments/my-gpt/embeddings", "/embeddings"),
        ("models", "/models"),
        ("/deployments", "/deployments"),
    ],
)
def test_every_address_is_led_to_the_endpoint(endpoint: None, url: str, plain: str) -> None:
    module = library()
    with wrap.owned_by("openai.redirect"):
        openai_redirect.watch_client(module)
    try:
        client = module.SyncAPIClient()
        assert client._prepare_url(url) == "http://127.0.0.1:8000/v1" + plain
        assert client._prepare_url("https://files.example.com/x").endswith("https://files.example.com/x")
    finally:
        wrap.undo("openai.redirect")


def test_a_redirect_that_nobody_asked_for_is_not_applied() -> None:
    with pytest.raises(NotApplied, match="no model endpoint"):
        openai_redirect.watch_client(library())


def test_versions_before_1_0_are_told_as_not_watched() -> None:
    (hook,) = [hook for hook in openai.FRAME.hooks if hook.module == "openai.api_requestor"]
    with pytest.raises(NotApplied, match=r"before 1\.0"):
        hook.apply(types.ModuleType("openai.api_requestor"))


def test_an_error_is_told_before_its_call_ends(watched: Any, events: Events) -> None:
    client = watched.SyncAPIClient()
    client.answer = ValueError("boom")
    with pytest.raises(ValueError, match="boom"):
        client.post("/chat/completions", body=dict(BODY))
    assert kinds(events) == ["llm.call_start", "error.occurred", "llm.call_end"]
    assert events()[-1]["payload"]["status"] == "error"


def test_a_wait_before_a_retry_tells_the_attempt_that_failed(watched: Any, events: Events) -> None:
    class HTTPStatusError(Exception):
        response = types.SimpleNamespace(status_code=429)

    class ConnectTimeout(Exception):
        pass

    client = watched.SyncAPIClient()
    options = types.SimpleNamespace(url="/deployments/gpt/chat/completions")
    span = spans.Llm(openai.FRAME, nodes.node("openai", "ChatCompletion", ("a.py", 1), "capability"), requested="m")
    for failure in (HTTPStatusError, ConnectTimeout, OSError):
        try:
            raise failure
        except failure:
            client._sleep_for_retry(options=options)
            client._sleep_for_retry(options=types.SimpleNamespace(url="/embeddings"))
    span.done(None)
    told = [event["payload"] for event in events() if event["event_type"] == "error.occurred"]
    assert [(each["error_type"], each["error_class"], each["error_handling"]) for each in told] == [
        ("RateLimitError", "rate_limit", "caught_retry"),
        ("APITimeoutError", "timeout", "caught_retry"),
        ("APIConnectionError", "api_error", "caught_retry"),
    ]


def test_what_is_said_to_the_model_is_read_from_each_form() -> None:
    kinds = openai.KINDS
    assert kinds["/completions"].messages({"prompt": ["a", "b"]}) == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
    ]
    assert kinds["/completions"].messages({"prompt": [1, 2]}) == [{"role": "user", "content": [1, 2]}]
    said = kinds["/responses"].messages({"input": "hi", "instructions": "be terse"})
    assert said == [{"role": "system", "content": "be terse"}, {"role": "user", "content": "hi"}]
    items = [{"role": "user", "content": "hi"}]
    assert kinds["/responses"].messages({"input": items}) == items
    assert kinds["/chat/completions"].messages({}) is None


def test_pieces_of_a_stream_make_one_answer() -> None:
    reader = openai_answer.Chat()
    delta: list[Any] = [
        {"choices": [], "model": "served", "prompt_filter_results": []},
        {"choices": [{"index": 0, "delta": {"content": "he"}}]},
        {"choices": [{"index": 1, "delta": {"content": "other choice"}}]},
        {"choices": [{"index": 0, "delta": {"content": "llo"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": "add"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}}]},
        {"choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {}}]},
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
        None,
        {"choices": None},
    ]
    for chunk in delta:
        reader.item(chunk)
    assert ("".join(reader.content), reader.model, reader.finish) == ("hello", "served", "tool_calls")
    assert (reader.input_tokens, reader.output_tokens) == (7, 2)
    assert list(reader.tools.values()) == [["add", '{"a": 1}']]


def test_a_response_that_says_it_failed_is_an_error(events: Events) -> None:
    reader = openai_answer.Responses()
    reader.item({"type": "response.output_text.delta", "delta": "par"})
    failed = {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow down"}, "output": []}
    reader.item({"type": "response.failed", "response": failed})
    node = nodes.node("openai", "Responses", ("a.py", 1), "capability")
    reader.close(spans.Llm(openai.FRAME, node, requested="m"))
    assert kinds(events) == ["llm.call_start", "error.occurred", "llm.call_end"]
    payload = events()[-1]["payload"]
    assert (payload["status"], payload["error"], payload["error_type"]) == ("error", "slow down", "rate_limit")


@pytest.mark.parametrize("raw", [b"", b"not json", b"[1]", b"\xff", json.dumps(CHAT).encode()])
def test_a_raw_answer_is_read_if_it_can_be(raw: bytes) -> None:
    reader = openai_answer.Chat()
    reader.raw(raw)
    assert reader.content == (["hello"] if raw.startswith(b'{"model') else [])


class Stream:
    """What the library returns for a stream."""

    def __init__(self, pieces: list[Any]) -> None:
        self._iterator: Any = iter(pieces)

    def close(self) -> None:
        """Release the connection."""


class AsyncStream(Stream):
    """The asynchronous one."""

    def __init__(self, pieces: list[Any]) -> None:
        self._iterator = self._pieces(pieces)

    async def _pieces(self, pieces: list[Any]) -> AsyncIterator[Any]:
        for piece in pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def __anext__(self) -> Any:
        return self._iterator.__anext__()


Stream.__module__ = AsyncStream.__module__ = "openai._streaming"
PIECE = {"choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": "stop"}]}


def opened(stream: Any) -> spans.Llm:
    """A request that returned this stream."""
    node = nodes.node("openai", "ChatCompletion", ("a.py", 1), "capability")
    span = spans.Llm(openai.FRAME, node, requested="m")
    assert openai.Generation(span, openai_answer.Chat()).done(stream) is stream
    return span


def test_a_stream_keeps_its_class_and_ends_its_call(events: Events) -> None:
    stream = Stream([PIECE])
    opened(stream)
    assert spans.current() is None
    assert type(stream) is Stream
    assert kinds(events) == ["llm.call_start"]
    assert list(stream._iterator) == [PIECE]
    assert kinds(events) == ["llm.call_start", "llm.call_end"]
    assert events()[-1]["payload"]["status"] == "success"


def test_a_dropped_stream_is_abandoned_and_nothing_is_kept(events: Events) -> None:
    stream = Stream([PIECE, PIECE])
    opened(stream)
    next(stream._iterator)
    del stream
    gc.collect()
    assert kinds(events) == ["llm.call_start", "llm.call_end"]
    assert events()[-1]["payload"]["status"] == "abandoned"
    assert openai_stream._unread._held == {}


def test_closing_a_stream_abandons_it_once(events: Events) -> None:
    stream = Stream([PIECE, PIECE])
    opened(stream)
    next(stream._iterator)
    for _ in range(2):
        openai_stream._begin_close(Call(stream, (), {}))
    assert [event["payload"].get("status") for event in events()] == [None, "abandoned"]


def test_an_asynchronous_stream_passes_everything_on(events: Events) -> None:
    async def read(pieces: list[Any]) -> list[Any]:
        stream = AsyncStream(pieces)
        opened(stream)
        assert not inspect.isasyncgen(stream._iterator)
        return [piece async for piece in stream._iterator]

    assert asyncio.run(read([PIECE])) == [PIECE]
    with pytest.raises(ValueError, match="broken") as raised:
        asyncio.run(read([PIECE, ValueError("broken")]))
    assert not any("stratum_patcher" in str(entry.path) for entry in raised.traceback)
    assert [event["payload"].get("status") for event in events()] == [None, "success", None, None, "error"]


def test_closing_the_iterator_of_an_asynchronous_stream_abandons_it(events: Events) -> None:
    async def read() -> None:
        stream = AsyncStream([PIECE, PIECE])
        opened(stream)
        assert await stream._iterator.__anext__() is PIECE
        await stream._iterator.aclose()

    asyncio.run(read())
    assert [event["payload"].get("status") for event in events()] == [None, "abandoned"]


def test_answers_filled_in_with_a_class_of_the_program_are_not_kept() -> None:
    filled = type("ParsedChatCompletion[Mine]", (), {"__module__": "openai.types.chat"})
    assert openai_stream.handler(filled) is None
    assert filled not in openai_stream._of_class
    assert openai_stream.handler(Stream) is not None
    assert openai_stream.handler(int) is None


def test_an_answer_that_cannot_be_read_ends_its_request_all_the_same(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(kind: type) -> Any:
        raise LookupError

    monkeypatch.setattr(openai_stream, "handler", raises)
    span = spans.Llm(openai.FRAME, nodes.node("openai", "ChatCompletion"), requested="gpt-4o")
    module = types.SimpleNamespace(post=lambda: "answer")
    wrap.method(module, "post", lambda call: openai.Generation(span, openai_answer.Chat()))
    assert module.post() == "answer"
    assert spans.current() is None
    assert [e["payload"]["status"] for e in events() if e["event_type"] == "llm.call_end"] == ["success"]
