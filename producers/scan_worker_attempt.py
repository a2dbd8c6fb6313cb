"""One job from taking it to what is published for it: a ping always, a graph and an identity where there is content.

What the host is to blame for (broker away, disk full) is waited out and tried again with the same scan_id; it never
becomes a failed ping.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from producers.job_state import AttemptState
from producers.job_state_log import StatusFollower
from producers.jobs import utc_now
from producers.scan_worker_publish import Encoder, Outgoing, Publication
from producers.scan_worker_results import (
    GRAPH_TOO_LARGE,
    INVALID_PING,
    failed_ping,
    graph_or_letter,
    identity_of,
    invalid_ping,
    status_of,
)
from producers.scan_worker_scratch import Scratch
from stratum_lab.contract.events import Ping, ScanJob, ScanStatus, StructuralGraph
from stratum_lab.contract.events.scan import State
from stratum_lab.contract.topics import DEAD_LETTERS, SCAN_IDENTITIES, SCAN_PINGS, SCAN_STATUS
from stratum_lab.errors import StratumError, Transient
from stratum_lab.kafka.consumer import Partition
from stratum_lab.observe import logs
from stratum_lab.ping.previous import PreviousPing
from stratum_lab.ping.validate import problems
from stratum_lab.scan.source.limits import Limits
from stratum_lab.scan.view import ScanView
from stratum_lab.settings import ScanSettings

_log = logs.get("scan")

CATCH_UP_S = 30.0
RETRY_S = 2.0


class Control:
    """Ends an attempt from outside.

    Attributes:
        stop: Set when the attempt shall end now.
        cancelled: A person asked for it, so it still gets its ping; else the worker gives the job up.
        said_running: Whether its status was sent; one that waits for the host begins several times.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.cancelled = False
        self.said_running = False

    def cancel(self) -> None:
        """End it because a person wants that."""
        self.cancelled = True
        self.stop.set()

    def abandon(self) -> None:
        """End it without any result: the job is done again, here or by another worker."""
        self.cancelled = False
        self.stop.set()


@dataclass(frozen=True)
class Task:
    """One job of this worker, with its place in the log."""

    where: Partition
    offset: int
    job: ScanJob
    control: Control = field(default_factory=Control)


class Request(NamedTuple):
    """What a scanner is asked for.

    Attributes:
        job: The job.
        limits: Limits of the attempt.
        previous: The scan a rescan is compared with.
        started: Begin of the attempt, by the monotonic clock.
        folder: Empty folder for what is fetched; removed afterwards.
        stop: Set when the attempt shall end now.
    """

    job: ScanJob
    limits: Limits
    previous: PreviousPing | None
    started: float
    folder: Path
    stop: threading.Event


class Scanned(NamedTuple):
    """What came of one attempt.

    Attributes:
        ping: Always there.
        view: What a report shows; None for failed ones.
        graph: Structural graph; None for failed ones.
        address: Canonical address, without commit.
        commit: Resolved commit.
        reason: Why it failed.
    """

    ping: Ping
    view: ScanView | None
    graph: StructuralGraph | None
    address: str
    commit: str | None
    reason: str | None


class Scanner(Protocol):
    """Fetches a source and scans it.

    It returns a ping for whatever the source does, also after a kill, within the time limit of the request and a few
    seconds; soon after `stop` is set its result no longer matters. It writes into the folder of the request only.
    Calls come from several threads.

    Raises:
        StratumError: With `Transient`: the host is to blame, the call is made again.
    """

    def __call__(self, request: Request) -> Scanned:
        """Fetch and scan."""


class Skipped(NamedTuple):
    """A job for which nothing was done, with the reason, from a closed list."""

    reason: str


class Done(NamedTuple):
    """An attempt that ended, what is published for it, and the reasons of dead letters among that."""

    publication: Publication
    ping: Ping
    reason: str | None
    letters: tuple[str, ...] = ()


Outcome = Skipped | Done | None
"""None: the attempt was given up; nothing is published and the job stays uncommitted."""

SKIPS = ("done_already", "cancelled", "no_static_part", "cancel_message")


def limits_of(job: ScanJob, settings: ScanSettings) -> Limits:
    """The limits of a job: the worker's, where the job does not say otherwise."""
    own = {name: value for name, value in job.limits.model_dump().items() if value is not None}
    return replace(Limits.of(settings), **own)


