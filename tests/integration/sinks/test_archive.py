"""The archive gives a broker back what it held: the same bytes, headers and times, in order."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from consumers import archive_files
from consumers.archive_restore import restore
from consumers.archive_sink import ArchiveSink
from consumers.loop import Loop
from stratum_lab.contract.events import StructuralGraph
from stratum_lab.contract.topics import RUN_EVENTS, SCAN_GRAPHS
from stratum_lab.errors import IntegrityError, PrerequisiteError, UsageError
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import ArchiveSettings, KafkaSettings, Settings
from tests.support import sinks
from tests.support.sinks import raw_log

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]


def archive(settings: Settings) -> None:
    sink = ArchiveSink(settings)
    try:
        Loop(settings, sink, threading.Event(), drain=True).run()
    finally:
        sink.close()


@pytest.fixture
def archived(kafka_settings: Settings) -> Settings:
    settings = kafka_settings.model_copy(update={"archive": ArchiveSettings(roll_mb=1)})
    runs = sinks.recorded_runs()
    sinks.publish(settings, runs[:11])
    sinks.poison(settings, RUN_EVENTS, 1)
    with Producer(settings) as producer:
        producer.send(SCAN_GRAPHS, "a" * 12, StructuralGraph(repo_id="a" * 12, nodes=[], edges=[]))
        producer.send(SCAN_GRAPHS, "a" * 12, None)
    archive(settings)
    sinks.publish(settings, runs[11:])
    archive(settings)
    return settings


def elsewhere(settings: Settings, partitions: int = 4) -> Settings:
    prefix = f"again.{settings.kafka.topic_prefix}"
    return settings.model_copy(update={"kafka": KafkaSettings(topic_prefix=prefix, partitions=partitions)})


def without_offsets(log: dict[tuple[str, int], list[tuple[object, ...]]]) -> dict[tuple[str, int], list[object]]:
    return {place: [m[1:] for m in messages] for place, messages in log.items()}


def test_a_restored_broker_holds_the_same(archived: Settings) -> None:
    fresh = elsewhere(archived)
    done = restore(fresh, archived.archive_dir)
    ensure_topics(fresh)
    before = raw_log(archived)
    assert done.messages == sum(map(len, before.values()))
    assert without_offsets(raw_log(fresh)) == without_offsets(before)


def test_topics_that_hold_something_are_refused(archived: Settings) -> None:
    with pytest.raises(UsageError, match="holds"):
        restore(archived, archived.archive_dir)
    before = raw_log(archived)
    restore(archived, archived.archive_dir, append=True)
    assert {p: len(m) for p, m in raw_log(archived).items()} == {p: 2 * len(m) for p, m in before.items()}


def test_another_number_of_partitions_is_refused(archived: Settings) -> None:
    with pytest.raises(IntegrityError, match="partitions"):
        restore(elsewhere(archived, partitions=3), archived.archive_dir)


def test_a_damaged_file_is_named(archived: Settings) -> None:
    file = archive_files.listing(archived.archive_dir)[-1]
    file.path.write_bytes(file.path.read_bytes()[:-20])
    with pytest.raises(IntegrityError, match=file.path.name):
        restore(elsewhere(archived), archived.archive_dir)


def test_no_archive_is_a_prerequisite(tmp_path: Path, kafka_settings: Settings) -> None:
    with pytest.raises(PrerequisiteError, match="no archive"):
        restore(kafka_settings, tmp_path / "none")
