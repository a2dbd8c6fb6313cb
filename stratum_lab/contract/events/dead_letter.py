"""Message of `dead.letters`: one input that could not be used, as it came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Self

from pydantic import Field

from stratum_lab.contract.events.run import _Message

MAX_BODY = 256 * 1024
"""Bytes of the original that a dead letter keeps."""


class DeadHeader(_Message):
    """One header of the original message."""

    key: str
    value: bytes | None


class DeadLetter(_Message):
    """One input that could not be used, with where it came from and why it was refused."""

    key: bytes | None = Field(None, description="Original message key.")
    topic: str | None = Field(None, description="Topic it came from; None for a file.")
    partition: int | None = None
    offset: int | None = None
    source_file: str | None = Field(None, description="File it came from; None for a message.")
    source_line: int | None = Field(None, description="Its line, from 1.")
    stage: str = Field(description="Which part refused it: import, streams, warehouse, ...")
    reason: str = Field(description="Reason, from a closed list per stage.")
    detail: str | None = Field(None, description="One sentence, or a JSON object.")
    repo_id: str | None = None
    run_number: int | None = None
    attempt: int | None = None
    body: bytes | None = Field(None, description="The original bytes, at most MAX_BODY of them.")
    body_length: int = Field(0, description="Full length, bytes.")
    body_sha256: str | None = Field(None, description="Of the full body.")
    headers: list[DeadHeader] = Field(default_factory=list)

    @classmethod
    def from_message(
        cls,
        *,
        topic: str,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]],
        stage: str,
        reason: str,
        detail: str | None = None,
    ) -> Self:
        """Build the dead letter of a Kafka message."""
        body = value or b""
        return cls(
            key=key,
            topic=topic,
            partition=partition,
            offset=offset,
            stage=stage,
            reason=reason,
            detail=detail,
            body=body[:MAX_BODY],
            body_length=len(body),
            body_sha256=hashlib.sha256(body).hexdigest(),
            headers=[DeadHeader(key=k, value=v) for k, v in headers],
        )

    @classmethod
    def from_line(
        cls,
        *,
        source_file: str,
        source_line: int,
        body: bytes,
        reason: str,
        detail: str | None = None,
        repo_id: str | None = None,
        run_number: int | None = None,
        attempt: int | None = None,
        stage: str = "import",
        length: int | None = None,
        sha256: str | None = None,
    ) -> Self:
        """Build the dead letter of a line; `length` and `sha256` are given when `body` is already cut."""
        return cls(
            source_file=source_file,
            source_line=source_line,
            stage=stage,
            reason=reason,
            detail=detail,
            repo_id=repo_id,
            run_number=run_number,
            attempt=attempt,
            body=body[:MAX_BODY],
            body_length=len(body) if length is None else length,
            body_sha256=hashlib.sha256(body).hexdigest() if sha256 is None else sha256,
        )
