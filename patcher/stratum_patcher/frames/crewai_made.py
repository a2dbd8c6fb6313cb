"""Constructions of crewai's objects: agents, crews and tools get their nodes where the program makes them."""

from __future__ import annotations

from typing import Any

from .. import nodes, wrap
from ..frame import Frame, Hook
from ..wrap import Call, Watch
from . import crewai_names as names


class _Made(Watch):
    """An object under construction; it has its name when the constructor is through."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.place = names.made_at(thing)


class _Agent(_Made):
    def done(self, result: Any) -> Any:
        nodes.remember(self.thing, nodes.node(names.FAMILY, names.role_of(self.thing), self.place))
        return result


class _Crew(_Made):
    def __init__(self, crew: Any, name: Any) -> None:
        super().__init__(crew)
        self.name = names.crew_name(name)

    def done(self, result: Any) -> Any:
        nodes.remember(self.thing, nodes.node(names.FAMILY, self.name, self.place))
        return result


class _Tool(_Made):
    def done(self, result: Any) -> Any:
        function = names.field(self.thing, "func")
        defined = nodes.NOWHERE if function is None else nodes.place_of(function)
        place = self.place if defined == nodes.NOWHERE else defined
        found = nodes.node(names.FAMILY, names.tool_name(self.thing), place, "capability")
        nodes.remember(self.thing, found)
        return result


class _Copied(Watch):
    """A copy stands where its original was made."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def done(self, result: Any) -> Any:
        found = nodes.known(self.original)
        if found is not None and result is not self.original:
            nodes.remember(result, found)
            declared = DECLARED.get(names.field(self.original, "llm"))
            if declared is not None:
                DECLARED.put(names.field(result, "llm"), declared)
        return result


DECLARED = names.Side()
"""Language model objects that were redirected where they are made -> the model the program asked for."""


def _made_agent(call: Call) -> Watch:
    return _Agent(call.instance)


def _made_crew(call: Call) -> Watch:
    return _Crew(call.instance, call.kwargs.get("name"))


def _made_tool(call: Call) -> Watch:
    return _Tool(call.instance)


def _copied(call: Call) -> Watch:
    return _Copied(call.instance)


def _agents(module: Any) -> None:
    wrap.method(module.BaseAgent, "__init__", _made_agent)
    wrap.every_subclass(module.BaseAgent, "copy", _copied)


def _lite_agents(module: Any) -> None:
    wrap.method(module.LiteAgent, "__init__", _made_agent)


def _crews(module: Any) -> None:
    wrap.method(module.Crew, "__init__", _made_crew)
    wrap.method(module.Crew, "copy", _copied)


def _tools(module: Any) -> None:
    wrap.method(module.BaseTool, "__init__", _made_tool)


FRAME = Frame(
    "crewai_made",
    names.FAMILY,
    "crewai",
    (
        Hook("crewai.agents", "crewai.agents.agent_builder.base_agent", _agents),
        Hook("crewai.lite_agents", "crewai.lite_agent", _lite_agents),
        Hook("crewai.crews", "crewai.crew", _crews),
        Hook("crewai.tools", "crewai.tools.base_tool", _tools),
    ),
)
