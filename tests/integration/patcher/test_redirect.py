"""Unmodified programs with addresses, keys and models of their own talk to the endpoint, whatever their client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.patcher.endpoint import Endpoint, text
from tests.support.patcher.program import Run, run_program

CHAT, AZURE = "/v1/chat/completions", "/v1/chat/completions?api-version=2024-06-01"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"

CLIENTS: list[tuple[str, str, list[str]]] = [
    ("openai-1.0", "openai_own", [CHAT, AZURE, AZURE, CHAT, CHAT]),
    ("openai-1", "openai_own", [CHAT, AZURE, AZURE, CHAT, CHAT]),
    ("openai-2", "openai_own", [CHAT, AZURE, AZURE, CHAT, CHAT]),
    ("openai-3", "openai_own", [CHAT, AZURE, AZURE, CHAT, CHAT]),
    ("langgraph-0.2", "langchain_openai_own", [CHAT, CHAT, AZURE]),
    ("langgraph", "langchain_openai_own", [CHAT, CHAT, AZURE]),
    ("providers", "langchain_anthropic_own", [MESSAGES, MESSAGES]),
    ("autogen-0.4", "autogen_ext_own", [CHAT, AZURE]),
    ("autogen-0.7", "autogen_ext_own", [CHAT, AZURE]),
    ("pyautogen-0.2", "config_list", [CHAT, AZURE]),
    ("ag2-0", "config_list", [CHAT, AZURE]),
    ("ag2-1", "ag2_own", [CHAT]),
    ("openai-agents-0.0", "openai_agents_own", [RESPONSES, CHAT]),
    ("openai-agents", "openai_agents_own", [RESPONSES, CHAT]),
    ("pydantic-ai-0", "pydantic_ai_own", [CHAT, RESPONSES]),
    ("pydantic-ai", "pydantic_ai_own", [CHAT, RESPONSES]),
    ("smolagents-1.0", "smolagents_own", [CHAT]),
    ("smolagents", "smolagents_own", [CHAT]),
    ("crewai-0.80", "crewai_models", [CHAT] * 5),
    ("crewai-0.121", "crewai_models", [CHAT] * 5),
    ("crewai", "crewai_models", [CHAT] * 5),
]
"""Line, program, and the paths that its requests take at the endpoint. Anthropic's own client and LiteLLM, with all its
providers, have this among the tests of their frames."""


def unredirected(run: Run) -> list[dict[str, Any]]:
    """Payloads of the providers that were told as not redirected."""
    errors = [event["payload"] for event in run.of_type("error.occurred")]
    return [payload for payload in errors if payload.get("kind") == "unredirected_provider"]


@pytest.mark.parametrize(("line", "program", "paths"), CLIENTS, ids=lambda value: str(value)[:24])
def test_a_program_with_its_own_address_model_and_key_reaches_the_endpoint(
    line: str, program: str, paths: list[str]
) -> None:
    with Endpoint(always=text("from the endpoint")) as endpoint:
        run = run_program(line, f"redirect/{program}.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert [request.path for request in endpoint.calls] == paths
    assert {request.body["model"] for request in endpoint.calls} == {"served-model"}
    assert all((request.body.get("max_tokens") or 0) <= 512 for request in endpoint.calls)
    assert run.stdout.count("from the endpoint") == len(paths)
    starts = [event["payload"] for event in run.of_type("llm.call_start")]
    assert [start["model_actual"] for start in starts] == ["served-model"] * len(paths)
    assert all(start["model_mapped"] for start in starts)
    assert not unredirected(run)
    assert not run.of_type("external.call")
    assert "own-key" not in str(run.events) and "own-azure-key" not in str(run.events)


def test_settings_of_a_dotenv_file_do_not_lead_away_from_the_endpoint() -> None:
    with Endpoint(always=text("from the endpoint")) as endpoint:
        run = run_program("litellm", "redirect/dotenv_settings", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["https://models.example.com/v1 gpt-4o", *["from the endpoint"] * 3]
    assert [(request.path, request.body["model"]) for request in endpoint.calls] == [(CHAT, "served-model")] * 3
    assert run.story == [
        "file.read .env",
        *["llm.call_start gpt-4o", "llm.call_end gpt-4o success 5+3"] * 2,
        "llm.call_start groq/llama3-8b-8192",
        "llm.call_end groq/llama3-8b-8192 success 5+3",
    ]


def test_without_a_served_model_only_the_address_is_replaced() -> None:
    with Endpoint(always=text("from the endpoint")) as endpoint:
        run = run_program("openai-3", "redirect/openai_own.py", endpoint=endpoint, env={"STRATUM_VLLM_MODEL": ""})
    assert run.returncode == 0, run.stderr
    assert {request.body["model"] for request in endpoint.calls} == {"gpt-4o"}
    assert [start["payload"]["model_mapped"] for start in run.of_type("llm.call_start")] == [False] * 5


def test_without_an_endpoint_nothing_of_a_request_is_changed() -> None:
    own = {"VLLM_HOST": None, "STRATUM_VLLM_MODEL": None}
    with Endpoint(always=text("from the endpoint")) as endpoint:
        run = run_program("anthropic", "redirect/as_it_is.py", endpoint=endpoint, env=own)
    assert run.returncode == 0, run.stderr
    (request,) = endpoint.calls
    assert (request.body["model"], request.body["max_tokens"]) == ("claude-3-haiku-20240307", 4000)
    (start,) = run.of_type("llm.call_start")
    assert "redirected_to" not in start["payload"]
    assert start["payload"]["model_actual"] == "claude-3-haiku-20240307"


def test_native_clients_of_other_providers_are_told_once_each_where_they_are_made() -> None:
    with Endpoint() as endpoint:
        run = run_program("providers", "redirect/natives.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    told = [
        (event["source_node"]["node_id"], event["source_node"]["node_type"])
        for event in run.of_type("error.occurred")
        if event["payload"].get("kind") == "unredirected_provider"
    ]
    lines = {
        "groq": 13,
        "cohere": 15,
        "mistral": 16,
        "google_genai": 17,
        "together": 18,
        "huggingface": 19,
        "aws_bedrock_runtime": 21,
        "ollama": 25,
    }
    assert told == [(f"generic:{name}:natives.py:{line}", "capability") for name, line in lines.items()]
    assert "own-key" not in str(run.events)


@pytest.mark.parametrize("line", ["anthropic-old", "anthropic"])
def test_anthropic_clients_of_other_platforms_are_told_once(line: str) -> None:
    with Endpoint() as endpoint:
        run = run_program(line, "anthropic/platforms.py", endpoint=endpoint)
    assert run.returncode == 0, run.stderr
    assert [payload["error_type"] for payload in unredirected(run)] == ["UnredirectedProvider"]
    assert run.story == ["error.occurred anthropic_bedrock UnredirectedProvider caught_silent"]
