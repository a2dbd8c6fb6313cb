"""The scanner of the worker: fetches a source into the job's folder and scans it in a child process."""

from __future__ import annotations

from producers.scan_worker_attempt import Request, Scanned
from stratum_lab.contract.ids import canonical_source
from stratum_lab.observe import logs
from stratum_lab.ping.attempt import failed_attempt, run_attempt
from stratum_lab.scan.fetch import Fetched, FetchError, fetch

_log = logs.get("scan")


def scan_source(request: Request) -> Scanned:
    """Fetch and scan; always a ping, whatever the source does.

    Raises:
        DestinationFull: The scratch disk is full.
        PrerequisiteError: Git is not installed.
    """
    job = request.job
    try:
        fetched = fetch(job.source, request.folder, request.limits, request.stop)
    except FetchError as exc:
        # Also what may work later, such as a host that is away: the attempt is over and `job retry` makes another.
        _log.info("not_fetched", job=job.job_id, reason=exc.reason, error=logs.clean(exc.message))
        ping = failed_attempt(job.scan_id, request.started, request.previous)
        return Scanned(ping, None, None, _address(job.source), None, exc.reason)
    return _scan(request, fetched)


def _scan(request: Request, fetched: Fetched) -> Scanned:
    job = request.job
    attempted = run_attempt(
        fetched.root,
        request.limits,
        scan_id=job.scan_id,
        started=request.started,
        previous=request.previous,
        repo_id=job.repo_id,
        commit=fetched.commit,
        cancelled=request.stop,
    )
    if attempted.reason is not None:
        _log.info("not_scanned", job=job.job_id, reason=attempted.reason, detail=logs.clean(attempted.detail[-500:]))
    return Scanned(attempted.ping, attempted.view, attempted.graph, fetched.address, fetched.commit, attempted.reason)


def _address(source: str) -> str:
    try:
        return canonical_source(source)
    except ValueError:
        return source
