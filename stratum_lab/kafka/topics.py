"""Topics on the broker: made from the catalogue, checked, identified; and committed offsets of a group."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

from stratum_lab.contract.topics import (
    BY_NAME,
    CATALOGUE,
    REPO_RECORDS,
    REPO_TOPOLOGY,
    RUN_EVENTS,
    RUN_STATUS,
    SCAN_GRAPHS,
)
from stratum_lab.errors import BrokerUnavailable, IntegrityError
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.consumer import Consumer, Partition
from stratum_lab.kafka.failures import translate, translated
from stratum_lab.settings import Settings

_SETTLE_PAUSE_S = 0.05

CO_PARTITIONED = (RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS, REPO_RECORDS, REPO_TOPOLOGY)
"""Topics that are joined by key and therefore need the same number of partitions."""


def on_broker(settings: Settings, name: str) -> str:
    """The name on the broker: catalogue names get the prefix, others are full names already."""
    return settings.kafka.topic_prefix + name if name in BY_NAME else name


def partition_counts(settings: Settings, client: AdminClient | None = None) -> dict[str, int]:
    """Every topic on the broker with its number of partitions.

    Args:
        settings: Where the broker is.
        client: Ask through this one; a new one has to connect first.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    with translated("listing the topics"):
        found = (client or admin(settings)).list_topics(timeout=settings.kafka.request_timeout_s)
    return {name: len(t.partitions) for name, t in found.topics.items()}


def cluster_id(settings: Settings, client: AdminClient | None = None) -> str:
    """The identity of the cluster.

    Args:
        settings: Where the broker is.
        client: Ask through this one; a new one has to connect first.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    with translated("asking for the cluster"):
        return str((client or admin(settings)).list_topics(timeout=settings.kafka.request_timeout_s).cluster_id)


def partition_count(settings: Settings, full_topic: str) -> int:
    """Number of partitions of one topic.

    Raises:
        BrokerUnavailable: The broker does not answer.
        PrerequisiteError: There is no such topic.
    """
    counts = partition_counts(settings)
    if full_topic not in counts:
        raise translate(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), f"asking for the partitions of {full_topic}")
    return counts[full_topic]


def ensure_topics(settings: Settings, names: Iterable[str] | None = None) -> list[str]:
    """Create the topics that do not exist yet.

    Args:
        settings: Prefix, partitions and replication.
        names: Catalogue names; default: all.

    Returns:
        Full names of those created.

    Raises:
        IntegrityError: Topics that are joined by key would have different numbers of partitions.
        BrokerUnavailable: The broker does not answer.
    """
    wanted = [BY_NAME[n] for n in names] if names is not None else list(CATALOGUE)
    existing = partition_counts(settings)
    new: list[NewTopic] = []
    counts: dict[str, int] = {n: existing[full] for n in CO_PARTITIONED if (full := on_broker(settings, n)) in existing}
    for topic in wanted:
        full = on_broker(settings, topic.name)
        if full in existing:
            continue
        number = topic.partitions or settings.kafka.partitions
        if topic.name in CO_PARTITIONED:
            counts[topic.name] = number
        new.append(NewTopic(full, number, settings.kafka.replication, config=topic.config()))
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{on_broker(settings, n)} {c}" for n, c in sorted(counts.items()))
        raise IntegrityError(
            f"topics that are joined by key must have the same number of partitions; here: {shown}",
            remedy="set kafka.partitions to the existing number, or recreate the topics that differ",
        )
    return _create(settings, new)


def _create(settings: Settings, new: list[NewTopic], client: AdminClient | None = None) -> list[str]:
    if not new:
        return []
    created = []
    timeout_s = settings.kafka.request_timeout_s
    client = client or admin(settings)
    with translated("creating topics"):
        futures = client.create_topics(new, operation_timeout=timeout_s, request_timeout=timeout_s)
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as exc:
            if exc.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise translate(exc.args[0], f"creating topic {name}") from exc
        else:
            created.append(name)
    _wait_known(settings, [t.topic for t in new], client)
    return created


def _wait_known(settings: Settings, full_topics: list[str], client: AdminClient) -> None:
    """Return when brokers list new topics with a leader for each partition; creating one returns before that."""
    timeout_s = settings.kafka.request_timeout_s
    deadline = time.monotonic() + timeout_s
    while True:
        with translated("listing the topics"):
            found = client.list_topics(timeout=timeout_s).topics
        late = [
            n
            for n in full_topics
            if n not in found or not found[n].partitions or any(p.leader < 0 for p in found[n].partitions.values())
        ]
        if not late:
            return
        if time.monotonic() > deadline:
            raise BrokerUnavailable(
                f"topic {late[0]} was created and has no leader after {timeout_s:g} s", remedy="stratum status"
            )
        time.sleep(_SETTLE_PAUSE_S)


def create_shadows(
    settings: Settings, counts: Mapping[str, int], replay_id: str, client: AdminClient | None = None
) -> dict[str, str]:
    """Create the topics a replay writes instead of live ones.

    Args:
        settings: Prefix and replication.
        counts: Catalogue name of each live topic -> its number of partitions, which the shadow gets too.
        replay_id: Which replay.
        client: Ask through this one; a new one has to connect first.

    Returns:
        Catalogue name -> full name of the shadow topic.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    shadows = {name: f"{on_broker(settings, name)}.shadow.{replay_id}" for name in counts}
    replication = settings.kafka.replication
    new = [NewTopic(shadows[n], count, replication, config=BY_NAME[n].config()) for n, count in counts.items()]
    _create(settings, new, client)
    return shadows


def topic_ids(settings: Settings, names: Sequence[str]) -> dict[str, str]:
    """The identity the broker gave each topic; it changes when a topic is deleted and made again.

    Args:
        settings: Where the broker is.
        names: Catalogue names or full names.

    Returns:
        Full name -> identity.

    Raises:
        PrerequisiteError: A topic does not exist.
        BrokerUnavailable: The broker does not answer.
    """
    full = [on_broker(settings, n) for n in names]
    client = admin(settings)
    with translated("describing topics"):
        futures = client.describe_topics(TopicCollection(full), request_timeout=settings.kafka.request_timeout_s)
    out: dict[str, str] = {}
    for name, future in futures.items():
        with translated(f"describing topic {name}"):
            out[name] = str(future.result().topic_id)
    return out


def committed(settings: Settings, group: str, names: Sequence[str]) -> dict[Partition, int]:
    """Committed offsets of a group, read without joining it.

    Args:
        settings: Where the broker is.
        group: Consumer group.
        names: Catalogue names or full names.

    Returns:
        (full topic, partition) -> next offset to read; partitions without a commit are left out.

    Raises:
        PrerequisiteError: A topic does not exist.
        BrokerUnavailable: The broker does not answer.
    """
    partitions = [
        (full, p) for full in (on_broker(settings, n) for n in names) for p in range(partition_count(settings, full))
    ]
    with Consumer(settings, group) as consumer:
        return consumer.committed(partitions, settings.kafka.request_timeout_s)
