"""Agents of the classic AutoGen API: their nodes, what a message says and who wrote it.

Attributes are read from instance dictionaries, never by calling the program's properties.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .. import facts, nodes
from ..frame import Frame
from ..stored import held
from ..wrap import Watch, every_subclass

if TYPE_CHECKING:
    from ..nodes import Node, Place
    from ..wrap import Call

FAMILY = "autogen"


def _distribution() -> str:
    """The distribution that provides `autogen`: four have, under one import name."""
    from importlib import metadata

    for name in ("ag2", "pyautogen", "autogen-agentchat", "autogen"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return name
    return "autogen"


VOICE = Frame("autogen_classic", FAMILY, _distribution())
"""In whose name all parts of the frame speak; `autogen_classic.FRAME` is the same with its hooks."""


def name_of(agent: Any) -> str:
    """An agent's name; of a class that is no `ConversableAgent`, the name it holds, else its class's."""
    for attribute in ("_name", "name"):
        name = held(agent, attribute)
        if isinstance(name, str):
            return name
    name = inspect.getattr_static(agent, "name", None)
    return name if isinstance(name, str) else type(agent).__name__


def node_of(agent: Any) -> Node:
    """An agent's node."""
    return nodes.of(agent, FAMILY, name_of(agent))


class _Constructed(Watch):
    """An agent under construction: its node is known when its name is."""

    __slots__ = ("agent", "place")

    def __init__(self, agent: Any, place: Place) -> None:
        self.agent = agent
        self.place = place

    def done(self, result: Any) -> Any:
        nodes.remember(self.agent, nodes.node(FAMILY, name_of(self.agent), self.place))
        return result


def _construct(call: Call) -> Watch:
    return _Constructed(call.instance, nodes.here())


def watch_construction(module: Any) -> None:
    """Note where every agent is constructed, whatever subclass it is of."""
    every_subclass(module.ConversableAgent, "__init__", _construct)


def tools_of(agent: Any) -> list[str]:
    """Names of the tools that are offered to an agent's model."""
    config = held(agent, "llm_config")
    if not isinstance(config, dict):
        return [name for tool in held(agent, "_tools") or () if isinstance(name := held(tool, "_name"), str)]
    listed = [entry.get("function") for entry in config.get("tools") or () if isinstance(entry, dict)]
    listed += config.get("functions") or ()
    return [entry["name"] for entry in listed if isinstance(entry, dict) and isinstance(entry.get("name"), str)]


def last_message(agent: Any, messages: Any, sender: Any) -> Any:
    """The message that is to be answered: the last one given, else the last one of the talk with the sender."""
    if messages is None and sender is not None:
        talks = held(agent, "_oai_messages")
        found = [talk for other, talk in list(dict.items(talks)) if other is sender] if isinstance(talks, dict) else []
        messages = found[0] if found else None
    return messages[-1] if isinstance(messages, list) and messages else None


def said(message: Any) -> Any:
    """The content of a message: its text, else what it holds beside."""
    if not isinstance(message, dict):
        return message
    content = message.get("content")
    if isinstance(content, str) and content:
        return content
    return {key: message[key] for key in ("content", "tool_calls", "function_call") if message.get(key)}


def said_text(message: Any) -> str | None:
    """The text of a message, None when it has none."""
    content = said(message)
    return content if isinstance(content, str) else None


def asks_for_tools(message: Any) -> bool:
    """Whether a message asks that tools be run."""
    return isinstance(message, dict) and bool(message.get("tool_calls") or message.get("function_call"))


def participants(manager: Any) -> list[Any]:
    """The agents of a group chat, given its manager; empty for any other agent."""
    agents = held(held(manager, "_groupchat"), "agents")
    return list(agents) if isinstance(agents, list) else []


def author(message: Any, sender: Any) -> Any:
    """The agent that wrote a message; in a group its manager passes messages on, and they carry a name."""
    if isinstance(message, dict) and isinstance(message.get("name"), str):
        for agent in participants(sender):
            if name_of(agent) == message["name"]:
                return agent
    return sender


def is_manager(agent: Any) -> bool:
    """Whether an agent leads a group chat."""
    return held(agent, "_groupchat") is not None


def shape(message: Any) -> str:
    """Form of a first message, which may be a function that makes it."""
    return facts.shape(message)
