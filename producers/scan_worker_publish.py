"""Sends results from a thread of its own: those of a scan first, its `done` status once they are acknowledged.

While the broker is away everything waits here and is sent again later: nothing is reported as published, so no job is
committed. A result that is sent twice carries the same scan_id.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stratum_lab.contract.events import Message
from stratum_lab.contract.topics import full_name
from stratum_lab.errors import IntegrityError, StratumError, Transient
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.producer import Headers, Producer
from stratum_lab.observe import faults, logs
from stratum_lab.settings import Settings

_log = logs.get("scan")

RETRY_S = 1.0
DELIVERY_S = 20.0
TOGETHER = 50
"""Publications that share one wait for acknowledgements."""


class Outgoing(NamedTuple):
    """One message as bytes."""

    full_topic: str
    key: str | bytes | None
    value: bytes
    headers: Headers


class Encoder:
    """Makes bytes of messages, in the thread that made the message: one that no schema holds is its own defect.

    Args:
        settings: Topic prefix and registry.

    Raises:
        SchemaMismatch: The registry holds other schemas under our names.
        BrokerUnavailable: The registry does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._prefix, self._codec = settings.kafka.topic_prefix, codec(settings)

    def __call__(self, topic: str, key: str | bytes | None, message: Message) -> Outgoing:
        """Encode one message.

        Args:
            topic: Catalogue name.
            key: Message key.
            message: The message.

        Raises:
            ValueError: A field does not fit its schema.
        """
        encoded = self._codec.encode(message)
        return Outgoing(full_name(self._prefix, topic), key, encoded.value, encoded.headers)


@dataclass(frozen=True)
class Publication:
    """What is sent together.

    Attributes:
        results: Sent first.
        statuses: Sent when the results are acknowledged.
        through: Called, in the publisher's thread, when all of it is acknowledged.
    """

    results: tuple[Outgoing, ...] = ()
    statuses: tuple[Outgoing, ...] = ()
    through: Callable[[], None] | None = None


class Publisher:
    """Takes publications from any thread and sends them in their order.

    Args:
        settings: Where the broker is.
        failed: Told of each failure that is tried again.
    """

    def __init__(self, settings: Settings, failed: Callable[[StratumError], None]) -> None:
        self._settings, self._failed = settings, failed
        self._waiting: queue.SimpleQueue[Publication | None] = queue.SimpleQueue()
        self._abandon = threading.Event()
        self._open = 0
        self._counting = threading.Lock()  # guards _open, which other threads add to
        self._thread = threading.Thread(target=self._run, name="scan-publisher", daemon=True)
        self._trouble: StratumError | None = None
        self._producer: Producer | None = None
        self._thread.start()

    def put(self, publication: Publication) -> None:
        """Send this after everything before it."""
        with self._counting:
            self._open += 1
        self._waiting.put(publication)

    @property
    def busy(self) -> bool:
        """Whether anything is not acknowledged yet."""
        return self._open > 0

    def check(self) -> None:
        """Raise what ended the thread, if anything did.

        Raises:
            StratumError: The broker refuses what is sent.
        """
        if self._trouble is not None:
            raise self._trouble
        if not self._thread.is_alive():
            raise IntegrityError(
                "the thread that publishes results ended by a defect", remedy="see the log; start the worker again"
            )

    def close(self, timeout_s: float) -> bool:
        """Send what waits, for at most this long.

        Returns:
            Whether everything was acknowledged.
        """
        self._waiting.put(None)
        self._thread.join(max(timeout_s, 0.0))
        ended = not self._thread.is_alive()
        self._abandon.set()
        return ended and self._trouble is None

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._next()
            if batch and not self._send(batch):
                return

    def _next(self) -> tuple[list[Publication], bool]:
        """What waits now, at least one; and whether it is the last."""
        batch: list[Publication] = []
        item = self._waiting.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= TOGETHER:
                return batch, False
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _send(self, batch: list[Publication]) -> bool:
        """Whether it was sent; False when the worker ends before that."""
        while not self._abandon.is_set():
            try:
                self._once(batch)
                return True
            except StratumError as exc:
                self._failed(exc)
                self._drop()
                if not isinstance(exc, Transient):
                    self._trouble = exc
                    return False
                self._abandon.wait(RETRY_S)
        return False

    def _once(self, batch: list[Publication]) -> None:
        """1. Results. 2. Their acknowledgement. 3. Statuses. 4. Their acknowledgement. 5. Told."""
        if self._producer is None:
            self._producer = Producer(self._settings, delivery_timeout_s=DELIVERY_S)
        for outgoing in (o for p in batch for o in p.results):
            self._producer.send_raw(*outgoing)
        if any(p.results for p in batch):
            self._producer.flush()
            faults.point("scan.results_sent")
        for outgoing in (o for p in batch for o in p.statuses):
            self._producer.send_raw(*outgoing)
        if any(p.statuses for p in batch):
            self._producer.flush()
        faults.point("scan.status_sent")
        for publication in batch:
            if publication.through is not None:
                publication.through()
        with self._counting:
            self._open -= len(batch)

    def _drop(self) -> None:
        """A producer that failed is not used again: what it still holds must not arrive after what is sent next."""
        if self._producer is not None:
            self._producer.discard()
            self._producer = None
