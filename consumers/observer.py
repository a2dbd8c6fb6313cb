"""What a sink shows of itself, beside its work: group offsets, lag, metrics; and whether its topics are the same still.

Everything here talks to the broker in a thread of its own, so that a broker that does not answer never delays a
transaction or a stop. Failures are counted, not raised: none of it decides what is stored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from stratum_lab.errors import Busy, IntegrityError, LogIdentityChanged, StratumError
from stratum_lab.kafka.consumer import Consumer, Partition
from stratum_lab.kafka.reader import all_watermarks
from stratum_lab.kafka.topics import partition_counts, topic_ids
from stratum_lab.observe import logs
from stratum_lab.settings import Settings

_log = logs.get("sink")

COMMIT_S = 1.0
LOOK_S = 5.0
_JOIN_S = 3.0


class Observer:
    """Commits a sink's offsets for display, measures lag, watches topic identities, and keeps its metrics.

    Args:
        settings: Where the broker is.
        name: The sink; part of every metric's name.
        topics: Full names.
        group: Group whose offsets show how far the sink is.
        port: Prometheus port; 0: none.

    Raises:
        Busy: The port is taken.
    """

    def __init__(self, settings: Settings, name: str, topics: Sequence[str], group: str, port: int) -> None:
        self._settings, self._topics, self._group = settings, topics, group
        self.trouble: StratumError | None = None
        self._ids: Mapping[str, str] = {}
        self._partitions = 0
        # Guards _latest and _uncommitted, which the loop fills and the thread empties.
        self._lock = threading.Lock()
        self._latest: dict[Partition, int] = {}
        self._uncommitted: dict[Partition, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"{name}-observer", daemon=True)
        registry = CollectorRegistry()
        area = f"stratum_{name}"
        self._rows = Counter(f"{area}_rows_total", "New rows stored.", registry=registry)
        self._letters = Counter(f"{area}_dead_letters_total", "Messages refused.", ["reason"], registry=registry)
        self._errors = Counter(f"{area}_broker_errors_total", "Calls to the broker that failed.", registry=registry)
        self._rewound = Gauge(f"{area}_rewound_messages", "Messages read again at the last start.", registry=registry)
        self._lag = Gauge(f"{area}_lag_messages", "Messages in the log that are not stored.", registry=registry)
        self._paused = Gauge(f"{area}_paused", "1 while the destination has no room.", registry=registry)
        self._committed = time.monotonic()
        age = Gauge(f"{area}_commit_age_seconds", "Seconds since the last transaction.", registry=registry)
        age.set_function(lambda: time.monotonic() - self._committed)
        if port:
            try:
                start_http_server(port, addr="127.0.0.1", registry=registry)
            except OSError as exc:
                raise Busy(
                    f"metrics of the {name} sink cannot listen on port {port}: {exc.strerror}",
                    remedy="set the metrics_port to a free port, or to 0",
                ) from exc

    def start(self, ids: Mapping[str, str], offsets: Mapping[Partition, int]) -> None:
        """Begin to watch topics of these identities, stored up to these offsets.

        The group is set to them at once: a process that died between a transaction and its commit left it behind.
        """
        self._ids, self._partitions = ids, len(offsets)
        self._latest, self._uncommitted = dict(offsets), dict(offsets)
        self._thread.start()

    def stop(self) -> None:
        """Commit once more and end, within a few seconds."""
        self._end.set()
        self._thread.join(_JOIN_S)

    def stored(self, offsets: Mapping[Partition, int], rows: int) -> None:
        """A transaction is through."""
        self._committed = time.monotonic()
        self._rows.inc(rows)
        with self._lock:
            self._latest.update(offsets)
            self._uncommitted.update(offsets)

    def rewound(self, messages: int) -> None:
        """So many messages are read again after a crash."""
        self._rewound.set(messages)

    def dead_letter(self, reason: str) -> None:
        """A message was refused."""
        self._letters.labels(reason).inc()

    def paused(self, state: bool) -> None:
        """The destination is full, or has room again."""
        self._paused.set(int(state))

    def failed(self, error: StratumError) -> None:
        """A call to the broker failed; it is made again."""
        self._errors.inc()
        _log.warning("broker_error", error=error.message)

    def _watch(self) -> None:
        try:
            with Consumer(self._settings, self._group) as consumer:
                looked = time.monotonic()
                while not self._end.wait(COMMIT_S):
                    self._try_commit(consumer)
                    if time.monotonic() - looked >= LOOK_S:
                        self._look()
                        looked = time.monotonic()
                self._try_commit(consumer)
        except StratumError as exc:
            self.failed(exc)

    def _try_commit(self, consumer: Consumer) -> None:
        with self._lock:
            waiting, self._uncommitted = self._uncommitted, {}
        if not waiting:
            return
        try:
            consumer.commit(waiting)
        except StratumError as exc:
            self.failed(exc)
            with self._lock:
                self._uncommitted = {**waiting, **self._uncommitted}

    def _look(self) -> None:
        """Identity and number of partitions of the topics, then the lag."""
        try:
            for topic, mark in topic_ids(self._settings, list(self._topics)).items():
                if mark != self._ids[topic]:
                    self.trouble = LogIdentityChanged(
                        f"{topic} was recreated while it was read: its identity is {mark}, it was {self._ids[topic]}",
                        remedy="start the sink again; it then says what to do",
                    )
            counts = partition_counts(self._settings)
            if sum(counts.get(t, 0) for t in self._topics) != self._partitions:
                self.trouble = IntegrityError(
                    "the number of partitions changed while the sink was running",
                    remedy="start the sink again; it then reads all of them",
                )
            with self._lock:
                latest = dict(self._latest)
            marks = all_watermarks(self._settings, {t: counts[t] for t in self._topics if t in counts})
            self._lag.set(sum(max(0, high - latest.get(where, low)) for where, (low, high) in marks.items()))
        except StratumError as exc:
            self.failed(exc)
