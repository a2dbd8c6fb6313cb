"""A thin consumer: batches of raw messages, typed failures, and start offsets given by whoever owns them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from confluent_kafka import Consumer as RdConsumer
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stratum_lab.errors import StratumError
from stratum_lab.kafka.clients import client_config
from stratum_lab.kafka.failures import SETTLING, translate, translated
from stratum_lab.settings import Settings

NO_GROUP = "stratum-no-group"
"""librdkafka wants a group id even where no group is joined and nothing is committed."""

_SETTLE_PAUSE_S = 0.1

MIN_SESSION_S = 6.0
"""Brokers refuse shorter session timeouts."""

Partition = tuple[str, int]
OnAssign = Callable[[list[Partition]], Mapping[Partition, int] | None]
OnRevoke = Callable[[list[Partition]], None]


class RawMessage(NamedTuple):
    """One message as it lies in the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int


class Consumer:
    """Reads raw messages by subscription or by assignment; it never commits by itself.

    Args:
        settings: Address, security and session timeout.
        group: Consumer group; None: only `assign` is used and nothing is committed.
        bootstrap: Address to use instead of the settings'.
        start: Where a partition without an offset starts; `error` raises LogIdentityChanged when an offset is
            not in the log.
        max_poll_interval_s: The group takes the partitions away after this long without `consume_batch`.
        overrides: Further librdkafka properties.

    Attributes:
        ended: Partitions read to their end, with that offset; kept with the property `enable.partition.eof`.

    Raises:
        BrokerUnavailable: No broker is configured or started.
    """

    def __init__(
        self,
        settings: Settings,
        group: str | None,
        *,
        bootstrap: str | None = None,
        start: Literal["earliest", "latest", "error"] = "earliest",
        max_poll_interval_s: float = 300.0,
        overrides: dict[str, Any] | None = None,
    ) -> None:
        session_s = min(max(settings.streams.session_timeout_s, MIN_SESSION_S), max_poll_interval_s)
        config = client_config(settings, bootstrap) | {
            "group.id": group or NO_GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": start,
            "session.timeout.ms": int(session_s * 1000),
            "heartbeat.interval.ms": int(session_s * 1000 / 3),
            "max.poll.interval.ms": int(max_poll_interval_s * 1000),
            "fetch.message.max.bytes": 4 * 1024 * 1024,
            "error_cb": self._on_error,
            **(overrides or {}),
        }
        self._fatal: StratumError | None = None
        self.ended: dict[Partition, int] = {}
        with translated("starting a consumer"):
            self._rd = RdConsumer(config)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._AUTHENTICATION:
            self._fatal = translate(error, "consuming")

    def subscribe(
        self,
        full_topics: Iterable[str],
        *,
        on_assign: OnAssign | None = None,
        on_revoke: OnRevoke | None = None,
        on_lost: OnRevoke | None = None,
    ) -> None:
        """Join the group for these topics.

        Args:
            full_topics: Names on the broker.
            on_assign: Told the partitions gained; may return the offsets to start from.
            on_revoke: Told the partitions that are about to go; commits are still allowed.
            on_lost: Told the partitions that another member already owns; default: `on_revoke`.
        """

        def assigned(rd: RdConsumer, parts: list[TopicPartition]) -> None:
            wanted = on_assign([(p.topic, p.partition) for p in parts]) if on_assign else None
            for p in parts:
                if wanted and (p.topic, p.partition) in wanted:
                    p.offset = wanted[p.topic, p.partition]
            rd.assign(parts)

        def gone(call: OnRevoke | None) -> Callable[[RdConsumer, list[TopicPartition]], None]:
            def tell(_: RdConsumer, parts: list[TopicPartition]) -> None:
                for p in parts:
                    self.ended.pop((p.topic, p.partition), None)
                if call:
                    call([(p.topic, p.partition) for p in parts])

            return tell

        with translated("subscribing"):
            self._rd.subscribe(
                list(full_topics),
                on_assign=assigned,
                on_revoke=gone(on_revoke),
                on_lost=gone(on_lost or on_revoke),
            )

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets, without a group."""
        self.ended.clear()
        with translated("assigning partitions"):
            self._rd.assign([TopicPartition(t, p, o) for (t, p), o in offsets.items()])

    def assignment(self) -> list[Partition]:
        """The partitions this consumer reads now."""
        with translated("asking for the assignment"):
            return [(p.topic, p.partition) for p in self._rd.assignment()]

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset."""
        self.ended.pop(partition, None)
        with translated(f"seeking {partition[0]} [{partition[1]}] to {offset}"):
            self._rd.seek(TopicPartition(*partition, offset))

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Fetch no more from these, while staying in the group."""
        with translated("pausing"):
            self._rd.pause([TopicPartition(*p) for p in partitions])

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Fetch from these again."""
        with translated("resuming"):
            self._rd.resume([TopicPartition(*p) for p in partitions])

    def consume_batch(self, most: int, timeout_s: float) -> list[RawMessage]:
        """Messages that arrive within a time, at most so many; rebalance callbacks run in here.

        Raises:
            LogIdentityChanged: An offset is not in the log (with `start="error"`).
            StratumError: The broker refused, or another member owns the partition now.
        """
        with translated("consuming"):
            found = self._rd.consume(most, timeout_s)
        if self._fatal is not None:
            raise self._fatal
        out: list[RawMessage] = []
        for m in found:
            error = m.error()
            where = (m.topic(), m.partition())
            if error is None:
                self.ended.pop(where, None)
                out.append(
                    RawMessage(*where, m.offset(), m.key(), m.value(), list(m.headers() or ()), m.timestamp()[1])
                )
            elif error.code() == KafkaError._PARTITION_EOF:
                self.ended[where] = m.offset()
            elif error.fatal() or not (error.retriable() or error.code() in SETTLING):
                raise translate(error, f"reading {m.topic()} [{m.partition()}]")
        return out

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the next offset to read of each partition, and wait for the answer.

        Raises:
            Busy: Another member owns a partition now.
            BrokerUnavailable: No answer.
        """
        with translated("committing offsets"):
            done = self._rd.commit(
                offsets=[TopicPartition(t, p, o) for (t, p), o in offsets.items()], asynchronous=False
            )
        for p in done:
            if p.error is not None:
                raise translate(p.error, f"committing {p.topic} [{p.partition}]")

    def committed(self, partitions: Sequence[Partition], timeout_s: float) -> dict[Partition, int]:
        """Committed offsets of the group; partitions without one are left out.

        A coordinator that is just being found or still loads is asked again until the time is up.
        """
        deadline = time.monotonic() + timeout_s
        with translated("asking for committed offsets"):
            while True:
                try:
                    found = self._rd.committed([TopicPartition(*p) for p in partitions], timeout=timeout_s)
                    break
                except KafkaException as exc:
                    if exc.args[0].code() not in SETTLING or time.monotonic() > deadline:
                        raise
                    time.sleep(_SETTLE_PAUSE_S)
        for p in found:
            if p.error is not None:
                raise translate(p.error, f"asking for the committed offset of {p.topic} [{p.partition}]")
        return {(p.topic, p.partition): p.offset for p in found if p.offset >= 0}

    def close(self) -> None:
        """Leave the group; the rebalance callbacks run once more."""
        with translated("closing a consumer"):
            self._rd.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
