"""What is told of values: hashes and shapes without running the program's code, and no secrets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pytest
from stratum_patcher import facts


class Trap:
    """Any question to it ends the process."""

    def __repr__(self) -> str:
        raise SystemExit("asked")

    __str__ = __eq__ = __hash__ = __len__ = __iter__ = __repr__  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value, shape",
    [
        (None, "None"), ("abc", "str(len=3)"), (3, "int"), (2.5, "float"), (True, "bool"),
        ({"b": 1, "a": 2}, "dict(keys=['a', 'b'], len=2)"), ([1, 2], "list(len=2, inner=int)"),
        ([], "list(len=0, inner=None)"), (Trap(), "Trap"), ({1: 2}, "dict(keys=['int'], len=1)"),
    ],
)  # fmt: skip
def test_shapes_tell_the_form_without_the_content(value: object, shape: str) -> None:
    assert facts.shape(value) == shape


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 1025, 100_000])
def test_hashes_of_short_and_long_texts_are_sha256(length: int) -> None:
    text = "ü" * length
    assert facts.sha(text) == hashlib.sha256(text.encode()).hexdigest()
    assert facts.short(text) == facts.sha(text)[:16]


def test_the_output_hash_is_of_the_full_text() -> None:
    text = "ä" * 20_000
    told = facts.output(text)
    assert told == {
        "output_hash": hashlib.sha256(text.encode()).hexdigest(),
        "output_type": "long_text",
        "output_size_bytes": 40_000,
    }


@pytest.mark.parametrize(
    "value, kind",
    [
        ("short", "short_text"), ({"label": 1}, "classification"), ({"route": 1}, "routing_decision"),
        ({"score": 1}, "scored_output"), ({"x": 1}, "structured_json"), ([1], "unknown"), (3, "unknown"),
    ],
)  # fmt: skip
def test_outputs_are_classified_by_their_keys(value: object, kind: str) -> None:
    assert facts.output(value)["output_type"] == kind
    assert facts.output(None) == {}


def test_objects_are_never_asked_what_they_are() -> None:
    assert facts.plain({"a": [Trap()], "b": (1,)}) == {"a": ["<Trap>"], "b": [1]}
    assert facts.output({"a": Trap()})["output_structure"] == {"a": "str"}


def test_keys_of_the_program_s_classes_are_not_hashed_again() -> None:
    class Key:
        hashed = 0

        def __hash__(self) -> int:
            Key.hashed += 1
            return 1

    given = {Key(): "a", "plain": {Key(): "b"}}
    before = Key.hashed
    assert facts.plain(given) == {"Key": "a", "plain": {"Key": "b"}}
    assert Key.hashed == before


def test_a_stand_in_is_not_asked_for_the_class_it_stands_for() -> None:
    class Lazy:
        @property  # type: ignore[misc]
        def __class__(self) -> type:
            raise SystemExit("made")

    assert facts.plain([Lazy()]) == ["<Lazy>"]
    assert facts.output(Lazy())["output_structure"] == "str"
    assert facts.shape(Lazy()) == "Lazy"


def test_dataclasses_are_read_by_their_fields() -> None:
    @dataclass
    class Answer:
        text: str
        inner: Any

    assert facts.plain(Answer("x", Answer("y", None))) == {"text": "x", "inner": {"text": "y", "inner": None}}


def test_loops_and_wide_structures_end() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert facts.output(loop)["output_type"] == "structured_json"
    wide: Any = [1]
    for _ in range(40):
        wide = [wide, wide]
    assert len(facts.output(wide)["output_hash"]) == 64


@pytest.mark.parametrize(
    "text, kept",
    [
        ("key sk-proj-abcdefgh12345678 end", "key [secret] end"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: [secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[secret]"),
        ("https://user:pass1234@host/x", "https://[secret]@host/x"),
        ('{"api_key": "zzzz-1234"}', '{"api_key": "[secret]"}'),
        ("MY_SECRET=hunter22 next", "MY_SECRET=[secret] next"),
        ("Incorrect API key provided: sk-abcd****wxyz.", "Incorrect API key provided: [secret]."),
        ("a task about tokens and secret plans", "a task about tokens and secret plans"),
    ],
)
def test_what_looks_like_a_secret_is_cut_out(text: str, kept: str) -> None:
    assert facts.scrub(text) == kept


@pytest.mark.parametrize("text", ["a" * 100_000, "token" * 20_000, "sk-" * 30_000, "key " * 30_000, "://a" * 30_000])
def test_long_texts_are_looked_through_before_the_time_limit(text: str) -> None:
    assert facts.scrub(text * 10) in (text * 10, facts.scrub(text) * 10, "[secret]")


def test_text_is_captured_only_when_asked_for_and_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert facts.captured("hello", 200) is None
    monkeypatch.setattr(facts, "CAPTURE", True)
    assert facts.captured("h" * 300, 200) == "h" * 200
    assert facts.captured("x sk-abcdefgh12345678", 200) == "x [secret]"
    assert facts.captured(Trap(), 200) is None


class RateLimitError(Exception):
    pass


class Coded(Exception):
    def __init__(self, code: int) -> None:
        super().__init__("the JSON could not be parsed")
        self.status_code = code


@pytest.mark.parametrize(
    "error, kind",
    [
        (TimeoutError("x"), "timeout"), (RateLimitError("x"), "rate_limit"), (Coded(429), "rate_limit"),
        (Coded(500), "api_error"), (Coded(401), "permission_error"), (KeyError("x"), "schema_mismatch"),
        (ValueError("x"), "schema_mismatch"), (RuntimeError("JSON parse failed"), "schema_mismatch"),
        (RuntimeError("connection lost"), "api_error"), (RuntimeError("reconnections ok"), "runtime_error"),
        (RuntimeError("model not found; keyboard"), "runtime_error"), (PermissionError("x"), "permission_error"),
        (RuntimeError("the request timed out"), "timeout"), (RuntimeError("boom"), "runtime_error"),
    ],
)  # fmt: skip
def test_errors_are_classed_by_class_and_status_then_by_whole_words(error: Exception, kind: str) -> None:
    assert facts.error_class(error) == kind


def test_an_error_that_cannot_say_itself_stands_by_its_class() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert facts.message(Mute()) == "<Mute>"
    assert len(facts.message(ValueError("y" * 10_000))) == 500
