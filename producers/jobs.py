"""Putting jobs into `scan.jobs`: submit, cancel, retry. Every job also gets a `queued` status.

A job is acknowledged before its status is sent: a submitter that dies in between leaves a job that runs, never a
status without a job. The scan_id of every attempt is drawn here and checked against all that `scan.status` knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from producers.job_state import AttemptState, JobStates
from stratum_lab.campaign.sources import Listed, distinct
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import ScanJob, ScanLimits, ScanStatus
from stratum_lab.contract.events.scan import What
from stratum_lab.contract.topics import SCAN_JOBS, SCAN_STATUS
from stratum_lab.errors import DecodeError, UsageError
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import read_topic
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import Settings

CHUNK = 1000
"""Jobs that are acknowledged together before their statuses are sent."""

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of a message, in milliseconds as the log keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True)
class Request:
    """What is asked for, the same for every source of one submission.

    Attributes:
        what: static, runs or both.
        runs: First and last run number, when runs are asked for.
        campaign_id: Campaign, if any.
        limits: Limits that differ from the worker's.
        force: Also what is queued or running already.
    """

    what: What = "static"
    runs: tuple[int, int] | None = None
    campaign_id: str | None = None
    limits: ScanLimits = field(default_factory=ScanLimits)
    force: bool = False

    def check(self) -> None:
        """Whether the parts make sense together.

        Raises:
            UsageError: They do not.
        """
        if self.what != "static" and self.runs is None:
            raise UsageError(f"--what {self.what} needs to know which runs", remedy="add --runs N..M, such as 1..5")
        if self.what == "static" and self.runs is not None:
            raise UsageError("--runs is for jobs that run something", remedy="add --what runs or --what both")


@dataclass
class Submitted:
    """What a submission did; true so far when it was interrupted.

    Attributes:
        jobs: Jobs in the log.
        already: Sources left out because a job for them waits or runs, with that job.
        repeated: Sources named more than once in this submission.
    """

    jobs: list[ScanJob] = field(default_factory=list)
    already: list[tuple[Listed, AttemptState]] = field(default_factory=list)
    repeated: list[Listed] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The document of `--json`; Any: a JSON object."""
        return {
            "submitted": [
                {"job_id": j.job_id, "scan_id": j.scan_id, "repo_id": j.repo_id, "source": j.source} for j in self.jobs
            ],
            "already_queued": [
                {"source": entry.source.text, "job_id": state.job_id, "state": state.state}
                for entry, state in self.already
            ],
            "repeated": [{"source": entry.source.text, "where": entry.where} for entry in self.repeated],
        }


def draw(size: int, taken: set[str] | frozenset[str] = frozenset()) -> str:
    """Random hex digits of `size` bytes that are not taken yet."""
    while (drawn := secrets.token_hex(size)) in taken:
        pass
    return drawn


def queued(job: ScanJob) -> ScanStatus:
    """The first status of a job."""
    return ScanStatus(
        job_id=job.job_id,
        attempt=job.attempt,
        scan_id=job.scan_id,
        repo_id=job.repo_id,
        state="queued",
        source=job.source,
        display_name=job.display_name,
        campaign_id=job.campaign_id,
        at=job.submitted_at,
    )


def publish(settings: Settings, jobs: Sequence[ScanJob], step: Callable[[ScanJob], None] = lambda _: None) -> None:
    """Put jobs and their `queued` statuses into the log.

    Args:
        settings: Where the broker is.
        jobs: The jobs.
        step: Told each job once it and its status are acknowledged.

    Raises:
        BrokerUnavailable: Not everything was acknowledged.
    """
    with Producer(settings) as producer:
        for start in range(0, len(jobs), CHUNK):
            chunk = jobs[start : start + CHUNK]
            for job in chunk:
                producer.send(SCAN_JOBS, job.repo_id, job)
            producer.flush()
            for job in chunk:
                producer.send(SCAN_STATUS, job.repo_id, queued(job))
            producer.flush()
            for job in chunk:
                step(job)


