"""The frame of smolagents without the library: names, errors told once, code in threads."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from stratum_patcher import nodes, spans, stored
from stratum_patcher.frames import smolagents
from stratum_patcher.frames import smolagents_nodes as names
from stratum_patcher.frames import smolagents_tools as tools

from .conftest import Events


class Named:
    """Something whose name is a property that must not be asked."""

    @property
    def name(self) -> str:
        raise AssertionError("the program's code ran")


def test_properties_are_never_asked_for_a_name() -> None:
    assert stored.text(Named(), "name") is None
    assert names.tool(Named()).name == "Named"


def test_managed_agents_are_known_with_and_without_the_wrapper_of_the_first_versions() -> None:
    class ManagedAgent:
        def __init__(self, agent: Any) -> None:
            self.agent = agent

    plain, inner = SimpleNamespace(name="ada"), SimpleNamespace(name="bob")
    manager = SimpleNamespace(managed_agents={"ada": plain, "bob": ManagedAgent(inner)})
    assert [node.name for node in names.managed(manager)] == ["ada", "bob"]
    assert names.managed(SimpleNamespace()) == []


def test_an_error_raised_because_of_one_that_was_told_is_not_told_again(events: Events) -> None:
    node = nodes.node("smolagents", "add", nodes.NOWHERE, "capability")
    inner, outer = (tools.Use(smolagents.FRAME, node, tool_name=name) for name in ("add", "python_interpreter"))
    try:
        try:
            raise TypeError("add")
        except TypeError as error:
            inner.failed(error)
            raise RuntimeError("code failed")  # noqa: B904 - as the library does it
    except RuntimeError as error:
        assert names.told(error)
        outer.failed(error)
    seen = [(event["event_type"], event["payload"].get("error_type")) for event in events()]
    assert [kind for kind, _ in seen].count("error.occurred") == 1
    assert seen[-1][0] == "tool.completed"
    assert events()[-1]["payload"]["status"] == spans.ERROR


def test_code_with_a_time_limit_knows_who_runs_it() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")

    def timeout(function: Callable[[], str]) -> Callable[[], str]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function).result

    who.set("agent")
    assert timeout(who.get)() == "nobody"
    assert tools._InThread().done(timeout)(who.get)() == "agent"
