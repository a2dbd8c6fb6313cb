"""What a worker refuses to fold on, with exit code 3, instead of guessing."""

from __future__ import annotations

import random
import subprocess

import pytest
from confluent_kafka.admin import NewTopic

from stratum_lab.contract.topics import RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS
from stratum_lab.errors import EXIT_INTEGRITY
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.topics import ensure_topics, on_broker, partition_counts
from stratum_lab.settings import Settings
from tests.support.fold import batches_of, events_of, finished_of
from tests.support.streams import repo_name, sample_events
from tests.support.trial import WORKER, all_folded, processes, trial_settings, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def recreate(settings: Settings, topic: str, partitions: int) -> None:
    """Delete a topic and make it again."""
    client, full = admin(settings), on_broker(settings, topic)
    for future in client.delete_topics([full]).values():
        future.result()
    wait_until("the topic is gone", lambda: full not in partition_counts(settings), 20)
    for future in client.create_topics([NewTopic(full, partitions, 1)]).values():
        future.result()
    wait_until("the topic is there", lambda: partition_counts(settings).get(full) == partitions, 20)


def exit_of(settings: Settings, within_s: float = 60) -> tuple[int, str]:
    """Exit code and output of a worker that ends by itself."""
    with processes(settings) as running:
        done = subprocess.run(
            WORKER, env=running.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=within_s, check=False
        )
    return done.returncode, done.stdout.decode(errors="replace")


def fold_something(settings: Settings) -> None:
    """Fold one run."""
    events = events_of(sample_events(random.Random(1), 10))
    with Producer(settings) as producer:
        for batch in batches_of(events, repo_id=repo_name(1)):
            producer.send(RUN_EVENTS, batch.repo_id, batch)
        producer.send(RUN_STATUS, repo_name(1), finished_of(events, repo_id=repo_name(1)))
    with processes(settings) as running:
        running.start("worker", WORKER)
        wait_until("everything is folded", lambda: all_folded(settings), 60)


def test_a_source_topic_with_another_number_of_partitions_stops_the_start(kafka_settings: Settings) -> None:
    settings = trial_settings(kafka_settings)
    recreate(settings, SCAN_GRAPHS, 2)
    code, output = exit_of(settings)
    assert code == EXIT_INTEGRITY
    assert "same number of partitions" in output


def test_a_changelog_with_another_number_of_partitions_stops_the_start(kafka_settings: Settings) -> None:
    settings = trial_settings(kafka_settings)
    changelog = f"{settings.streams.app_id}-state-changelog"
    client = admin(settings)
    for future in client.create_topics([NewTopic(changelog, 2, 1)]).values():
        future.result()
    wait_until("the topic is there", lambda: changelog in partition_counts(settings), 20)
    code, output = exit_of(settings)
    assert code == EXIT_INTEGRITY
    assert changelog in output


def test_a_topic_that_was_deleted_and_made_again_stops_the_worker(kafka_settings: Settings) -> None:
    settings = trial_settings(kafka_settings)
    fold_something(settings)
    recreate(settings, RUN_EVENTS, settings.kafka.partitions)
    ensure_topics(settings)
    code, output = exit_of(settings)
    assert code == EXIT_INTEGRITY, output
    assert "deleted and made again" in output