def submit(settings: Settings, states: JobStates, entries: Iterable[Listed], request: Request, done: Submitted) -> None:
    """Submit one job for every source.

    Args:
        settings: Where the broker is.
        states: What `scan.status` holds.
        entries: Sources in the order they shall be taken.
        request: What is asked for.
        done: Filled on the way.

    Raises:
        UsageError: The request makes no sense, or two sources share a repo_id. Nothing was submitted.
        BrokerUnavailable: Not everything was acknowledged.
    """
    request.check()
    wanted, done.repeated = distinct(entries)
    jobs: list[ScanJob] = []
    taken = set(states.scan_ids)
    for entry in wanted:
        open_job = None if request.force else states.open_job(entry.source.repo_id)
        if open_job is not None:
            done.already.append((entry, open_job))
            continue
        scan_id = draw(4, taken)
        taken.add(scan_id)
        jobs.append(
            ScanJob(
                job_id=draw(8),
                scan_id=scan_id,
                repo_id=entry.source.repo_id,
                source=entry.source.text,
                what=request.what,
                run_first=request.runs[0] if request.runs else None,
                run_last=request.runs[1] if request.runs else None,
                campaign_id=request.campaign_id,
                limits=request.limits,
                submitted_at=utc_now(),
                display_name=entry.source.display_name,
                force=request.force,
            )
        )
    ensure_topics(settings, (SCAN_JOBS, SCAN_STATUS))
    publish(settings, jobs, done.jobs.append)


def the_job(states: JobStates, wanted: str) -> AttemptState:
    """The one job that a person means: by job_id or its beginning, by scan_id or by repo_id.

    Raises:
        UsageError: None, or several.
    """
    found = states.find(wanted.strip().lower())
    if len(found) != 1:
        shown = ", ".join(found[:5]) or "none"
        raise UsageError(
            f"{len(found)} jobs go by {wanted[:40]!r}: {shown}",
            remedy="`stratum job list` shows the ids; at least 4 digits of a job_id, a scan_id or a repo_id will do",
        )
    state = states.latest(found[0])
    assert state is not None  # find names known jobs only
    return state


def cancel(settings: Settings, states: Sequence[AttemptState], reason: str) -> None:
    """Mark attempts as cancelled: workers skip those that wait and stop those that run.

    Args:
        settings: Where the broker is.
        states: Attempts that are not final.
        reason: Why; kept in the status.

    Raises:
        BrokerUnavailable: Not everything was acknowledged.
    """
    with Producer(settings) as producer:
        for state in states:
            producer.send(SCAN_STATUS, state.repo_id, cancelled(state, reason))


def cancelled(state: AttemptState, reason: str) -> ScanStatus:
    """The status that cancels an attempt."""
    return ScanStatus(
        job_id=state.job_id,
        attempt=state.attempt,
        scan_id=state.scan_id,
        repo_id=state.repo_id,
        state="cancelled",
        reason=reason,
        source=state.source,
        display_name=state.display_name,
        campaign_id=state.campaign_id,
        at=utc_now(),
    )


def retry(settings: Settings, states: JobStates, wanted: Sequence[AttemptState]) -> list[ScanJob]:
    """A further attempt for each of these jobs, with a scan_id of its own and everything else as submitted.

    Args:
        settings: Where the broker is.
        states: What `scan.status` holds.
        wanted: Last attempts that are final.

    Returns:
        The jobs in the log.

    Raises:
        BrokerUnavailable: Not everything was acknowledged.
    """
    originals = original_jobs(settings, {s.job_id for s in wanted})
    taken = set(states.scan_ids)
    jobs: list[ScanJob] = []
    for state in wanted:
        scan_id = draw(4, taken)
        taken.add(scan_id)
        # A job older than the topic's retention is made again from its status, with the worker's limits.
        base = originals.get(state.job_id) or ScanJob(
            job_id=state.job_id,
            scan_id=scan_id,
            repo_id=state.repo_id,
            source=state.source,
            campaign_id=state.campaign_id,
            display_name=state.display_name,
            submitted_at=utc_now(),
        )
        jobs.append(
            base.model_copy(update={"attempt": state.attempt + 1, "scan_id": scan_id, "submitted_at": utc_now()})
        )
    publish(settings, jobs)
    return jobs


def original_jobs(settings: Settings, job_ids: set[str]) -> dict[str, ScanJob]:
    """The jobs of these ids as they were submitted; those that the topic no longer holds are left out.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    out: dict[str, ScanJob] = {}
    codec = Codec()
    for message in read_topic(settings, SCAN_JOBS):
        try:
            job = codec.decode(message.value, message.headers, ("ScanJob",))
        except DecodeError:
            continue
        assert isinstance(job, ScanJob)
        if job.job_id in job_ids and not job.cancel:
            out.setdefault(job.job_id, job)
    return out
