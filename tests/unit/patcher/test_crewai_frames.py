"""What crewai's frames make of its objects: names, nodes, bus events, flows; on stand-ins for its classes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from stratum_patcher import nodes, redirect, spans, wrap
from stratum_patcher.frames import crewai_bus as bus
from stratum_patcher.frames import crewai_crew as crews
from stratum_patcher.frames import crewai_flow as flows
from stratum_patcher.frames import crewai_llm as models
from stratum_patcher.frames import crewai_names as names
from stratum_patcher.frames import crewai_tasks as tasks
from stratum_patcher.frames.crewai_made import DECLARED
from stratum_patcher.wrap import Call

Events = Callable[[], list[dict[str, Any]]]


class Thing:
    """An object with fields, as crewai's are to a frame."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Hostile(Thing):
    """An object whose properties and comparisons must not run."""

    @property
    def role(self) -> str:
        raise AssertionError("a property ran")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("an attribute was looked for")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __str__(self) -> str:
        raise AssertionError("shown")

    __hash__ = None  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """This file stands for the repository's code."""
    monkeypatch.setattr(nodes, "_of_name", {})


def test_fields_are_read_without_running_the_programs_code() -> None:
    agent = Hostile()
    agent.__dict__["role"] = "Clerk"
    assert names.field(agent, "role") == "Clerk"
    assert names.field(agent, "goal") is None
    assert names.field(3, "role") is None


def test_private_fields_of_models_are_found() -> None:
    class Private:
        __slots__ = ("__dict__", "__pydantic_private__")

    thing = Private()
    object.__setattr__(thing, "__pydantic_private__", {"_state": 1})
    assert names.field(thing, "_state") == 1


def test_an_agent_keeps_its_place_when_its_role_is_filled_in() -> None:
    agent = Thing(role="{topic} expert")
    nodes.remember(agent, nodes.node("crewai", "{topic} expert", ("app.py", 4)))
    assert names.agent_node(agent).id == "crewai:{topic} expert:app.py:4"
    agent.__dict__["role"] = "Tea: green\n expert"
    assert names.agent_node(agent).id == "crewai:Tea_ green expert:app.py:4"
    assert names.agent_node(agent) is nodes.known(agent)


@pytest.mark.parametrize(
    ("template", "inputs", "expected"),
    [
        ("{topic} expert", {"topic": "Tea"}, "Tea expert"),
        ("{year} review", {"year": 2024}, "2024 review"),
        ("{topic} expert", None, "{topic} expert"),
        ("{topic} expert", {"topic": ["a"]}, "{topic} expert"),
        ("{topic} expert", {1: "a"}, "{topic} expert"),
    ],
)
def test_roles_are_filled_in_by_plain_inputs(template: str, inputs: Any, expected: str) -> None:
    assert names.filled_in(template, inputs) == expected


class Base:
    """A class of a library."""

    def __init__(self) -> None:
        self.place = names.made_at(self)


class Own(Base):
    """The program's own class, with an initializer of its own."""

    def __init__(self) -> None:
        super().__init__()


def test_an_object_is_made_where_its_class_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "relative", lambda path: "test.py" if path == __file__ else None)
    monkeypatch.setattr(nodes, "_of_file", {})
    here, made = nodes.here(), Own()
    assert made.place == here


class Team:
    """A class that makes a crew."""

    def make(self) -> str:
        """Named after the class."""
        return names.crew_name(None)


def test_a_crew_is_named_by_the_class_then_the_variable_then_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "relative", lambda path: "test.py" if path == __file__ else None)
    monkeypatch.setattr("stratum_patcher.variables.relative", lambda path: "test.py" if path == __file__ else None)
    assert Team().make() == "Team"
    newsroom = names.crew_name("given")
    assert newsroom == "newsroom"
    assert [names.crew_name("given")] == ["given"]
    assert [names.crew_name(None)][0].startswith("test_a_crew_is_named")


def test_a_crew_made_outside_the_repository_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "relative", lambda path: None)
    assert [names.crew_name("given"), names.crew_name(None)] == ["given", names.DEFAULT_CREW]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Add numbers", "Add numbers"),
        ("add_numbers", "Add numbers"),
        ("Add number", "Add numbers"),
        ("multiply", "multiply"),
    ],
)
def test_the_tool_is_the_one_that_crewai_takes_for_the_models_words(asked: str, found: str) -> None:
    holder = Thing(tools=[Thing(name="Look up"), Thing(name="Add numbers")])
    assert names.tool_node(asked, None, holder).name == found


def test_facts_beside_an_object_go_with_it() -> None:
    side, thing = names.Side(), Thing()
    side.put(thing, "fact")
    side.put(3, "lost")
    assert (side.get(thing), side.get(3)) == ("fact", None)
    assert (side.take(thing), side.get(thing)) == ("fact", None)
    side.put(thing, "again")
    del thing
    gc.collect()
    assert side._of == {}


def emitted(source: Any, **event: Any) -> None:
    """An event passes the bus."""
    bus._emitted(Call(None, (source,), {"event": Thing(**event)}))


