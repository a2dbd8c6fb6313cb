"""LiteLLM on the real library, oldest supported and current: providers, streams, tools, retries, fallbacks, router."""

from __future__ import annotations

import pytest

from tests.support.patcher.endpoint import Endpoint, call, chunks, failure, text
from tests.support.patcher.program import run_program
from tests.support.patcher.stories import called, ends

LINES = ("litellm-old", "litellm")
MINI = "gpt-4o-mini"

every_line = pytest.mark.parametrize("line", LINES)


@every_line
def test_chat_and_text_completions_are_told_once_each(line: str) -> None:
    with Endpoint([text(each) for each in "abcdef"]) as endpoint:
        run = run_program(line, "litellm/completions.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[:2] == ["ModelResponse a", "b 8"]
    assert run.story[:8] == [
        *called("gpt-4o"),
        *called("openai/gpt-4o-mini"),
        *called("gpt-3.5-turbo-instruct"),
        *called("gpt-4o"),
    ]
    assert sorted(run.story[8:]) == sorted([*called("gpt-4o"), *called(MINI)])
    starts = run.of_type("llm.call_start")
    assert {event["framework"] for event in starts} == {"litellm"}
    assert [event["source_node"]["node_id"] for event in starts] == [
        "litellm:Completion:completions.py:12",
        "litellm:Completion:completions.py:14",
        "litellm:TextCompletion:completions.py:18",
        "litellm:AsyncCompletion:completions.py:23",
        "litellm:AsyncCompletion:completions.py:32",
        "litellm:AsyncCompletion:completions.py:32",
    ]
    assert [event["payload"]["message_count"] for event in starts[:3]] == [1, 2, 1]
    assert endpoint.requests[0].body["max_tokens"] == 512


@every_line
def test_calls_of_every_provider_reach_the_endpoint(line: str) -> None:
    with Endpoint(always=text("from the endpoint")) as endpoint:
        run = run_program(line, "redirect/litellm_own.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    asked = [
        *["groq/llama3-8b-8192", "anthropic/claude-3-haiku-20240307", "gpt-3.5-turbo-instruct", *["fast"] * 3],
        *["gemini/gemini-1.5-flash", "ollama/llama3", "azure/own-deployment"],
    ]
    starts = [event["payload"] for event in run.of_type("llm.call_start")]
    assert [start["model_requested"] for start in starts] == asked
    assert {start["model_actual"] for start in starts} == {"served-model"}
    assert {start["redirected_to"] for start in starts} == {"vllm_openai_compat"}
    assert sorted(run.story[12:]) == sorted(line for model in asked[6:] for line in called(model))
    assert [(request.path, request.body["model"]) for request in endpoint.requests] == [
        ("/v1/chat/completions", "served-model")
    ] * 9
    assert "own-key" not in str(run.events)


@every_line
def test_streams_are_open_until_they_are_read_or_given_up(line: str) -> None:
    with Endpoint(always=chunks("one ", "two ", "three")) as endpoint:
        run = run_program(line, "litellm/streams.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    read, left = called(MINI, tokens=""), called(MINI, status="abandoned", tokens="")
    # LiteLLM itself keeps the stream that the program let go, so its end is seen when the program ends.
    assert run.story == [*read, *called(MINI), left[0], *read, left[1]]
    assert [end.get("output_size_bytes") for end in ends(run)] == [13, 13, 13, 4]


@every_line
def test_tools_that_the_model_asks_for_are_named(line: str) -> None:
    with Endpoint([call("add", a=1, b=2), text("3")]) as endpoint:
        run = run_program(line, "litellm/tools.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.story == called("gpt-4o") * 2
    assert [end.get("tool_calls_made") for end in ends(run)] == [[{"tool_name": "add", "arguments_valid": True}], None]
    assert [event["payload"]["message_count"] for event in run.of_type("llm.call_start")] == [1, 3]
    assert all(event["payload"]["has_tools"] for event in run.of_type("llm.call_start"))


@every_line
def test_what_litellm_repairs_itself_is_one_call_with_caught_errors(line: str) -> None:
    replies = [
        failure(400, "refused"),
        failure(400, "first"),
        failure(400, "second"),
        text("again"),
        failure(400, "the first model"),
        text("other"),
        failure(400, "first"),
        text("async"),
    ]
    with Endpoint(replies) as endpoint:
        run = run_program(line, "litellm/retries.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["BadRequestError", "again", "other", "async"]
    start, end = called(MINI)
    caught = "error.occurred {} BadRequestError caught_retry"
    assert run.story == [
        start,
        "error.occurred Completion BadRequestError raised",
        f"llm.call_end {MINI} error",
        *[start, caught.format("Completion"), caught.format("Completion"), end],
        *[start, caught.format("Completion"), end],
        *[start, caught.format("AsyncCompletion"), end],
    ]


@every_line
def test_a_router_call_is_one_call_of_the_group(line: str) -> None:
    replies = [text("plain"), text("stream"), failure(500, "busy"), text("again"), text("async stream")]
    with Endpoint(replies) as endpoint:
        run = run_program(line, "litellm/router.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["plain", "stream", "again", "async stream"]
    start, end = called("fast")
    assert run.story == [
        *called("fast"),
        *called("fast", tokens=""),
        *[start, "error.occurred AsyncCompletion BadRequestError caught_retry", end],
        *called("fast", tokens=""),
    ]
    assert {request.path for request in endpoint.requests} == {"/v1/chat/completions"}
    assert {request.body["model"] for request in endpoint.requests} == {"served-model"}


def test_responses_are_calls_whole_streamed_and_async() -> None:
    with Endpoint(always=text("hi")) as endpoint:
        run = run_program("litellm", "litellm/responses.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.story == [*called(MINI), *called(MINI), *called("gpt-4o")]
    assert [request.path for request in endpoint.requests] == ["/v1/responses"] * 3
    assert [end["output_size_bytes"] for end in ends(run)] == [2, 2, 2]


@every_line
def test_canned_answers_and_own_handlers_are_left_alone_and_every_hook_applies(line: str) -> None:
    with Endpoint() as endpoint:
        run = run_program(line, "litellm/own_handler.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["from the handler", "canned"]
    assert run.story == [*called("own/model", tokens="10+20"), *called("gpt-4o", tokens="10+20")]
    assert endpoint.requests == []
    mine = {name: status for name, status in run.hooks.items() if name.startswith("litellm.")}
    assert set(mine.values()) == {"applied"}
    common = {"completion", "text_completion", "retries", "embedding", "router", "stream", "text_stream"}
    assert {f"litellm.{name}" for name in common} <= set(mine)
    assert ("litellm.responses" in mine) == (line == "litellm")
