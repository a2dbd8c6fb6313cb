"""What `run_metadata_N.json` and `status.json` say, field by field, whatever their state.

Nothing here raises for bad content: a field of the wrong type is named as a problem and kept in `metadata_extra`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from producers.result_folder import MAX_TEXT_FILE, Problem
from stratum_lab.contract.ids import REPO_ID, repo_id

UNKNOWN_STATUS = "UNKNOWN"
"""Status of a run whose metadata names none."""

MAX_ERROR_TAIL = 2000
_INT32 = 2**31
_INT64 = 2**63


@dataclass(frozen=True)
class Metadata:
    """Checked content of one metadata file.

    Attributes:
        fields: Fields of RunFinished that the file gives, under RunFinished's names.
        repo_id: Identity from `repo_url`, or None when there is no usable address.
        events_dropped: What the runner says it dropped.
        extra: JSON text of everything else, or None.
    """

    fields: dict[str, Any]
    repo_id: str | None
    events_dropped: int
    extra: str | None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise TypeError("valid Unicode") from exc
    return value


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value < high:
            raise TypeError(f"an integer from {low} to {high - 1}")
        return value

    return check


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise TypeError("a number of seconds")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError("a list of texts")
    return [_text(v) for v in value]


def _moment(value: Any) -> datetime:
    """ISO 8601; a time without a zone is UTC, as the recorders meant it."""
    try:
        found = datetime.fromisoformat(_text(value))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise TypeError("an ISO 8601 time") from exc
    return found


def _tail(value: Any) -> str:
    return _text(value)[-MAX_ERROR_TAIL:]


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "repo_url": ("repo_url", _text),
    "repo_full_name": ("repo_full_name", _text),
    "attempt": ("attempt", _integer(1, _INT32)),
    "run_id": ("run_id", _text),
    "campaign_id": ("campaign_id", _text),
    "commit": ("commit", _text),
    "exit_code": ("exit_code", _integer(-_INT32, _INT32)),
    "status": ("status", _text),
    "reason": ("reason", _text),
    "tier": ("tier", _integer(0, _INT32)),
    "entry_mode": ("entry_mode", _text),
    "entry_point": ("entry_point", _text),
    "framework_detected": ("framework_detected", _text),
    "framework": ("framework", _text),
    "frameworks_matched": ("frameworks_matched", _texts),
    "events_file": ("events_file", _text),
    "event_count": ("metadata_event_count", _integer(0, _INT64)),
    "timestamp": ("finished_at", _moment),
    "timeout_seconds": ("timeout_seconds", _seconds),
    "duration_seconds": ("duration_seconds", _seconds),
    "model_name": ("model_name", _text),
    "recovered": ("recovered", _flag),
    "harness_variant": ("harness_variant", _text),
    "error_tail": ("error_tail", _tail),
}
"""Key of the file -> field of RunFinished and its check."""

_DROPPED = "events_dropped"
_RUN_NUMBER = "run_number"


def read_text(path: Path, problems: list[Problem]) -> str | None:
    """A small UTF-8 file, or None after naming what is wrong with it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_TEXT_FILE + 1)
    except OSError as exc:
        problems.append(Problem(str(path), f"cannot be read: {exc.strerror}"))
        return None
    if len(raw) > MAX_TEXT_FILE:
        problems.append(Problem(str(path), f"longer than {MAX_TEXT_FILE} bytes; not used"))
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        problems.append(Problem(str(path), f"not UTF-8 ({exc.reason} at byte {exc.start}); not used"))
        return None


def read_metadata(path: Path, run_number: int) -> tuple[Metadata | None, list[Problem]]:
    """Read one metadata file.

    Args:
        path: The file.
        run_number: N of its name, which counts; another number inside is named as a problem.

    Returns:
        The metadata, or None when the file is unreadable or holds no JSON object, and the problems.
    """
    problems: list[Problem] = []
    text = read_text(path, problems)
    if text is None:
        return None, problems
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as exc:
        problems.append(Problem(str(path), f"not JSON: {exc}; the run is taken as one without metadata"))
        return None, problems
    if not isinstance(data, dict):
        problems.append(Problem(str(path), f"a JSON {type(data).__name__}, expected an object; taken as missing"))
        return None, problems
    return _checked(data, path, run_number, problems), problems


def _checked(data: dict[str, Any], path: Path, run_number: int, problems: list[Problem]) -> Metadata:
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    dropped = 0
    for key, value in data.items():
        if value is None and (key in _FIELDS or key in (_DROPPED, _RUN_NUMBER)):
            continue
        try:
            if key in _FIELDS:
                name, check = _FIELDS[key]
                fields[name] = check(value)
            elif key == _DROPPED:
                dropped = _integer(0, _INT64)(value)
            elif key != _RUN_NUMBER:
                extra[key] = value
            elif value != run_number:
                problems.append(
                    Problem(str(path), f"says run {value!r:.40}, its name says {run_number}; the name counts")
                )
                extra[key] = value
        except TypeError as exc:
            problems.append(Problem(str(path), f"{key} is {value!r:.80}, expected {exc}; kept as extra metadata"))
            extra[key] = value
    if not fields.get("status"):
        problems.append(Problem(str(path), f"names no status; taken as {UNKNOWN_STATUS}"))
        fields["status"] = UNKNOWN_STATUS
    identity: str | None = None
    url = fields.get("repo_url")
    try:
        identity = repo_id(url) if url else None
    except ValueError as exc:
        problems.append(Problem(str(path), f"repo_url {url!r:.80} is no address: {exc}"))
    if identity is not None:
        stated = extra.get("repo_hash", extra.get("repo_id", identity))
        if isinstance(stated, str) and REPO_ID.match(stated) and stated != identity:
            problems.append(
                Problem(str(path), f"says repository {stated}, its address gives {identity}; the address counts")
            )
    else:
        problems.append(Problem(str(path), "has no usable repo_url; the repository is taken from the first valid line"))
    return Metadata(fields, identity, dropped, _dump(extra))


def _dump(extra: dict[str, Any]) -> str | None:
    if not extra:
        return None
    try:
        return orjson.dumps(extra).decode()
    except (TypeError, ValueError, RecursionError):
        # Integers beyond 64 bits and lone surrogates: Python's own writer escapes them.
        return json.dumps(extra, separators=(",", ":"), default=str)
