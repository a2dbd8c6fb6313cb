"""What a broker holds: topics with message counts and retention, consumer groups with their lag."""

from __future__ import annotations

from typing import Any, NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import ConfigResource

from stratum_lab.contract.topics import CATALOGUE
from stratum_lab.kafka.address import bootstrap
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.consumer import Partition
from stratum_lab.kafka.failures import translated
from stratum_lab.kafka.reader import all_watermarks
from stratum_lab.kafka.topics import on_broker, partition_counts
from stratum_lab.settings import Settings


class TopicStatus(NamedTuple):
    """One topic; `messages` counts offsets, so compacted and aborted ones are in it."""

    name: str
    partitions: int
    messages: int
    cleanup: str
    retention_ms: int | None


class GroupStatus(NamedTuple):
    """One consumer group; `lag` counts offsets of our topics it has committed below the end."""

    group: str
    state: str
    members: int
    lag: int


class Status(NamedTuple):
    """Everything `stratum status` shows."""

    bootstrap: str
    topics: list[TopicStatus]
    groups: list[GroupStatus]


def read_status(settings: Settings) -> Status:
    """Ask the broker.

    Raises:
        BrokerUnavailable: It does not answer.
    """
    existing = partition_counts(settings)
    names = [full for t in CATALOGUE if (full := on_broker(settings, t.name)) in existing]
    marks = all_watermarks(settings, {n: existing[n] for n in names})
    configs = _configs(settings, names)
    topics = [
        TopicStatus(
            n,
            existing[n],
            sum(high - low for (t, _), (low, high) in marks.items() if t == n),
            *configs.get(n, ("?", None)),
        )
        for n in names
    ]
    return Status(bootstrap(settings), topics, _groups(settings, marks))


def _configs(settings: Settings, names: list[str]) -> dict[str, tuple[str, int | None]]:
    """Clean-up and retention per topic; a broker that does not tell is left out."""
    if not names:
        return {}
    client = admin(settings)
    asked = [ConfigResource(ConfigResource.Type.TOPIC, n) for n in names]
    out: dict[str, tuple[str, int | None]] = {}
    with translated("reading topic settings"):
        for resource, future in client.describe_configs(
            asked, request_timeout=settings.kafka.request_timeout_s
        ).items():
            try:
                # Any: confluent-kafka has no types.
                found: Any = future.result()
            except KafkaException:
                continue
            retention = found.get("retention.ms")
            cleanup = found.get("cleanup.policy")
            out[resource.name] = (
                cleanup.value if cleanup else "?",
                int(retention.value) if retention and retention.value is not None else None,
            )
    return out


def _groups(settings: Settings, marks: dict[Partition, tuple[int, int]]) -> list[GroupStatus]:
    client, timeout_s = admin(settings), settings.kafka.request_timeout_s
    out: list[GroupStatus] = []
    with translated("listing consumer groups"):
        listed = client.list_consumer_groups(request_timeout=timeout_s).result()
        ids = sorted(g.group_id for g in listed.valid)
        if not ids:
            return out
        described = client.describe_consumer_groups(ids, request_timeout=timeout_s)
        for group in ids:
            offsets = client.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s
            )[group].result()
            ours = [
                (p, marks[p.topic, p.partition]) for p in offsets.topic_partitions if (p.topic, p.partition) in marks
            ]
            if not ours:
                continue
            about = described[group].result()
            lag = sum(max(0, high - max(p.offset, low)) for p, (low, high) in ours)
            out.append(GroupStatus(group, about.state.name.lower(), len(about.members), lag))
    return out
