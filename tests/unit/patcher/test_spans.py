"""Paired facts: both ends, who is around them, one fact once, and where errors went."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from stratum_patcher import facts, nodes, spans, wrap
from stratum_patcher.frame import Frame

from .conftest import Events

OUTER = Frame("crewai_bus", "crewai", "crewai", suppresses={"llm": ("openai",), "tool": ("langchain",)})
INNER = Frame("openai", "openai", "openai", benign={"Interrupt": "success"})
LANGCHAIN = Frame("langchain", "langchain", "langchain-core")
ALICE = nodes.node("crewai", "Alice", ("a.py", 1))
BOB = nodes.node("crewai", "Bob", ("a.py", 2))
MODEL = nodes.node("openai", "ChatCompletion", ("a.py", 3), "capability")
TOOL = nodes.node("crewai", "add", ("a.py", 4), "capability")


def llm(frame: Frame = INNER, **given: Any) -> spans.Llm:
    return spans.Llm(frame, MODEL, requested="gpt-4o", **given)


def told(events: Events) -> list[str]:
    return [e["event_type"] for e in events()]


def test_an_agent_s_events_carry_what_the_contract_requires(events: Events) -> None:
    span = spans.Agent(
        OUTER, ALICE, task_name="write", description="a long story", goal="fame", role="Alice", tools=["add"],
        input_source=BOB.id,
    )  # fmt: skip
    span.done("finished")
    start, end = events()
    assert start["payload"] == {
        "node_id": ALICE.id, "parent_node_id": "", "agent_name": "Alice", "agent_role": "Alice", "task_name": "write",
        "tools_available": ["add"], "input_source": BOB.id, "task_description_hash": facts.sha("a long story"),
        "agent_goal_hash": facts.sha("fame"),
    }  # fmt: skip
    assert end["parent_event_id"] == start["event_id"]
    assert end["payload"]["latency_ms"] >= 0
    assert {k: v for k, v in end["payload"].items() if k != "latency_ms"} == {
        "status": "success", "node_id": ALICE.id, "output_hash": facts.sha("finished"), "output_type": "short_text",
        "output_size_bytes": 8, "output_data_hash": facts.sha("finished"), "result_shape": "str(len=8)",
    }  # fmt: skip


def test_captured_text_is_added_only_when_asked_for(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "CAPTURE", True)
    spans.Agent(OUTER, ALICE, description="d" * 900).done("o" * 9000)
    llm(messages=[{"role": "system", "content": "Only verified facts"}, {"role": "user", "content": "q" * 300}]).close()
    start, end, call, _ = events()
    assert start["payload"]["task_description"] == "d" * 500
    assert end["payload"]["output_text"] == end["payload"]["output_preview"] == "o" * 8000
    assert call["payload"]["last_user_message_preview"] == "q" * 200
    assert call["payload"]["prompt_trust_signals"] == ["verified"]


def test_a_model_call_s_stack_holds_the_agents_around_it_and_not_itself(events: Events) -> None:
    with_alice = spans.Agent(OUTER, ALICE)
    with_bob = spans.Agent(OUTER, BOB)
    call = llm(messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}], tools=True)
    call.usage(5, 3)
    call.answer("yes")
    call.finish("stop")
    call.done(object())
    with_bob.close()
    with_alice.close()
    start, end = (e for e in events() if e["event_type"].startswith("llm"))
    assert start["payload"] == {
        "model_requested": "gpt-4o", "model_actual": "gpt-4o", "model_mapped": False, "has_tools": True,
        "message_count": 1, "last_user_message_hash": facts.short("hi"),
    }  # fmt: skip
    assert end["payload"]["active_node_stack"] == [ALICE.id, BOB.id]
    assert (end["payload"]["input_tokens"], end["payload"]["output_tokens"]) == (5, 3)
    assert [e["stack_depth"] for e in events()] == [0, 1, 2, 2, 1, 0]
    assert events()[1]["payload"]["parent_node_id"] == ALICE.id


def test_an_agent_that_enters_itself_again_keeps_its_outer_parent(events: Events) -> None:
    for node in (BOB, ALICE, ALICE, ALICE):
        spans.Agent(OUTER, node)
    assert [(e["payload"]["parent_node_id"], e["payload"].get("attempt")) for e in events()] == [
        ("", None), (BOB.id, None), (BOB.id, 2), (BOB.id, 3),
    ]  # fmt: skip


def test_an_inner_call_of_a_suppressed_frame_is_silent_and_hands_its_tokens_up(events: Events) -> None:
    outer = llm(OUTER)
    inner = llm(INNER)
    inner.usage(5, 3)
    inner.served("served")
    inner.close()
    outer.close()
    assert told(events) == ["llm.call_start", "llm.call_end"]
    assert events()[1]["payload"]["input_tokens"] == 5
    assert events()[1]["payload"]["model_actual"] == "served"


def test_a_tool_that_calls_a_model_is_not_inside_the_call_around_it(events: Events) -> None:
    llm(OUTER)
    spans.Tool(OUTER, TOOL, tool_name="ask")
    llm(INNER).close()
    assert told(events).count("llm.call_start") == 2


def test_a_tentative_call_speaks_only_when_nobody_else_did(events: Events) -> None:
    covered = llm(OUTER, tentative=True)
    llm(INNER).close()
    covered.close()
    assert told(events) == ["llm.call_start", "llm.call_end"]
    alone = llm(OUTER, tentative=True)
    assert len(events()) == 2
    alone.usage(1, 1)
    alone.close()
    start, end = events()[2:]
    assert (start["event_type"], end["parent_event_id"]) == ("llm.call_start", start["event_id"])
    assert start["timestamp_ns"] == alone.at


def test_arguments_that_are_no_json_are_a_tool_call_failure(events: Events) -> None:
    call = llm()
    call.tools_called([("add", '{"a": 1}'), ("sub", "{broken"), ("mul", {"a": 1})])
    call.close()
    start, failure, end = events()
    assert failure["payload"] == {"tool_name": "sub", "reason": "invalid_arguments_json"}
    assert failure["parent_event_id"] == start["event_id"]
    assert [made["arguments_valid"] for made in end["payload"]["tool_calls_made"]] == [True, False, True]


def test_a_tool_goes_from_the_agent_around_it(events: Events) -> None:
    spans.Agent(OUTER, ALICE)
    spans.Tool(OUTER, TOOL, tool_name="add", arguments=[1], keywords={"b": 2}).done("3")
    start, end = events()[1:]
    for event in (start, end):
        assert (event["source_node"]["node_id"], event["target_node"]["node_id"]) == (ALICE.id, TOOL.id)
        assert event["edge_type"] == "uses"
        assert (event["payload"]["tool_node_id"], event["payload"]["agent_node_id"]) == (TOOL.id, ALICE.id)
    assert start["payload"]["kwargs_shape"] == "dict(keys=['b'], len=1)"
    assert end["payload"]["result_shape"] == "str(len=1)"


def test_a_tool_without_an_agent_is_used_by_the_program(events: Events) -> None:
    spans.Tool(OUTER, TOOL, tool_name="add").close()
    assert events()[0]["source_node"]["node_id"].startswith("generic:program:")
    assert events()[0]["payload"]["agent_node_id"] == ""


def test_one_tool_seen_by_two_frames_is_told_once_and_a_tool_within_a_tool_twice(events: Events) -> None:
    outer = spans.Tool(OUTER, TOOL, tool_name="Web Search")
    spans.Tool(LANGCHAIN, TOOL, tool_name="web_search").close()
    spans.Tool(LANGCHAIN, TOOL, tool_name="other").close()
    outer.close()
    assert [e["payload"]["tool_name"] for e in events()] == ["Web Search", "other", "other", "Web Search"]


def test_an_error_is_told_where_it_arose_and_as_propagated_further_out(events: Events) -> None:
    around, agent, call = spans.Agent(OUTER, BOB), spans.Agent(OUTER, ALICE), llm()
    error = ValueError("bad")
    for span in (call, agent, around):
        span.failed(error)
    assert told(events) == [
        "agent.task_start", "agent.task_start", "llm.call_start",
        "error.occurred", "llm.call_end", "error.propagated", "agent.task_end", "error.propagated", "agent.task_end",
    ]  # fmt: skip
    occurred, first, second = (e for e in events() if e["event_type"].startswith("error"))
    assert occurred["payload"]["error_type"] == "ValueError"
    assert occurred["payload"]["error_handling"] == "raised"
    assert first["payload"]["propagation_path"] == [MODEL.id, ALICE.id]
    assert second["payload"]["propagation_path"] == [ALICE.id, BOB.id]
    assert [p["payload"]["chain_depth"] for p in (first, second)] == [1, 2]
    assert second["payload"]["origin_event_id"] == occurred["event_id"]
    assert spans.told(error)


def test_the_same_words_in_a_second_try_are_a_second_error(events: Events) -> None:
    agent = spans.Agent(OUTER, ALICE)
    for _ in range(3):
        llm().failed(ValueError("bad"))
    agent.close()
    assert told(events).count("error.occurred") == 3
    assert "error.propagated" not in told(events)


@pytest.mark.parametrize(
    "error, status, errors",
    [
        (asyncio.CancelledError(), "cancelled", 0), (KeyboardInterrupt(), "cancelled", 0),
        (SystemExit(1), "cancelled", 0), (GeneratorExit(), "abandoned", 0), (TimeoutError("t"), "timeout", 1),
        (type("APITimeoutError", (Exception,), {})("x"), "timeout", 1), (ValueError("v"), "error", 1),
        (type("Interrupt", (Exception,), {})("x"), "success", 0),
    ],
)  # fmt: skip
def test_exceptions_give_the_status_they_mean(events: Events, error: BaseException, status: str, errors: int) -> None:
    llm().failed(error)
    assert events()[-1]["payload"]["status"] == status
    assert told(events).count("error.occurred") == errors


def test_a_span_ends_once(events: Events) -> None:
    span = llm()
    span.close()
    span.close()
    span.failed(ValueError("late"))
    span.done(None)
    assert told(events) == ["llm.call_start", "llm.call_end"]


def test_a_delegation_that_nobody_ends_is_aborted_at_exit(events: Events) -> None:
    spans.Delegation(OUTER, ALICE, BOB, "explicit", task="do it", context="because")
    ended = spans.Delegation(OUTER, BOB, ALICE, "handoff")
    ended.close()
    spans.at_exit()
    first, _, second_end, aborted = events()
    assert first["payload"] == {
        "delegator": "Alice", "delegate": "Bob", "source_node_id": ALICE.id, "target_node_id": BOB.id,
        "delegation_type": "explicit", "task_hash": facts.sha("do it"), "input_data_hash": facts.sha("do it"),
        "context_hash": facts.sha("because"), "context_type": "short_text", "context_size_bytes": 7,
    }  # fmt: skip
    assert (second_end["payload"]["status"], aborted["payload"]["status"]) == ("success", "aborted")
    assert aborted["parent_event_id"] == first["event_id"]


@pytest.mark.usefixtures("events")
def test_a_frame_is_at_work_while_any_of_its_spans_is_open_around() -> None:
    assert not spans.inside(OUTER)
    outer = spans.Agent(OUTER, ALICE)
    assert not spans.inside(INNER)
    inner = spans.Agent(INNER, BOB)
    assert spans.inside(OUTER)
    assert spans.inside(INNER)
    outer.close()
    spans.switch(inner)  # it goes on elsewhere
    assert not spans.inside(OUTER)
    assert spans.inside(INNER)
    inner.close()
    assert not spans.inside(INNER)


def test_quiet_kinds_are_silent_inside_and_only_there(events: Events) -> None:
    hush = spans.quiet("agent", "route", "state")
    spans.Agent(OUTER, ALICE).close()
    spans.route(OUTER, ALICE, BOB, "handoff", "explicit")
    spans.state(OUTER, ALICE, "k", "read")
    llm().close()
    hush.close()
    spans.state(OUTER, ALICE, "k", "write", {"v": 1})
    assert told(events) == ["llm.call_start", "llm.call_end", "state.access"]
    assert events()[-1]["payload"]["data_hash"] == facts.sha('{"v":1}')


def test_a_route_to_the_end_has_no_target(events: Events) -> None:
    spans.route(OUTER, ALICE, None, "conditional_edge", "state", candidates=["a", "b"])
    (event,) = events()
    assert event["payload"]["selected_target"] == "__end__"
    assert "target_node" not in event
    assert "edge_type" not in event


def test_a_scope_is_around_a_manager_s_own_call_and_around_nothing_else(events: Events) -> None:
    scope = spans.Scope(OUTER, ALICE)
    llm().close()
    scope.close()
    llm().close()
    assert [e["payload"]["active_node_stack"] for e in events() if e["event_type"] == "llm.call_end"] == [
        [ALICE.id],
        [],
    ]


def test_tasks_at_the_same_time_have_their_own_stacks(events: Events) -> None:
    async def work(node: nodes.Node) -> None:
        span = spans.Agent(OUTER, node)
        await asyncio.sleep(0)
        call = llm()
        await asyncio.sleep(0)
        call.close()
        span.close()

    async def main() -> None:
        await asyncio.gather(work(ALICE), work(BOB))

    asyncio.run(main())
    stacks = [e["payload"]["active_node_stack"] for e in events() if e["event_type"] == "llm.call_end"]
    assert sorted(stacks) == [[ALICE.id], [BOB.id]]


def test_a_span_closed_in_another_context_is_stepped_over(events: Events) -> None:
    span = spans.Agent(OUTER, ALICE)
    contextvars.copy_context().run(span.close)
    assert spans.current() is None
    assert spans.stack() == []


def test_the_consumer_of_a_watched_generator_is_not_inside_its_span(events: Events) -> None:
    class Numbers:
        def run(self) -> Iterator[int]:
            yield 1
            llm().close()
            yield 2

    with wrap.owned_by("numbers"):
        wrap.method(Numbers, "run", lambda call: spans.Agent(OUTER, ALICE))
    for _ in Numbers().run():
        assert spans.stack() == []
        llm().close()
    wrap.undo("numbers")
    stacks = [e["payload"]["active_node_stack"] for e in events() if e["event_type"] == "llm.call_end"]
    assert stacks == [[], [ALICE.id], []]


def test_a_nested_run_of_the_same_graph_is_one_run(events: Events) -> None:
    outer = spans.Execution(OUTER, ALICE, {"graph_name": "g"})
    spans.Execution(OUTER, ALICE, {"graph_name": "g"}).close()
    outer.close()
    assert told(events) == ["execution.start", "execution.end"]


def test_a_request_inside_a_model_call_is_part_of_it(events: Events) -> None:
    call = llm()
    spans.External(INNER, BOB, method="POST", domain="api.example.org").close()
    call.close()
    spans.External(INNER, BOB, method="GET", domain="example.org").done(None)
    start, end = events()[2:]
    assert (start["payload"]["phase"], end["payload"]["phase"]) == ("start", "end")
    assert end["payload"]["domain"] == "example.org"


def test_work_in_another_thread_goes_on_in_the_span_it_was_handed(events: Events) -> None:
    agent = spans.Agent(OUTER, ALICE)
    seen: list[object] = []

    def work() -> None:
        before = spans.switch(agent)
        seen.extend([before, spans.stack()])
        spans.switch(before)
        seen.append(spans.current())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    agent.close()
    assert seen == [None, [ALICE.id], None]


def test_the_text_of_a_requests_error_is_short(events: Events) -> None:
    spans.External(OUTER, BOB, method="GET", domain="example.org").failed(RuntimeError("x" * 400))
    assert [len(event["payload"].get("error", "")) for event in events()] == [0, 0, 300]


@pytest.mark.parametrize("capture", [False, True])
def test_a_prompt_of_fifty_megabytes_is_hashed_whole_and_told_in_one_short_line(
    events: Events, monkeypatch: pytest.MonkeyPatch, capture: bool
) -> None:
    monkeypatch.setattr(facts, "CAPTURE", capture)
    text = "ä b" * (50_000_000 // 4)
    call = llm(messages=[{"role": "user", "content": text}])
    call.answer(text)
    call.close()
    start, end = events()
    assert start["payload"]["last_user_message_hash"] == facts.short(text)
    assert end["payload"]["output_size_bytes"] == len(text.encode())
    assert ("output_preview" in end["payload"]) is capture


def test_hostile_objects_in_messages_tools_and_results_are_never_asked(events: Events) -> None:
    class Trap:
        def __repr__(self) -> str:
            raise SystemExit("asked")

        __str__ = __len__ = __iter__ = __bool__ = __eq__ = __hash__ = __repr__  # type: ignore[assignment]

        def __getattr__(self, name: str) -> Any:
            raise SystemExit(f"asked for {name}")

    trap = Trap()
    llm(messages=[trap, {"role": trap, "content": trap}, {"role": "user", "content": [trap]}]).close()
    spans.Tool(OUTER, TOOL, tool_name="add", arguments=trap, keywords={"a": trap}).done(trap)
    spans.Agent(OUTER, ALICE, describe=lambda result: {}).done(trap)
    spans.state(OUTER, ALICE, "k", "write", trap)
    assert not [e for e in events() if e["event_type"] == "patcher.dropped"]
    assert len(events()) == 7
