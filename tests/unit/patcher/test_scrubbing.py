"""Secrets are cut out of texts by their look and by the environment's values; names stay names."""

from __future__ import annotations

import pytest
from stratum_patcher import facts, nodes, scrubbing


@pytest.mark.parametrize(
    "text, kept",
    [
        ("key sk-proj-abcdefgh12345678 end", "key [secret] end"),
        ("Incorrect API key provided: sk-abcd****wxyz.", "Incorrect API key provided: [secret]."),
        ("sk_live_abc123def456", "[secret]"),
        ("{'Authorization': 'Bearer abc.def'}", "{'Authorization': '[secret]'}"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [secret]"),
        ("sent bearer abcdefghijklmnopqrst", "sent [secret]"),
        ("tool_AKIAIOSFODNN7EXAMPLE", "tool_[secret]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[secret]"),
        ("https://user:pass1234@host/x", "https://[secret]@host/x"),
        ("https://host/x?key=abcdefgh&page=2", "https://host/x?key=[secret]&page=2"),
        ("aws_secret_access_key = abcd/efgh+x", "aws_secret_access_key = [secret]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEabc+/\n-----END RSA PRIVATE KEY----- rest", "[secret] rest"),
    ],
)
def test_what_looks_like_a_secret_is_cut_out(text: str, kept: str) -> None:
    assert scrubbing.scrub(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "a task about tokens and secret plans",
        "max_tokens: 4097 is too large, total_tokens=12",
        "key_value_lookup failed for sk_learn_classifier",
        "Basic understanding of the bearer market",
        "bearer token is missing",
        "the token budget: be careful",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert scrubbing.scrub(text) == text


@pytest.mark.parametrize(
    "name", ["key_value_lookup", "task-token-counter-2024-version", "sk-learn expert 2024", "Basic researcher 2"]
)
def test_names_stay_names(name: str) -> None:
    assert scrubbing.scrub_name(name) == name
    assert nodes.node("generic", name).name == name


@pytest.mark.parametrize(
    "name, kept",
    [
        ("sk-proj-abcdefgh12345678ABCDEFGH", "[secret]"),
        ("research sk-ant-api03-abcdefghij0123456789 agent", "research [secret] agent"),
        ("fetch_AKIAIOSFODNN7EXAMPLE", "fetch_[secret]"),
    ],
)
def test_keys_in_names_are_cut_out(name: str, kept: str) -> None:
    assert nodes.node("generic", name).name == kept


def test_values_of_secret_variables_are_cut_out_whatever_they_look_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_SERVICE_KEY", "plain words as a key")
    monkeypatch.setenv("OWN_TOKEN_2", "swordfish and more")
    monkeypatch.setenv("OWN_SECRET", "short")
    monkeypatch.setenv("OWN_NUMBER_KEY", "1234567890")
    monkeypatch.setenv("OWN_MONKEY", "banana and more")
    said = "plain words as a key, swordfish and more, short, 1234567890, banana and more"
    assert scrubbing.scrub(said) == "[secret], [secret], short, 1234567890, banana and more"
    assert scrubbing.scrub_name("ask plain words as a key") == "ask [secret]"


def test_variables_that_are_set_later_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scrubbing.scrub("correct horse battery") == "correct horse battery"
    monkeypatch.setenv("LATER_PASSWORD", "correct horse battery")
    assert scrubbing.scrub("correct horse battery") == "[secret]"
    monkeypatch.setenv("LATER_PASSWORD", "another one")
    assert scrubbing.scrub("correct horse battery, another one") == "correct horse battery, [secret]"


@pytest.mark.parametrize(
    "text",
    ["a", "token", "sk-", "key ", "://a", "bearer ", "sk_a", "authorization: ", "?key=", "-----BEGIN PRIVATE KEY-----"],
)
def test_long_texts_are_looked_through_before_the_time_limit(text: str) -> None:
    long = text * (1_000_000 // len(text))
    assert scrubbing.scrub(long)


def test_error_messages_are_scrubbed() -> None:
    assert facts.message(ValueError("no access with sk-abcdefgh12345678")) == "no access with [secret]"
