"""What is told of programs without any framework: uncaught errors, requests, bare model calls and files."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.support.patcher.endpoint import Endpoint, text
from tests.support.patcher.program import BARE, Run, run_program

HTTPX, AIOHTTP = "ag2-0", "litellm"
"""Lines that bring `requests`, `urllib3` and httpx; and aiohttp beside them."""


def run(program: str, *args: str, line: str = BARE, ends: int = 0, env: Mapping[str, str | None] | None = None) -> Run:
    """One of the programs, to its end."""
    ran = run_program(line, f"generic/{program}.py", args=args, env=env)
    assert ran.returncode == ends, ran.stderr[-3000:]
    return ran


def test_an_exception_that_nobody_caught_is_told_of_threads_and_of_the_program() -> None:
    ran = run("uncaught", ends=1)
    assert ran.story == [
        "error.occurred unhandled_exception KeyError raised",
        "error.occurred unhandled_exception RuntimeError raised",
    ]
    errors = ran.of_type("error.occurred")
    assert [event["source_node"]["node_id"] for event in errors] == [
        "generic:exception:uncaught.py:8",
        "generic:exception:uncaught.py:27",
    ]
    assert errors[1]["payload"]["error_message"] == "at the end; key [secret]"
    assert (errors[1]["payload"]["file"], errors[1]["payload"]["line"]) == ("uncaught.py", 27)
    assert ran.stdout == "True True\ncaught\n"


def test_hooks_of_the_program_see_what_they_always_see() -> None:
    ran = run("own_hooks", ends=1)
    without = run_program(BARE, "generic/own_hooks.py", patched=False)
    assert ran.stdout == without.stdout
    assert ran.story == [
        "error.occurred unhandled_exception ZeroDivisionError raised",
        "error.occurred unhandled_exception LookupError raised",
    ]


@pytest.mark.parametrize(("how", "ends"), [("exit", 1), ("interrupt", -2)])
def test_leaving_on_purpose_is_no_error(how: str, ends: int) -> None:
    assert run("leaving", how, ends=ends).story == []


def test_an_error_that_a_framework_told_is_not_told_again_at_the_end() -> None:
    ran = run_program(HTTPX, "autogen/group_methods.py", args=("subclass",))
    assert ran.returncode == 1
    assert [e["payload"]["error_type"] for e in ran.of_type("error.occurred")] == [
        "NoSpeakerSelected",
        "ValidationError",
    ]


def test_files_of_the_repository_are_told_once_per_file_and_access() -> None:
    ran = run("files")
    assert ran.story == [
        "file.write data/out.txt",
        "file.read data/out.txt",
        "file.write data/raw.bin",
        "file.write made.py",
    ]
    node = ran.of_type("file.read")[0]["source_node"]
    assert node == {"node_type": "data_store", "node_id": "generic:file_io:data/out.txt:0", "node_name": "file_io"}
    assert [event["payload"]["mode"] for event in ran.events if event["event_type"].startswith("file.")] == [
        "w",
        "r",
        "w",
        "w",
    ]
    assert ran.stdout == run_program(BARE, "generic/files.py", patched=False).stdout


def test_of_many_files_the_first_thousand_are_told_and_the_others_counted() -> None:
    ran = run_program(BARE, "generic/many_files.py", check=False)
    assert len(ran.of_type("file.write")) == 1000
    dropped = [event["payload"] for event in ran.of_type("patcher.dropped")]
    assert {each["reason"] for each in dropped} == {"files_beyond_limit"}
    assert sum(each["count"] for each in dropped) == 100


def call(host: str, outcome: object) -> list[str]:
    """One request."""
    return [f"external.call start {host}", f"external.call end {host} {outcome}".rstrip()]


def cut(host: str, error: str) -> list[str]:
    """One request without an answer."""
    return [call(host, "")[0], f"error.occurred {host} {error} raised", f"external.call end {host} api_error"]


API, OTHER = "api.example.com", "other.example.org"
MOVED = [*call(API, 302), *call(OTHER, 200)]
STANDARD = [
    *call(API, 200), *MOVED, *call(API, 404), *cut(API, "RemoteDisconnected"), *call(API, ""), *call(API, 200),
]  # fmt: skip
LIBRARIES = [*MOVED, *cut(API, "ConnectionError"), *call(API, 200), *call(API, 404), *call(API, 200)]


@pytest.mark.parametrize(
    ("line", "story"),
    [
        pytest.param(BARE, STANDARD, id="standard library"),
        pytest.param(HTTPX, [*STANDARD, *LIBRARIES], id="requests, urllib3, httpx"),
        pytest.param(AIOHTTP, [*STANDARD, *LIBRARIES, *call(API, 200), *call(API, 404)], id="aiohttp"),
    ],
)
def test_each_request_is_one_fact_whichever_library_makes_it_and_this_machine_is_no_service(
    line: str, story: list[str]
) -> None:
    ran = run("requests_out", line=line)
    assert ran.story == story
    calls = ran.of_type("external.call")
    assert {event["source_node"]["node_id"] for event in calls} == {
        "generic:http:api.example.com:-:0",
        "generic:http:other.example.org:-:0",
    }
    assert b"token" not in ran.raw and b"/found" not in ran.raw
    libraries = ["urllib", "http.client"]
    if line != BARE:
        libraries += ["requests", "urllib3", "httpx", "httpx.async"]
    if line == AIOHTTP:
        libraries += ["aiohttp"]
    assert list(dict.fromkeys(event["payload"]["library"] for event in calls)) == libraries
    abandoned = [event["payload"] for event in calls if event["payload"].get("status") == "abandoned"]
    assert [each["method"] for each in abandoned] == ["PUT"]


def test_bare_requests_to_models_are_model_calls_by_host() -> None:
    with Endpoint([text("hi")]) as endpoint:
        ran = run_program(BARE, "generic/bare_models.py", endpoint=endpoint)
    assert ran.returncode == 0, ran.stderr
    asked = ["llm.call_start gpt-4o", "llm.call_end gpt-4o success"]
    assert ran.story == [
        *asked,
        *asked,
        "llm.call_start gemini-pro",
        "llm.call_end gemini-pro success",
        "llm.call_start gpt-4o",
        "error.occurred api.mistral.ai HTTPStatusError raised",
        "llm.call_end gpt-4o error",
        *call("api.openai.com", 200),
    ]
    starts = ran.of_type("llm.call_start")
    assert [event["source_node"]["node_id"] for event in starts] == [
        "generic:http:127.0.0.1:-:0",
        "generic:http:api.groq.com:-:0",
        "generic:http:generativelanguage.googleapis.com:-:0",
        "generic:http:api.mistral.ai:-:0",
    ]
    told = [event["payload"] for event in starts]
    assert [each["message_count"] for each in told] == [2, 2, 1, 2]
    assert [each["has_tools"] for each in told] == [False, True, False, False]
    assert [event["payload"].get("status_code") for event in ran.of_type("llm.call_end")] == [200, 200, 200, 429]
    assert "Be short." not in json.dumps(ran.events)
