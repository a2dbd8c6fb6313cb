"""What a check is: a named statement about one ping, with the schemas and statuses it applies to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Values = Mapping[str, Any]
"""A ping as a flat JSON object."""


class Problem(NamedTuple):
    """What a check found: its id and one sentence with the values."""

    check: str
    message: str


class NotThere(LookupError):
    """A check asked for a field that the ping lacks or that has another type; that is a problem of its own."""


class Fields:
    """The fields of one ping that are present, of their type and not null by failure.

    Args:
        values: The ping.
        sound: Names of those fields.
        schema: Schema of the ping.
    """

    def __init__(self, values: Values, sound: frozenset[str], schema: int) -> None:
        self.values = values
        self.schema = schema
        self._sound = sound

    def __getitem__(self, name: str) -> Any:
        """Value of a sound field.

        Raises:
            NotThere: It is not sound.
        """
        if name not in self._sound:
            raise NotThere(name)
        return self.values[name]

    @property
    def findings(self) -> int:
        """Number of findings, by the field that has it at this schema.

        Raises:
            NotThere: The ping does not say.
        """
        if self.schema >= 5:
            return int(self["finding_rule_count"])
        return int(self["finding_count"]) if self.schema >= 3 else sum(self["finding_severities"].values())


Statement = Callable[[Fields], Iterator[str]]
"""Yields one sentence for every violation."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check on a single ping.

    Attributes:
        id: S5, V14, M8 as in ping.md section 11, or a name for invariants of ours.
        statement: What holds.
        run: Yields what does not.
        since: First schema it applies to.
        until: Last one.
        failed: It applies to failed pings too, whose measurements are null.
    """

    id: str
    statement: str
    run: Statement
    since: int
    until: int
    failed: bool


class Registry:
    """Collects checks in order of definition."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def check(
        self, id: str, statement: str, *, since: int = 3, until: int = 5, failed: bool = False
    ) -> Callable[[Statement], Statement]:
        """Decorator that registers a function under an id; one id may have several."""

        def register(run: Statement) -> Statement:
            self.checks.append(Check(id, statement, run, since, until, failed))
            return run

        return register
