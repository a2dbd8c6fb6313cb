"""A fault of ours while the end of a call is told leaves no span open, and no text of the program in a closed one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from stratum_patcher import nodes, spans, wrap
from stratum_patcher.frame import Frame
from stratum_patcher.spans import models
from stratum_patcher.spans import span as span_module

from .conftest import Events

ALICE = nodes.node("autogen", "alice", ("a.py", 1))


class _Faulty(spans.Agent):
    """A span whose own code raises whatever it is told."""

    def done(self, result: Any) -> Any:
        raise LookupError(result)

    def failed(self, error: BaseException) -> None:
        raise LookupError(error)


def _library(frame: Frame) -> Any:
    def answer(fails: bool) -> str:
        if fails:
            raise ValueError("no")
        return "yes"

    def answers(fails: bool) -> Iterator[str]:
        yield answer(fails)

    library = SimpleNamespace(answer=answer, answers=answers)
    for name in ("answer", "answers"):
        wrap.method(library, name, lambda call: _Faulty(frame, ALICE))
    return library


def _ends(events: Events) -> list[dict[str, Any]]:
    return [event["payload"] for event in events() if event["event_type"] == "agent.task_end"]


def test_a_span_that_cannot_take_the_result_is_closed_as_a_success(events: Events, frame: Frame) -> None:
    library = _library(frame)
    assert library.answer(fails=False) == "yes"
    assert list(library.answers(fails=False)) == ["yes"]
    assert spans.current() is None
    assert [end["status"] for end in _ends(events)] == ["success", "success"]


def test_a_span_that_cannot_take_the_error_is_closed_with_it(events: Events, frame: Frame) -> None:
    library = _library(frame)
    with pytest.raises(ValueError, match="no"):
        library.answer(fails=True)
    with pytest.raises(ValueError, match="no"):
        list(library.answers(fails=True))
    assert spans.current() is None
    assert [(end["status"], end["error"]) for end in _ends(events)] == [("error", "no"), ("error", "no")]


def test_an_error_that_cannot_be_told_still_ends_its_span(
    events: Events, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*given: Any, **named: Any) -> str:
        raise LookupError

    monkeypatch.setattr(span_module, "report", raises)
    spans.Agent(frame, ALICE).failed(ValueError("no"))
    assert spans.current() is None
    assert [end["status"] for end in _ends(events)] == ["error"]


def test_a_model_call_whose_messages_cannot_be_read_is_closed(
    events: Events, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(messages: Any) -> dict[str, Any]:
        raise LookupError

    call = spans.Llm(frame, ALICE, requested="gpt-4o", messages=[], tentative=True)
    monkeypatch.setattr(models, "_message_facts", raises)
    call.done(None)
    assert call.closed
    assert spans.current() is None


def test_a_closed_model_call_keeps_no_messages(events: Events, frame: Frame) -> None:
    call = spans.Llm(frame, ALICE, requested="gpt-4o", messages=[{"role": "user", "content": "hi"}], tentative=True)
    call.done(None)
    assert call._unread is None


def test_a_forked_process_does_not_tell_the_ends_of_what_its_parent_opened(events: Events, frame: Frame) -> None:
    agent, call = spans.Agent(frame, ALICE), spans.Llm(frame, ALICE, requested="gpt-4o", tentative=True)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            spans.Tool(frame, ALICE, tool_name="add").done(None)
            call.failed(ValueError("no"))
            agent.failed(SystemExit())
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    call.done(None)
    agent.done(None)
    told = [event["event_type"] for event in events()]
    assert told == [
        "agent.task_start", "tool.invoked", "tool.completed", "llm.call_start", "llm.call_end", "agent.task_end",
    ]  # fmt: skip
