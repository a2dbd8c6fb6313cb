"""What LangGraph's turns tell: changed state, retries, what routers rest on; on stand-ins for its objects."""

from __future__ import annotations

import functools
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from stratum_patcher import nodes
from stratum_patcher.frames import langgraph_names as names
from stratum_patcher.frames import langgraph_routes as routes
from stratum_patcher.frames import langgraph_turns as turns


class Loud:
    """An object that must not be compared or shown."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __repr__(self) -> str:
        raise AssertionError("shown")

    __hash__ = None  # type: ignore[assignment]


class Policy(NamedTuple):
    """A retry policy as the library has it."""

    retry_on: Any
    max_attempts: int = 3


def graph(*keys: str, **reduced: str) -> names.Graph:
    """A graph with these state keys."""
    made = names.Graph()
    made.keys = frozenset((*keys, *reduced))
    made.reduced = reduced
    return made


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True),
        (1, True, False),
        ("a", "a", True),
        ([1, {"a": "b"}], [1, {"a": "b"}], True),
        ([1], [1, 2], False),
        ({"a": 1}, {"b": 1}, False),
        (None, None, True),
        ({1: 2}, {1: 2}, False),
    ],
    ids=str,
)
def test_only_plain_values_that_are_surely_equal_are_the_same(one: Any, other: Any, equal: bool) -> None:
    assert turns.same(one, other) is equal


def test_the_programs_own_comparison_is_never_asked() -> None:
    loud = Loud()
    assert turns.same([loud], [loud])
    assert not turns.same([loud], [Loud()])


def test_a_key_is_written_when_its_value_changes() -> None:
    before = {"kept": "a", "changed": 1, "log": ["x"]}
    writes = deque([("kept", "a"), ("changed", 2), ("log", []), ("branch:to:next", None), ("new", None)])
    assert turns.written(writes, before, graph("kept", "changed", "new", log="add")) == [("changed", 2), ("new", None)]


def test_what_is_merged_counts_even_when_it_equals_what_was_there() -> None:
    state = graph(log="add", messages="_add_messages")
    writes = [("log", ["x"]), ("messages", ["m"])]
    assert turns.written(writes, {"log": ["x"], "messages": ["m"]}, state) == [("log", ["x"])]


def test_several_writes_of_one_key_are_one_access() -> None:
    assert turns.written([("a", 1), ("a", 2)], {}, graph("a")) == [("a", [1, 2])]


def test_a_graph_without_named_keys_tells_no_state() -> None:
    assert turns.written([("a", 1)], {}, names.Graph()) == []


def transient(error: Exception) -> bool:
    """The program's own judgement; not ours to call."""
    raise AssertionError("called")


@pytest.mark.parametrize(
    ("policies", "attempts", "again"),
    [
        (None, 1, False),
        (Policy(ValueError), 1, True),
        (Policy(ValueError), 3, False),
        (Policy(KeyError), 1, False),
        ([Policy(KeyError), Policy((TypeError, ValueError), 2)], 1, True),
        (Policy(transient), 1, None),
    ],
    ids=["none", "first", "last", "another class", "second", "a function"],
)
def test_whether_a_node_runs_again_follows_its_policies(policies: Any, attempts: int, again: bool | None) -> None:
    assert turns.retried(policies, ValueError("x"), attempts) is again


def reads_calls(state: Any) -> str:
    return "tools" if getattr(state["messages"][-1], "tool_calls", None) else "end"


def reads_state(state: Any) -> str:
    return str(state["next"])


def asks(state: Any) -> Any:
    return next(model.invoke(state) for model in state)


@pytest.mark.parametrize(
    ("router", "basis"),
    [
        (reads_calls, "llm_output"),
        (reads_state, "state"),
        (asks, "llm_output"),
        (functools.partial(reads_calls), "llm_output"),
        (SimpleNamespace(func=reads_state), "state"),
        (SimpleNamespace(steps=[SimpleNamespace(func=asks)]), "llm_output"),
        (SimpleNamespace(model="a model with a parser"), "llm_output"),
    ],
    ids=["tool calls", "state", "asks", "partial", "runnable", "sequence", "no function"],
)
def test_a_router_that_reads_a_models_answer_rests_on_it(router: Any, basis: str) -> None:
    assert routes.basis_of(router) == basis


def test_the_place_of_a_node_is_that_of_the_function_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "ROOT", f"{Path(__file__).parent}/")
    monkeypatch.setattr(nodes, "_of_file", {})
    line = reads_state.__code__.co_firstlineno
    here = (Path(__file__).name, line)
    wrapped = functools.wraps(reads_state)(lambda state: "")
    cached = functools.lru_cache(reads_state)
    for action in (reads_state, functools.partial(reads_state), SimpleNamespace(afunc=reads_state), wrapped, cached):
        assert names.place_of(action) == here
    assert names.place_of(Loud()) == nodes.NOWHERE


def test_what_is_known_of_a_graph_goes_with_its_builder() -> None:
    class Builder:
        pass

    builder = Builder()
    known = names.graph_of(builder)
    known.member("a")
    assert names.graph_of(builder) is known
    assert names.owner_of(SimpleNamespace(builder=builder)) is builder
    before = len(names._graphs)
    del builder
    assert len(names._graphs) == before - 1


def test_a_librarys_function_that_calls_an_agent_of_its_name_is_that_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = SimpleNamespace(builder=object())

    def made() -> Any:
        def call_agent(state: Any) -> Any:
            return agent.invoke(state)

        return call_agent

    nodes.remember(agent, nodes.node("langgraph", "maths", ("app.py", 3)))
    monkeypatch.setattr(nodes, "ROOT", "/elsewhere/")
    monkeypatch.setattr(nodes, "_of_file", {})
    assert names.graph_within(SimpleNamespace(func=made()), "maths") is agent
    assert names.graph_within(made(), "other") is None
    assert names.graph_within(agent, "any name") is agent
    monkeypatch.setattr(nodes, "ROOT", f"{Path(__file__).parent}/")
    monkeypatch.setattr(nodes, "_of_file", {})
    assert names.graph_within(made(), "maths") is None, "the program's own function is a node of its own"


def test_a_node_has_one_id_however_often_it_is_asked_for() -> None:
    known = names.Graph()
    assert known.member("a") is known.member("a", reads_state)
    assert known.member("a").id == "langgraph:a:-:0"
