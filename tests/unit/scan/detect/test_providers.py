"""Providers, models and keys (A10) on a fixture repository, and by name, prefix and address."""

from __future__ import annotations

import pytest

from stratum_lab.scan.detect import autogen, langchain, openai, providers, providers_names, pydantic_ai
from stratum_lab.scan.model import Model
from tests.support.detected import FIXTURES
from tests.support.projects import project, tree


@pytest.fixture(scope="module")
def mixed() -> Model:
    files = tree(FIXTURES / "providers_mixed")
    model = Model()
    for detector in (autogen, langchain, pydantic_ai):
        detector.agents(files, model)
    openai.late(files, model)
    providers.late(files, model)
    return model


def test_clients_calls_and_literals_name_the_provider_and_an_address_says_more_than_a_class(mixed: Model) -> None:
    found = [(u.site.line, u.slug, u.model) for u in mixed.model_uses if u.site.file == "app/clients.py"]
    assert found == [
        (17, "local", ""),
        (18, "deepseek", ""),
        (19, "openai", "gpt-4o-mini"),
        (20, "azure_openai", ""),
        (21, "ollama", "llama3.1:8b"),
        (22, "aws", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        (23, "openai", "text-embedding-3-small"),
        (24, "openai", ""),
        (25, "openai", ""),
        (26, "openai", ""),
        (27, "openai", ""),
        (33, "local", "qwen2.5-7b-instruct"),
        (37, "deepseek", "deepseek-chat"),
        (41, "anthropic", ""),
        (41, "anthropic", "claude-sonnet-4-5"),
        (42, "google", ""),
        (42, "google", "gemini-2.0-flash"),
        (43, "groq", "llama-3.1-70b-versatile"),
        (44, "groq", ""),
        (44, "groq", "mixtral-8x7b-32768"),
        (45, "xai", "grok-2"),
    ]


def test_configurations_agents_and_yaml_name_models_and_an_agents_name_is_none(mixed: Model) -> None:
    found = [(u.site.line, u.slug, u.model) for u in mixed.model_uses if u.site.file != "app/clients.py" and u.model]
    assert found == [
        (14, "openai", "gpt-4-turbo"),
        (15, "cohere", "command-r-plus"),
        (16, "local", "phi3"),
        (19, "anthropic", "claude-3-opus"),
        (20, "openai", "o3-mini"),
        (21, "openai", "gpt-4o"),
        (22, "mistral", "mistral-large-latest"),
        (26, "openai", "gpt-4.1"),
        (30, "openai", "gpt-4.1"),
        (33, "openrouter", "meta-llama/llama-3-8b"),
        (1, "anthropic", "claude-3-haiku"),
        (5, "google", "gemini-1.5-pro"),
    ]


def test_tests_say_nothing_about_providers(mixed: Model) -> None:
    assert not any(use.slug == "cohere" and not use.model for use in mixed.model_uses)


def test_keys_are_taken_by_explicit_reference_only(mixed: Model) -> None:
    assert {a.name: {name: site.line for name, site in a.credentials.items()} for a in mixed.agents} == {
        "gemini": {"SHARED_KEY": 14, "COHERE_API_KEY": 15},
        "critic": {"SHARED_KEY": 19},
        "mail": {},
        "seller": {"SHARED_KEY": 22},
    }
    assert [(use.name, use.scope) for use in mixed.key_uses] == [
        ("OTHER_KEY", "app/agents.py:"),
        ("SCOPE_KEY", "app/agents.py:summarise"),
        ("SCOPE_KEY", "app/agents.py:translate"),
        ("DEEPSEEK_API_KEY", "app/clients.py:"),
        ("AZURE_KEY", "app/clients.py:"),
    ]


def test_fallbacks_and_abstractions_are_noted(mixed: Model) -> None:
    assert mixed.provider_fallback
    assert mixed.abstraction
    plain = Model()
    providers.late(project(main="import openai\nclient = openai.OpenAI()\n"), plain)
    assert not plain.provider_fallback
    assert not plain.abstraction


def test_an_import_alone_is_no_provider() -> None:
    model = Model()
    providers.late(project(main="from langchain_openai import ChatOpenAI\nimport openai, anthropic\n"), model)
    assert model.model_uses == []


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("gpt-4o", "openai"), ("o1-mini", "openai"), ("o3", "openai"), ("text-embedding-3-large", "openai"),
        ("ft:gpt-3.5-turbo:org", "openai"), ("claude-3-opus", "anthropic"), ("gemini-pro", "google"),
        ("llama3.1", "meta"), ("Meta-Llama-3-70B", "meta"), ("mixtral-8x7b", "mistral"), ("deepseek-r1", "deepseek"),
        ("grok2", "xai"), ("command-r", "cohere"), ("egpt-4", ""), ("recommand-1", ""), ("foo1", ""), ("o11y", ""),
        ("commander", ""), ("text-bison", ""), ("codellama", ""),
    ],
)  # fmt: skip
def test_names_match_by_component(name: str, slug: str) -> None:
    assert providers_names.by_name(name) == slug


@pytest.mark.parametrize("text", ["", "g4", "$MODEL", "{model}", "OPENAI_MODEL", "MODEL", "a model", None])
def test_what_is_no_literal_is_rejected(text: str | None) -> None:
    assert not providers_names.is_literal_model(text)


@pytest.mark.parametrize(
    ("address", "slug"),
    [
        ("http://localhost:11434/v1", "local"), ("http://127.0.0.1:8000", "local"), ("localhost:8080", "local"),
        ("https://api.deepseek.com/v1", "deepseek"), ("https://team.openai.azure.com/", "azure_openai"),
        ("https://localhost.evil.example/v1", ""), ("https://gateway.example", ""), ("http://[bad", ""),
    ],
)  # fmt: skip
def test_an_address_names_its_provider_by_host(address: str, slug: str) -> None:
    assert providers_names.by_host(address) == slug
