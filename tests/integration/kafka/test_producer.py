"""The producer against librdkafka's own mock cluster and against a broker that goes away."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from stratum_lab.contract.topics import REPO_RECORDS
from stratum_lab.errors import Backpressure, BrokerUnavailable, SettingsError
from stratum_lab.kafka.producer import Producer
from stratum_lab.settings import BrokerSettings, KafkaSettings, Settings

pytestmark = pytest.mark.integration

MOCK: dict[str, Any] = {"test.mock.num.brokers": 3}
NOWHERE = "127.0.0.1:1"


def _settings(tmp_path: Path, **kafka: Any) -> Settings:
    return Settings(home=tmp_path, broker=BrokerSettings(bootstrap=NOWHERE), kafka=KafkaSettings(**kafka))


def test_every_message_is_acknowledged(tmp_path: Path) -> None:
    with Producer(_settings(tmp_path), overrides=MOCK) as producer:
        for i in range(1000):
            producer.send_raw("t", "k", b"%d" % i)
    assert (producer.delivered, len(producer)) == (1000, 0)


def test_a_full_queue_waits_for_room_and_loses_nothing(tmp_path: Path) -> None:
    with Producer(_settings(tmp_path, queue_messages=100), overrides=MOCK) as producer:
        for i in range(10_000):
            producer.send_raw("t", None, b"%d" % i)
    assert producer.delivered == 10_000


def test_a_queue_that_stays_full_is_backpressure_and_stays_bounded(tmp_path: Path) -> None:
    producer = Producer(_settings(tmp_path, queue_messages=100), queue_timeout_s=0.3, delivery_timeout_s=0.5)

    def send_many() -> None:
        for i in range(101):
            producer.send_raw("t", None, b"%d" % i)

    with pytest.raises(Backpressure, match="100 messages wait"):
        send_many()
    assert len(producer) == 100
    with pytest.raises(BrokerUnavailable, match="0 messages were acknowledged"):
        producer.flush(10)


def test_what_was_not_acknowledged_is_counted(tmp_path: Path) -> None:
    producer = Producer(_settings(tmp_path), delivery_timeout_s=0.3)
    for _ in range(7):
        producer.send_raw("t", None, b"x")
    with pytest.raises(BrokerUnavailable, match="0 messages were acknowledged, 7 failed, 0 still wait"):
        producer.flush(20)


def test_what_still_waits_is_counted(tmp_path: Path) -> None:
    producer = Producer(_settings(tmp_path))
    producer.send_raw("t", None, b"x")
    with pytest.raises(BrokerUnavailable, match="0 failed, 1 still wait"):
        producer.flush(0.1)
    producer.discard()


def test_leaving_with_an_error_keeps_that_error(tmp_path: Path) -> None:
    producer = Producer(_settings(tmp_path), delivery_timeout_s=0.2)
    with pytest.raises(KeyError, match="mine"), producer:
        producer.send_raw("t", None, b"x")
        raise KeyError("mine")


def test_a_tombstone_is_sent_under_the_prefixed_name(tmp_path: Path) -> None:
    with Producer(_settings(tmp_path, topic_prefix="p."), overrides=MOCK) as producer:
        producer.send(REPO_RECORDS, "aaaaaaaaaaaa", None)
    assert producer.delivered == 1


def test_a_topic_outside_the_catalogue_is_a_defect_of_the_caller(tmp_path: Path) -> None:
    with Producer(_settings(tmp_path), overrides=MOCK) as producer, pytest.raises(KeyError):
        producer.send("no.such", None, None)


def test_a_refused_security_property_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"security\.protocol"):
        Producer(_settings(tmp_path, security={"security.protocol": "tls"}))


def test_security_properties_reach_the_client(tmp_path: Path) -> None:
    """A plaintext listener sees a TLS handshake when the settings ask for TLS."""
    first = bytearray()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(20)

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                first.extend(connection.recv(1))

        thread = threading.Thread(target=accept)
        thread.start()
        producer = Producer(
            _settings(tmp_path, security={"security.protocol": "SSL"}),
            bootstrap=f"127.0.0.1:{listener.getsockname()[1]}",
        )
        thread.join(20)
        producer.discard()
    assert bytes(first) == b"\x16"
