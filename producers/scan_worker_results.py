"""Messages made from the result of one scan attempt: status, identity, failed ping, dead letters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from producers.jobs import utc_now
from producers.scan_worker_publish import Encoder, Outgoing
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import (
    DeadHeader,
    DeadLetter,
    Ping,
    RepoIdentity,
    ScanJob,
    ScanStatus,
    StructuralGraph,
)
from stratum_lab.contract.events.dead_letter import MAX_BODY
from stratum_lab.contract.events.scan import State
from stratum_lab.contract.topics import DEAD_LETTERS, MAX_MESSAGE_BYTES, SCAN_GRAPHS
from stratum_lab.errors import DecodeError
from stratum_lab.kafka.consumer import RawMessage
from stratum_lab.ping.build import AttemptFacts, complete
from stratum_lab.ping.checking import Problem
from stratum_lab.ping.previous import PreviousPing
from stratum_lab.scan.view import ScanView

STAGE = "scan"
"""Stage of the dead letters of this worker; their reasons beside those of decoding come next."""
INVALID_PING, GRAPH_TOO_LARGE, WRONG_KEY = "invalid_ping", "graph_too_large", "wrong_key"
FRAME_BYTES = 4096
"""Room for key, headers and framing beside a message's value."""
MOST_NAMES, LONGEST_NAME = 200, 200
"""Bounds of the lists in a status: what they hold comes out of the repository."""


def failed_ping(job: ScanJob, seconds: float, previous: PreviousPing | None) -> Ping:
    """The ping of an attempt of which nothing was measured.

    Args:
        job: The job.
        seconds: Time from the start of the attempt.
        previous: The scan a rescan is compared with.
    """
    facts = AttemptFacts(
        scan_id=job.scan_id,
        emitted_at=datetime.now(UTC),
        seconds=seconds,
        scanner_version=version("stratum-lab"),
    )
    return complete(None, facts, previous)


def status_of(
    job: ScanJob, ping: Ping, view: ScanView | None, reason: str | None, worker: str, state: State = "done"
) -> ScanStatus:
    """The last status of an attempt: its batch record.

    Args:
        job: The job.
        ping: Its ping; repo_hash and score are copied from it, never computed again.
        view: What the scan saw, when there is something.
        reason: Why it failed.
        worker: Name of the worker.
        state: State of the job.
    """
    return ScanStatus(
        job_id=job.job_id,
        attempt=job.attempt,
        scan_id=job.scan_id,
        repo_id=job.repo_id,
        repo_hash=ping.repo_hash,
        state=state,
        status=ping.scan_status,
        reason=reason,
        risk_score=ping.risk_score,
        finding_rules=ping.finding_rules,
        provider_confidence=ping.provider_confidence,
        display_name=job.display_name,
        source=job.source,
        providers=_bounded(view.providers) if view is not None else [],
        models=_bounded(view.models) if view is not None else [],
        frameworks=_bounded(view.frameworks) if view is not None else [],
        agent_count=ping.agent_count,
        finding_count=ping.finding_count,
        at=utc_now(),
        worker=worker,
        campaign_id=job.campaign_id,
        schema_id=ping.schema_id,
    )


def _bounded(names: Sequence[str]) -> list[str]:
    return [name[:LONGEST_NAME] for name in names[:MOST_NAMES]]


def identity_of(job: ScanJob, ping: Ping, address: str, commit: str | None) -> RepoIdentity:
    """Whose content the ping is about."""
    return RepoIdentity(
        repo_id=job.repo_id,
        repo_hash=ping.repo_hash,
        source=job.source,
        address=address,
        display_name=job.display_name or address,
        commit=commit,
        scan_id=job.scan_id,
        at=utc_now(),
    )


def invalid_ping(job: ScanJob, ping: Ping, wrong: Sequence[Problem]) -> DeadLetter:
    """The dead letter of a ping that broke the rules; it names the checks."""
    body = json.dumps(ping.to_json(), default=str, ensure_ascii=False).encode()
    detail = "; ".join(f"{p.check}: {p.message}" for p in wrong[:20])
    return _letter(job, INVALID_PING, detail, body)


def graph_or_letter(encode: Encoder, job: ScanJob, graph: StructuralGraph) -> Outgoing:
    """The graph, or a dead letter instead of one that no message can hold."""
    sent = encode(SCAN_GRAPHS, job.repo_id, graph)
    if len(sent.value) <= MAX_MESSAGE_BYTES - FRAME_BYTES:
        return sent
    detail = f"{len(graph.nodes)} nodes, {len(graph.edges)} edges, {len(sent.value)} bytes"
    return encode(DEAD_LETTERS, job.repo_id, _letter(job, GRAPH_TOO_LARGE, detail, sent.value))


def _letter(job: ScanJob, reason: str, detail: str, body: bytes) -> DeadLetter:
    return DeadLetter(
        key=job.repo_id.encode(),
        stage=STAGE,
        reason=reason,
        detail=detail,
        repo_id=job.repo_id,
        attempt=job.attempt,
        body=body[:MAX_BODY],
        body_length=len(body),
        body_sha256=hashlib.sha256(body).hexdigest(),
        headers=[DeadHeader(key="scan_id", value=job.scan_id.encode())],
    )


def read_job(codec: Codec, message: RawMessage) -> ScanJob:
    """The job in a message.

    Raises:
        DecodeError: It holds none, or its key is not the repository's.
    """
    job = codec.decode(message.value, message.headers, ("ScanJob",))
    assert isinstance(job, ScanJob)
    if message.key != job.repo_id.encode():
        shown = (message.key or b"")[:40].decode("utf-8", "backslashreplace")
        raise DecodeError(WRONG_KEY, f"the key is {shown!r}, the job is about {job.repo_id}")
    return job
