"""Two ways to look at the runs of a repository: against its own first run, or against a supplied graph.

A view answers, for every section of the record, which structural edges there are, in which runs each was traversed,
what was seen, and what an id is called in the lists. `InferredView` compares run-time ids as they stand;
`stratum_lab.fold.supplied.SuppliedView` compares by join key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from stratum_lab.fold.facts import RunFacts
from stratum_lab.fold.state import Edge, RunStats


class Run(NamedTuple):
    """One counted run: its facts and the statistics of the tier that counts."""

    facts: RunFacts
    stats: RunStats


class StructuralEdge(NamedTuple):
    """An edge that a run can show.

    Attributes:
        edge_id: Id in the record.
        source: Source id.
        target: Target id.
        edge_type: Type; may be empty.
    """

    edge_id: str
    source: str
    target: str
    edge_type: str


class View(Protocol):
    """What the sections of a record ask; runs are in run order and given by their index.

    Implementations are pure and never raise for graphs that passed the contract.
    """

    runs: Sequence[Run]
    edges: list[StructuralEdge]
    """Structural edges that a run can show, structural order."""
    nodes: list[str]
    """Structural nodes that a run can show, structural order."""

    def traversed(self, edge: StructuralEdge) -> int:
        """Number of runs that show the edge."""

    def seen(self, run: int) -> set[str]:
        """Ids of the nodes seen in a run, as lists call them."""

    def emergent(self, run: int) -> list[Edge]:
        """Distinct edges of a run whose pair is not structural, as lists call their ends, order of appearance."""

    def name_of(self, run: int, node: str) -> str:
        """What lists call a run-time id."""

    def starts(self, run: int, node: str) -> list[str]:
        """Structural ids from which an error of the run-time node spreads; the node itself when it has none."""


class InferredView:
    """No graph was supplied: the distinct run-time edges of the first run are the structure."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        first = runs[0].stats.edges
        self.edges = [StructuralEdge(f"e{n}", *edge) for n, edge in enumerate(first, 1)]
        self.nodes: list[str] = []
        self._pairs = {(source, target) for source, target, _ in first}

    def traversed(self, edge: StructuralEdge) -> int:
        """Number of runs with an edge of equal source, target and type."""
        return sum(edge[1:] in run.stats.edges for run in self.runs)

    def seen(self, run: int) -> set[str]:
        """Ids seen as source or target of any event."""
        return set(self.runs[run].stats.seen)

    def emergent(self, run: int) -> list[Edge]:
        """Edges whose (source, target) pair the first run does not have."""
        return [edge for edge in self.runs[run].stats.edges if edge[:2] not in self._pairs]

    def name_of(self, run: int, node: str) -> str:
        """The id itself."""
        return node

    def starts(self, run: int, node: str) -> list[str]:
        """The id itself."""
        return [node]
