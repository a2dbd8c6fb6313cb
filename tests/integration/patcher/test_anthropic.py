"""Anthropic's SDK on the real library, oldest supported and current: every kind of call, stream, refusal and tool."""

from __future__ import annotations

import pytest

from tests.support.patcher.endpoint import Endpoint, call, chunks, cut, failure, raw_arguments, text
from tests.support.patcher.program import run_program
from tests.support.patcher.stories import called, ends

LINES = ("anthropic-old", "anthropic")
SONNET, HAIKU, OPUS, RUNNER = (
    "claude-3-5-sonnet-20240620",
    "claude-3-haiku-20240307",
    "claude-3-opus-20240229",
    "claude-sonnet-4-5",
)

every_line = pytest.mark.parametrize("line", LINES)


@every_line
def test_whole_raw_unread_and_async_messages_are_each_one_call(line: str) -> None:
    with Endpoint([text("a"), text("b"), text("c"), text("d")]) as endpoint:
        run = run_program(line, "anthropic/messages.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.story == called(SONNET) * 4
    starts = run.of_type("llm.call_start")
    assert [event["source_node"]["node_id"] for event in starts] == [
        "anthropic:Messages:messages.py:16",
        "anthropic:Messages:messages.py:20",
        "anthropic:Messages:messages.py:23",
        "anthropic:AsyncMessages:messages.py:28",
    ]
    assert [event["payload"]["message_count"] for event in starts] == [2, 1, 1, 1]
    assert [len(event["payload"].get("system_prompt_hash", "")) for event in starts] == [16, 0, 0, 0]
    assert all(len(event["payload"]["last_user_message_hash"]) == 16 for event in starts)
    assert {end["finish_reason"] for end in ends(run)} == {"end_turn"}
    assert [end["output_size_bytes"] for end in ends(run)] == [1, 1, 1, 1]


@every_line
def test_messages_go_to_the_endpoint_whatever_address_and_model_the_program_names(line: str) -> None:
    with Endpoint(always=text("from the endpoint")) as endpoint:
        run = run_program(line, "redirect/anthropic_own.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        *["from the endpoint"] * 2,
        "https://models.example.com",
        "from the endpoint",
    ]
    assert [(request.path, request.body["model"], request.body["max_tokens"]) for request in endpoint.requests] == [
        ("/v1/messages", "served-model", 512)
    ] * 3
    for event in run.of_type("llm.call_start"):
        told = event["payload"]
        assert (told["model_requested"], told["model_actual"], told["model_mapped"]) == (SONNET, "served-model", True)
        assert told["redirected_to"] == "vllm_messages"
    assert "own-key" not in str(run.events)


@every_line
def test_streams_end_where_the_program_stops_reading(line: str) -> None:
    with Endpoint(always=chunks("one ", "two ", "three")) as endpoint:
        run = run_program(line, "anthropic/streams.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    left = called(HAIKU, status="abandoned", tokens="5+1")
    unread = called(HAIKU, status="abandoned", tokens="")
    whole = called(HAIKU)
    assert run.story == [*whole, *whole, *left, *unread, *whole, *whole, *whole, *left]
    assert [end.get("output_size_bytes") for end in ends(run)] == [13, 13, 4, None, 13, 13, 13, 4]


@every_line
def test_tools_that_the_model_asks_for_are_named_whole_and_streamed(line: str) -> None:
    with Endpoint([call("add", a=1, b=2), call("add", a=3)]) as endpoint:
        run = run_program(line, "anthropic/tools.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.story == called(OPUS) * 2
    assert [end["tool_calls_made"] for end in ends(run)] == [[{"tool_name": "add", "arguments_valid": True}]] * 2
    assert [event["payload"]["has_tools"] for event in run.of_type("llm.call_start")] == [True, True]


def test_arguments_that_are_no_json_are_a_failed_tool_call() -> None:
    with Endpoint([raw_arguments("add", '{"a": 1, "b"')], always=text("sorry")) as endpoint:
        run = run_program("anthropic-old", "anthropic/broken_arguments.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.story == [
        f"llm.call_start {HAIKU}",
        "tool.call_failure add invalid_arguments_json",
        f"llm.call_end {HAIKU} success 5+3",
    ]


@every_line
def test_refusals_repeated_attempts_and_broken_streams_are_errors(line: str) -> None:
    with Endpoint([failure(400, "bad"), failure(500, "broken"), text("ok"), cut()]) as endpoint:
        run = run_program(line, "anthropic/failures.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["BadRequestError", "400", "ok", "RemoteProtocolError", "TypeError", "True"]
    assert run.story == [
        f"llm.call_start {HAIKU}",
        "error.occurred Messages BadRequestError raised",
        f"llm.call_end {HAIKU} error",
        f"llm.call_start {HAIKU}",
        "error.occurred Messages InternalServerError caught_retry",
        f"llm.call_end {HAIKU} success 5+3",
        f"llm.call_start {HAIKU}",
        "error.occurred Messages RemoteProtocolError raised",
        f"llm.call_end {HAIKU} error 5+1",
    ]


def test_functions_that_the_tool_runner_calls_are_tools_of_the_program() -> None:
    with Endpoint([call("add", a=1, b=2), call("fails"), text("done")]) as endpoint:
        run = run_program("anthropic", "anthropic/runner.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.story == [
        *called(RUNNER),
        "tool.invoked - > add",
        "tool.completed - > add success",
        *called(RUNNER),
        "tool.invoked - > fails",
        "error.occurred fails ValueError caught_default",
        "tool.completed - > fails error",
        *called(RUNNER),
    ]
    assert [event["target_node"]["node_id"] for event in run.of_type("tool.invoked")] == [
        "anthropic:add:runner.py:7",
        "anthropic:fails:runner.py:13",
    ]


@every_line
def test_every_hook_finds_its_place(line: str) -> None:
    with Endpoint([call("add", a=1), call("add", a=1)]) as endpoint:
        run = run_program(line, "anthropic/tools.py", endpoint=endpoint)
    mine = {name: status for name, status in run.hooks.items() if name.startswith("anthropic.")}
    names = {f"anthropic.{name}" for name in ("post", "redirect", "retry", "stream", "response")}
    assert mine == dict.fromkeys(names | ({"anthropic.tools"} if line == "anthropic" else set()), "applied")
