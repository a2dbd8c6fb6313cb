"""How calls of Anthropic's SDK are told and led to the endpoint, on stand-ins for the library's classes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from stratum_patcher import frame as frames
from stratum_patcher import redirect

from tests.unit.patcher.conftest import Events

ENDPOINT = redirect.Target("http://127.0.0.1:1", "http://127.0.0.1:1/v1", "served-model", "127.0.0.1:1")
ANSWER = {
    "model": "served-model",
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 3},
    "content": [{"type": "text", "text": "hello"}, {"type": "tool_use", "name": "add", "input": {"a": 1}}],
}
EVENTS = [
    {"type": "message_start", "message": {"model": "served-model", "usage": {"input_tokens": 5, "output_tokens": 1}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
]


class Url:
    """An address as httpx has them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.raw_path = ("/" + text.split("/", 3)[3]).encode()


class Response:
    """An HTTP response whose body is still to be read."""


class Stream:
    def __init__(self, response: Response) -> None:
        self.response = response
        self.read = self.__stream__()

    def __stream__(self) -> Iterator[Any]:
        yield from EVENTS

    def close(self) -> None:
        """Nothing to close."""


def library() -> dict[str, ModuleType]:
    """Modules with classes as the SDK has them, fresh ones each time."""

    class BaseClient:
        address = "https://own.example.com/v1"

        def _prepare_url(self, url: str) -> Url:
            return Url(self.address.rstrip("/") + url)

    class SyncAPIClient(BaseClient):
        sent: Any = None

        def post(self, path: str, *, body: Any = None, stream: bool = False, options: Any = None) -> Any:
            self.sent = (self._prepare_url(path).text, body, options)
            return Stream(Response()) if stream else ANSWER

        def _sleep_for_retry(self) -> None:
            """No waiting here."""

    class AsyncAPIClient(BaseClient):
        async def post(self, path: str, *, body: Any = None) -> Any:
            return ANSWER

        async def _sleep_for_retry(self) -> None:
            """No waiting here."""

    made = {}
    for name, classes in {
        "anthropic._base_client": (BaseClient, SyncAPIClient, AsyncAPIClient),
        "anthropic._streaming": (Stream, type("AsyncStream", (Stream,), {})),
    }.items():
        made[name] = ModuleType(name)
        vars(made[name]).update({cls.__name__: cls for cls in classes})
    return made


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a watched library, with an endpoint."""
    monkeypatch.setattr(redirect, "_found", ENDPOINT)
    modules = library()
    for name, module in modules.items():
        frames.apply("anthropic", name, module)
    yield vars(modules["anthropic._base_client"])["SyncAPIClient"]()
    frames.undo("anthropic")


def calls(events: Events) -> list[tuple[str, Any]]:
    """Type and status of the events of model calls."""
    return [
        (event["event_type"], event["payload"].get("status"))
        for event in events()
        if event["event_type"].startswith("llm.")
    ]


BODY = {"model": "claude-3-haiku-20240307", "max_tokens": 4000, "messages": [{"role": "user", "content": "hi"}]}


def test_the_programs_own_body_is_not_changed(client: Any, events: Events) -> None:
    body, options = dict(BODY), {"extra_json": {"model": "own", "top_k": 3}}
    assert client.post("/v1/messages", body=body, options=options) is ANSWER
    assert body == BODY and options == {"extra_json": {"model": "own", "top_k": 3}}
    address, sent, with_options = client.sent
    assert address == "http://127.0.0.1:1/v1/messages"
    assert sent == {**BODY, "model": "served-model", "max_tokens": 512}
    assert with_options == {"extra_json": {"model": "served-model", "top_k": 3}}
    assert calls(events) == [("llm.call_start", None), ("llm.call_end", "success")]


def test_other_paths_are_led_to_the_endpoint_and_not_told(client: Any, events: Events) -> None:
    client.post("/v1/messages/count_tokens?beta=true", body=dict(BODY))
    assert client.sent[0] == "http://127.0.0.1:1/v1/messages/count_tokens?beta=true"
    assert client.sent[1] == BODY
    assert calls(events) == []


def test_clients_of_other_platforms_are_watched_and_left_where_they_are(client: Any, events: Events) -> None:
    made = type("AnthropicBedrock", (type(client),), {"__module__": "anthropic.lib.bedrock._client"})()
    made.post("/v1/messages", body=dict(BODY))
    assert made.sent[:2] == ("https://own.example.com/v1/v1/messages", BODY)
    assert calls(events) == [("llm.call_start", None), ("llm.call_end", "success")]


def test_a_stream_ends_when_it_is_read(client: Any, events: Events) -> None:
    stream = client.post("/v1/messages", body=dict(BODY), stream=True)
    assert calls(events) == [("llm.call_start", None)]
    assert list(stream.read) == EVENTS
    assert calls(events) == [("llm.call_start", None), ("llm.call_end", "success")]
    end = events()[-1]["payload"]
    assert (end["input_tokens"], end["output_tokens"], end["finish_reason"]) == (5, 3, "end_turn")
    stream.close()
    assert len(calls(events)) == 2


@pytest.mark.parametrize("how", ["closed", "generator closed", "dropped"])
def test_a_stream_that_is_given_up_is_abandoned(client: Any, events: Events, how: str) -> None:
    stream = client.post("/v1/messages", body=dict(BODY), stream=True)
    if how != "dropped":
        next(stream.read)
    if how == "closed":
        stream.close()
    elif how == "generator closed":
        stream.read.close()
    del stream
    gc.collect()
    assert calls(events) == [("llm.call_start", None), ("llm.call_end", "abandoned")]


def test_nothing_stays_patched(client: Any) -> None:
    kind = type(client)
    assert hasattr(kind.post, "__stratum_original__")
    frames.undo("anthropic")
    assert not hasattr(kind.post, "__stratum_original__")


def test_missing_parts_are_told_as_not_applied(events: Events) -> None:
    frames.apply("anthropic", "anthropic.lib.tools._beta_functions", ModuleType("anthropic.lib.tools._beta_functions"))
    (told,) = [event["payload"] for event in events() if event["event_type"] == "patcher.hook_status"]
    assert (told["hook"], told["status"], told["reason"]) == ("anthropic.tools", "not_applied", "no function tools")
    frames.undo("anthropic")
