"""An error that a framework raises anew in other words stays the one error it is."""

from __future__ import annotations

import pytest
from stratum_patcher import nodes, spans
from stratum_patcher.frame import Frame

from .conftest import Events

ALICE = nodes.node("autogen", "alice", ("a.py", 1))
TEAM = nodes.node("autogen", "team", ("a.py", 2))


def test_an_error_in_a_new_guise_is_told_as_propagated(events: Events, frame: Frame) -> None:
    run = spans.Execution(frame, TEAM, {})
    task = spans.Agent(frame, ALICE)
    inner = KeyError("tea")
    task.failed(inner)
    outer = RuntimeError("KeyError: 'tea'")
    spans.stands_for(outer, spans.trace(inner))
    run.failed(outer)
    _, _, occurred, _, propagated, _ = events()
    assert (occurred["event_type"], occurred["payload"]["error_type"]) == ("error.occurred", "KeyError")
    assert propagated["event_type"] == "error.propagated"
    assert propagated["payload"]["error_type"] == "RuntimeError"
    assert propagated["payload"]["propagation_path"] == [ALICE.id, TEAM.id]
    assert propagated["payload"]["origin_event_id"] == occurred["event_id"]


def test_an_error_that_nobody_told_has_no_trace_and_the_new_one_occurs(events: Events, frame: Frame) -> None:
    assert spans.trace(KeyError("tea")) is None
    run, error = spans.Execution(frame, TEAM, {}), RuntimeError("other")
    spans.stands_for(error, None)
    run.failed(error)
    assert [event["event_type"] for event in events()] == ["execution.start", "error.occurred", "execution.end"]


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (ValueError("bad"), {"status": "error", "error": "bad", "error_type": "schema_mismatch"}),
        (TimeoutError("slow"), {"status": "timeout", "error": "slow", "error_type": "timeout"}),
        (KeyboardInterrupt(), {"status": "cancelled"}),
        (GeneratorExit(), {"status": "abandoned"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_facts_of_an_error_are_those_of_a_closing_event(
    frame: Frame, error: BaseException, facts: dict[str, str]
) -> None:
    assert spans.error_facts(frame, error) == facts
