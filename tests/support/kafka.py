"""Brokers for tests: one for the whole session, and settings with a topic prefix of their own per test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import BrokerSettings, KafkaSettings, Settings

BOOTSTRAP_ENV = "STRATUM_TEST_BOOTSTRAP"
PARTITIONS = 4


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of an Apache Kafka for this session."""
    given = os.environ.get(BOOTSTRAP_ENV)
    if given:
        yield given
        return
    pytest.skip(f"{BOOTSTRAP_ENV} is not set")


@pytest.fixture
def kafka_settings(kafka: str, tmp_path: Path) -> Settings:
    """Settings with an own home and an own topic prefix; the topics exist, with 4 partitions each."""
    made = Settings(
        home=tmp_path / "home",
        broker=BrokerSettings(bootstrap=kafka),
        kafka=KafkaSettings(topic_prefix=f"t{uuid.uuid4().hex[:10]}.", partitions=PARTITIONS),
    )
    ensure_topics(made)
    return made
