"""What objects of the program hold, read without running its code: no property and no `__getattr__` is asked."""

from __future__ import annotations

import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def held(thing: Any, name: str, default: Any = None) -> Any:
    """What an object itself holds under a name.

    Args:
        thing: Any object; one that keeps nothing in a dictionary holds nothing.
        name: Of the attribute.
        default: What is returned when it holds nothing of that name.
    """
    try:
        attributes = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return default
    return attributes.get(name, default)


def text(thing: Any, name: str) -> str | None:
    """A text that an object or its class holds under a name; None for anything else, properties included."""
    found = inspect.getattr_static(thing, name, None)
    return str.__str__(found) if isinstance(found, str) else None