class Attempts:
    """Does jobs; one instance serves all threads of a worker.

    Args:
        settings: Limits of scans.
        worker: Name of this worker, for statuses.
        scanner: Fetches and scans.
        scratch: Folders.
        follower: What `scan.status` says.
        encode: Makes bytes of messages.
        publish: Takes what is to be sent.
        results_there: Whether the results of a done attempt are in the log.
        waiting: Told with True when an attempt waits for the host, with False when it goes on.
    """

    def __init__(
        self,
        settings: ScanSettings,
        worker: str,
        scanner: Scanner,
        scratch: Scratch,
        follower: StatusFollower,
        encode: Encoder,
        publish: Callable[[Publication], None],
        results_there: Callable[[AttemptState], bool],
        waiting: Callable[[bool], None],
    ) -> None:
        self._settings, self._worker, self._scanner, self._scratch = settings, worker, scanner, scratch
        self._follower, self._publish, self._results_there = follower, publish, results_there
        self._encode, self._waiting = encode, waiting

    def run(self, task: Task) -> Outcome:
        """Do one job; waits out what the host is to blame for.

        Raises:
            StratumError: The worker cannot go on.
        """
        waits = False
        try:
            while not task.control.stop.is_set() or task.control.cancelled:
                try:
                    return self._once(task)
                except StratumError as exc:
                    if not isinstance(exc, Transient):
                        raise
                    if not waits:
                        waits = True
                        self._waiting(True)
                        _log.warning("attempt_waits", job=task.job.job_id, error=exc.message, fix=exc.remedy)
                    if task.control.stop.wait(RETRY_S):
                        return None
            return None
        finally:
            if waits:
                self._waiting(False)

    def _once(self, task: Task) -> Outcome:
        job = task.job
        self._follower.catch_up(CATCH_UP_S, task.control.stop)
        with self._follower.changed:
            state = self._follower.states.attempt(job.job_id, job.attempt)
            previous = self._follower.states.previous(job.repo_id, job.scan_id)
        started = time.monotonic()
        if state is not None and state.state == "cancelled" and state.began and state.status is None:
            # The worker that was to stop it died: what began still gets its ping.
            return self._cancelled(job, started, previous)
        reason = self._skip(job, state)
        if reason is not None:
            return Skipped(reason)
        with self._scratch.folder() as folder:
            if not task.control.said_running:
                self._publish(Publication(statuses=(self._status(job, "running"),)))
                task.control.said_running = True
            limits = limits_of(job, self._settings)
            found = self._scanner(Request(job, limits, previous, started, folder, task.control.stop))
        if task.control.stop.is_set():
            return self._cancelled(job, started, previous) if task.control.cancelled else None
        return self._done(job, found, started, previous)

    def _skip(self, job: ScanJob, state: AttemptState | None) -> str | None:
        if job.cancel:
            if state is None or not state.final:
                self._publish(Publication(statuses=(self._status(job, "cancelled"),)))
            return "cancel_message"
        if job.what == "runs":
            return "no_static_part"
        if state is None:
            return None
        if state.state == "cancelled":
            return "cancelled"
        if state.state == "done" and not job.force and self._results_there(state):
            return "done_already"
        return None

    def _status(self, job: ScanJob, state: str) -> Outgoing:
        message = ScanStatus.model_validate(
            {
                "job_id": job.job_id,
                "attempt": job.attempt,
                "scan_id": job.scan_id,
                "repo_id": job.repo_id,
                "state": state,
                "source": job.source,
                "display_name": job.display_name,
                "campaign_id": job.campaign_id,
                "worker": self._worker,
                "at": utc_now(),
            }
        )
        return self._encode(SCAN_STATUS, job.repo_id, message)

    def _cancelled(self, job: ScanJob, started: float, previous: PreviousPing | None) -> Done:
        """What began gets its ping; the job stays cancelled, for the reason that was given."""
        with self._follower.changed:
            state = self._follower.states.attempt(job.job_id, job.attempt)
        reason = state.reason if state is not None else None
        return self.failure(job, started, previous, reason or "cancelled", state="cancelled")

    def failure(
        self, job: ScanJob, started: float, previous: PreviousPing | None, reason: str, state: State = "done"
    ) -> Done:
        """What is published for an attempt that has no ping of its own.

        Args:
            job: The job.
            started: Begin of the attempt, by the monotonic clock.
            previous: The scan a rescan is compared with.
            reason: Why.
            state: State of the job afterwards.
        """
        ping = failed_ping(job, time.monotonic() - started, previous)
        status = status_of(job, ping, None, reason, self._worker, state)
        publication = Publication(
            (self._encode(SCAN_PINGS, ping.repo_hash or job.scan_id, ping),),
            (self._encode(SCAN_STATUS, job.repo_id, status),),
        )
        return Done(publication, ping, reason)

    def _done(self, job: ScanJob, found: Scanned, started: float, previous: PreviousPing | None) -> Done:
        ping, view, graph, reason = found.ping, found.view, found.graph, found.reason
        results: list[Outgoing] = []
        letters: list[str] = []
        wrong = problems(ping)
        if wrong:
            letters.append(INVALID_PING)
            results.append(self._encode(DEAD_LETTERS, job.repo_id, invalid_ping(job, ping, wrong)))
            ping, view, graph, reason = failed_ping(job, time.monotonic() - started, previous), None, None, INVALID_PING
        results.append(self._encode(SCAN_PINGS, ping.repo_hash or job.scan_id, ping))
        if graph is not None:
            sent = graph_or_letter(self._encode, job, graph)
            if sent.full_topic.endswith(DEAD_LETTERS):
                letters.append(GRAPH_TOO_LARGE)
            results.append(sent)
        if ping.repo_hash is not None or previous is None:
            # The topic keeps the last identity only: an attempt that read nothing must not hide the content known.
            identity = identity_of(job, ping, found.address, found.commit)
            results.append(self._encode(SCAN_IDENTITIES, job.repo_id, identity))
        status = self._encode(SCAN_STATUS, job.repo_id, status_of(job, ping, view, reason, self._worker))
        return Done(Publication(tuple(results), (status,)), ping, reason, tuple(letters))
