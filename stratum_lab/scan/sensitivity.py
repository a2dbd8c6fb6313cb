"""Sensitivity and trust: their ranks, what a canonical service holds, and how sensitivity flows through the graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from stratum_lab.fold.services import services
from stratum_lab.scan.graph import Node
from stratum_lab.scan.model import Sensitivity, Trust

SENSITIVITY_RANK: Final[Mapping[Sensitivity, int]] = {
    "credentials": 5,
    "personal": 4,
    "health": 4,
    "financial": 3,
    "internal": 2,
    "public": 1,
    "unknown": 0,
}
TRUST_RANK: Final[Mapping[Trust, int]] = {"privileged": 4, "restricted": 3, "internal": 2, "external": 1, "public": 0}
PROTECTED: Final[frozenset[Sensitivity]] = frozenset({"credentials", "personal", "health", "financial"})
"""Data that may not travel without a control."""
PATH_SOURCES: Final[frozenset[Sensitivity]] = PROTECTED | {"internal"}
"""Sensitivities at which a data path starts."""
CARRYING: Final = frozenset({"reads_from", "tool_of", "shares_with", "feeds_into", "delegates_to", "sends_to"})
"""Edge types along which data, and with it sensitivity, flows."""
KEEPING: Final = frozenset({"external", "mcp_server"})
"""Node types that keep their native level whatever reaches them."""


def sensitivity_of(service: str) -> Sensitivity:
    """Sensitivity of what a canonical service holds; unknown for a bare domain."""
    known: dict[str, Sensitivity] = {level: level for level in SENSITIVITY_RANK}
    return known.get(services().sensitivity_of(service), "unknown")


def store_trust(level: Sensitivity) -> Trust:
    """Trust of a data store by what it holds."""
    if level in PROTECTED:
        return "restricted"
    return "internal" if level == "internal" else "external"


def propagate(nodes: Mapping[str, Node], flows: Iterable[tuple[str, str]], blocked: Callable[[str, str], bool]) -> None:
    """Set the level of every node: the highest that reaches it, or its own where that is no lower.

    One search per rank from the highest down, so that every node is settled once. Of two levels of one rank the nearer
    source decides.

    Args:
        nodes: Nodes by id; `level` is written.
        flows: (source, target) of the carrying edges and of the virtual hops from agents to their senders.
        blocked: Whether an effective filter stops the flow from a source to a target.
    """
    leaving: dict[str, list[str]] = {}
    for source, target in sorted(set(flows)):
        if nodes[target].node_type not in KEEPING:
            leaving.setdefault(source, []).append(target)
    settled: set[str] = set()
    for rank in sorted(set(SENSITIVITY_RANK.values()) - {0}, reverse=True):
        start = [i for i in sorted(nodes) if i not in settled and SENSITIVITY_RANK[nodes[i].native] == rank]
        for node_id in start:
            nodes[node_id].level = nodes[node_id].native
        settled.update(start)
        queue = deque(i for i in start if nodes[i].node_type not in KEEPING)
        while queue:
            source = queue.popleft()
            for target in leaving.get(source, ()):
                if target not in settled and not blocked(source, target):
                    settled.add(target)
                    nodes[target].level = nodes[source].level
                    queue.append(target)
