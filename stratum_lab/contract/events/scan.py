"""Messages of `scan.jobs`, `scan.status` and `scan.identities`: what to scan, how far it is, whose content it was."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from stratum_lab.contract.events.run import _Message

REPO_ID_FORM = r"^[0-9a-f]{12}$"
JOB_ID_FORM = r"^[0-9a-f]{16}$"
SCAN_ID_FORM = r"^[0-9a-f]{8}$"
REPO_HASH_FORM = r"^[0-9a-f]{16}$"
"""Forms of ids; in the expressions of pydantic `$` is the very end."""

What = Literal["static", "runs", "both"]
State = Literal["queued", "running", "done", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "done", "cancelled")
"""In the order a job goes through them; the last two are final."""


class ScanLimits(_Message):
    """Limits of one scan; null takes the worker's default."""

    timeout_seconds: float | None = Field(None, gt=0, description="Wall-clock time, fetch included.")
    memory_bytes: int | None = Field(None, gt=0, description="Memory of the scanning process.")
    clone_bytes: int | None = Field(None, gt=0, description="Size of the clone or unpacked archive.")
    files: int | None = Field(None, gt=0, description="Files walked.")
    candidate_files: int | None = Field(None, gt=0, description="Files parsed.")
    candidate_bytes: int | None = Field(None, gt=0, description="Bytes of the files parsed.")
    nesting: int | None = Field(None, gt=0, description="Depth of nested syntax.")


class ScanJob(_Message):
    """One thing to do for one repository; taken by `stratum worker scan`."""

    job_id: str = Field(pattern=JOB_ID_FORM, description="16 hex, drawn by the submitter.")
    attempt: int = Field(1, ge=1, description="From 1.")
    scan_id: str = Field(pattern=SCAN_ID_FORM, description="8 hex, drawn by the submitter, once for every attempt.")
    repo_id: str = Field(pattern=REPO_ID_FORM, description="12 hex; the message key.")
    source: str = Field(description="Source address as submitted.")
    what: What = Field("static", description="static, runs or both.")
    run_first: int | None = Field(None, ge=1, description="First run number; null for static jobs.")
    run_last: int | None = Field(None, ge=1, description="Last run number; null for static jobs.")
    campaign_id: str | None = Field(None, description="Campaign, when there is one.")
    limits: ScanLimits = Field(default_factory=lambda: ScanLimits(), description="Limits of the scan.")
    submitted_at: datetime = Field(description="When, UTC.")
    cancel: bool = Field(False, description="Cancels the job of this job_id instead of starting it.")
    display_name: str | None = Field(None, description="Name for lists and reports; never in a ping.")
    force: bool = Field(False, description="Scan although a result for the same job exists.")


class ScanStatus(_Message):
    """How far a job is: the batch record of a scan. Stays in the operator's cluster."""

    job_id: str = Field(pattern=JOB_ID_FORM, description="16 hex; of the job.")
    attempt: int = Field(1, ge=1, description="From 1.")
    scan_id: str = Field(pattern=SCAN_ID_FORM, description="8 hex; of the attempt and its ping.")
    repo_id: str = Field(pattern=REPO_ID_FORM, description="12 hex; the message key.")
    repo_hash: str | None = Field(None, pattern=REPO_HASH_FORM, description="Copied from the ping; null before it.")
    state: State = Field(description="queued, running, done or cancelled.")
    status: str | None = Field(None, description="scan_status of the ping once done: success, partial, failed, empty.")
    reason: str | None = Field(None, description="Why it failed, or was cancelled.")
    risk_score: int | None = Field(None, description="Of the ping.")
    finding_rules: list[str] | None = Field(None, description="Of the ping.")
    provider_confidence: str | None = Field(None, description="Of the ping.")
    display_name: str | None = Field(None, description="Name for lists and reports.")
    source: str = Field(description="Source address as submitted.")
    providers: list[str] = Field(default_factory=list, description="Provider slugs, sorted.")
    models: list[str] = Field(default_factory=list, description="Model identifiers, sorted.")
    frameworks: list[str] = Field(default_factory=list, description="Detected frameworks, sorted.")
    agent_count: int | None = Field(None, description="Of the ping.")
    finding_count: int | None = Field(None, description="Of the ping.")
    at: datetime = Field(description="When, UTC, by the writer's clock.")
    worker: str | None = Field(None, description="Name of the worker that had the job.")
    campaign_id: str | None = Field(None, description="Campaign, when there is one.")
    schema_id: int | None = Field(None, description="Schema of the ping.")


class RepoIdentity(_Message):
    """Whose content a repo_hash is. Never leaves the operator's cluster."""

    repo_id: str = Field(pattern=REPO_ID_FORM, description="12 hex; the message key.")
    repo_hash: str | None = Field(None, pattern=REPO_HASH_FORM, description="Null when the content was unreadable.")
    source: str = Field(description="Source address as submitted.")
    address: str = Field(description="Canonical address, without commit.")
    display_name: str = Field(description="Name for lists and reports.")
    commit: str | None = Field(None, description="Resolved commit; null for folders and archives.")
    scan_id: str = Field(pattern=SCAN_ID_FORM, description="Scan that found it.")
    at: datetime = Field(description="When, UTC.")
