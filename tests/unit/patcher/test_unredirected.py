"""Providers that are not redirected are told once each, when a client is made, and only when calls are redirected."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from stratum_patcher import frame as frames
from stratum_patcher import redirect, wrap
from stratum_patcher.frames import unredirected

from tests.unit.patcher.conftest import Events

ENDPOINT = redirect.Target("http://127.0.0.1:1", "http://127.0.0.1:1/v1", "served-model", "127.0.0.1:1")


class Groq:
    def __init__(self, *, api_key: str) -> None:
        self.api_key = api_key


class Session:
    def create_client(self, service_name: str, **_: Any) -> str:
        return service_name


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library whose clients are watched until the test ends."""
    monkeypatch.setattr(unredirected, "_told", set())
    monkeypatch.setattr(redirect, "_found", ENDPOINT)
    for name, classes in (("groq._client", {"Groq": Groq}), ("botocore.session", {"Session": Session})):
        module = ModuleType(name)
        vars(module).update(classes)
        frames.apply("unredirected", name, module)
    yield
    frames.undo("unredirected")


def told(events: Events) -> list[str]:
    """Names of the providers that were told."""
    return [
        event["source_node"]["node_name"]
        for event in events()
        if event["event_type"] == "error.occurred" and event["payload"]["kind"] == "unredirected_provider"
    ]


def test_each_provider_is_told_once_however_many_clients_are_made(provider: None, events: Events) -> None:
    for _ in range(3):
        assert Groq(api_key="k").api_key == "k"
        assert Session().create_client("bedrock-runtime") == "bedrock-runtime"
    assert told(events) == ["groq", "aws_bedrock_runtime"]


def test_services_that_are_no_models_are_not_told(provider: None, events: Events) -> None:
    assert Session().create_client(service_name="s3") == "s3"
    assert told(events) == []


def test_nothing_is_told_when_calls_are_only_watched(
    provider: None, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redirect, "_found", None)
    Groq(api_key="k")
    assert told(events) == []


def test_a_module_without_its_clients_is_not_applied() -> None:
    entry = next(each for each in unredirected.PROVIDERS if each.module == "groq._client")
    with pytest.raises(wrap.NotApplied, match="none of Groq, AsyncGroq"):
        unredirected._apply(entry, ModuleType("groq._client"))
