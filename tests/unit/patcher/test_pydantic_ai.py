"""The frame of Pydantic AI without the library: names, tools in toolsets, what asks the model again."""

from __future__ import annotations

from types import SimpleNamespace

from stratum_patcher import nodes
from stratum_patcher.frames import pydantic_ai
from stratum_patcher.frames import pydantic_ai_nodes as names
from stratum_patcher.frames import pydantic_ai_tools as tools

from .conftest import Events


class Agent:
    """An agent, the name of which is a property that must not be asked."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    @property
    def name(self) -> str:
        raise AssertionError("the program's code ran")


def test_an_agent_is_renamed_when_the_library_finds_its_name_and_stays_where_it_was_made() -> None:
    agent = Agent(None)
    nodes.remember(agent, nodes.node("pydantic_ai", "agent", ("app.py", 7)))
    assert names.agent(agent).id == "pydantic_ai:agent:app.py:7"
    agent._name = "ada"
    assert names.agent(agent).id == "pydantic_ai:ada:app.py:7"
    assert names.agent(agent) is names.agent(agent)


def test_a_tool_is_found_in_the_toolset_it_comes_from_however_that_is_combined() -> None:
    made = SimpleNamespace(name="add")
    nodes.remember(made, nodes.node("pydantic_ai", "add", ("tools.py", 3), "capability"))
    nodes.remember(other := SimpleNamespace(), nodes.node("pydantic_ai", "add", ("other.py", 9), "capability"))
    inner = SimpleNamespace(toolset=SimpleNamespace(tools={"add": made}))
    combined = SimpleNamespace(source_tool=inner, toolset=SimpleNamespace())
    assert names.tool("add", combined).id == "pydantic_ai:add:tools.py:3"
    assert names.tool("add", None).id == "pydantic_ai:add:-:0"
    assert nodes.known(other) is not None


class ToolRetryError(Exception):
    """What the library raises to ask the model again."""


def test_what_asks_the_model_again_is_told_as_what_was_wrong(events: Events) -> None:
    node = nodes.node("pydantic_ai", "add", nodes.NOWHERE, "capability")
    use = tools.Use(pydantic_ai.FRAME, node, tool_name="add")
    wrong, asks = ValueError("too small"), ToolRetryError("try again")
    tools._Wrapping(wrong).done(asks)
    use.failed(asks)
    occurred = next(event["payload"] for event in events() if event["event_type"] == "error.occurred")
    assert (occurred["error_type"], occurred["error_handling"]) == ("ValueError", "caught_retry")
