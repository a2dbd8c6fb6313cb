"""The 22 recorded runs through Kafka and Faust give the records of a fold without a broker."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from producers.importer import Options, Summary, run_import
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import TopologyMetrics
from stratum_lab.contract.topics import DEAD_LETTERS, REPO_TOPOLOGY, RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import read_topic
from stratum_lab.kafka.topics import on_broker
from stratum_lab.settings import Settings
from tests.support.fold import FIXTURES
from tests.support.kafka import settings_at
from tests.support.streams import sample_graph
from tests.support.trial import (
    WORKER,
    all_folded,
    cold_records,
    final_records,
    processes,
    trial_settings,
    wait_until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

RUNS = FIXTURES / "runs"


def folded(settings: Settings, timeout_s: float = 60) -> None:
    """Wait until the workers have folded everything."""
    wait_until("everything is folded", lambda: all_folded(settings), timeout_s)


def imported(settings: Settings, *, force: bool = False) -> None:
    """Import the recorded runs."""
    run_import(
        settings, [RUNS], Options(force=force), Summary(),
        start=lambda _: None, tick=lambda *_: None, step=lambda: None,
    )  # fmt: skip


def recorded(settings: Settings) -> None:
    """Import the recorded runs, fold them, and compare."""
    imported(settings)
    with processes(settings) as running:
        running.start("worker", WORKER)
        folded(settings)
    live = {repo_id: record.record for repo_id, record in final_records(settings).items()}
    assert live == cold_records(settings)
    assert len(live) == len([p for p in Path(RUNS).iterdir() if p.is_dir()])


def test_recorded_runs_through_apache_kafka_and_faust_equal_a_cold_fold(kafka_settings: Settings) -> None:
    recorded(trial_settings(kafka_settings))


def test_recorded_runs_through_the_memory_broker_and_faust_equal_a_cold_fold(memory_kafka: str, tmp_path: Path) -> None:
    recorded(trial_settings(settings_at(memory_kafka, tmp_path / "home")))


def test_topology_is_emitted_beside_every_record(kafka_settings: Settings) -> None:
    settings = trial_settings(kafka_settings)
    imported(settings)
    with processes(settings) as running:
        running.start("worker", WORKER)
        folded(settings)
    decode = Codec().decode
    topologies = [decode(m.value, m.headers) for m in read_topic(settings, REPO_TOPOLOGY)]
    records = final_records(settings)
    assert {t.repo_id for t in topologies if isinstance(t, TopologyMetrics)} == records.keys()
    assert {t.revision for t in topologies if isinstance(t, TopologyMetrics)} == {r.revision for r in records.values()}


def test_importing_and_starting_again_emits_nothing_new(kafka_settings: Settings) -> None:
    settings = trial_settings(kafka_settings)
    for _ in range(2):
        imported(settings, force=True)
        with processes(settings) as running:
            running.start("worker", WORKER)
            folded(settings)
            # Killed before its next checkpoint it would send the same once more, not knowing that all was acknowledged.
            running.stop("worker", signal.SIGTERM)
    emitted = [m.key for m in read_topic(settings, "repo.records")]
    assert len(emitted) == len(set(emitted))


@pytest.mark.parametrize("topic", [RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS])
def test_a_poison_message_is_one_dead_letter_and_its_partition_goes_on(kafka_settings: Settings, topic: str) -> None:
    settings = trial_settings(kafka_settings)
    codec = Codec()
    garbage = [
        b"\x07garbage",
        b"\x00\x00\x00\xff\xff",
        b"\x00",
        codec.encode(sample_graph(random.Random(1), "000000000000")).value[:20],
    ]
    with Producer(settings) as producer:
        for partition in range(settings.kafka.partitions):
            for value in garbage:
                producer.send_raw(on_broker(settings, topic), "000000000000", value, partition=partition)
    imported(settings)
    with processes(settings) as running:
        running.start("worker", WORKER)
        folded(settings)
    letters = [codec.decode(m.value, m.headers) for m in read_topic(settings, DEAD_LETTERS)]
    places = [(x.topic, x.partition, x.offset) for x in letters if x.stage == "streams"]  # type: ignore[union-attr]
    assert len(places) == len(set(places)) == len(garbage) * settings.kafka.partitions
    assert {p[0] for p in places} == {on_broker(settings, topic)}
    assert {k: r.record for k, r in final_records(settings).items()} == cold_records(settings)
