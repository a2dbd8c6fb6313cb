"""Bounded reads of the log by assignment: no group, no commit, an end that is known beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stratum_lab.contract import topics
from stratum_lab.errors import BrokerUnavailable, LogIdentityChanged, StratumError
from stratum_lab.kafka.backends.memory import CLUSTER_ID as MEMORY_CLUSTER_ID
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.consumer import Consumer, Partition, RawMessage
from stratum_lab.kafka.failures import SETTLING, translate, translated
from stratum_lab.kafka.topics import cluster_id, partition_count
from stratum_lab.settings import Settings

__all__ = [
    "RawMessage",
    "all_watermarks",
    "drain",
    "offsets_at",
    "read_range",
    "read_ranges",
    "read_topic",
    "watermarks",
]

_FETCH = 1000
_WAIT_S = 0.02
_SETTLE_PAUSE_S = 0.1


def read_ranges(
    settings: Settings, ranges: Mapping[Partition, tuple[int, int]], *, timeout_s: float
) -> Iterator[RawMessage]:
    """Messages of several partitions, each in order, partitions interleaved as they arrive.

    Args:
        settings: Where the broker is.
        ranges: (full topic, partition) -> first offset and the offset after the last.
        timeout_s: Longest wait without any progress.

    Raises:
        BrokerUnavailable: Nothing came for `timeout_s`.
        LogIdentityChanged: The log does not hold the first offset any more, or ends before the last.
    """
    if any(start < end for start, end in ranges.values()):
        with Consumer(settings, None, start="error", overrides={"enable.partition.eof": True}) as consumer:
            yield from drain(consumer, ranges, timeout_s=timeout_s)


def drain(
    consumer: Consumer,
    ranges: Mapping[Partition, tuple[int, int]],
    *,
    timeout_s: float,
    fetch: int = _FETCH,
    progress: Callable[[int], None] | None = None,
    complete: Callable[[Partition], None] | None = None,
) -> Iterator[RawMessage]:
    """As `read_ranges`, through a consumer of the caller's that has the property `enable.partition.eof`.

    Args:
        consumer: It is assigned these partitions and nothing else.
        ranges: As in `read_ranges`.
        timeout_s: Longest wait without any progress.
        fetch: Messages taken at once, at most.
        progress: Told how many messages came, also when none did.
        complete: Told each partition whose last message has been handed out, after it; also the empty ones.

    Raises:
        BrokerUnavailable: Nothing came for `timeout_s`.
        LogIdentityChanged: The log does not hold the first offset any more, or ends before the last.
    """
    left = {p: end for p, (start, end) in ranges.items() if start < end}
    if complete is not None:
        for where in ranges.keys() - left.keys():
            complete(where)
    if not left:
        return
    consumer.assign({p: ranges[p][0] for p in left})
    last = time.monotonic()
    while left:
        batch = consumer.consume_batch(fetch, min(_WAIT_S, timeout_s))
        for m in batch:
            where = (m.topic, m.partition)
            end = left.get(where)
            if end is None:
                continue
            if m.offset < end:
                yield m
            if m.offset >= end - 1:
                del left[where]
                if complete is not None:
                    complete(where)
        # Compacted topics and aborted transactions leave holes: the end may hold no message.
        over = [p for p, end in left.items() if consumer.ended.get(p, 0) >= end]
        for where in over:
            del left[where]
            if complete is not None:
                complete(where)
        if progress is not None:
            progress(len(batch))
        if batch or over:
            last = time.monotonic()
        elif time.monotonic() - last > timeout_s:
            raise _stopped(left, consumer.ended, timeout_s)


def _stopped(left: Mapping[Partition, int], ended: Mapping[Partition, int], timeout_s: float) -> StratumError:
    """Why nothing comes: the log is shorter than what was asked for, or the broker is silent."""
    for (name, number), end in left.items():
        if (name, number) in ended:
            return LogIdentityChanged(
                f"{name} [{number}] ends at offset {ended[name, number]}, below {end} which was there before",
                remedy="the topic was recreated or lost messages; see `stratum warehouse rebase --help`",
            )
    name, number = next(iter(left))
    return BrokerUnavailable(f"nothing came from {name} [{number}] for {timeout_s:g} s", remedy="stratum status")


def read_range(
    settings: Settings, full_topic: str, partition: int, start: int, end: int, *, timeout_s: float
) -> Iterator[RawMessage]:
    """Messages of one partition with start <= offset < end.

    Args:
        settings: Where the broker is.
        full_topic: Name on the broker.
        partition: Partition.
        start: First offset.
        end: Offset after the last.
        timeout_s: Longest wait without any progress.

    Raises:
        BrokerUnavailable: Nothing came for `timeout_s`.
        LogIdentityChanged: The log does not hold `start` any more, or ends before `end`.
    """
    return read_ranges(settings, {(full_topic, partition): (start, end)}, timeout_s=timeout_s)


def read_topic(settings: Settings, topic: str, *, partitions: Sequence[int] | None = None) -> Iterator[RawMessage]:
    """Everything a topic holds at the time of the call.

    Args:
        settings: Where the broker is.
        topic: Catalogue name, without the prefix.
        partitions: Only these.

    Raises:
        BrokerUnavailable: The broker does not answer.
        PrerequisiteError: There is no such topic.
    """
    full = topics.full_name(settings.kafka.topic_prefix, topic)
    marks = watermarks(settings, full)
    ranges = {(full, p): m for p, m in marks.items() if partitions is None or p in partitions}
    return read_ranges(settings, ranges, timeout_s=settings.kafka.request_timeout_s)


def watermarks(settings: Settings, full_topic: str) -> dict[int, tuple[int, int]]:
    """First offset and the offset after the last, per partition.

    Raises:
        BrokerUnavailable: The broker does not answer.
        PrerequisiteError: There is no such topic.
    """
    found = all_watermarks(settings, {full_topic: partition_count(settings, full_topic)})
    return {p: marks for (_, p), marks in found.items()}


def offsets_at(settings: Settings, full_topic: str, when_ms: int) -> dict[int, int]:
    """The first offset of each partition whose message is not older than a time; without one, the end.

    Args:
        settings: Where the broker is.
        full_topic: Name on the broker.
        when_ms: Milliseconds since the epoch.

    Raises:
        BrokerUnavailable: The broker does not answer.
        PrerequisiteError: There is no such topic.
    """
    ends = watermarks(settings, full_topic)
    parts = [(full_topic, p) for p in ends]
    found = _list_offsets(settings, admin(settings), parts, OffsetSpec.for_timestamp(when_ms))
    return {p: offset if offset >= 0 else ends[p][1] for (_, p), offset in found.items()}


def all_watermarks(
    settings: Settings,
    counts: Mapping[str, int],
    *,
    last: Collection[str] = (),
    client: AdminClient | None = None,
) -> dict[Partition, tuple[int, int]]:
    """First offset and the offset after the last, of several topics.

    Args:
        settings: Where the broker is.
        counts: Full topic name -> number of partitions.
        last: Topics whose ends are asked for when all the other ends are known.
        client: Ask through this one; a new one has to connect first.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    client = client or admin(settings)
    parts = [(name, p) for name, count in counts.items() for p in range(count)]
    lows = _list_offsets(settings, client, parts, OffsetSpec.earliest())
    latest = OffsetSpec.latest()
    highs = _list_offsets(settings, client, [p for p in parts if p[0] not in last], latest)
    highs |= _list_offsets(settings, client, [p for p in parts if p[0] in last], latest)
    if cluster_id(settings, client) == MEMORY_CLUSTER_ID:
        highs = _fetched_ends(settings, highs)
    return {p: (lows[p], max(lows[p], highs[p])) for p in highs}


