"""Many attempts folded in memory: the quick path from result folders, and replay. No broker involved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stratum_lab.contract.events.graph import StructuralGraph
from stratum_lab.contract.events.record import TopologyMetrics
from stratum_lab.contract.events.run import EventBatch, RunFinished
from stratum_lab.fold.facts import RunFacts, choose_runs, is_complete
from stratum_lab.fold.record import derive_record
from stratum_lab.fold.state import AttemptState
from stratum_lab.fold.step import Folded, fold_batch
from stratum_lab.fold.topology import derive_topology

MAX_PENDING_EVENTS = 100_000
"""Events of one attempt that wait for a hole to close: as many as a run may have."""


class Incomplete(NamedTuple):
    """An attempt that cannot count.

    Attributes:
        run_number: From 1.
        attempt: From 1.
        finished: Whether its end-of-run marker was seen.
        missing: Ranges of sequence numbers that never came, both ends included.
    """

    run_number: int
    attempt: int
    finished: bool
    missing: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What came out for one repository.

    Attributes:
        repo_id: 12 hex.
        record: The nine keys, or None when no run counts.
        topology: Topology metrics, or None when no run counts.
        runs: The attempts that count, run order.
        incomplete: Attempts with holes or without an end-of-run marker.
        problems: What was lost on the way: pending batches dropped, error seeds past their bound.
    """

    repo_id: str
    record: dict[str, Any] | None
    topology: TopologyMetrics | None
    runs: list[RunFacts]
    incomplete: list[Incomplete]
    problems: list[str]


@dataclass(slots=True)
class _Attempt:
    state: AttemptState = field(default_factory=AttemptState)
    facts: RunFacts | None = None
    pending: dict[int, EventBatch] = field(default_factory=dict)  # by first_seq
    pending_events: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Repo:
    attempts: dict[tuple[int, int], _Attempt] = field(default_factory=dict)
    graph: StructuralGraph | None = None


class Folder:
    """Folds the batches and markers of any number of repositories, in whatever order they come."""

    def __init__(self) -> None:
        self._repos: dict[str, _Repo] = {}

    def batch(self, batch: EventBatch) -> Folded:
        """Fold a batch; one that is ahead of its attempt waits until the hole closes."""
        attempt = self._attempt(batch.repo_id, batch.run_number, batch.attempt)
        folded = fold_batch(attempt.state, batch)
        if folded.missing is not None:
            self._wait(attempt, batch)
        elif attempt.pending:
            self._catch_up(attempt)
        return folded

    def finished(self, finished: RunFinished) -> None:
        """Take the end-of-run marker of an attempt; it may come before the attempt's batches."""
        attempt = self._attempt(finished.repo_id, finished.run_number, finished.attempt)
        attempt.facts = RunFacts.from_finished(finished)

    def graph(self, graph: StructuralGraph) -> None:
        """Take the structural graph of a repository; the latest counts."""
        self._repo(graph.repo_id).graph = graph

    def results(self) -> Iterator[Result]:
        """What every repository seen so far gives now, by ascending repo_id."""
        for repo_id in sorted(self._repos):
            yield self._result(repo_id, self._repos[repo_id])

    def _repo(self, repo_id: str) -> _Repo:
        repo = self._repos.get(repo_id)
        if repo is None:
            repo = self._repos[repo_id] = _Repo()
        return repo

    def _attempt(self, repo_id: str, run_number: int, attempt: int) -> _Attempt:
        attempts = self._repo(repo_id).attempts
        held = attempts.get((run_number, attempt))
        if held is None:
            held = attempts[run_number, attempt] = _Attempt()
        return held

    @staticmethod
    def _wait(attempt: _Attempt, batch: EventBatch) -> None:
        held = attempt.pending.get(batch.first_seq)
        more = batch.count - (held.count if held is not None else 0)
        if more <= 0 and held is not None:
            return
        if attempt.pending_events + more > MAX_PENDING_EVENTS:
            attempt.dropped += batch.count
            return
        attempt.pending[batch.first_seq] = batch
        attempt.pending_events += more

    @staticmethod
    def _catch_up(attempt: _Attempt) -> None:
        for first in sorted(attempt.pending):
            batch = attempt.pending[first]
            if fold_batch(attempt.state, batch).missing is not None:
                return
            del attempt.pending[first]
            attempt.pending_events -= batch.count

    def _result(self, repo_id: str, repo: _Repo) -> Result:
        attempts = [repo.attempts[key] for key in sorted(repo.attempts)]
        by_facts = {a.facts: a for a in attempts if a.facts is not None}
        chosen = choose_runs(by_facts, lambda f: is_complete(by_facts[f].state, f))
        runs = [(f, by_facts[f].state) for f in chosen]
        record = derive_record(repo_id, runs, repo.graph)
        topology = derive_topology(repo_id, runs, repo.graph) if record is not None else None
        incomplete: list[Incomplete] = []
        problems: list[str] = []
        for (run_number, number), a in sorted(repo.attempts.items()):
            missing = _holes(a)
            if missing or a.facts is None:
                incomplete.append(Incomplete(run_number, number, a.facts is not None, missing))
            problems += [f"run {run_number} attempt {number}: {loss}" for loss in _losses(a)]
        return Result(repo_id, record, topology, chosen, incomplete, problems)


def _losses(attempt: _Attempt) -> Iterator[str]:
    """What the bounds of the fold left out."""
    tiers = attempt.state.tiers.values()
    if attempt.dropped:
        yield f"{attempt.dropped} events after a hole were dropped"
    if seeds := sum(s.seeds_dropped for s in tiers):
        yield f"{seeds} error seeds past the bound were counted only"
    if errors := sum(s.errors_off_path for s in tiers):
        yield f"{errors} errors of nodes past the bound are on no path"


def _holes(attempt: _Attempt) -> tuple[tuple[int, int], ...]:
    """Ranges between what was folded, what waits and what the marker promised."""
    holes, reached = [], attempt.state.last_seq
    for first in sorted(attempt.pending):
        if first > reached + 1:
            holes.append((reached + 1, first - 1))
        reached = max(reached, attempt.pending[first].last_seq)
    if attempt.facts is not None and attempt.facts.event_count > reached:
        holes.append((reached + 1, attempt.facts.event_count))
    return tuple(holes)
