"""Makes pings: `measured` in the process that scanned, `complete` in the one that supervises it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stratum_lab.contract.events import Ping
from stratum_lab.ping.attempt_facts import AttemptFacts, Emission
from stratum_lab.ping.catalogue import EMISSION_GROUPS, FIELDS, FUNCTIONS
from stratum_lab.ping.previous import PreviousPing
from stratum_lab.scan.result import FileFacts, Scan

__all__ = ["AttemptFacts", "complete", "measured", "scan_status"]

_REPO_METADATA = "repo_metadata"
"""The one field of a measured group that a failed ping carries too."""


def measured(scan: Scan) -> dict[str, Any]:
    """Every value that comes from the scan, as JSON can carry it to another process."""
    values = _file_values(scan.files)
    return values | {f.name: FUNCTIONS[f.name](scan) for f in FIELDS if f.group not in EMISSION_GROUPS}


def scan_status(values: Mapping[str, Any] | None) -> str:
    """The status by the four rows of ping.md section 2.

    Args:
        values: What `measured` gave; None when the scan did not end normally.
    """
    if values is None or (values["parser_errors"] and not values["files_scanned"]):
        return "failed"
    if not values["agent_count"]:
        return "empty"
    return "partial" if values["parser_errors"] else "success"


def complete(values: Mapping[str, Any] | None, attempt: AttemptFacts, previous: PreviousPing | None = None) -> Ping:
    """The ping of an attempt: success, partial, empty or failed.

    Args:
        values: What `measured` gave; None when the scan did not end normally.
        attempt: Identity and time of the attempt, and for a failed one the file facts known.
        previous: The ping to compare with; one with the scan_id of this attempt is no previous one.

    Raises:
        pydantic.ValidationError: The values are not those of a ping (a defect, or a tampered message of the child).
    """
    status = scan_status(values)
    if previous is not None and previous.scan_id == attempt.scan_id:
        previous = None
    if values is None:
        files = attempt.files or FileFacts()
        values = _file_values(files) | {_REPO_METADATA: _bare_metadata(files)}
    emission = Emission(attempt, previous, status, values)
    out: dict[str, Any] = {}
    for field in FIELDS:
        if field.conditional and previous is None:
            continue
        if field.group in EMISSION_GROUPS:
            out[field.name] = FUNCTIONS[field.name](emission)
        elif emission.failed and field.name != _REPO_METADATA:
            out[field.name] = None
        else:
            out[field.name] = values[field.name]
    return Ping.from_json(out)


def _file_values(files: FileFacts) -> dict[str, Any]:
    return {
        "repo_hash": files.repo_hash,
        "files_scanned": files.files_scanned,
        "files_total": files.files_total,
        "parser_errors": files.parser_errors,
    }


def _bare_metadata(files: FileFacts) -> dict[str, Any]:
    return {
        "python_file_count": files.python_file_count,
        "yaml_config_count": files.yaml_config_count,
        "total_loc": files.total_loc,
        "primary_framework": None,
        "framework_count": 0,
    }
