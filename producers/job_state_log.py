"""Reading `scan.status`: once for a command, or followed all the time for workers and live displays."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from producers.job_state import JobStates
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import ScanStatus
from stratum_lab.contract.topics import SCAN_STATUS, full_name
from stratum_lab.errors import (
    BrokerUnavailable,
    DecodeError,
    IntegrityError,
    LogIdentityChanged,
    StratumError,
    Transient,
)
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.consumer import Consumer, Partition, RawMessage
from stratum_lab.kafka.reader import all_watermarks, read_topic
from stratum_lab.kafka.topics import ensure_topics, partition_count
from stratum_lab.observe import logs
from stratum_lab.settings import Settings

_log = logs.get("jobs")

FETCH = 500
POLL_S = 0.1
RETRY_S = 1.0
DENIALS = 5
"""How often in a row a broker may deny an offset that it holds: a partition that has just got its leader does."""
_JOIN_S = 5.0


def read_states(settings: Settings) -> JobStates:
    """How far every job is at the time of the call.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    ensure_topics(settings, (SCAN_STATUS,))
    states, codec = JobStates(), Codec()
    for message in read_topic(settings, SCAN_STATUS):
        take(states, codec, message)
    return states


def take(states: JobStates, codec: Codec, message: RawMessage) -> bool:
    """Fold one message; one that cannot be read changes nothing (the sinks make it a dead letter).

    Returns:
        Whether it could be read.
    """
    try:
        status = codec.decode(message.value, message.headers, ("ScanStatus",))
    except DecodeError:
        return False
    assert isinstance(status, ScanStatus)
    states.add(status, message.timestamp_ms)
    return True


class StatusFollower:
    """Keeps `JobStates` up to date in a thread of its own.

    Args:
        settings: Where the broker is.

    Attributes:
        states: Look at it within `with follower.changed:` only.
        changed: Guards `states`; notified whenever something was folded.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = full_name(settings.kafka.topic_prefix, SCAN_STATUS)
        self.states = JobStates()
        self.changed = threading.Condition()
        self._position: dict[Partition, int] = {}
        self._trouble: StratumError | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scan-status", daemon=True)
        ensure_topics(settings, (SCAN_STATUS,))
        self._admin = admin(settings)
        self._counts = {self._topic: partition_count(settings, self._topic)}

    def start(self) -> None:
        """Begin at the start of the log."""
        self._position = {p: low for p, (low, _) in self._marks().items()}
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _marks(self) -> Mapping[Partition, tuple[int, int]]:
        return all_watermarks(self._settings, self._counts, client=self._admin)

    def catch_up(self, timeout_s: float, stop: threading.Event | None = None) -> None:
        """Return when everything that the log held at the time of the call has been folded.

        Raises:
            BrokerUnavailable: Not within the time.
            StratumError: The topic was recreated, or the follower failed for good.
        """
        ends = {p: high for p, (_, high) in self._marks().items()}
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while any(self._position.get(p, 0) < end for p, end in ends.items()):
                self.check()
                if (left := deadline - time.monotonic()) <= 0 or (stop is not None and stop.is_set()):
                    raise BrokerUnavailable(
                        f"{self._topic} could not be read to its end within {timeout_s:g} s", remedy="stratum status"
                    )
                self.changed.wait(min(left, POLL_S))

    def check(self) -> None:
        """Raise what ended the thread, if anything did.

        Raises:
            StratumError: The follower failed for good.
        """
        if self._trouble is not None:
            raise self._trouble
        if not self._thread.is_alive():
            raise IntegrityError(
                f"the thread that reads {self._topic} ended by a defect", remedy="see the log; start it again"
            )

    def _run(self) -> None:
        codec, denied = Codec(), 0
        while not self._end.is_set():
            try:
                with Consumer(
                    self._settings, None, start="error", overrides={"enable.partition.eof": True}
                ) as consumer:
                    consumer.assign(self._position)
                    while not self._end.is_set():
                        self._fold(codec, consumer.consume_batch(FETCH, POLL_S), consumer.ended)
                        denied = 0
            except StratumError as exc:
                denied += isinstance(exc, LogIdentityChanged)
                if not isinstance(exc, Transient | LogIdentityChanged) or denied > DENIALS:
                    with self.changed:
                        self._trouble = exc
                        self.changed.notify_all()
                    return
                _log.warning("status_unread", error=exc.message)
                self._end.wait(RETRY_S)

    def _fold(self, codec: Codec, messages: list[RawMessage], ended: Mapping[Partition, int]) -> None:
        if not messages and all(self._position.get(p, 0) >= end for p, end in ended.items()):
            return
        with self.changed:
            for m in messages:
                take(self.states, codec, m)
                self._position[m.topic, m.partition] = m.offset + 1
            for where, end in ended.items():
                self._position[where] = max(self._position.get(where, 0), end)
            self.changed.notify_all()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
