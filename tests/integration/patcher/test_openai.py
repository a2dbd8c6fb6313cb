"""The OpenAI client library on the real one, 1.x to 3.x: every kind of call, stream, refusal, tool and address."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.patcher.endpoint import Endpoint, call, calls, cut, failure, raw_arguments, text
from tests.support.patcher.program import Run, run_program
from tests.support.patcher.stories import GPT, called, ends, starts

FIRST, *LATER = LINES = ("openai-1.0", "openai-1", "openai-2", "openai-3")
SECOND, INSTRUCT = "second", "gpt-3.5-turbo-instruct"

every_line = pytest.mark.parametrize("line", LINES)
later_lines = pytest.mark.parametrize("line", LATER)


def streamed(model: str = GPT, status: str = "success") -> list[str]:
    """The story of a stream whose usage nobody asked for."""
    return called(model, status=status, tokens="")


def sources(run: Run) -> list[str]:
    """Node ids of the calls, without their lines."""
    return [event["source_node"]["node_id"].rpartition(":")[0] for event in run.of_type("llm.call_start")]


def asked(endpoint: Endpoint) -> list[tuple[str, Any]]:
    """Path and model of each request."""
    return [(request.path, request.body.get("model")) for request in endpoint.requests]


@every_line
def test_each_way_of_calling_is_one_call(line: str) -> None:
    ways = ("plain", "module_level", "asynchronous", "raw", "raw_unparsed", "completion", "by_hand")
    with Endpoint([text("hello")] * len(ways)) as endpoint:
        run = run_program(line, "openai/chat.py", endpoint=endpoint, args=ways)
    assert run.returncode == 0, run.stderr
    assert run.story == [*called() * 5, *called(INSTRUCT), *called()]
    assert sources(run) == [
        *["openai:ChatCompletion:chat.py"] * 2,
        "openai:AsyncChatCompletion:chat.py",
        *["openai:ChatCompletion:chat.py"] * 2,
        "openai:Completion:chat.py",
        "openai:ChatCompletion:chat.py",
    ]
    assert [start["message_count"] for start in starts(run)] == [2, 2, 2, 2, 2, 1, 2]
    assert [len(start.get("system_prompt_hash", "")) for start in starts(run)] == [16, 16, 16, 16, 16, 0, 16]
    assert len({start["last_user_message_hash"] for start in starts(run)}) == 1
    assert {(start["model_actual"], start["model_mapped"], start["has_tools"]) for start in starts(run)} == {
        ("served-model", True, False)
    }
    assert {(end["finish_reason"], end["output_size_bytes"], end["output_type"]) for end in ends(run)} == {
        ("stop", len("hello"), "short_text")
    }
    assert len({end["output_hash"] for end in ends(run)}) == 1
    assert_the_program_sees_its_own_settings(run)
    assert asked(endpoint) == [
        *[("/v1/chat/completions", "served-model")] * 5,
        ("/v1/completions", "served-model"),
        ("/v1/chat/completions", "served-model"),
    ]
    assert endpoint.requests[0].body["max_tokens"] == 512
    assert_its_hooks_are_applied(run, line)


def assert_the_program_sees_its_own_settings(run: Run) -> None:
    """Neither address nor body of the program shows that calls go elsewhere."""
    said = run.stdout.splitlines()
    assert said[0] == "ChatCompletion hello https://api.example.com/v1/"
    assert said[-2:] == [
        "Completion hello",
        "['choices', 'created', 'id', 'model', 'object', 'usage'] ['messages', 'model']",
    ]


def assert_its_hooks_are_applied(run: Run, line: str) -> None:
    """Every hook that this version has a place for."""
    hooks = {name: status for name, status in run.hooks.items() if name.startswith("openai.")}
    assert set(hooks.values()) == {"applied"}
    assert {"openai.post", "openai.redirect", "openai.redirect_azure", "openai.response", "openai.retry"} <= set(hooks)
    assert ("openai.raw_response" in hooks) is (line != FIRST)
    told = [event["payload"] for event in run.of_type("patcher.hook_status")]
    (version,) = {each["version"] for each in told if each["library"] == "openai"}
    assert version.startswith({"openai-1.0": "1.3.", "openai-1": "1.109.", "openai-2": "2.", "openai-3": "3."}[line])


@every_line
def test_embeddings_and_lists_of_models_are_redirected_and_no_model_calls(line: str) -> None:
    with Endpoint() as endpoint:
        run = run_program(line, "openai/chat.py", endpoint=endpoint, args=("other_requests",))
    assert run.returncode == 0, run.stderr
    assert run.story == []
    assert asked(endpoint) == [("/v1/embeddings", "text-embedding-3-small"), ("/v1/models", None)]


@every_line
def test_calls_at_once_in_tasks_and_threads_are_told_apart(line: str) -> None:
    with Endpoint(always=text("hello")) as endpoint:
        together = run_program(line, "openai/chat.py", endpoint=endpoint, args=("together",))
        threads = run_program(line, "openai/threads.py", endpoint=endpoint)
    assert sorted(together.story) == sorted([*called("model-a"), *called("model-b"), *called("model-c")])
    assert sorted(threads.story) == sorted(line for number in range(24) for line in called(f"model-{number}"))


@later_lines
def test_a_response_that_the_program_reads_itself_ends_when_it_was_read(line: str) -> None:
    ways = ("streaming_response", "streaming_response_lines", "streaming_response_unread")
    with Endpoint([text("hello")] * 3) as endpoint:
        run = run_program(line, "openai/chat.py", endpoint=endpoint, args=ways)
    assert run.returncode == 0, run.stderr
    assert run.story == [*called(), *streamed(), *streamed(status="abandoned")]
    assert "output_hash" in ends(run)[0]


@every_line
def test_streams_are_calls_until_their_end(line: str) -> None:
    ways = ("read", "read_by_next", "raw", "read_async", "completions")
    with Endpoint([text("one two three")] * len(ways)) as endpoint:
        run = run_program(line, "openai/streams.py", endpoint=endpoint, args=ways)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "Stream True one two three",
        "ChatCompletionChunk True",
        "one two three",
        "AsyncStream one two three",
        "one two three",
    ]
    assert run.story == streamed() * 5
    assert {(end["finish_reason"], end["output_size_bytes"]) for end in ends(run)} == {("stop", 13)}
    assert len({end["output_hash"] for end in ends(run)}) == 1


@later_lines
def test_tokens_of_a_stream_are_told_when_the_program_asks_for_them(line: str) -> None:
    with Endpoint([text("one two three")] * 3) as endpoint:
        run = run_program(
            line, "openai/streams.py", endpoint=endpoint, args=("with_usage", "streaming_response", "helper")
        )
    assert run.returncode == 0, run.stderr
    assert run.story == [*called(), *streamed(), *streamed()]


@every_line
def test_streams_that_nobody_reads_to_the_end_are_abandoned(line: str) -> None:
    with Endpoint([text("one two three"), text("two"), text("one two three"), text("one two three")]) as endpoint:
        run = run_program(line, "openai/streams.py", endpoint=endpoint, args=("dropped", "raw_dropped", "left_async"))
    assert run.returncode == 0, run.stderr
    assert run.story == [
        *streamed(status="abandoned"),
        *called(SECOND),
        *streamed(status="abandoned"),
        *streamed(status="abandoned"),
    ]


@later_lines
def test_closing_a_stream_ends_its_call_there_and_then(line: str) -> None:
    replies = [text("one two three"), text("two")]
    with Endpoint([*replies, *replies, text("one two three")]) as endpoint:
        run = run_program(line, "openai/streams.py", endpoint=endpoint, args=("left", "closed_async", "helper_left"))
    assert run.returncode == 0, run.stderr
    gone = streamed(status="abandoned")
    assert run.story == [*gone, *called(SECOND), *gone, *called(SECOND), *gone]


@every_line
def test_a_stream_that_breaks_is_an_error_of_its_call(line: str) -> None:
    with Endpoint([cut()]) as endpoint:
        run = run_program(line, "openai/streams.py", endpoint=endpoint, args=("cut",))
    error = "APIConnectionError" if line == "openai-3" else "RemoteProtocolError"
    assert run.stdout.splitlines()[-1] == error
    start, end = streamed(status="error")
    assert run.story == [start, f"error.occurred ChatCompletion {error} raised", end]
    assert ends(run)[0]["error_type"] == "api_error"


@every_line
def test_a_cancelled_call_is_no_error(line: str) -> None:
    with Endpoint() as endpoint:
        run = run_program(line, "openai/streams.py", endpoint=endpoint, args=("cancelled",))
    assert run.story == streamed(status="cancelled")


@every_line
def test_streams_read_at_once_are_told_apart(line: str) -> None:
    with Endpoint(always=text("one two three")) as endpoint:
        run = run_program(line, "openai/streams.py", endpoint=endpoint, args=("two_at_once",))
    assert sorted(run.story) == sorted([*streamed("model-a"), *streamed("model-b")])
    assert [end["output_size_bytes"] for end in ends(run)] == [13, 13]


@every_line
def test_tools_that_the_model_asks_for_are_named_and_bad_arguments_told(line: str) -> None:
    replies = [calls(("add", {"a": 1, "b": 2}), ("add", {"a": 3})), raw_arguments("add", "not json"), text("three")]
    with Endpoint(replies) as endpoint:
        run = run_program(line, "openai/tools.py", endpoint=endpoint)
    assert run.stdout.splitlines() == ["add 3", "add 3", "add JSONDecodeError", "three"]
    start, end = called()
    assert run.story == [start, end, start, "tool.call_failure add invalid_arguments_json", end, start, end]
    valid, invalid = {"tool_name": "add", "arguments_valid": True}, {"tool_name": "add", "arguments_valid": False}
    assert [each.get("tool_calls_made") for each in ends(run)] == [[valid, valid], [invalid], None]
    assert all(each["has_tools"] for each in starts(run))
    assert [each["message_count"] for each in starts(run)] == [1, 4, 6]


@every_line
def test_a_refused_request_is_one_error(line: str) -> None:
    with Endpoint([failure(400, "boom")]) as endpoint:
        run = run_program(line, "openai/errors.py", endpoint=endpoint, args=("refused",))
    assert run.stdout == "BadRequestError 400\n"
    start, end = streamed(status="error")
    assert run.story == [start, "error.occurred ChatCompletion BadRequestError raised", end]
    (error,) = run.of_type("error.occurred")
    assert error["payload"]["error_class"] == "api_error"
    assert error["payload"]["error_message"].startswith("Error code: 400 - ")
    assert ends(run)[0]["error_type"] == "api_error"


@every_line
def test_each_attempt_that_the_library_repeats_is_an_error_of_its_own(line: str) -> None:
    with Endpoint([failure(429, "slow down"), failure(500, "oops"), text("fine")]) as endpoint:
        run = run_program(line, "openai/errors.py", endpoint=endpoint, args=("retried",))
    assert run.stdout == "fine\n"
    start, end = called()
    assert run.story == [
        start,
        "error.occurred ChatCompletion RateLimitError caught_retry",
        "error.occurred ChatCompletion InternalServerError caught_retry",
        end,
    ]
    assert [error["payload"]["error_class"] for error in run.of_type("error.occurred")] == ["rate_limit", "api_error"]


@later_lines
def test_the_responses_interface_is_told_whole_streamed_and_through_its_helper(line: str) -> None:
    ways = ("create", "create_async", "stream", "helper", "stream_left", "tool")
    with Endpoint([*[text("hello")] * 5, call("add", a=1)]) as endpoint:
        run = run_program(line, "openai/responses.py", endpoint=endpoint, args=ways)
    assert run.returncode == 0, run.stderr
    assert run.story == [*called() * 4, *streamed(status="abandoned"), *called()]
    assert sources(run) == [
        "openai:Responses:responses.py",
        "openai:AsyncResponses:responses.py",
        *["openai:Responses:responses.py"] * 4,
    ]
    assert {(each["message_count"], len(each["system_prompt_hash"])) for each in starts(run)} == {(2, 16)}
    assert [end.get("output_size_bytes") for end in ends(run)] == [5, 5, 5, 5, None, None]
    assert ends(run)[-1]["tool_calls_made"] == [{"tool_name": "add", "arguments_valid": True}]
    assert asked(endpoint) == [("/v1/responses", "served-model")] * 6


@later_lines
def test_parsed_answers_are_calls_and_what_does_not_parse_is_an_error(line: str) -> None:
    with Endpoint([text('{"word": "hi"}')] * 2 + [text("no JSON")]) as endpoint:
        run = run_program(line, "openai/responses.py", endpoint=endpoint, args=("parse", "parse_chat", "parse_fails"))
    assert run.stdout.splitlines() == ["word='hi'", "word='hi'", "ValidationError"]
    start, end = streamed(status="error")
    assert run.story == [*called() * 2, start, "error.occurred ChatCompletion ValidationError raised", end]
    assert ends(run)[-1]["error_type"] == "schema_mismatch"


@every_line
def test_azure_clients_are_redirected_with_and_without_a_deployment(line: str) -> None:
    ways = ("azure", "azure_deployment", "azure_async", "azure_models")
    with Endpoint([text("hello")] * 3) as endpoint:
        run = run_program(line, "openai/addresses.py", endpoint=endpoint, args=ways)
    assert run.returncode == 0, run.stderr
    assert run.story == called("gpt-4o") * 3
    assert asked(endpoint) == [
        *[("/v1/chat/completions?api-version=2024-06-01", "served-model")] * 3,
        ("/v1/models?api-version=2024-06-01", None),
    ]
    assert "https://somewhere.openai.azure.com/openai/" in run.stdout


@every_line
def test_no_setting_of_the_program_leads_calls_elsewhere(line: str) -> None:
    ways = ("settings_file", "with_options", "whole_address", "extra_body")
    with Endpoint([text("hello")] * 4) as endpoint:
        run = run_program(line, "openai/addresses.py", endpoint=endpoint, args=ways)
    assert run.returncode == 0, run.stderr
    told = [each for each in run.story if not each.startswith("file.")]
    assert told == called("gpt-4o") * 4
    assert asked(endpoint) == [("/v1/chat/completions", "served-model")] * 4
    assert endpoint.requests[-1].body["max_tokens"] == 512
    assert run.stdout.splitlines()[-1] == "{'model': 'other', 'max_tokens': 9000}"


@pytest.mark.parametrize("line", [LINES[0], LINES[-1]])
@pytest.mark.parametrize("capture", ["0", "1"])
def test_keys_are_never_written_and_text_only_when_it_is_captured(line: str, capture: str) -> None:
    with Endpoint([text("hello"), text("my key is sk-abcdefgh12345678")]) as endpoint:
        run = run_program(
            line,
            "openai/chat.py",
            endpoint=endpoint,
            args=("plain", "asynchronous"),
            env={"STRATUM_CAPTURE_PROMPTS": capture},
        )
    assert run.story == called() * 2
    assert not re.search(rb"sk-(programs|abcdefgh|placeholder)", run.raw)
    assert [start.get("last_user_message_preview") for start in starts(run)] == (
        ["Say hello."] * 2 if capture == "1" else [None] * 2
    )
    assert [end.get("output_preview") for end in ends(run)] == (
        ["hello", "my key is [secret]"] if capture == "1" else [None] * 2
    )


@every_line
def test_a_program_prints_and_fails_the_same_with_and_without_the_patcher(line: str) -> None:
    def run(program: str, *args: str, patched: bool) -> tuple[int, str, str]:
        replies = [text("hello")] * 8 if program != "errors" else [failure(400, "boom")]
        with Endpoint(replies) as endpoint:
            ended = run_program(
                line,
                f"openai/{program}.py",
                endpoint=endpoint,
                patched=patched,
                args=args,
                env={"OTHER_ADDRESS": endpoint.url + "/v1"},
            )
        seen = re.sub(r"127\.0\.0\.1:\d+", "<endpoint>", ended.stdout)
        # The folders of the program, and of the library with and without the patcher beside it.
        return ended.returncode, seen, re.sub(r'File "[^"]*/(?=app/|python3)', 'File "', _of_library(ended.stderr))

    chat = ("chat", "plain", "module_level", "asynchronous", "raw", "raw_unparsed", "completion", "by_hand")
    for program in (chat, ("errors", "uncaught")):
        assert run(*program, patched=True) == run(*program, patched=False)


def _of_library(trace: str) -> str:
    return re.sub(r'"[^"]*/site-packages/', '"', trace)


def test_without_an_endpoint_calls_go_where_the_program_sends_them() -> None:
    with Endpoint([text("hello")]) as endpoint:
        run = run_program(
            "openai-3",
            "openai/chat.py",
            args=("plain",),
            env={"OTHER_ADDRESS": endpoint.url + "/v1"},
        )
    assert run.story == called()
    assert [(start["model_actual"], start["model_mapped"]) for start in starts(run)] == [(GPT, False)]
    assert asked(endpoint) == [("/v1/chat/completions", GPT)]
    assert run.hooks["openai.redirect"] == "not_applied"
