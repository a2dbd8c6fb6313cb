"""The scripted model endpoint: what clients get for each reply, whole and streamed."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.patcher.endpoint import Endpoint, call, calls, chunks, cut, failure, hang, raw_arguments, text

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")


def post(endpoint: Endpoint, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of one request."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def whole(endpoint: Endpoint, path: str = PATHS[0], **more: Any) -> Any:
    """The answer to one request as an object."""
    status, body = post(endpoint, path, ASKED | more)
    assert status == 200
    return json.loads(body)


def streamed(endpoint: Endpoint, path: str = PATHS[0], **more: Any) -> list[Any]:
    """The data of every event of a stream; `[DONE]` stays text."""
    status, body = post(endpoint, path, ASKED | {"stream": True} | more)
    assert status == 200
    lines = [line.removeprefix("data: ") for line in body.decode().splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_a_chat_answer_has_text_tokens_and_the_model_that_was_asked_for() -> None:
    with Endpoint([text("hi", prompt_tokens=7, completion_tokens=2)]) as endpoint:
        answer = whole(endpoint)
    assert answer["model"] == "m"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "hi"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def test_tool_calls_carry_their_arguments_and_ids_that_differ() -> None:
    with Endpoint([calls(("add", {"a": 1}), ("sub", {"b": 2}))]) as endpoint:
        choice = whole(endpoint)["choices"][0]
    made = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert [(m["function"]["name"], json.loads(m["function"]["arguments"])) for m in made] == [
        ("add", {"a": 1}),
        ("sub", {"b": 2}),
    ]
    assert len({m["id"] for m in made}) == 2


def test_a_client_that_speaks_of_functions_gets_a_function_call() -> None:
    with Endpoint([call("add", a=1)]) as endpoint:
        choice = whole(endpoint, functions=[{"name": "add"}])["choices"][0]
    assert choice["message"]["function_call"] == {"name": "add", "arguments": '{"a": 1}'}
    assert choice["finish_reason"] == "function_call"


def test_arguments_that_are_no_json_arrive_as_they_are() -> None:
    with Endpoint([raw_arguments("add", "{not json")]) as endpoint:
        made = whole(endpoint)["choices"][0]["message"]["tool_calls"][0]
    assert made["function"] == {"name": "add", "arguments": "{not json"}


def test_a_stream_brings_the_pieces_in_order_and_tokens_only_when_asked() -> None:
    with Endpoint([chunks("one ", "two"), chunks("one ", "two")]) as endpoint:
        plain = streamed(endpoint)
        counted = streamed(endpoint, stream_options={"include_usage": True})
    assert plain[-1] == counted[-1] == "[DONE]"
    pieces = [event["choices"][0]["delta"].get("content") for event in plain[:-1]]
    assert [piece for piece in pieces if piece] == ["one ", "two"]
    assert not any("usage" in event for event in plain[:-1])
    assert counted[-2]["usage"]["total_tokens"] == 8
    assert counted[-2]["choices"] == []


def test_streamed_tool_arguments_join_to_the_whole() -> None:
    with Endpoint([call("add", a=1, b=2)]) as endpoint:
        events = streamed(endpoint)
    made = [event["choices"][0]["delta"]["tool_calls"][0] for event in events[:-1] if
            event["choices"][0]["delta"].get("tool_calls")]  # fmt: skip
    assert "".join(part["function"]["arguments"] for part in made) == '{"a": 1, "b": 2}'


def test_responses_are_answered_and_streamed_to_the_same_end() -> None:
    with Endpoint([text("hi there"), text("hi there"), call("add", a=1)]) as endpoint:
        answer = whole(endpoint, PATHS[1], input="hello")
        events = streamed(endpoint, PATHS[1], input="hello")
        tool = streamed(endpoint, PATHS[1], input="hello")[-1]["response"]["output"][0]
    assert answer["output"][0]["content"][0]["text"] == "hi there"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "hi there"
    assert events[-1]["response"]["output"][0]["content"] == answer["output"][0]["content"]
    assert (tool["type"], tool["name"], tool["arguments"]) == ("function_call", "add", '{"a": 1}')


def test_messages_are_answered_and_streamed_to_the_same_end() -> None:
    with Endpoint([text("hi there"), text("hi there"), call("add", a=1), call("add", a=1)]) as endpoint:
        answer = whole(endpoint, PATHS[2])
        events = streamed(endpoint, PATHS[2])
        tool = whole(endpoint, PATHS[2])
        parts = [
            e["delta"]["partial_json"] for e in streamed(endpoint, PATHS[2]) if "partial_json" in e.get("delta", {})
        ]
    assert answer["content"] == [{"type": "text", "text": "hi there"}]
    assert answer["usage"] == {"input_tokens": 5, "output_tokens": 3}
    assert "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta") == "hi there"
    assert events[-2]["delta"]["stop_reason"] == answer["stop_reason"] == "end_turn"
    assert (tool["content"][0]["input"], tool["stop_reason"]) == ({"a": 1}, "tool_use")
    assert json.loads("".join(parts)) == {"a": 1}


@pytest.mark.parametrize("path", PATHS)
def test_a_failure_has_its_status_and_message_in_every_form(path: str) -> None:
    with Endpoint([failure(429, "slow down")]) as endpoint:
        status, body = post(endpoint, path, ASKED)
    assert status == 429
    assert json.loads(body)["error"]["message"] == "slow down"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_cut_answer_ends_before_its_end(stream: bool) -> None:
    with Endpoint([cut()]) as endpoint, pytest.raises(http.client.IncompleteRead):
        post(endpoint, PATHS[0], ASKED | {"stream": stream})


def test_a_reply_that_hangs_is_let_go_when_the_endpoint_closes() -> None:
    ended: list[str] = []

    def ask() -> None:
        try:
            post(endpoint, PATHS[0], ASKED)
        except (http.client.HTTPException, OSError) as error:
            ended.append(type(error).__name__)

    with Endpoint([hang()]) as endpoint:
        asking = threading.Thread(target=ask)
        asking.start()
        endpoint.wait_for(1)
        assert asking.is_alive()
    asking.join(20)
    assert len(ended) == 1


def test_replies_go_to_the_request_that_holds_their_text_then_in_order_then_to_all() -> None:
    with Endpoint([text("next")], when={"alice": [text("for alice")]}, always=text("always")) as endpoint:
        said = [
            whole(endpoint, messages=[{"role": "user", "content": content}])["choices"][0]["message"]["content"]
            for content in ("hello alice", "hello alice", "hello")
        ]
    assert said == ["for alice", "next", "always"]


def test_every_request_is_kept_with_path_headers_and_body() -> None:
    with Endpoint([text("hi")]) as endpoint:
        whole(endpoint)
        post(endpoint, "/v1/embeddings", {"model": "e", "input": ["a", "b"]})
    assert [request.path for request in endpoint.requests] == ["/v1/chat/completions", "/v1/embeddings"]
    assert endpoint.requests[0].body == ASKED
    assert endpoint.requests[0].headers["content-type"] == "application/json"
    assert [request.path for request in endpoint.calls] == ["/v1/chat/completions"]


def test_embeddings_give_one_vector_per_input() -> None:
    with Endpoint() as endpoint:
        _, body = post(endpoint, "/v1/embeddings", {"model": "e", "input": ["a", "b"]})
    assert [vector["index"] for vector in json.loads(body)["data"]] == [0, 1]


def test_a_request_that_nothing_was_scripted_for_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="no reply was scripted for /v1/chat/completions"), Endpoint() as endpoint:
        assert post(endpoint, PATHS[0], ASKED)[0] == 400


def test_paths_that_nobody_serves_are_not_found() -> None:
    with Endpoint([text("hi")]) as endpoint:
        assert post(endpoint, "/v1/responses/input_tokens", ASKED)[0] == 404
        assert endpoint.calls == []
