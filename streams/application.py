"""The Faust application: wires the log, the table, the partitions and the commits together."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import faust
from faust.types import TP
from prometheus_client import start_http_server

from stratum_lab.contract.topics import MAX_MESSAGE_BYTES, REPO_RECORDS, base_name, full_name
from stratum_lab.errors import GapDetected, IntegrityError, LogIdentityChanged
from stratum_lab.kafka.address import bootstrap
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.topics import ensure_topics, partition_counts, topic_ids
from stratum_lab.observe import garbage, logs
from stratum_lab.settings import Settings
from streams import metrics
from streams.agents.fold import attach
from streams.credentials import credentials
from streams.ending import end_process, ends_process
from streams.messages import SOURCES, Raw
from streams.outlet import KafkaLog, KafkaOutlet
from streams.owner import Owner, Where
from streams.partition import Partition
from streams.supervisor import SUPERVISOR_ENV
from streams.tables import STATE_TABLE, StateTable
from streams.transport import CheckpointConsumer, CheckpointTransport

BUFFER_MESSAGES = 64
"""Messages between consumer and agent, those that could not be folded as they were read; at most 900 kB each."""

FETCH_BYTES = 4 * 1024 * 1024
POLL_RECORDS = 500
STOP_FLUSH_S = 5.0
"""Time the last checkpoint of revoked partitions may take."""

PULSE_S = 0.5

log = logs.get("streams.app")


class Unsettled(NamedTuple):
    """Since when, on the monotonic clock, partitions are awaited, and how much was replayed then."""

    since: float
    replayed: int


class StreamsApp(faust.App):
    """Faust application that folds runs into records.

    Attributes:
        stratum: Settings of this process.
        owner: The partitions of this process; None until the worker starts.
    """

    stratum: Settings
    folded: StateTable
    owner: Owner | None = None
    _unsettled: Unsettled | None = None

    def _new_transport(self) -> CheckpointTransport:
        return CheckpointTransport(self.conf.broker_consumer, self)

    async def on_first_start(self) -> None:
        """Before anything is consumed: topics exist, counts agree."""
        self.stratum.faust_dir.mkdir(parents=True, exist_ok=True)
        await super().on_first_start()
        with ends_process:
            await asyncio.to_thread(self._prepare)
        garbage.tune()
        self._pulse_at = time.monotonic()
        self._unsettled = Unsettled(time.monotonic(), 0)
        self.add_future(self.pulse())  # tasks of the application start only after the first recovery
        if self.stratum.streams.metrics_port:
            start_http_server(self.stratum.streams.metrics_port)

    def _prepare(self) -> None:
        settings = self.stratum
        ensure_topics(settings)
        self._ids = {
            base_name(settings.kafka.topic_prefix, full): identity
            for full, identity in topic_ids(settings, SOURCES).items()
        }
        counts = partition_counts(settings)
        number = counts[full_name(settings.kafka.topic_prefix, SOURCES[0])]
        changelog = self.folded.changelog_topic_name
        if counts.get(changelog, number) != number:
            raise IntegrityError(
                f"changelog {changelog} has {counts[changelog]} partitions, its sources have {number}",
                remedy="set streams.app_id to a new name; the state is folded again from the log",
            )
        self.folded.changelog_topic.partitions = number
        outlet = KafkaOutlet(settings, changelog)
        self.owner = Owner(
            KafkaLog(settings),
            outlet,
            incomplete_after_s=settings.streams.incomplete_after_s,
            alive=self.check_pulse,
        )

    # Partitions

    async def recovered(self, numbers: set[int]) -> None:
        """Take over the partitions whose changelog was replayed; those kept go on as they are."""
        with ends_process:  # Faust would consume without state
            await self._recovered(numbers)

    async def _recovered(self, numbers: set[int]) -> None:
        assert self.owner is not None
        assigned = {tp for tp in self.consumer.assignment() if self._where(tp)[0] in SOURCES}
        self.owner.disown([n for n in self.owner.partitions if n not in numbers or self._is_fresh(n)])
        fresh = sorted(n for n in numbers if self._is_fresh(n))
        self.owner.suspended = False
        self._unsettled = None
        if not fresh:
            return
        records = full_name(self.stratum.kafka.topic_prefix, REPO_RECORDS)
        tps = [tp for tp in assigned if tp.partition in fresh]
        low = {self._where(tp): offset for tp, offset in (await self.consumer.earliest_offsets(*tps)).items()}
        high = {
            self._where(tp): offset
            for tp, offset in (await self.consumer.highwaters(*tps, *(TP(records, n) for n in fresh))).items()
        }
        reader = await asyncio.to_thread(codec, self.stratum)
        parts = []
        for number in fresh:
            part = Partition(
                number,
                self.folded.shards.setdefault(number, {}),
                low={topic: low.get((topic, number)) or 0 for topic in SOURCES},
                codec=reader,
                epoch=secrets.randbits(32),
                hold=self._hold(number, high),
                prefix=self.stratum.kafka.topic_prefix,
                topics=self._ids,
            )
            self._check_identity(part, high)
            parts.append(part)
        self.owner.own(parts)
        log.info("partitions recovered", partitions=fresh)

    def _hold(self, number: int, high: Mapping[Where, int | None]) -> dict[str, int]:
        """What to fold before the first emission: nothing where nothing was ever emitted."""
        if not high.get((REPO_RECORDS, number)):
            return {}
        return {topic: high.get((topic, number)) or 0 for topic in SOURCES}

    def _is_fresh(self, number: int) -> bool:
        """Whether the changelog of a partition was replayed, so that its live state must be built again."""
        assert self.owner is not None
        part = self.owner.partitions.get(number)
        return part is None or part.stored is not self.folded.shards.get(number)

    def _check_identity(self, part: Partition, high: Mapping[Where, int | None]) -> None:
        for topic in SOURCES:
            end = high.get((topic, part.number)) or 0
            if topic in part.lost:
                raise LogIdentityChanged(
                    f"{topic} [{part.number}] begins at {part.low[topic]}; messages from {part.lost[topic]} on were "
                    "deleted before they were folded",
                    remedy="`stratum archive restore`, or set streams.app_id to a new name to go on without them",
                )
            known, now = part.recovered_topics.get(topic), self._ids.get(topic)
            if (known and now and known != now) or part.next[topic] > end:
                raise LogIdentityChanged(
                    f"{topic} [{part.number}] ends at {end}, but everything below {part.next[topic]} was folded "
                    f"(topic id {known}, now {now}): the topic was deleted and made again",
                    remedy="set streams.app_id to a new name; the state is folded again from the log",
                )

    async def revoked(self) -> None:
        """Make a last checkpoint while the partitions are still ours."""
        self._unsettled = Unsettled(time.monotonic(), self.folded.replayed)
        if self.owner is None or not self.owner.partitions:
            return
        # Not cancelled when time is up: its writes are on their way, and a failure among them must be seen.
        last = asyncio.ensure_future(self._checkpoint(self.owner))
        done, _ = await asyncio.wait({last}, timeout=STOP_FLUSH_S)
        if not done:
            log.warning("no time for a last checkpoint; the next owner folds from the one before")
        self.owner.suspended = True

    async def checkpointed(self) -> Mapping[TP, int]:
        """Make a checkpoint; the offsets that may be committed then."""
        if self.owner is None:
            return {}
        await self._checkpoint(self.owner)
        prefix = self.stratum.kafka.topic_prefix
        return {TP(full_name(prefix, topic), number): at for (topic, number), at in self.owner.durable.items()}

    @staticmethod
    async def _checkpoint(owner: Owner) -> None:
        with ends_process:
            await owner.checkpoint()

    # Watching

    def check_pulse(self) -> None:
        """End a process that stood still longer than the session: others own its partitions by now."""
        now = time.monotonic()
        if now - self._pulse_at > self.stratum.streams.session_timeout_s:
            end_process(GapDetected(f"this process stood still for {now - self._pulse_at:.1f} s"))
        self._pulse_at = now

    async def pulse(self) -> None:
        """Feel the pulse for ever."""
        supervisor = os.environ.get(SUPERVISOR_ENV)
        while not self.should_stop:
            self.check_pulse()
            self._check_settling()
            if supervisor and str(os.getppid()) != supervisor:
                log.warning("the supervisor is gone; stopping")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            await asyncio.sleep(PULSE_S)

    def _check_settling(self) -> None:
        """End a process that waits for partitions or their changelog without progress; Faust can hang there."""
        waiting, now = self._unsettled, time.monotonic()
        if waiting is None:
            return
        if self.folded.replayed != waiting.replayed:
            self._unsettled = Unsettled(now, self.folded.replayed)
        elif now - waiting.since > self.stratum.streams.stuck_after_s:
            end_process(GapDetected(f"no partitions and no progress in recovery for {now - waiting.since:.0f} s"))

    async def sweeps(self) -> None:
        """Sweep for ever; an exception ends the process."""
        since: dict[TP, tuple[int, float]] = {}
        while not self.should_stop:
            await self.sleep(self.stratum.streams.sweep_interval_s)
            if self.should_stop or self.rebalancing or self.owner is None or not self.owner.partitions:
                since.clear()
                continue
            with ends_process:
                await self._sweep(since)

    async def _sweep(self, since: dict[TP, tuple[int, float]]) -> None:
        assert self.owner is not None
        consumer = self.consumer
        assert isinstance(consumer, CheckpointConsumer)
        tps = [tp for tp in consumer.assignment() if self._where(tp)[0] in SOURCES]
        ends = {tp: end or 0 for tp, end in (await consumer.highwaters(*tps)).items()}
        if self.rebalancing:
            return
        await self.owner.sweep({self._where(tp): end for tp, end in ends.items()})
        await consumer.commit()
        now, oldest = time.monotonic(), 0.0
        for tp, end in ends.items():
            at = consumer.committed_at(tp)
            known, first = since.get(tp, (at, now))
            if at >= end or at != known:
                first = now
            since[tp] = (at, first)
            oldest = max(oldest, now - first)
            if now - first > self.stratum.streams.stuck_after_s:
                end_process(GapDetected(f"{tp.topic} [{tp.partition}]: the committed offset stands at {at} of {end}"))
        metrics.UNCOMMITTED_AGE.set(oldest)

    def _where(self, tp: TP) -> Where:
        return base_name(self.stratum.kafka.topic_prefix, tp.topic), tp.partition

    def fold_now(self, message: Any) -> bool:
        """Fold a message that was just read, unless something is in its way.

        Returns:
            False when it must go through Faust's queue and the agent, which waits for what is in the way.
        """
        owner = self.owner
        if owner is None or owner.suspended or message.partition not in owner.partitions:
            return False
        with ends_process:
            m = self.raw(message)
            return m.topic in SOURCES and owner.take(m, message.partition)

    def raw(self, message: Any) -> Raw:
        """A Faust message as the partitions take it."""
        topic = base_name(self.stratum.kafka.topic_prefix, message.topic)
        headers = message.headers or ()
        stamp = int((message.timestamp or 0) * 1000)
        return Raw(topic, message.offset, message.key, message.value, headers, stamp)


def create_app(settings: Settings) -> StreamsApp:
    """Build the application.

    Args:
        settings: Settings of this process.

    Raises:
        BrokerUnavailable: No broker is configured or started.
    """
    logs.configure(settings.log)
    s = settings.streams
    servers = ";".join(f"kafka://{host.strip()}" for host in bootstrap(settings).split(","))
    app = StreamsApp(
        s.app_id,
        broker=servers,
        broker_credentials=credentials(settings.kafka.security),
        store="memory://",
        datadir=str(settings.faust_dir),
        autodiscover=False,
        web_enabled=False,
        topic_partitions=settings.kafka.partitions,
        topic_replication_factor=settings.kafka.replication,
        topic_disable_leader=True,
        table_standby_replicas=0,
        Table=StateTable,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        stream_buffer_maxsize=BUFFER_MESSAGES,
        stream_wait_empty=False,
        broker_max_poll_records=POLL_RECORDS,
        broker_commit_interval=s.commit_interval_s,
        broker_check_crcs=False,
        broker_session_timeout=s.session_timeout_s,
        broker_heartbeat_interval=max(0.5, s.session_timeout_s / 6),
        broker_request_timeout=max(settings.kafka.request_timeout_s, s.session_timeout_s),
        producer_linger=0.0,
        loghandlers=[],
    )
    app.stratum = settings
    # Building their debug records, even those nobody sees, costs a tenth of the time.
    for name in ("faust", "aiokafka", "mode"):
        logging.getLogger(name).setLevel(logging.WARNING)
    table = app.Table(
        STATE_TABLE,
        schema=faust.Schema(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"),
        key_type=bytes,
        value_type=bytes,
        partitions=settings.kafka.partitions,
        extra_topic_configs={"max.message.bytes": MAX_MESSAGE_BYTES},
    )
    assert isinstance(table, StateTable)
    app.folded = table
    table.recovered = app.recovered

    async def revoked(*_: Any, **__: Any) -> None:
        await app.revoked()

    app.on_partitions_revoked.connect(revoked, weak=False)
    app.task(app.sweeps)
    attach(app)
    return app
