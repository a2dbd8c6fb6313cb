"""Produce, consume and manage topics, on every kind of broker."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import KafkaException, TopicCollection

from stratum_lab.contract import topics as catalogue
from stratum_lab.contract.topics import REPO_RECORDS, RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS
from stratum_lab.errors import BrokerUnavailable, IntegrityError, LogIdentityChanged, PrerequisiteError, ProblemsFound
from stratum_lab.kafka import reader, topics
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.consumer import Consumer, Partition
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.status import read_status
from stratum_lab.settings import Settings
from tests.support.kafka import PARTITIONS, settings_at, wait_for

pytestmark = pytest.mark.integration

MANY = 1000


def _fill(settings: Settings, count: int, topic: str = RUN_EVENTS) -> str:
    full = topics.on_broker(settings, topic)
    with Producer(settings) as producer:
        for i in range(count):
            producer.send_raw(full, f"key{i % 17}", b"%d" % i, [("n", b"%d" % i)], timestamp_ms=1_000 + i)
    assert producer.delivered == count
    return full


def test_everything_produced_is_read_once_with_key_headers_and_time(any_settings: Settings) -> None:
    _fill(any_settings, MANY)
    found = list(reader.read_topic(any_settings, RUN_EVENTS))
    assert sorted(int(m.value or b"") for m in found) == list(range(MANY))
    for m in found:
        number = int(m.value or b"")
        assert (m.key, m.headers) == (f"key{number % 17}".encode(), [("n", m.value)])
        assert m.timestamp_ms == 1_000 + number


def test_messages_of_one_key_stay_in_order(any_settings: Settings) -> None:
    _fill(any_settings, MANY)
    seen: dict[bytes | None, int] = {}
    for m in reader.read_topic(any_settings, RUN_EVENTS):
        assert int(m.value or b"") > seen.get(m.key, -1)
        seen[m.key] = int(m.value or b"")


def test_watermarks_count_every_message(any_settings: Settings) -> None:
    full = _fill(any_settings, MANY)
    marks = reader.watermarks(any_settings, full)
    assert sorted(marks) == list(range(PARTITIONS))
    assert sum(high - low for low, high in marks.values()) == MANY


def test_a_range_ends_where_it_should(any_settings: Settings) -> None:
    full = topics.on_broker(any_settings, RUN_EVENTS)
    with Producer(any_settings) as producer:
        for i in range(50):
            producer.send_raw(full, None, b"%d" % i, partition=1)
    found = list(reader.read_range(any_settings, full, 1, 10, 20, timeout_s=10))
    assert [m.offset for m in found] == list(range(10, 20))
    assert [int(m.value or b"") for m in found] == list(range(10, 20))
    assert list(reader.read_range(any_settings, full, 1, 20, 20, timeout_s=10)) == []


def test_a_range_beyond_the_end_of_the_log_is_no_quiet_success(any_settings: Settings) -> None:
    full = topics.on_broker(any_settings, RUN_EVENTS)
    with Producer(any_settings) as producer:
        for i in range(5):
            producer.send_raw(full, None, b"%d" % i, partition=0)
    found = []
    with pytest.raises(LogIdentityChanged, match="ends at offset 5, below 9"):
        found.extend(reader.read_range(any_settings, full, 0, 2, 9, timeout_s=1.0))


def test_a_group_reads_commits_and_goes_on_where_it_committed(any_settings: Settings) -> None:
    full = _fill(any_settings, MANY)
    group = f"g-{any_settings.kafka.topic_prefix}"
    gained: list[Partition] = []

    def read(count: int) -> dict[Partition, int]:
        ends: dict[Partition, int] = {}
        got = 0
        with Consumer(any_settings, group) as consumer:
            consumer.subscribe([full], on_assign=gained.extend)
            deadline = time.monotonic() + 60
            while got < count:
                assert time.monotonic() < deadline, f"{got} of {count} messages"
                for m in consumer.consume_batch(min(200, count - got), 0.5):
                    ends[m.topic, m.partition] = m.offset + 1
                    got += 1
            consumer.commit(ends)
        return ends

    first = read(600)
    assert sorted(gained) == [(full, p) for p in range(PARTITIONS)]
    assert topics.committed(any_settings, group, [RUN_EVENTS]) == first
    both = first | read(400)
    assert sum(both.values()) == MANY
    assert topics.committed(any_settings, group, [RUN_EVENTS]) == both


def test_an_owner_of_offsets_chooses_where_to_start(kafka_settings: Settings) -> None:
    full = _fill(kafka_settings, MANY)
    marks = reader.watermarks(kafka_settings, full)
    wanted = {(full, p): high - 1 for p, (_, high) in marks.items() if high}
    found: list[tuple[Partition, int]] = []
    with Consumer(kafka_settings, f"own-{kafka_settings.kafka.topic_prefix}") as consumer:
        consumer.subscribe([full], on_assign=lambda _: wanted)
        wait_for(
            lambda: (
                found.extend(((m.topic, m.partition), m.offset) for m in consumer.consume_batch(100, 0.2))
                or len(found) >= len(wanted)
            ),
            "one message per partition",
        )
    assert sorted(found) == sorted(wanted.items())


def test_topics_get_the_catalogue_configuration(any_settings: Settings) -> None:
    found = {t.name: t for t in read_status(any_settings).topics}
    for topic in catalogue.CATALOGUE:
        made = found[topics.on_broker(any_settings, topic.name)]
        assert (made.partitions, made.cleanup) == (PARTITIONS, topic.cleanup)
        if topic.cleanup == "delete":
            assert made.retention_ms == topic.retention_ms


def test_creating_topics_twice_changes_nothing(any_settings: Settings) -> None:
    before = topics.topic_ids(any_settings, [RUN_EVENTS, REPO_RECORDS])
    assert topics.ensure_topics(any_settings) == []
    assert topics.topic_ids(any_settings, [RUN_EVENTS, REPO_RECORDS]) == before


def test_joined_topics_with_other_partition_counts_are_refused(kafka: str, kafka_settings: Settings) -> None:
    partial = settings_at(kafka, kafka_settings.home, topics=False)
    topics.ensure_topics(partial, [RUN_EVENTS])
    other = partial.model_copy(update={"kafka": partial.kafka.model_copy(update={"partitions": 3})})
    with pytest.raises(IntegrityError, match=r"run\.events 4, .*run\.status 3"):
        topics.ensure_topics(other, [RUN_STATUS])


def test_a_recreated_topic_has_another_identity_and_old_offsets_are_refused(kafka_settings: Settings) -> None:
    full = _fill(kafka_settings, 100, SCAN_GRAPHS)
    before = topics.topic_ids(kafka_settings, [SCAN_GRAPHS])
    client = admin(kafka_settings)
    client.delete_topics([full])[full].result()

    def gone() -> bool:
        try:
            client.describe_topics(TopicCollection([full]))[full].result()
        except KafkaException:
            return True
        return False

    wait_for(gone, "the topic is deleted")
    assert topics.ensure_topics(kafka_settings, [SCAN_GRAPHS]) == [full]
    assert topics.topic_ids(kafka_settings, [SCAN_GRAPHS]) != before
    with pytest.raises(LogIdentityChanged):
        list(reader.read_range(kafka_settings, full, 0, 90, 100, timeout_s=20))


def test_an_unknown_topic_is_a_missing_prerequisite(any_settings: Settings) -> None:
    with pytest.raises(PrerequisiteError, match="no-such-topic"):
        reader.watermarks(any_settings, "no-such-topic")


def test_a_message_over_the_limit_is_refused_and_its_neighbours_arrive(kafka_settings: Settings) -> None:
    full = topics.on_broker(kafka_settings, RUN_EVENTS)
    with Producer(kafka_settings) as producer:
        producer.send_raw(full, "a", b"before")
        with pytest.raises(ProblemsFound, match="too large"):
            producer.send_raw(full, "a", b"x" * (catalogue.MAX_MESSAGE_BYTES + 1))
        producer.send_raw(full, "a", b"after")
    assert [m.value for m in reader.read_topic(kafka_settings, RUN_EVENTS)] == [b"before", b"after"]


def test_more_readers_than_partitions_leave_one_idle_and_well(kafka: str, kafka_settings: Settings) -> None:
    narrow = settings_at(kafka, kafka_settings.home, partitions=1)
    full = _fill(narrow, 50)
    group = f"wide-{narrow.kafka.topic_prefix}"
    gained: dict[int, list[Partition]] = {0: [], 1: [], 2: []}
    readers = [Consumer(narrow, group) for _ in gained]
    try:
        for i, consumer in enumerate(readers):
            consumer.subscribe([full], on_assign=gained[i].extend, on_revoke=lambda _, i=i: gained[i].clear())
        got: list[int] = []

        def read() -> bool:
            for consumer in readers:
                got.extend(m.offset for m in consumer.consume_batch(100, 0.1))
            return len(set(got)) == 50 and sum(map(len, gained.values())) == 1

        wait_for(read, "one owner and all messages")
    finally:
        for consumer in readers:
            consumer.close()


def test_status_tells_how_far_a_group_is_behind(any_settings: Settings) -> None:
    full = _fill(any_settings, 100)
    group = f"lag-{any_settings.kafka.topic_prefix}"
    marks = reader.watermarks(any_settings, full)
    with Consumer(any_settings, group) as consumer:
        consumer.commit({(full, p): high // 2 for p, (_, high) in marks.items()})
    found = {g.group: g for g in read_status(any_settings).groups}
    assert found[group].lag == sum(high - high // 2 for _, high in marks.values())


def test_a_broker_that_is_not_there_is_unavailable_within_the_time_allowed(kafka_settings: Settings) -> None:
    nowhere = settings_at("127.0.0.1:1", kafka_settings.home, topics=False)
    quick = nowhere.model_copy(update={"kafka": nowhere.kafka.model_copy(update={"request_timeout_s": 1.0})})
    with pytest.raises(BrokerUnavailable):
        reader.watermarks(quick, topics.on_broker(quick, RUN_EVENTS))
