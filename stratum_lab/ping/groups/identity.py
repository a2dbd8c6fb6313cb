"""Fields of group identity: which attempt, which content, which schema."""

from __future__ import annotations

from datetime import UTC

from stratum_lab.contract.ping_fields import SCHEMA_ID, SCHEMA_VERSIONS
from stratum_lab.ping.attempt_facts import Emission


def scan_id(emission: Emission) -> str:
    """Drawn by the submitter, never from the repository."""
    return emission.attempt.scan_id


def timestamp(emission: Emission) -> str:
    """Time of emission, UTC, with offset and microseconds."""
    return emission.attempt.emitted_at.astimezone(UTC).isoformat(timespec="microseconds")


def version(emission: Emission) -> str:
    """Version of the program."""
    return emission.attempt.scanner_version


def schema_version(emission: Emission) -> str:
    """Label of the schema."""
    return SCHEMA_VERSIONS[SCHEMA_ID]


def repo_hash(emission: Emission) -> str | None:
    """Content of the repository; None when it could not be read."""
    value = emission.measured["repo_hash"]
    return None if value is None else str(value)


def schema_id(emission: Emission) -> int:
    """Number of the schema."""
    return SCHEMA_ID
