"""Selection of repositories from earlier scan results (mode A): score, cut, de-duplicate, spread over topologies.

Every row of the table in the specification is one entry of POINTS. Ties are broken by repo_id, so the order of the
input changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from stratum_lab.campaign.features import FRAMEWORKS, SERVERS, Features

CROSS_COMPONENT_FACTOR = Decimal("1.7")
MAX_DELEGATION_POINTS = 10
MAX_TOOL_POINTS = 5
MANY_SEARCHES = 5
MANY_AGENTS = 20


class Point(NamedTuple):
    """One row of the table: a name, and what it gives a repository."""

    name: str
    points: Callable[[Features], int]


def _between(value: int | None, low: int, high: int) -> bool:
    return value is not None and low <= value <= high


def _file_penalty(f: Features) -> int:
    if f.python_files is None or f.python_files <= 30:
        return 0
    return -5 if f.python_files > 50 else -3


POINTS: tuple[Point, ...] = (
    Point("framework", lambda f: 10 * (f.agent_nodes > 0 or bool(_named(f) & {*FRAMEWORKS}))),
    Point("entry_point", lambda f: 5 * f.entry_point),
    Point("requirements", lambda f: 5 * f.requirements),
    Point("agent_nodes", lambda f: 3 * (f.agent_nodes >= 2)),
    Point("few_files", lambda f: 3 * _between(f.python_files, 1, 19)),
    Point("delegation_edges", lambda f: min(2 * f.delegations, MAX_DELEGATION_POINTS)),
    Point("tool_nodes", lambda f: min(f.tools, MAX_TOOL_POINTS)),
    Point("server_import", lambda f: -10 * bool(f.names & {*SERVERS})),
    Point("search_apis", lambda f: -5 * (f.searches > MANY_SEARCHES)),
    Point("many_files", _file_penalty),
    Point("primary_framework", lambda f: 10 * (f.primary in ("crewai", "langgraph", "autogen"))),
    Point("agents", lambda f: 8 * _between(f.agents, 2, 10) + 3 * _between(f.agents, 2, 5)),
    Point("lockfile", lambda f: 5 * f.lockfile),
    Point("openai", lambda f: 5 * any("openai" in p for p in f.providers)),
    Point("versions", lambda f: 2 * f.versions),
    Point("server_framework", lambda f: -10 * bool({*f.frameworks} & {*SERVERS})),
    Point("many_agents", lambda f: -5 * (f.agents is not None and f.agents > MANY_AGENTS)),
    Point("no_agents", lambda f: -5 * (f.agents == 0)),
    Point("other_provider", lambda f: -3 * (bool(f.providers) and not any("openai" in p for p in f.providers))),
    Point("fork", lambda f: -15 * f.fork),
    Point("tools", lambda f: 15 * (f.tools > 0)),
    Point("delegation", lambda f: 12 * f.delegation_pattern),
    Point("data_stores", lambda f: 10 * (f.stores > 0)),
    Point("routing", lambda f: 8 * f.routing_pattern),
    Point("crew_size", lambda f: 8 * _between(f.agents, 3, 7)),
    Point("error_handling", lambda f: 5 * f.error_pattern),
)
"""The table of mode A in its order; the points add up."""


def _named(f: Features) -> frozenset[str]:
    return f.names | {*f.frameworks} | {f.primary}


def breakdown(features: Features) -> dict[str, int]:
    """Points by row, rows that give none left out."""
    return {p.name: n for p in POINTS if (n := p.points(features))}


def score(features: Features) -> float:
    """The sum of the points, times 1.7 for cross-component repositories, rounded half up to 2 decimals."""
    total = Decimal(sum(breakdown(features).values()))
    if features.cross_component:
        total *= CROSS_COMPONENT_FACTOR
    return float(total.quantize(Decimal("0.01"), ROUND_HALF_UP))


def selection_hash(features: Features) -> str:
    """First 8 hex of the MD5 of `framework:agent_count:tool_count:data_store_count`; unknown counts are 0."""
    text = f"{features.primary}:{features.agents or 0}:{features.tools}:{features.stores}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One repository that may be selected.

    Attributes:
        url: Address as listed.
        repo_id: Of that address; breaks ties.
        score: Selection score.
        features: What is known of it; None for plain lists and discovery.
    """

    url: str
    repo_id: str
    score: float
    features: Features | None = None

    def line(self) -> str:
        """`score<TAB>url`; whole scores without decimals."""
        return f"{self.score:.2f}".rstrip("0").rstrip(".") + f"\t{self.url}"


@dataclass(frozen=True)
class Options:
    """How to cut a ranking.

    Attributes:
        top: At most so many; None: all.
        min_score: Lowest score taken; None: any.
        topology_diversity: First one of each selection hash before a second one of any.
        deduplicate: Only the best of equal (agent count, frameworks, primary framework).
        forks: Keep forks.
    """

    top: int | None = None
    min_score: float | None = None
    topology_diversity: bool = False
    deduplicate: bool = False
    forks: bool = False


@dataclass
class Selection:
    """A ranking and how it came about.

    Attributes:
        chosen: Best first.
        considered: Repositories before anything was left out.
        dropped: How many were left out, by reason.
        distinct_topologies: Different selection hashes among the chosen; None without features.
        cross_component: Chosen ones with at least two kinds of components; None without features.
    """

    chosen: list[Candidate] = field(default_factory=list)
    considered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    distinct_topologies: int | None = None
    cross_component: int | None = None

    def share(self, number: int) -> float:
        """A number as a share of the chosen, rounded to 4 decimals."""
        return round(number / len(self.chosen), 4) if self.chosen else 0.0


def select(candidates: Iterable[Candidate], options: Options) -> Selection:
    """Rank candidates, in this order: forks out, best per repository, de-duplicate, minimum score, spread, cut."""
    out = Selection()
    pool = list(candidates)
    out.considered = len(pool)

    def left(reason: str, kept: list[Candidate], before: int) -> list[Candidate]:
        if before > len(kept):
            out.dropped[reason] = before - len(kept)
        return kept

    if not options.forks:
        pool = left("fork", [c for c in pool if not (c.features and c.features.fork)], len(pool))
    pool.sort(key=lambda c: (-c.score, c.repo_id, c.url))
    pool = left("repeated", _first_of(pool, lambda c: c.repo_id), len(pool))
    if options.deduplicate:
        pool = left("duplicate", _first_of(pool, _kind), len(pool))
    if options.min_score is not None:
        lowest = options.min_score
        pool = left("score", [c for c in pool if c.score >= lowest], len(pool))
    if options.topology_diversity:
        pool = _spread(pool)
    out.chosen = left("cut", pool if options.top is None else pool[: options.top], len(pool))
    known = [c.features for c in out.chosen if c.features is not None]
    if known:
        out.distinct_topologies = len({selection_hash(f) for f in known})
        out.cross_component = sum(f.cross_component for f in known)
    return out


def _kind(candidate: Candidate) -> object:
    f = candidate.features
    return candidate.repo_id if f is None else (f.agents, f.frameworks, f.primary)


def _first_of(ranked: list[Candidate], key: Callable[[Candidate], object]) -> list[Candidate]:
    first: dict[object, Candidate] = {}
    for candidate in ranked:
        first.setdefault(key(candidate), candidate)
    return list(first.values())


def _spread(ranked: list[Candidate]) -> list[Candidate]:
    """Stable: the first of each selection hash in score order, then the rest in score order."""
    first = _first_of(ranked, lambda c: c.repo_id if c.features is None else selection_hash(c.features))
    chosen = {id(c) for c in first}
    return first + [c for c in ranked if id(c) not in chosen]
