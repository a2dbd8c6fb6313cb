"""How far every job is, folded from `scan.status`, and what earlier scans of a repository measured. Pure.

The order in which messages of different attempts and workers arrive does not matter: a state only moves forward, and of
two results of one scan the first counts.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from stratum_lab.contract.events import ScanStatus
from stratum_lab.ping.previous import PreviousPing

RANK = {"queued": 0, "running": 1, "cancelled": 2, "done": 3}
"""A result outranks a cancellation that came too late to prevent it."""
FINAL = frozenset({"cancelled", "done"})
SCAN_STATUSES = ("success", "partial", "empty", "failed")
HISTORY = 8
"""Measured scans that are remembered per repository; a rescan is compared with the one before it."""


@dataclass(frozen=True, slots=True)
class AttemptState:
    """The furthest state of one attempt at a job.

    Most fields are those of `ScanStatus`; `began` says whether it ever ran, `log_ms` when the log took its last news.
    """

    job_id: str
    attempt: int
    scan_id: str
    repo_id: str
    source: str
    state: str
    status: str | None
    reason: str | None
    display_name: str | None
    risk_score: int | None
    agent_count: int | None
    finding_count: int | None
    repo_hash: str | None
    campaign_id: str | None
    worker: str | None
    at: datetime
    began: bool
    log_ms: int

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL

    @property
    def label(self) -> str:
        """One word: the scan status once there is one, else the state."""
        return self.status if self.state == "done" and self.status else self.state

    def to_json(self) -> dict[str, Any]:
        """For `--json`; Any: a JSON object."""
        return {name: getattr(self, name) for name in _COPIED} | {"at": self.at.isoformat()}


_COPIED = tuple(name for name in AttemptState.__slots__ if name not in ("began", "log_ms"))


class _Measured(NamedTuple):
    scan_id: str
    risk_score: int
    finding_rules: tuple[str, ...]
    schema_id: int | None


class JobStates:
    """All jobs by what `scan.status` said so far; feed it every message of the topic in log order per partition."""

    def __init__(self) -> None:
        self._jobs: dict[str, dict[int, AttemptState]] = {}
        self._by_repo: dict[str, str] = {}
        self._history: dict[str, list[_Measured]] = {}
        self.scan_ids: set[str] = set()

    def add(self, status: ScanStatus, log_ms: int = 0) -> None:
        """Take one message.

        Args:
            status: The message.
            log_ms: When the log took it, milliseconds.
        """
        attempts = self._jobs.setdefault(status.job_id, {})
        self.scan_ids.add(status.scan_id)
        known = attempts.get(status.attempt)
        began = status.state == "running" or (known is not None and known.began)
        if known is None or _later(known, status):
            attempts[status.attempt] = _state(status, began, log_ms)
        elif began and not known.began:
            attempts[status.attempt] = replace(known, began=True)
        self._by_repo[status.repo_id] = _newer(self._jobs, self._by_repo.get(status.repo_id), status.job_id)
        self._remember(status)

    def _remember(self, status: ScanStatus) -> None:
        previous = PreviousPing.of_status(status)
        if previous is None:
            return
        history = self._history.setdefault(status.repo_id, [])
        if all(m.scan_id != status.scan_id for m in history):
            rules = tuple(map(sys.intern, sorted(previous.finding_rules)))
            history.append(_Measured(status.scan_id, previous.risk_score, rules, previous.schema_id))
            del history[:-HISTORY]

    def previous(self, repo_id: str, scan_id: str) -> PreviousPing | None:
        """The measured scan before this one, for a rescan; one that is repeated sees what it saw the first time."""
        before: _Measured | None = None
        for measured in self._history.get(repo_id, ()):
            if measured.scan_id == scan_id:
                break
            before = measured
        if before is None:
            return None
        return PreviousPing(before.scan_id, before.risk_score, frozenset(before.finding_rules), before.schema_id)

    def attempt(self, job_id: str, attempt: int) -> AttemptState | None:
        """How far one attempt is; None when nothing was said about it."""
        return self._jobs.get(job_id, {}).get(attempt)

    def latest(self, job_id: str) -> AttemptState | None:
        """The state of a job's last attempt."""
        attempts = self._jobs.get(job_id)
        return attempts[max(attempts)] if attempts else None

    def attempts(self, job_id: str) -> list[AttemptState]:
        """All attempts of a job, in order."""
        return [state for _, state in sorted(self._jobs.get(job_id, {}).items())]

    def open_job(self, repo_id: str) -> AttemptState | None:
        """The newest job of a repository when it still waits or runs."""
        job_id = self._by_repo.get(repo_id)
        state = None if job_id is None else self.latest(job_id)
        return state if state is not None and not state.final else None

    def find(self, wanted: str) -> list[str]:
        """Ids of the jobs that a person may mean: by the beginning of a job_id, by scan_id, or by repo_id."""
        if wanted in self._jobs:
            return [wanted]
        return sorted(
            job_id
            for job_id, attempts in self._jobs.items()
            if (len(wanted) >= 4 and job_id.startswith(wanted))
            or any(wanted in (a.scan_id, a.repo_id) for a in attempts.values())
        )

    def __iter__(self) -> Iterator[AttemptState]:
        """The last attempt of every job, oldest news first."""
        return iter(sorted((a[max(a)] for a in self._jobs.values()), key=lambda s: (s.at, s.job_id)))

    def __len__(self) -> int:
        return len(self._jobs)


def _newer(jobs: dict[str, dict[int, AttemptState]], known: str | None, job_id: str) -> str:
    """Of two jobs of one repository the one that is still open, else the one named last."""
    if known is None or known == job_id:
        return job_id
    attempts = jobs[known]
    return job_id if attempts[max(attempts)].final else known


def _later(known: AttemptState, status: ScanStatus) -> bool:
    if RANK[status.state] != RANK[known.state]:
        return RANK[status.state] > RANK[known.state]
    # The same job runs again after a crash; a cancelled attempt that had begun gets its ping afterwards.
    return status.state == "running" or (status.state == "cancelled" and known.status is None)


def _state(status: ScanStatus, began: bool, log_ms: int) -> AttemptState:
    return AttemptState(**{name: getattr(status, name) for name in _COPIED}, began=began, log_ms=log_ms)


def counts(states: Iterable[AttemptState]) -> dict[str, int]:
    """How many jobs are in each state, and how the done ones ended; every key is there, in this order."""
    found = Counter(s.label for s in states)
    known = ("queued", "running", *SCAN_STATUSES, "cancelled")
    return {name: found.get(name, 0) for name in known}
