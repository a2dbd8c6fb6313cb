"""The producer: idempotent, acknowledged by all replicas, with a bounded queue and typed failures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as RdProducer

from stratum_lab.contract import topics
from stratum_lab.contract.events import Message as ContractMessage
from stratum_lab.errors import Backpressure, BrokerUnavailable, StratumError
from stratum_lab.kafka.clients import client_config
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.failures import translate, translated
from stratum_lab.settings import Settings

LINGER_MS = 20
DELIVERY_TIMEOUT_S = 60.0
"""A message that is not acknowledged within this has failed."""

_POLL_S = 0.1
_ABORT_FLUSH_S = 5.0
_PURGE_S = 1.0

Headers = Sequence[tuple[str, bytes | None]]


class Producer:
    """Sends messages of the contract; what was not acknowledged is reported by `flush` with counts.

    Args:
        settings: Address, topic prefix, compression and queue length.
        bootstrap: Address to use instead of the settings'.
        overrides: Further librdkafka properties, for tests and special writers.
        delivery_timeout_s: Time a message may stay unacknowledged.
        queue_timeout_s: Time `send` waits for room in a full queue.

    Raises:
        BrokerUnavailable: No broker is configured or started.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        bootstrap: str | None = None,
        overrides: dict[str, Any] | None = None,
        delivery_timeout_s: float = DELIVERY_TIMEOUT_S,
        queue_timeout_s: float | None = None,
    ) -> None:
        self._prefix = settings.kafka.topic_prefix
        self._delivery_timeout_s = delivery_timeout_s
        self._queue_timeout_s = delivery_timeout_s if queue_timeout_s is None else queue_timeout_s
        self._codec = codec(settings)
        config = client_config(settings, bootstrap) | {
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": settings.kafka.compression,
            "linger.ms": LINGER_MS,
            "message.max.bytes": topics.MAX_MESSAGE_BYTES,
            "message.timeout.ms": int(delivery_timeout_s * 1000),
            "queue.buffering.max.messages": settings.kafka.queue_messages,
            "error_cb": self._on_error,
            **(overrides or {}),
        }
        with translated("starting a producer"):
            self._rd = RdProducer(config)
        self.delivered = 0
        self.failed = 0
        self._first_failure: StratumError | None = None
        self._fatal: StratumError | None = None

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = translate(error, "producing")

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
            return
        self.failed += 1
        if self._first_failure is None:
            self._first_failure = translate(error, f"sending to {message.topic()}")

    def send(
        self,
        topic: str,
        key: str | bytes | None,
        message: ContractMessage | None,
        *,
        partition: int | None = None,
    ) -> None:
        """Queue one message of the contract, or a tombstone.

        Args:
            topic: Catalogue name, without the prefix.
            key: Message key.
            message: The message; None deletes the key of a compacted topic.
            partition: Partition, when the key shall not decide.

        Raises:
            Backpressure: The queue stayed full.
            StratumError: The producer failed for good.
        """
        full = topics.full_name(self._prefix, topic)
        if message is None:
            self.send_raw(full, key, None, (), partition=partition)
            return
        encoded = self._codec.encode(message)
        self.send_raw(full, key, encoded.value, encoded.headers, partition=partition)

    def send_raw(
        self,
        full_topic: str,
        key: str | bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> None:
        """Queue bytes as they are, for copies and dead letters.

        Args:
            full_topic: Name on the broker.
            key: Message key.
            value: Message value; None is a tombstone.
            headers: Message headers.
            partition: Partition, when the key shall not decide.
            timestamp_ms: Message time; default: now.

        Raises:
            Backpressure: The queue stayed full.
            StratumError: The producer failed for good, or the message is too large.
        """
        options: dict[str, Any] = {"on_delivery": self._on_delivery, "headers": list(headers)}
        if partition is not None:
            options["partition"] = partition
        if timestamp_ms is not None:
            options["timestamp"] = timestamp_ms
        deadline = time.monotonic() + self._queue_timeout_s
        while True:
            if self._fatal is not None:
                raise self._fatal
            try:
                self._rd.produce(full_topic, value, key, **options)
            except BufferError:
                if time.monotonic() >= deadline:
                    raise Backpressure(
                        f"{len(self._rd)} messages wait for the broker and none left the queue for "
                        f"{self._queue_timeout_s:g} s (kafka.queue_messages)",
                        remedy="`stratum status` shows whether the broker answers; then run the command again",
                    ) from None
                self._rd.poll(_POLL_S)
            except KafkaException as exc:
                raise translate(exc.args[0], f"sending to {full_topic}") from exc
            else:
                self._rd.poll(0)
                return

    def poll(self, timeout_s: float = 0.0) -> int:
        """Let acknowledgements in; returns how many messages have been acknowledged so far."""
        self._rd.poll(timeout_s)
        return self.delivered

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until every message so far is acknowledged.

        Args:
            timeout_s: Time allowed; default: the delivery timeout.

        Raises:
            BrokerUnavailable: Some were not acknowledged in time; the counts are in the message.
            StratumError: The broker refused some for another reason.
        """
        waiting = self._rd.flush(self._delivery_timeout_s + 1 if timeout_s is None else timeout_s)
        failed, first = self.failed, self._first_failure
        self.failed, self._first_failure = 0, None
        if self._fatal is not None:
            raise self._fatal
        if not waiting and not failed:
            return
        counts = f"{self.delivered} messages were acknowledged, {failed} failed, {waiting} still wait"
        if first is not None and not isinstance(first, BrokerUnavailable):
            raise type(first)(f"{first.message}; {counts}", remedy=first.remedy)
        cause = f" ({first.message})" if first is not None else ""
        raise BrokerUnavailable(
            f"the broker did not acknowledge everything: {counts}{cause}",
            remedy="`stratum status`; run the command again when the broker answers, duplicates are dropped",
        )

    def discard(self) -> None:
        """Drop everything that is not acknowledged yet, without reporting it."""
        self._rd.purge()
        self._rd.flush(_PURGE_S)
        self.failed, self._first_failure = 0, None

    def __len__(self) -> int:
        """Messages that are not acknowledged yet."""
        return len(self._rd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if exc is None:
            self.flush()
        else:
            # The caller's error is the one to report; what is queued still gets a short chance.
            self._rd.flush(_ABORT_FLUSH_S)
            self.discard()
