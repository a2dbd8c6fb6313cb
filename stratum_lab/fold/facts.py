"""What a record needs of a RunFinished, which attempt of a run counts, and whether its events are complete."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Self

from stratum_lab.contract.events.run import RunFinished
from stratum_lab.fold.payload import duration
from stratum_lab.fold.state import AttemptState, RunStats

INFRA_ERROR = "INFRA_ERROR"
"""Status of an attempt that the host ended: in no gate and in no record."""
_NO_FRAMEWORK = ("", "unknown")


@dataclasses.dataclass(frozen=True, slots=True)
class RunFacts:
    """One finished attempt, without what no record reads.

    Attributes:
        repo_id: 12 hex.
        run_number: From 1.
        attempt: From 1.
        run_id: Execution id.
        status: As recorded.
        tier: Tier that counts; 0 none or unknown.
        event_count: Highest sequence number of the attempt.
        batch_count: Number of its batches.
        tiers: (tier, first, last sequence number) of each tier.
        duration: Seconds, or None for old runs.
        frameworks: Frameworks of the metadata (D2), sorted.
        model: Served model, or None.
        repo_full_name: owner/name, or None.
        repo_url: Address, or None.
    """

    repo_id: str
    run_number: int
    attempt: int
    run_id: str
    status: str
    tier: int
    event_count: int
    batch_count: int
    tiers: tuple[tuple[int, int, int], ...] = ()
    duration: float | None = None
    frameworks: tuple[str, ...] = ()
    model: str | None = None
    repo_full_name: str | None = None
    repo_url: str | None = None

    @property
    def is_infra_error(self) -> bool:
        """Whether the host, not the program, ended the attempt: it never counts."""
        return self.status == INFRA_ERROR

    @classmethod
    def from_finished(cls, finished: RunFinished) -> Self:
        """Take what records need."""
        return cls(
            repo_id=finished.repo_id,
            run_number=finished.run_number,
            attempt=finished.attempt,
            run_id=finished.run_id,
            status=finished.status,
            tier=finished.tier,
            event_count=finished.event_count,
            batch_count=finished.batch_count,
            tiers=tuple((t.tier, t.first_seq, t.last_seq) for t in finished.tiers),
            duration=duration(finished.duration_seconds),
            frameworks=_frameworks(finished),
            model=finished.model_name or None,
            repo_full_name=finished.repo_full_name or None,
            repo_url=finished.repo_url or None,
        )

    def to_json(self) -> dict[str, Any]:
        """A plain mapping, for a table or a file."""
        return {name: getattr(self, name) for name in _FIELDS}  # asdict would copy every value, at ten times the cost

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` gave, also after a trip through JSON."""
        return cls(
            **{
                **data,
                "tiers": tuple((t[0], t[1], t[2]) for t in data.get("tiers", ())),
                "frameworks": tuple(data.get("frameworks", ())),
            }
        )


_FIELDS = tuple(field.name for field in dataclasses.fields(RunFacts))


def _frameworks(finished: RunFinished) -> tuple[str, ...]:
    """All that matched where the metadata lists them, else the one detected, else its older name (D2)."""
    for names in (finished.frameworks_matched or (), (finished.framework_detected,), (finished.framework,)):
        known = {n for n in names if n and n not in _NO_FRAMEWORK}
        if known:
            return tuple(sorted(known))
    return ()


def choose_runs(finished: Iterable[RunFacts], complete: Callable[[RunFacts], bool]) -> list[RunFacts]:
    """The attempt of each run that counts: the highest that is finished, complete and no INFRA_ERROR.

    Args:
        finished: Finished attempts of one repository, in any order; a repeated one replaces its predecessor.
        complete: Whether every event of the attempt has been folded, see `is_complete`.

    Returns:
        At most one per run, by ascending run number.
    """
    best: dict[int, RunFacts] = {}
    for facts in finished:
        held = best.get(facts.run_number)
        if (held is None or facts.attempt >= held.attempt) and not facts.is_infra_error and complete(facts):
            best[facts.run_number] = facts
    return [best[n] for n in sorted(best)]


def is_complete(state: AttemptState | None, facts: RunFacts) -> bool:
    """Whether every event up to the attempt's last has been folded; events past it (late ones) do no harm."""
    return (state.last_seq if state is not None else 0) >= facts.event_count


_EMPTY = RunStats()


def counted_stats(state: AttemptState, facts: RunFacts) -> RunStats:
    """The statistics of the tier that the end-of-run marker names.

    Old metadata and importers may name tier 0 or a tier without events. Then the only tier that has events counts;
    where several have, the highest one, since a fall-back to a later tier discards the earlier tier's events.
    """
    stats = state.tiers.get(facts.tier)
    if stats is None:
        stats = state.tiers[max(state.tiers)] if state.tiers else _EMPTY
    return stats
