"""Pings as they lie around: in files (one JSON object, or JSON Lines) and on the topic, whatever their schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stratum_lab.contract.events import Ping, PingDocument, ScanStatus
from stratum_lab.contract.topics import BY_NAME, SCAN_PINGS, SCAN_STATUS
from stratum_lab.errors import DecodeError, UsageError
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.reader import read_topic
from stratum_lab.ping.schemas import schema_of
from stratum_lab.ping.upconvert import parse
from stratum_lab.settings import Settings

MAX_FILE_BYTES = 1 << 30
"""Files above it are refused unread."""


class FoundPing(NamedTuple):
    """One thing that should be a ping.

    Attributes:
        where: File and line, or topic, partition and offset.
        values: The JSON object; None when there is none.
        error: Why there is none.
        body: The text it came as; empty for messages that are not text.
    """

    where: str
    values: dict[str, Any] | None
    error: str = ""
    body: str = ""


def pings_of_file(path: Path) -> Iterator[FoundPing]:
    """The pings of a file: one object over the whole file, or one a line; blank lines are skipped.

    Raises:
        UsageError: The file cannot be read, is too large, or is no UTF-8.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path} has {path.stat().st_size} bytes, at most {MAX_FILE_BYTES} are read")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read: {exc}") from exc
    whole = _found(str(path), text)
    if whole.values is not None:
        yield whole
        return
    # Lines end at LF alone: other separators may stand within a JSON string.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _found(f"{path}:{number}", line)


def _found(where: str, text: str) -> FoundPing:
    try:
        return FoundPing(where, parse(text), body=text.strip())
    except DecodeError as exc:
        return FoundPing(where, None, exc.message)


def pings_of_topic(settings: Settings) -> Iterator[FoundPing]:
    """Every ping on `scan.pings` at the time of the call.

    Raises:
        BrokerUnavailable: The broker does not answer.
        PrerequisiteError: There is no such topic.
    """
    decoder = codec(settings)
    for m in read_topic(settings, SCAN_PINGS):
        where = f"{m.topic}[{m.partition}]@{m.offset}"
        try:
            message = decoder.decode(m.value, m.headers, BY_NAME[SCAN_PINGS].messages)
        except DecodeError as exc:
            yield FoundPing(where, None, f"{exc.reason}: {exc.message}")
            continue
        if isinstance(message, Ping):
            yield FoundPing(where, message.to_json())
        elif isinstance(message, PingDocument):
            yield _found(where, message.body)


def statuses_of_topic(settings: Settings) -> Iterator[ScanStatus]:
    """Every record of `scan.status` that can be read. Raises as `pings_of_topic`."""
    decoder = codec(settings)
    for m in read_topic(settings, SCAN_STATUS):
        try:
            message = decoder.decode(m.value, m.headers, BY_NAME[SCAN_STATUS].messages)
        except DecodeError:
            continue  # dead letters tell of it
        if isinstance(message, ScanStatus):
            yield message


def as_document(found: FoundPing) -> PingDocument:
    """The message that carries a ping of any schema as it came.

    Raises:
        UsageError: It has no scan_id.
    """
    values = found.values or {}
    scan_id, repo_hash = values.get("scan_id"), values.get("repo_hash")
    if not isinstance(scan_id, str):
        raise UsageError(f"{found.where} has no scan_id")
    return PingDocument(
        scan_id=scan_id,
        schema_id=schema_of(values),
        repo_hash=repo_hash if isinstance(repo_hash, str) else None,
        body=found.body,
    )
