"""Baselines for `stratum scan --ci`: findings a team has accepted, so that only new critical ones stop a build."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stratum_lab.errors import UsageError
from stratum_lab.files import write_whole
from stratum_lab.scan.view import FindingView, InstanceView, ScanView


class Accepted(BaseModel):
    """One accepted place; only `fingerprint` is compared, the rest is for the reader of the file."""

    model_config = ConfigDict(extra="forbid")

    rule: str
    fingerprint: str
    file: str | None = None
    text: str = ""


class Baseline(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(1, ge=1, le=1)
    accepted: list[Accepted] = Field(default_factory=list)


def fingerprint(rule: str, instance: InstanceView) -> str:
    """16 hex that stay when lines move: rule, file, crew and subjects."""
    place = instance.place.file if instance.place is not None else ""
    parts = [rule, place, instance.crew or "", *instance.subjects]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def read(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: The file is missing or is no baseline.
    """
    try:
        return Baseline.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise UsageError(
            f"the baseline {path} cannot be read: {exc.strerror}",
            remedy="write one with `stratum scan PATH --write-baseline FILE`",
        ) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(
            f"the baseline {path} is no baseline: {where}: {first['msg']}",
            remedy="write it again with `stratum scan PATH --write-baseline FILE`",
        ) from exc


def write(path: Path, view: ScanView) -> int:
    """Write every place of every critical finding as accepted; returns how many."""
    accepted = [
        Accepted(
            rule=finding.rule,
            fingerprint=fingerprint(finding.rule, instance),
            file=instance.place.file if instance.place is not None else None,
            text=instance.text,
        )
        for finding in view.findings
        if finding.adjusted == "CRITICAL"
        for instance in finding.instances
    ]
    document = Baseline(version=1, accepted=accepted).model_dump()
    write_whole(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    return len(accepted)


def new_criticals(view: ScanView, baseline: Baseline) -> list[tuple[FindingView, list[InstanceView]]]:
    """Critical findings with the places the baseline does not hold."""
    held = {(item.rule, item.fingerprint) for item in baseline.accepted}
    out = []
    for finding in view.findings:
        if finding.adjusted != "CRITICAL":
            continue
        fresh = [i for i in finding.instances if (finding.rule, fingerprint(finding.rule, i)) not in held]
        if fresh:
            out.append((finding, fresh))
    return out
