"""What a ping says about the attempt rather than about the repository, and the earlier ping it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stratum_lab.ping.previous import PreviousPing
from stratum_lab.scan.result import FileFacts


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """Facts of one scan attempt, known to the process that supervises it.

    Attributes:
        scan_id: 8 hex, drawn by whoever submitted the job.
        emitted_at: When the ping is emitted, UTC.
        seconds: Time from the start of the attempt to the emission, by a monotonic clock.
        scanner_version: Version of the program.
        files: What is known of the tree when the scan did not end normally; None when nothing is.
    """

    scan_id: str
    emitted_at: datetime
    seconds: float
    scanner_version: str
    files: FileFacts | None = None


@dataclass(frozen=True, slots=True)
class Emission:
    """Everything the fields about the attempt are made of.

    Attributes:
        attempt: The attempt.
        previous: The ping a rescan is compared with, None on a first scan.
        status: scan_status.
        measured: Values measured by the scan; for a failed one only those that stay.
    """

    attempt: AttemptFacts
    previous: PreviousPing | None
    status: str
    measured: Mapping[str, Any] = field(default_factory=dict)  # Any: values of a JSON object

    @property
    def failed(self) -> bool:
        """Whether the ping carries no measurement."""
        return self.status == "failed"
