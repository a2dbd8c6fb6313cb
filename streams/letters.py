"""The dead letters of the stream workers; each has the coordinates of the message that gave rise to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from stratum_lab.contract.events import DeadLetter
from stratum_lab.contract.topics import RUN_STATUS
from streams import metrics
from streams.codecs import AttemptKey
from streams.messages import Raw

STAGE = "streams"
REASON_FOREIGN_KEY = "foreign_key"
REASON_BAD_REPO_ID = "bad_repo_id"
REASON_INVALID_RECORD = "invalid_record"
REASON_STATE_TOO_LARGE = "state_too_large"
REASON_GAP = "gap"


class Letters:
    """Collects the dead letters of one partition.

    Args:
        prefix: Topic prefix.
        partition: Partition number.
    """

    def __init__(self, prefix: str, partition: int) -> None:
        self._prefix, self._partition = prefix, partition
        self._waiting: list[DeadLetter] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> list[DeadLetter]:
        """Those collected so far, once."""
        out, self._waiting = self._waiting, []
        return out

    def _add(self, letter: DeadLetter) -> None:
        metrics.DEAD_LETTERS.labels(letter.reason).inc()
        self._waiting.append(letter)

    def refused(self, m: Raw, reason: str, detail: str) -> None:
        """A message that cannot be used."""
        self._add(
            DeadLetter.from_message(
                topic=self._prefix + m.topic,
                partition=self._partition,
                offset=m.offset,
                key=m.key,
                value=m.value,
                headers=m.headers,
                stage=STAGE,
                reason=reason,
                detail=detail,
            )
        )

    def invalid_record(self, repo_id: str, offset: int, text: str, problems: Sequence[str]) -> None:
        """A record that is not valid; `offset` is that of the last RunFinished in it."""
        letter = DeadLetter.from_message(
            topic=self._prefix + RUN_STATUS,
            partition=self._partition,
            offset=offset,
            key=repo_id.encode(),
            value=text.encode("utf-8", "replace"),
            headers=(),
            stage=STAGE,
            reason=REASON_INVALID_RECORD,
            detail="; ".join(problems),
        )
        self._add(letter.model_copy(update={"repo_id": repo_id}))

    def gap(self, key: AttemptKey, offset: int, ranges: list[list[int]], event_count: int) -> None:
        """A finished attempt closed as incomplete; `offset` is that of its RunFinished."""
        detail = {"missing": ranges, "event_count": event_count}
        self._about(key, RUN_STATUS, offset, REASON_GAP, orjson.dumps(detail).decode())

    def state_too_large(self, key: AttemptKey, topic: str, offset: int, size: int) -> None:
        """An attempt whose statistics do not fit into a message; `offset` is that of its last batch."""
        self._about(key, topic, offset, REASON_STATE_TOO_LARGE, f"the folded state has {size} bytes")

    def _about(self, key: AttemptKey, topic: str, offset: int, reason: str, detail: str) -> None:
        self._add(
            DeadLetter(
                key=key[0].encode(),
                topic=self._prefix + topic,
                partition=self._partition,
                offset=offset,
                stage=STAGE,
                reason=reason,
                detail=detail,
                repo_id=key[0],
                run_number=key[1],
                attempt=key[2],
            )
        )


def missing_ranges(present: Iterable[tuple[int, int]], last: int) -> list[list[int]]:
    """Ranges of 1..last that no given range covers, ascending."""
    out: list[list[int]] = []
    at = 1
    for first, end in sorted(present):
        if at > last:
            break
        if first > at:
            out.append([at, min(first - 1, last)])
        at = max(at, end + 1)
    if at <= last:
        out.append([at, last])
    return out
