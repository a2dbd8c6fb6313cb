"""Bounded reads of the log by assignment: no group, no commit, an end that is known beforehand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from stratum_lab.contract import topics
from stratum_lab.errors import BrokerUnavailable
from stratum_lab.kafka.consumer import Consumer, Partition, RawMessage
from stratum_lab.kafka.topics import partition_count
from stratum_lab.settings import Settings

__all__ = ["RawMessage", "read_range", "read_ranges", "read_topic", "watermarks"]

_FETCH = 1000
_WAIT_S = 0.5


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
        LogIdentityChanged: The log does not hold the first offset any more.
    """
    left = {p: end for p, (start, end) in ranges.items() if start < end}
    if not left:
        return
    with Consumer(settings, None, start="error", overrides={"enable.partition.eof": True}) as consumer:
        consumer.assign({p: ranges[p][0] for p in left})
        last = time.monotonic()
        while left:
            batch = consumer.consume_batch(_FETCH, min(_WAIT_S, timeout_s))
            for m in batch:
                where = (m.topic, m.partition)
                end = left.get(where)
                if end is None:
                    continue
                if m.offset < end:
                    yield m
                if m.offset >= end - 1:
                    del left[where]
            # Compacted topics and aborted transactions leave holes: the end may hold no message.
            over = [p for p in left if p in consumer.ended]
            for where in over:
                del left[where]
            if batch or over:
                last = time.monotonic()
            elif time.monotonic() - last > timeout_s:
                name, number = next(iter(left))
                raise BrokerUnavailable(
                    f"nothing came from {name} [{number}] for {timeout_s:g} s", remedy="stratum status"
                )


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
        LogIdentityChanged: The log does not hold `start` any more.
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
    timeout_s = settings.kafka.request_timeout_s
    with Consumer(settings, None) as consumer:
        return {
            p: consumer.watermarks((full_topic, p), timeout_s) for p in range(partition_count(settings, full_topic))
        }
