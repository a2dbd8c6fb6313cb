"""Errors are told apart by more than the address of an exception, which the interpreter uses again; none is kept."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from stratum_patcher import nodes, spans
from stratum_patcher.frame import Frame
from stratum_patcher.frames import errors as uncaught
from stratum_patcher.spans import errors

from .conftest import Events

ALICE = nodes.node("autogen", "alice", ("a.py", 1))
TEAM = nodes.node("autogen", "team", ("a.py", 2))


def _caught(function: Callable[[], None]) -> ValueError:
    try:
        function()
    except ValueError as error:
        return error
    raise AssertionError("nothing was raised")


def _here() -> None:
    raise ValueError("no")


def _there() -> None:
    raise ValueError("no")


def _at_the_address_of(old: BaseException, new: BaseException) -> None:
    """As if the old exception were gone and the new one lay where it was."""
    errors._seen[id(new)] = errors._seen.pop(id(old))


def _occurred(events: Events) -> list[dict[str, Any]]:
    return [event for event in events() if event["event_type"] == "error.occurred"]


def test_a_new_error_of_the_same_class_and_words_from_another_line_occurs(events: Events, frame: Frame) -> None:
    run = spans.Execution(frame, TEAM, {})
    old, new = _caught(_here), _caught(_there)
    spans.Agent(frame, ALICE).failed(old)
    _at_the_address_of(old, new)
    assert not spans.told(new)
    run.failed(new)
    assert len(_occurred(events)) == 2


def test_an_error_that_is_raised_again_further_out_is_still_the_one_that_was_told(events: Events, frame: Frame) -> None:
    run = spans.Execution(frame, TEAM, {})
    error = _caught(_here)
    spans.Agent(frame, ALICE).failed(error)

    def again() -> None:
        raise error

    run.failed(_caught(again))
    assert len(_occurred(events)) == 1
    assert [event["event_type"] for event in events()][-2:] == ["error.propagated", "execution.end"]


def test_an_error_that_is_told_before_it_is_raised_is_known_afterwards(events: Events, frame: Frame) -> None:
    error = ValueError("no")
    spans.Agent(frame, ALICE).failed(error)

    def later() -> None:
        raise error

    assert spans.told(_caught(later))


def test_every_failed_try_is_told_and_the_last_one_only_once(events: Events, frame: Frame) -> None:
    call = spans.Llm(frame, ALICE, requested="gpt-4o")
    first, second = _caught(_here), _caught(_here)
    spans.error(frame, ALICE, first, handling="caught_retry", parent=call)
    _at_the_address_of(first, second)
    spans.error(frame, ALICE, second, handling="caught_retry", parent=call)
    call.failed(second)
    assert [event["payload"]["error_handling"] for event in _occurred(events)] == ["caught_retry", "caught_retry"]


def test_a_told_error_keeps_neither_the_span_nor_what_it_holds(events: Events, frame: Frame) -> None:
    span = spans.Agent(frame, ALICE)
    seen = weakref.ref(span)
    error = _caught(_here)
    span.failed(error)
    del span
    gc.collect()
    assert seen() is None
    assert spans.told(error)


def test_every_thread_that_ends_with_the_same_error_is_told(events: Events) -> None:
    old, new = _caught(_here), _caught(_here)
    uncaught.tell_uncaught(old, ends_thread=True)
    _at_the_address_of(old, new)
    uncaught.tell_uncaught(new, ends_thread=True)
    uncaught.tell_uncaught(new)
    assert len(_occurred(events)) == 2


def test_an_error_that_a_span_told_is_not_told_again_when_it_ends_a_thread(events: Events, frame: Frame) -> None:
    error = _caught(_here)
    spans.Agent(frame, ALICE).failed(error)
    uncaught.tell_uncaught(error, ends_thread=True)
    assert len(_occurred(events)) == 1


def test_many_threads_may_tell_errors_at_once(events: Events, frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_SEEN", 4)
    together = threading.Barrier(4)

    def fail() -> None:
        together.wait()
        for _ in range(50):
            spans.Agent(frame, ALICE).failed(ValueError("no"))

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([event for event in events() if event["event_type"] == "agent.task_end"]) == 200
    assert len(errors._seen) <= 7
