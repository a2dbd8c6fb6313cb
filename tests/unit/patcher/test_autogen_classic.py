"""The frame of classic AutoGen without the library: changed modules, names, messages, hand-overs, variables."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from stratum_patcher import nodes, spans, wrap
from stratum_patcher.frames import autogen_classic_agents as agents
from stratum_patcher.frames import autogen_classic_groups as groups
from stratum_patcher.frames import autogen_classic_handoffs as handoffs
from stratum_patcher.frames import autogen_classic_models as models

from .conftest import Events


class Agent:
    """An agent as the library makes it."""

    def __init__(self, name: str, **held: Any) -> None:
        self._name = name
        vars(self).update(held)


class Loud:
    """An agent of the program whose property must not be asked."""

    @property
    def name(self) -> str:
        raise AssertionError("a property of the program was asked")


def test_names_are_read_without_asking_the_programs_properties() -> None:
    assert agents.name_of(Agent("ann")) == "ann"
    assert agents.name_of(SimpleNamespace(name="ben")) == "ben"
    assert agents.name_of(Loud()) == "Loud"


def test_tools_are_those_offered_to_the_model_in_every_form() -> None:
    config = {"tools": [{"function": {"name": "add"}}, {"function": None}, "odd"], "functions": [{"name": "old"}]}
    assert agents.tools_of(Agent("ann", llm_config=config)) == ["add", "old"]
    assert agents.tools_of(Agent("ann", llm_config=False, _tools=[SimpleNamespace(_name="new")])) == ["new"]
    assert agents.tools_of(Agent("ann")) == []


def test_the_message_to_answer_is_the_last_given_else_the_last_of_the_talk() -> None:
    ben = Agent("ben")
    ann = Agent("ann", _oai_messages={ben: [{"content": "one"}, {"content": "two"}]})
    assert agents.last_message(ann, [{"content": "given"}], ben) == {"content": "given"}
    assert agents.last_message(ann, None, ben) == {"content": "two"}
    assert agents.last_message(ann, None, ann) is None
    assert agents.last_message(ann, [], ben) is None


def test_the_talk_with_an_agent_is_found_without_asking_agents_whether_they_are_equal() -> None:
    class Hashed(Agent):
        asked = 0

        def __hash__(self) -> int:
            Hashed.asked += 1
            return 1

    sender = Hashed("bob")
    me = Agent("me", _oai_messages={Hashed("eve"): [{"content": "no"}], sender: [{"content": "hi"}]})
    before = Hashed.asked
    assert agents.last_message(me, None, sender) == {"content": "hi"}
    assert Hashed.asked == before


def test_a_manager_passes_on_what_others_wrote() -> None:
    ann, ben = Agent("ann"), Agent("ben")
    manager = Agent("chair", _groupchat=SimpleNamespace(agents=[ann, ben]))
    assert agents.author({"name": "ben", "content": ""}, manager) is ben
    assert agents.author({"name": "someone"}, manager) is manager
    assert agents.author({"content": "x"}, ann) is ann


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ("plain", "plain"),
        ({"content": "text", "tool_calls": []}, "text"),
        ({"content": None, "tool_calls": [{"id": "1"}]}, {"tool_calls": [{"id": "1"}]}),
        ({"content": [{"type": "text"}]}, {"content": [{"type": "text"}]}),
        (None, None),
    ],
)
def test_what_a_message_says_is_its_text_else_what_it_holds(message: Any, content: Any) -> None:
    assert agents.said(message) == content


def test_a_function_that_only_hands_over_is_known_by_the_conditions_of_the_agent_that_asked() -> None:
    condition = SimpleNamespace(llm_function_name="transfer_to_bob_1")
    ann = Agent("ann", handoffs=SimpleNamespace(llm_conditions=[condition]))
    manager = Agent("chair", _groupchat=SimpleNamespace(agents=[ann, Agent("ben")]))
    executor = Agent(groups.EXECUTOR, _group_manager=manager)
    assert handoffs.is_handoff(executor, "ann", "transfer_to_bob_1")
    assert not handoffs.is_handoff(executor, "ann", "add")
    assert not handoffs.is_handoff(executor, "ben", "transfer_to_bob_1")
    assert not handoffs.is_handoff(Agent(groups.EXECUTOR), "ann", "transfer_to_bob_1")


def test_a_groups_state_goes_with_its_manager() -> None:
    manager = Agent("chair")
    group = groups.group_of(manager)
    assert groups.group_of(manager) is group
    assert groups.group_of(Agent("chair")) is not group
    before = len(groups._groups)
    del manager
    assert len(groups._groups) == before - 1


class Variables:
    """Stands for the library's class: same methods, same store."""

    def __init__(self, **data: Any) -> None:
        self.data = data

    def get(self, key: str, default: Any = None) -> Any:
        return self.data.get(key, default)

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def set(self, key: str, value: Any) -> None:
        self.data[key] = value

    def __setitem__(self, key: str, value: Any) -> None:
        self.data[key] = value

    def update(self, other: dict[str, Any]) -> None:
        self.data.update(other)

    def remove(self, key: str) -> bool:
        return self.data.pop(key, None) is not None

    def __delitem__(self, key: str) -> None:
        del self.data[key]


