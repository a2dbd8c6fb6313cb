"""The frame of the OpenAI Agents SDK without the library: other packages of that name, tool calls, uploads."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from stratum_patcher import frame as frames
from stratum_patcher import redirect, spans, wrap
from stratum_patcher.frames import openai_agents
from stratum_patcher.frames import openai_agents_run as run
from stratum_patcher.frames import openai_agents_spans as sdk_spans

from .conftest import Events

HOOKS = openai_agents.FRAME.hooks

every_hook = pytest.mark.parametrize("hook", HOOKS, ids=[hook.name for hook in HOOKS])


@every_hook
def test_a_package_of_the_program_that_is_called_agents_is_left_alone(
    events: Events, tmp_path: Path, hook: frames.Hook
) -> None:
    class Agent:
        def __init__(self) -> None:
            self.name = "mine"

    module = ModuleType(hook.module)
    module.__file__ = str(tmp_path / "agents" / "agent.py")
    module.Agent = Agent  # type: ignore[attr-defined]
    before = Agent.__init__
    frames.undo("openai_agents")
    frames.apply("openai_agents", hook.module, module)
    told = [event["payload"] for event in events() if event["payload"].get("hook") == hook.name]
    frames.undo("openai_agents")
    assert [(payload["status"], payload["reason"]) for payload in told] == [
        ("not_applied", "not the package of the SDK")
    ]
    assert Agent.__init__ is before


def test_tool_calls_are_taken_in_the_order_in_which_the_model_wanted_them() -> None:
    going = run.Run()
    tool = SimpleNamespace(name="add")
    for arguments in ('{"a": 1}', '{"a": 2}'):
        going.wanted(SimpleNamespace(arguments=arguments), tool)
    assert [going.called("add")[1], going.called("add")[1], going.called("add")[1]] == ['{"a": 1}', '{"a": 2}', None]


def test_tool_calls_of_an_earlier_answer_are_forgotten_when_the_model_is_asked_again() -> None:
    going = run.Run()
    going.wanted(SimpleNamespace(arguments="{}"), SimpleNamespace(name="add"))
    going.answering()
    node, arguments = going.called("add")
    assert (node.id, arguments) == ("openai_agents:add:-:0", None)


def test_the_agent_that_comes_next_is_not_kept_alive_and_only_taken_by_its_name() -> None:
    class Agent:
        name: str

    agent = Agent()
    agent.name = "Ada"
    going = run.Run(agent)
    assert going.agent("Bob") is None
    assert going.agent("Ada") is agent
    del agent
    assert going.agent("Ada") is None


class Exporter:
    """What the SDK's exporter is for the frame."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def export(self, items: list[Any]) -> None:
        self.sent += items


@pytest.mark.parametrize(("redirected", "sent"), [(True, []), (False, ["a trace"])])
def test_traces_are_uploaded_only_when_model_calls_are_not_redirected(
    monkeypatch: pytest.MonkeyPatch, redirected: bool, sent: list[str]
) -> None:
    target = redirect.Target("http://host", "http://host/v1", None, "host") if redirected else None
    monkeypatch.setattr(redirect, "target", lambda: target)
    with wrap.owned_by("test"):
        sdk_spans.watch_exporter(SimpleNamespace(BackendSpanExporter=Exporter))
    exporter = Exporter()
    exporter.export(["a trace"])
    wrap.undo("test")
    assert exporter.sent == sent


def test_an_exception_that_was_there_before_a_span_did_not_leave_it(events: Events) -> None:
    try:
        raise KeyError("earlier")
    except KeyError:
        opened = sdk_spans._Open(spans.quiet())
        assert opened.raised() is None
        try:
            raise ValueError("later")
        except ValueError as error:
            assert opened.raised() is error
        opened.span.close()
