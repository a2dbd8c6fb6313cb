"""Nodes of crewai's objects: where they were made, what they are called now, and how to look into them unseen.

A role may be filled in at kickoff (`{topic} expert`) and agents are copied for each input, so the place comes from the
construction and the name from the moment of use (events.md sections 2 and 2.1).
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping
from typing import Any

from .. import nodes
from ..nodes import Node, Place
from ..variables import assigned

FAMILY = "crewai"
DEFAULT_CREW = "crew"
"""What crewai calls a crew that was given no name."""
ALIKE = 0.85
"""How similar a tool's name must be to the one the model gave."""
_KEPT = 5000


def field(thing: Any, name: str, default: Any = None) -> Any:
    """A field of an object as it is stored: no property, no `__getattr__` of the program runs."""
    try:
        held = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return default
    if name in held:
        return held[name]
    try:
        private = object.__getattribute__(thing, "__pydantic_private__")
    except AttributeError:
        return default
    return private.get(name, default) if type(private) is dict else default


def text(value: Any) -> str | None:
    """A text that is one; None for anything else, and for none."""
    return str.__str__(value) if isinstance(value, str) and value else None


def role_of(agent: Any) -> str:
    """An agent's role, or its class name where it has none."""
    return text(field(agent, "role")) or type(agent).__name__


def tool_name(tool: Any) -> str:
    """The name a tool is registered by."""
    return text(field(tool, "name")) or type(tool).__name__


def place(node: Node | None) -> Place:
    """File and line of a node's id."""
    if node is None:
        return nodes.NOWHERE
    head, _, line = node.id.rpartition(":")
    return head.rpartition(":")[2], int(line) if line.isdigit() else 0


def agent_node(agent: Any) -> Node:
    """The node of an agent under the role it has now."""
    role = role_of(agent)
    found = nodes.known(agent)
    if found is None:
        return nodes.of(agent, FAMILY, role)
    now = nodes.node(FAMILY, role, place(found))
    return found if now is found else nodes.remember(agent, now)


def named_agent(role: Any) -> Node | None:
    """The node of the only agent of that role."""
    return nodes.named(FAMILY, role) if text(role) else None


def crew_node(crew: Any) -> Node:
    """The node of a crew."""
    return nodes.of(crew, FAMILY, text(field(crew, "name")) or DEFAULT_CREW)


def tool_node(name: Any, *holders: Any) -> Node:
    """The node of the tool of that name.

    Args:
        name: Its name, or what became of it in a model's tool call (lower case, underscores).
        holders: Objects and lists that may hold it: agents, tasks, executors, lists of tools.
    """
    wanted = letters(name)
    offered = [tool for holder in holders for tool in _tools(holder)]
    chosen = next((tool for tool in offered if letters(tool_name(tool)) == wanted), None) or _nearest(wanted, offered)
    if chosen is not None:
        found = nodes.known(chosen) or nodes.known(field(chosen, "_original_tool"))
        return found or nodes.of(chosen, FAMILY, tool_name(chosen), "capability")
    return nodes.named(FAMILY, name, "capability") or nodes.node(FAMILY, name, nodes.NOWHERE, "capability")


def _nearest(wanted: str, offered: list[Any]) -> Any:
    """The tool that crewai takes for a name that none has: the most similar one, if it is similar enough."""
    if not offered:
        return None
    from difflib import SequenceMatcher

    def likeness(tool: Any) -> float:
        return SequenceMatcher(None, letters(tool_name(tool)), wanted).ratio()

    best = max(offered, key=likeness)
    return best if likeness(best) > ALIKE else None


def letters(name: Any) -> str:
    """A tool name without what a model's tool call loses of it."""
    shown = str.__str__(name) if isinstance(name, str) else ""
    return "".join(letter for letter in shown.casefold() if letter.isalnum())


def _tools(holder: Any) -> tuple[Any, ...]:
    if isinstance(holder, (list, tuple)):
        return tuple(holder)
    found: list[Any] = []
    for name in ("original_tools", "tools", "_parsed_tools"):
        tools = field(holder, name)
        if isinstance(tools, (list, tuple)):
            found.extend(tools)
    return tuple(found)


def made_at(thing: Any) -> Place:
    """Where the object that is being initialized is made: outside the initializers of its own classes."""
    own = [vars(cls)["__init__"] for cls in type(thing).__mro__ if "__init__" in vars(cls)]
    if all(nodes.place_of(initializer) == nodes.NOWHERE for initializer in own):
        return nodes.here()
    frame = sys._getframe(1)
    while frame is not None:
        file = nodes.relative(frame.f_code.co_filename)
        if file is not None and not _initializes(frame, thing):
            return file, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return nodes.NOWHERE


def _initializes(frame: Any, thing: Any) -> bool:
    code = frame.f_code
    return code.co_name == "__init__" and code.co_argcount > 0 and frame.f_locals.get(code.co_varnames[0]) is thing


def crew_name(given: Any) -> str:
    """What a crew is called in the program: the class around its construction, else the variable it is assigned to,
    else the name it is given, else the function around it (the scanner's order).

    Runs while the crew is constructed.
    """
    frame = sys._getframe(1)
    while frame is not None and nodes.relative(frame.f_code.co_filename) is None:
        frame = frame.f_back  # type: ignore[assignment]
    given = text(given)
    if frame is None:
        return given or DEFAULT_CREW
    return _class_around(frame) or assigned() or given or _function_around(frame) or DEFAULT_CREW


def _class_around(frame: Any) -> str | None:
    qualified = getattr(frame.f_code, "co_qualname", None)
    if qualified is not None:
        around = qualified.rpartition(".")[0]
        around = "" if around.endswith("<locals>") else around.rpartition(".")[2]
        return around or (None if "__qualname__" not in frame.f_locals else frame.f_code.co_name)
    names = frame.f_code.co_varnames
    owner = frame.f_locals.get("self") if names[:1] == ("self",) else None
    return None if owner is None else type(owner).__name__


def _function_around(frame: Any) -> str | None:
    name = frame.f_code.co_name
    return None if name.startswith("<") else str(name)


class Side:
    """Facts about objects, kept beside them for as long as they live."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[Any, Any]] = {}

    def put(self, thing: Any, fact: Any) -> None:
        """Note a fact about an object."""
        identity = id(thing)
        try:
            held = weakref.ref(thing, lambda _: self._of.pop(identity, None))
        except TypeError:
            return
        if len(self._of) > _KEPT:
            self._of.clear()
        self._of[identity] = (held, fact)

    def get(self, thing: Any) -> Any:
        """The fact, or None."""
        entry = self._of.get(id(thing))
        return entry[1] if entry is not None and entry[0]() is thing else None

    def take(self, thing: Any) -> Any:
        """The fact, or None; it is forgotten."""
        found = self.get(thing)
        self._of.pop(id(thing), None)
        return found


def filled_in(template: str, inputs: Any) -> str:
    """A role with its placeholders filled in by plain inputs, as a kickoff does it."""
    if isinstance(inputs, Mapping) and type(inputs) is dict:
        for key, value in inputs.items():
            if isinstance(key, str) and type(value) in (str, int, float):
                template = template.replace("{" + key + "}", str(value))
    return template