@pytest.fixture
def watched() -> Iterator[type[Variables]]:
    module = ModuleType("context_variables")
    module.ContextVariables = Variables  # type: ignore[attr-defined]
    with wrap.owned_by("test"):
        handoffs.watch_context(module)
    yield Variables
    wrap.undo("test")


class Odd:
    """A value that must not be compared."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a value of the program was compared")


def test_reads_and_changes_of_shared_variables_belong_to_the_agent_at_work(
    events: Events, watched: type[Variables]
) -> None:
    variables = watched(seat="", plan=Odd())
    variables["seat"] = "1A"
    with_agent = spans.Agent(agents.VOICE, nodes.node("autogen", "ann"))
    assert variables.get("seat") == "1A"
    assert variables.get("none") is None
    variables.set("seat", "1A")
    variables["seat"] = "7A"
    variables.update({"seat": "7A", "row": 7, "plan": Odd()})
    assert variables["row"] == 7
    variables.remove("row")
    del variables["seat"]
    with_agent.close()
    told = [event["payload"] for event in events() if event["event_type"] == "state.access"]
    assert [(each["access_type"], each["state_key"]) for each in told] == [
        ("read", "seat"),
        ("write", "seat"),
        ("write", "row"),
        ("write", "plan"),
        ("read", "row"),
        ("write", "row"),
        ("write", "seat"),
    ]
    assert {each["accessor_node"] for each in told} == {"autogen:ann:-:0"}


class Wrapper:
    """Stands for the library's wrapper of model clients; `cached` says where the answer is from."""

    def __init__(self, cached: bool) -> None:
        self._config_list = [{"model": "house", "tools": [{}]}]
        self.cached = cached

    def create(self, **config: Any) -> Any:
        self._update_usage(actual_usage=None if self.cached else {"prompt_tokens": 3, "completion_tokens": 1})
        return SimpleNamespace(choices=[], model="house-2")

    def _update_usage(self, actual_usage: Any) -> None:
        """Counts."""


@pytest.mark.parametrize(("cached", "calls"), [(False, 2), (True, 0)], ids=["asked", "cached"])
def test_an_answer_from_the_cache_is_no_model_call(events: Events, cached: bool, calls: int) -> None:
    module = ModuleType("client")
    module.OpenAIWrapper = Wrapper  # type: ignore[attr-defined]
    with wrap.owned_by("test"):
        models.watch_models(module)
    Wrapper(cached).create(messages=[{"role": "user", "content": "Hi."}])
    wrap.undo("test")
    told = events()
    assert [event["event_type"] for event in told] == ["llm.call_start", "llm.call_end"][:calls]
    if calls:
        assert told[0]["payload"]["has_tools"] and told[0]["payload"]["model_requested"] == "house"
        assert (told[1]["payload"]["input_tokens"], told[1]["payload"]["model_actual"]) == (3, "house-2")
