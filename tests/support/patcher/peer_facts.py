"""Facts of a run, in kinds that events and spans have in common, and whether one record holds the facts of another.

A fact has the names it may go by: a call has the model asked for and the model that answered, and spans name an agent
in several attributes. Two facts of a kind agree when they share a name or one of them has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

RUN, CALL, TOKENS, AGENT, TOOL = "run", "model call", "tokens", "agent task", "tool"
DELEGATION, ROUTE, STATE, ERROR = "delegation", "routing", "state", "error"
KINDS: Final = (RUN, CALL, TOKENS, AGENT, TOOL, DELEGATION, ROUTE, STATE, ERROR)
ARROW = " > "


@dataclass(frozen=True)
class Fact:
    """One thing that happened.

    Attributes:
        kind: One of KINDS.
        names: What it may be called; none: anything.
    """

    kind: str
    names: frozenset[str] = frozenset()

    def agrees(self, other: Fact) -> bool:
        """Whether both may be the same thing."""
        if self.kind != other.kind:
            return False
        return not (self.names and other.names) or bool(self.names & other.names)

    def __str__(self) -> str:
        return f"{self.kind} {'/'.join(sorted(self.names))}".strip()


def fact(kind: str, *names: object) -> Fact:
    """A fact by the names that are known of it; case, line ends and colons, which node ids have not, do not matter.

    Args:
        kind: One of KINDS.
        names: Those that are no text, or empty, are left out.
    """
    plain = (" ".join(name.lower().replace(":", "_").split()) for name in names if isinstance(name, str))
    return Fact(kind, frozenset(name for name in plain if name))


def missing(theirs: Sequence[Fact], ours: Sequence[Fact]) -> list[Fact]:
    """Those of their facts that no fact of ours is left for, when as many as possible are paired.

    Args:
        theirs: Each to be paired with another one of ours.
        ours: Those to pair with.
    """
    paired: dict[int, int] = {}

    def pair(here: int, tried: set[int]) -> bool:
        for there, candidate in enumerate(ours):
            if there not in tried and theirs[here].agrees(candidate):
                tried.add(there)
                if there not in paired or pair(paired[there], tried):
                    paired[there] = here
                    return True
        return False

    return [told for here, told in enumerate(theirs) if not pair(here, set())]


def counted(facts: Iterable[Fact]) -> dict[str, int]:
    """How many facts there are of each kind."""
    numbers = dict.fromkeys(KINDS, 0)
    for told in facts:
        numbers[told.kind] += 1
    return numbers


def of_events(events: Iterable[Mapping[str, Any]]) -> list[Fact]:
    """The facts that the patcher's events tell: one per opening, tokens by the closing.

    An error that a library wraps on its way is told as propagated, under its new name: that is a fact as well.
    """
    facts, errors = [], {}
    for event in events:
        facts += _of_event(event)
        name = event["payload"].get("error_type")
        if event["event_type"] == "error.occurred":
            errors[event["event_id"]] = {name}
        elif event["event_type"] == "error.propagated":
            known = errors.setdefault(event["payload"].get("origin_event_id"), set())
            facts += [] if name in known else [fact(ERROR, name)]
            known.add(name)
    return facts


def _of_event(event: Mapping[str, Any]) -> list[Fact]:
    payload = event["payload"]
    source, target = (event.get(which) or {} for which in ("source_node", "target_node"))
    here, there = source.get("node_name"), target.get("node_name", "__end__")
    match event["event_type"]:
        case "execution.start":
            return [fact(RUN)]
        case "llm.call_start":
            return [fact(CALL, payload.get("model_requested"), payload.get("model_actual"))]
        case "llm.call_end" if None not in (payload.get("input_tokens"), payload.get("output_tokens")):
            return [fact(TOKENS, f"{payload['input_tokens']}+{payload['output_tokens']}")]
        case "agent.task_start":
            return [fact(AGENT, here, payload.get("agent_name"), payload.get("agent_role"))]
        case "tool.invoked":
            return [fact(TOOL, there, payload.get("tool_name"))]
        case "delegation.initiated":
            return [fact(DELEGATION, f"{here}{ARROW}{there}", f"{ARROW}{there}")]
        case "routing.decision":
            return [fact(ROUTE, f"{here}{ARROW}{there}", f"{here}{ARROW}", f"{ARROW}{there}")]
        case "state.access":
            return [fact(STATE, f"{payload['access_type']} {payload['state_key']}")]
        case "error.occurred":
            return [fact(ERROR, payload.get("error_type"))]
    return []
