"""Where checkpoints go: changelog, dead letters, records and topologies, through one idempotent producer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stratum_lab.contract.topics import (
    BY_NAME,
    DEAD_LETTERS,
    REPO_RECORDS,
    REPO_TOPOLOGY,
    base_name,
    full_name,
)
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import read_range
from stratum_lab.settings import Settings
from streams.messages import Checkpoint, Raw


class KafkaOutlet:
    """Writes checkpoints to Kafka.

    Args:
        settings: Where the broker is.
        changelog: Full name of the changelog topic.
    """

    def __init__(self, settings: Settings, changelog: str) -> None:
        self._producer = Producer(settings)
        self._changelog = changelog

    def write(self, cuts: Mapping[int, Checkpoint]) -> None:
        """Write changelog values and dead letters, and wait for the acknowledgements."""
        for number, cut in cuts.items():
            for letter in cut.letters:
                self._producer.send(DEAD_LETTERS, letter.key, letter)
            for key, value in cut.writes:
                self._producer.send_raw(self._changelog, key, value, partition=number)
        self._producer.flush()

    def send(self, cuts: Mapping[int, Checkpoint]) -> None:
        """Send records and topologies, and wait for the acknowledgements."""
        for number, cut in cuts.items():
            for out in cut.outputs:
                self._producer.send(REPO_TOPOLOGY, out.repo_id, out.topology, partition=number)
                self._producer.send(REPO_RECORDS, out.repo_id, out.record, partition=number)
        self._producer.flush()


class KafkaLog:
    """Reads ranges of the source topics.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Raw]:
        """Messages of a range; `topic` is the catalogue name."""
        full = full_name(self._settings.kafka.topic_prefix, BY_NAME[topic].name)
        timeout_s = self._settings.kafka.request_timeout_s
        for m in read_range(self._settings, full, partition, start, end, timeout_s=timeout_s):
            yield Raw(
                base_name(self._settings.kafka.topic_prefix, m.topic),
                m.offset,
                m.key,
                m.value,
                m.headers,
                m.timestamp_ms,
            )