def told(events: Events) -> list[tuple[str, str]]:
    """Types and what matters of them."""
    keys = ("status", "error_handling", "access_type", "tool_name")
    return [
        (event["event_type"], next((str(event["payload"][key]) for key in keys if key in event["payload"]), ""))
        for event in events()
    ]


def test_a_use_of_a_tool_ends_by_the_event_of_its_end(events: Events) -> None:
    executor = Thing(original_tools=[Thing(name="add")])
    emitted(executor, type="tool_usage_started", tool_name="add", tool_args='{"a": 1}')
    emitted(executor, type="tool_usage_finished", tool_name="add", output="3", from_cache=True)
    emitted(executor, type="llm_stream_chunk", chunk="x")
    start, end = events()
    assert start["payload"]["kwargs_shape"] == "dict(keys=['a'], len=1)"
    assert (end["parent_event_id"], end["payload"]["from_cache"]) == (start["event_id"], True)
    assert spans.current() is None


def test_a_tool_whose_end_alone_is_told_has_both_ends(events: Events) -> None:
    emitted(Thing(), type="tool_usage_finished", tool_name="add", tool_args={}, output="3")
    assert told(events) == [("tool.invoked", "add"), ("tool.completed", "success")]


def test_an_error_without_an_exception_is_told_by_its_text(events: Events) -> None:
    usage = Thing(_run_attempts=1, _max_parsing_attempts=3)
    emitted(usage, type="tool_usage_started", tool_name="add", tool_args="not json")
    emitted(usage, type="tool_usage_error", tool_name="add", error="broken")
    assert told(events)[1] == ("error.occurred", "caught_retry")
    assert events()[1]["payload"]["error_message"] == "broken"
    assert events()[2]["payload"]["status"] == "error"


def test_a_tool_the_agent_does_not_have_is_an_error_and_no_use(events: Events) -> None:
    executor = Thing(original_tools=[])
    emitted(executor, type="tool_usage_started", tool_name="nothing", tool_args={})
    emitted(executor, type="tool_usage_finished", tool_name="nothing", output="", failure=Thing(message="no tool"))
    assert told(events) == [("error.occurred", "caught_default")]


def test_a_search_for_a_tool_is_told_once_however_often_it_is_repeated(events: Events) -> None:
    usage = Thing()
    for _ in range(3):
        emitted(usage, type="tool_selection_error", tool_name="x", error="no x")
    assert told(events) == [("error.occurred", "caught_default")]


def test_memory_is_state_under_the_name_of_its_store(events: Events) -> None:
    agent = Thing(role="Diarist")
    nodes.remember(agent, nodes.node("crewai", "Diarist", ("app.py", 1)))
    emitted(Thing(), type="memory_query_completed", source_type="short_term_memory", results=[1], agent_role="Diarist")
    emitted(agent, type="memory_save_completed", source_type="unified_memory", value="day")
    rows = [(e["source_node"]["node_name"], e["payload"]["state_key"], e["payload"]["access_type"]) for e in events()]
    assert rows == [("Diarist", "short_term_memory", "read"), ("Diarist", "memory", "write")]


def test_a_delegation_that_no_coworker_takes_is_an_error(events: Events) -> None:
    handing = crews.Handing(Thing(name="Delegate work to coworker"), "Nobody", "task", "context")
    assert handing.done("there is no such coworker") == "there is no such coworker"
    assert told(events) == [("error.occurred", "caught_default")]
    assert tasks.HANDING.get() is None


def test_a_delegation_is_told_when_its_delegate_begins(events: Events) -> None:
    handing = crews.Handing(Thing(name="Ask question to coworker"), "Writer", "task", "context")
    writer = Thing(role="Writer")
    nodes.remember(writer, nodes.node("crewai", "Writer", ("app.py", 2)))
    turn = crews._execute(Call(writer, (Thing(name="t", description="d"), "context", ()), {}))
    assert turn is not None
    assert tasks.HANDING.get() is None
    turn.done("said")
    handing.done("said")
    types = [event["event_type"] for event in events()]
    assert types == ["delegation.initiated", "agent.task_start", "agent.task_end", "delegation.completed"]
    assert events()[0]["target_node"] == events()[1]["source_node"]


def test_a_task_hands_on_names_and_hashes_of_outputs_that_there_are() -> None:
    producer = nodes.node("crewai", "Researcher", ("app.py", 1))
    output = Thing(raw="text", name="research", agent="Researcher")
    nodes.remember(output, producer)
    task = Thing(name="write", context=None)
    watch = tasks.handed_on(Call(None, (task, [output, Thing(raw="", name="skipped")]), {}))
    assert watch.done("text") == "text"
    found = tasks.fed(task)
    assert found is not None
    assert found.source == producer.id
    assert [key for key, _ in found.read] == ["task:research"]
    assert tasks.fed(task) is None