def _list_offsets(
    settings: Settings, client: AdminClient, parts: list[Partition], spec: OffsetSpec
) -> dict[Partition, int]:
    """Ask once for all; partitions whose leader is just being found are asked again."""
    out: dict[Partition, int] = {}
    left, timeout_s = parts, settings.kafka.request_timeout_s
    deadline = time.monotonic() + timeout_s
    while left:
        with translated("asking for first and last offsets"):
            futures = client.list_offsets({TopicPartition(*p): spec for p in left}, request_timeout=timeout_s)
        left = []
        for p, future in futures.items():
            try:
                out[p.topic, p.partition] = future.result().offset
            except KafkaException as exc:
                error = exc.args[0]
                if error.code() not in SETTLING or time.monotonic() > deadline:
                    doing = f"asking for the offsets of {p.topic} [{p.partition}]"
                    raise translate(error, doing) from exc
                left.append((p.topic, p.partition))
        if left:
            time.sleep(_SETTLE_PAUSE_S)
    return out


def _fetched_ends(settings: Settings, low_guess: dict[Partition, int]) -> dict[Partition, int]:
    """End offsets as fetches report them.

    Tansu answers a question for the last offset with the first of the last batch; its fetch answers are right.
    """
    out = {p: end for p, end in low_guess.items() if end == 0}
    ask = {p: end for p, end in low_guess.items() if end > 0}
    if not ask:
        return out
    deadline = time.monotonic() + settings.kafka.request_timeout_s
    with Consumer(settings, None, overrides={"enable.partition.eof": True}) as consumer:
        consumer.assign({p: end - 1 for p, end in ask.items()})
        while ask.keys() - consumer.ended.keys():
            consumer.consume_batch(_FETCH, _WAIT_S)
            if time.monotonic() > deadline:
                raise BrokerUnavailable("the broker does not tell the end of its topics", remedy="stratum status")
        return out | {p: consumer.ended.get(p, end) for p, end in ask.items()}
