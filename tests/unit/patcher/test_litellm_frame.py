"""What LiteLLM's answers say, and how its calls are led to the endpoint, without the library."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from stratum_patcher import redirect
from stratum_patcher.frames import litellm_redirect
from stratum_patcher.frames.litellm_answer import Answer
from stratum_patcher.wrap import Call

ENDPOINT = redirect.Target("http://127.0.0.1:1", "http://127.0.0.1:1/v1", "served-model", "127.0.0.1:1")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are redirected, and LiteLLM is imported."""
    monkeypatch.setattr(redirect, "_found", ENDPOINT)
    library = ModuleType("litellm")
    vars(library).update(custom_provider_map=[{"provider": "own", "custom_handler": object()}], provider_list=["groq"])
    monkeypatch.setitem(sys.modules, "litellm", library)


def led(*args: Any, through_openai: bool = True, **kwargs: Any) -> tuple[Any, Call]:
    """The model that will be asked, and the call as it goes on."""
    call = Call(None, args, kwargs)
    return litellm_redirect.lead(call, 0, through_openai=through_openai), call


def test_provider_address_and_key_are_replaced(endpoint: None) -> None:
    served, call = led(
        "bedrock/claude",
        [],
        base_url="https://own",
        custom_llm_provider="bedrock",
        aws_region_name="x",
        max_tokens=9999,
    )
    assert served == "served-model"
    assert call.args == ("openai/gpt-4o-mini", [])
    assert call.kwargs == {
        "api_base": "http://127.0.0.1:1/v1",
        "api_key": redirect.key(),
        "drop_params": True,
        "max_tokens": 512,
    }


def test_forms_that_do_not_pass_openais_library_name_the_served_model(endpoint: None) -> None:
    served, call = led(model="groq/llama3", api_key="kept", through_openai=False)
    assert (served, call.kwargs["model"], call.kwargs["api_key"]) == ("served-model", "openai/served-model", "kept")


def test_without_a_served_model_the_name_stays_without_its_provider(
    endpoint: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redirect, "_found", redirect.Target(ENDPOINT.url, ENDPOINT.api, None, ENDPOINT.host))
    assert led("groq/llama3")[1].args == ("openai/llama3",)
    assert led("meta/llama3")[1].args == ("openai/meta/llama3",)


@pytest.mark.parametrize(
    "args, kwargs", [(("own/model",), {}), (("gpt-4o",), {"mock_response": "canned"}), ((None,), {})]
)
def test_what_no_provider_answers_is_left_alone(endpoint: None, args: Any, kwargs: Any) -> None:
    served, call = led(*args, **kwargs)
    assert (served, call.args, call.kwargs) == (None, args, kwargs)


def test_only_clients_whose_requests_are_redirected_are_kept(endpoint: None) -> None:
    openai_client, azure_client = type("OpenAI", (), {})(), type("AzureOpenAI", (), {})()
    assert led("gpt-4o", client=openai_client)[1].kwargs["client"] is openai_client
    assert "client" not in led("gpt-4o", client=azure_client)[1].kwargs


def test_a_whole_chat_answer_is_read() -> None:
    answer = Answer()
    function = SimpleNamespace(name="add", arguments='{"a": 1}')
    message = SimpleNamespace(content=None, tool_calls=[SimpleNamespace(function=function)], function_call=None)
    answer.whole(
        SimpleNamespace(
            model="served",
            usage=SimpleNamespace(prompt_tokens=5, completion_tokens=3),
            choices=[SimpleNamespace(finish_reason="tool_calls", message=message)],
        )
    )
    assert (answer.model, answer.input_tokens, answer.output_tokens, answer.finish) == ("served", 5, 3, "tool_calls")
    assert (answer.content(), answer.tools()) == (None, [("add", '{"a": 1}')])


def test_a_streamed_answer_is_put_together() -> None:
    answer = Answer()
    for text, arguments in (("one ", '{"a"'), ("two", ": 1}"), (None, None)):
        calls = [{"index": 0, "function": {"name": "add" if text == "one " else None, "arguments": arguments}}]
        delta = {"content": text, "tool_calls": calls if text else None}
        answer.piece({"choices": [{"delta": delta, "finish_reason": None if text else "stop"}]})
    assert (answer.content(), answer.tools(), answer.finish) == ("one two", [("add", '{"a": 1}')], "stop")


def test_a_streamed_responses_answer_is_what_its_last_event_says() -> None:
    answer = Answer()
    answer.piece({"type": "response.output_text.delta", "delta": "one"})
    output = [
        {"type": "message", "content": [{"type": "output_text", "text": "one two"}]},
        {"type": "function_call", "name": "add", "arguments": "{}"},
    ]
    usage = {"input_tokens": 5, "output_tokens": 3}
    answer.piece({"type": "response.completed", "response": {"output": output, "usage": usage, "status": "completed"}})
    assert (answer.content(), answer.tools(), answer.finish) == ("one two", [("add", "{}")], "completed")
    assert (answer.input_tokens, answer.output_tokens) == (5, 3)


def test_a_model_name_that_is_no_text_is_another_one_and_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    class Name:
        def __ne__(self, other: object) -> bool:
            raise SystemExit("asked")

    monkeypatch.setattr(redirect, "_found", ENDPOINT)
    assert redirect.model_for(Name()) == ("served-model", True)
    assert redirect.model_for("served-model") == ("served-model", False)