class Desk:
    """Stands for a flow's state."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Review:
    """Stands for a flow of 0.x."""

    _routers: ClassVar[dict[str, str]] = {"rate": "decide"}
    _router_paths: ClassVar[dict[str, list[str]]] = {}
    _listeners: ClassVar[dict[str, tuple[str, list[str]]]] = {
        "decide": ("OR", ["rate"]),
        "accept": ("OR", ["good"]),
        "reject": ("AND", ["bad", "rate"]),
    }

    def __init__(self) -> None:
        self._state = Desk(score=0, id="x")

    def rate(self) -> None:
        """Sets the score."""

    def decide(self) -> None:
        """Routes."""

    def accept(self) -> None:
        """Listens."""

    def reject(self) -> None:
        """Listens."""


def run_method(flow: Any, name: str, result: Any, **changes: Any) -> None:
    """A method of a flow runs."""
    watch = flows._method(Call(flow, (name, None), {}))
    assert watch is not None
    flow._state.__dict__.update(changes)
    watch.done(result)


def test_a_flow_writes_the_keys_that_a_method_changed(events: Events) -> None:
    flow = Review()
    run_method(flow, "rate", None, score=7)
    assert [(e["source_node"]["node_name"], e["payload"]["state_key"]) for e in events()] == [("rate", "score")]


@pytest.mark.parametrize(("answer", "target"), [("good", "accept"), ("bad", "reject"), ("neither", "__end__")])
def test_a_router_leads_to_the_methods_that_wait_for_its_answer(events: Events, answer: str, target: str) -> None:
    run_method(Review(), "decide", answer)
    [decision] = events()
    chosen = decision["payload"]["selected_target"]
    assert target == (chosen if chosen == "__end__" else decision["target_node"]["node_name"])
    assert decision["payload"]["candidates"] == ["accept", "reject"]


def test_a_flow_whose_definition_is_data_is_read_the_same() -> None:
    methods = {
        "decide": Thing(router=True, listen="rate", emit=["good"]),
        "accept": Thing(router=False, listen={"or": ["good", {"and": ["x", "y"]}]}),
    }
    flow = SimpleNamespace(_definition=Thing(methods=methods))
    assert flows._is_router(flow, "decide")
    assert not flows._is_router(flow, "accept")
    assert flows._labels(flow, "decide") == ["good"]
    assert flows._waiting(flow) == {"decide": ["rate"], "accept": ["good", "x", "y"]}


@pytest.mark.parametrize(
    ("model", "given", "kept"),
    [
        ("gpt-4o", {}, True),
        ("openai/o3-mini", {}, True),
        ("gpt-4o", {"provider": "azure"}, False),
        ("azure/gpt-4o", {}, False),
        ("openai/own", {}, False),
        ("claude-3-5-sonnet", {}, False),
    ],
)
def test_only_names_that_lead_to_another_client_are_replaced(model: str, given: dict[str, Any], kept: bool) -> None:
    assert models._leads_to_openai(model, Call(None, (object, model), given)) is kept


def test_nothing_is_replaced_when_calls_are_only_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirect, "target", lambda: None)
    call = Call(None, (object, "groq/llama3"), {"base_url": "https://own"})
    assert models._make(call) is None
    assert call.kwargs == {"base_url": "https://own"}


def test_a_replaced_model_keeps_the_name_the_program_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirect, "target", lambda: object())
    call = Call(None, (object,), {"model": "groq/llama3", "base_url": "https://own", "api_key": "own", "seed": 1})
    watch = models._make(call)
    assert watch is not None
    assert call.kwargs == {"model": models.KNOWN, "seed": 1, "api_key": redirect.key()}
    made = Thing()
    watch.done(made)
    assert DECLARED.get(made) == "groq/llama3"


def test_what_leaves_for_another_thread_is_open_there() -> None:
    task = Thing()
    before = spans.current()
    scope = spans.Scope(crews.FRAME, nodes.node("crewai", "crew"))
    tasks.leaving(Call(task, (), {}))
    scope.leave()
    assert spans.current() is before
    tasks.arriving(Call(task, (), {}))
    assert spans.current() is scope
    scope.close()


def test_the_bus_is_tapped_under_its_own_signature() -> None:
    class Bus:
        def emit(self, source: Any, event: Any) -> str:
            return "sent"

    module = SimpleNamespace(CrewAIEventsBus=Bus)
    with wrap.owned_by("test.bus"):
        bus._bus(module)
    assert Bus().emit("s", event=Thing(type="default_env")) == "sent"
    wrap.undo("test.bus")


def test_a_use_of_a_tool_whose_end_was_never_told_ends_with_the_agent_s_turn(events: Events) -> None:
    turn = crews.Turn(crews.FRAME, nodes.node("crewai", "Clerk"))
    bus.begin_use(bus.FRAME, "add", {})
    turn.failed(KeyboardInterrupt())
    ends = [(e["event_type"], e["payload"]["status"]) for e in events() if "status" in e["payload"]]
    assert ends == [("tool.completed", "aborted"), ("agent.task_end", "cancelled")]
    assert spans.current() is None


def test_a_turn_that_ends_elsewhere_leaves_other_agents_uses_of_tools_alone(events: Events) -> None:
    turn = crews.Turn(crews.FRAME, nodes.node("crewai", "Clerk"))
    spans.switch(None)
    use = bus.begin_use(bus.FRAME, "add", {})
    turn.done("finished")
    assert not use.closed
    use.close()
