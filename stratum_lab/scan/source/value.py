"""What the resolver answers: values with their origin, and the elements of lists."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from stratum_lab.scan.source.index import Call, Class, Function, Module, Scope

ValueKind = Literal[
    "external", "module", "function", "class", "instance", "text", "number", "bool", "none", "list", "dict", "unknown"
]


class Unknown:
    """The one value of what is no literal."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What an expression is.

    Attributes:
        origin: Dotted: "crewai.Agent"; of an instance what was called; of repo code its module path and name.
        node: The expression that gave it, with its scope; what a list or dict literal holds is read from there.
        function: The repo function or method it is.
        cls: The repo class it is, or is an instance of.
        call: The call that made an instance.
        calls: That call and those it came through, innermost first.
        via: Repo functions whose return value it is, innermost first.
        receiver: The instance of which it is a method, or on which the call was made.
        text: A literal's text; placeholders in braces.
    """

    kind: ValueKind
    origin: str | None = None
    node: ast.expr | None = None
    scope: Scope | None = None
    function: Function | None = None
    cls: Class | None = None
    module: Module | None = None
    call: Call | None = None
    calls: tuple[Call, ...] = ()
    via: tuple[Function, ...] = ()
    receiver: Value | None = None
    text: str | None = None

    @property
    def known(self) -> bool:
        """It was resolved to something."""
        return self.kind != "unknown"


class Items(NamedTuple):
    """Elements of a list expression; `complete` is False when a part of it is unknown."""

    values: list[Value]
    complete: bool


NOTHING: Final = Value("unknown")
