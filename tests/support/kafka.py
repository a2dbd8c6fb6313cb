"""Brokers for tests: one per kind and session, and settings with a topic prefix of their own per test.

`STRATUM_TEST_BOOTSTRAP` names an Apache Kafka that already runs; else one is started from the apache back-end. What a
machine cannot provide is skipped with the reason, or fails when `STRATUM_REQUIRE_ALL` is set.
"""

from __future__ import annotations

import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from stratum_lab.kafka import broker
from stratum_lab.kafka.backends.apache import Apache
from stratum_lab.kafka.backends.base import Backend, free_port
from stratum_lab.kafka.backends.docker import Docker, image_present
from stratum_lab.kafka.backends.memory import Memory
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import BrokerSettings, KafkaSettings, Settings, StreamsSettings

BOOTSTRAP_ENV = "STRATUM_TEST_BOOTSTRAP"
IMAGE_ENV = "STRATUM_TEST_KAFKA_IMAGE"
REQUIRE_ENV = "STRATUM_REQUIRE_ALL"
PARTITIONS = 4
HOST = "127.0.0.1"
START_S = 90.0


def cannot(reason: str) -> NoReturn:
    """Skip with the reason; fail where nothing may be skipped."""
    if os.environ.get(REQUIRE_ENV):
        pytest.fail(f"{REQUIRE_ENV} is set and this cannot run: {reason}")
    pytest.skip(reason)


def wait_for(true: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {within_s:g} s")
        time.sleep(0.05)


def settings_at(bootstrap: str, home: Path, *, partitions: int = PARTITIONS, topics: bool = True) -> Settings:
    """Settings for one test against a running broker, with an own topic prefix.

    Args:
        bootstrap: The broker.
        home: Home of the test.
        partitions: Partitions of the topics.
        topics: Create them.
    """
    made = Settings(
        home=home,
        broker=BrokerSettings(bootstrap=bootstrap),
        kafka=KafkaSettings(topic_prefix=f"t{uuid.uuid4().hex[:10]}.", partitions=partitions),
        # Tansu holds a joining member for half of this.
        streams=StreamsSettings(session_timeout_s=6.0),
    )
    if topics:
        ensure_topics(made)
    return made


def own_broker(home: Path, backend: str, *, image: str | None = None) -> Settings:
    """Settings to start a broker of this kind in this home, on free ports.

    Args:
        home: Home of the broker.
        backend: Name of the back-end.
        image: Image of the docker back-end.
    """
    fields = {
        "backend": backend,
        "port": free_port(HOST),
        "controller_port": free_port(HOST),
        "heap_mb": 384,
        "start_timeout_s": START_S,
    }
    return Settings(
        home=home,
        broker=BrokerSettings.model_validate(fields | ({"image": image} if image else {})),
        kafka=KafkaSettings(partitions=1),
    )


def environment(settings: Settings) -> dict[str, str]:
    """The environment with which the `stratum` script uses these broker settings."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("STRATUM_")}
    b = settings.broker
    return clean | {
        "STRATUM_HOME": str(settings.home),
        "STRATUM_BROKER__BACKEND": b.backend,
        "STRATUM_BROKER__PORT": str(b.port),
        "STRATUM_BROKER__CONTROLLER_PORT": str(b.controller_port),
        "STRATUM_BROKER__HEAP_MB": str(b.heap_mb),
        "STRATUM_BROKER__IMAGE": b.image,
        "STRATUM_KAFKA__PARTITIONS": str(settings.kafka.partitions),
        "NO_COLOR": "1",
        # A short-lived server is up sooner without the optimising compiler.
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }


def lend_jars(jars: Path, settings: Settings) -> None:
    """Let a home use jars that another one resolved."""
    version = settings.home / "kafka" / settings.broker.kafka_version
    version.mkdir(parents=True, exist_ok=True)
    (version / "lib").symlink_to(jars, target_is_directory=True)


def _require(backend: Backend) -> None:
    obstacle = backend.obstacle()
    if obstacle is not None:
        cannot(f"{backend.name}: {obstacle.reason}")


def _quiet(_: str) -> None:
    """Nobody to tell."""


@pytest.fixture(scope="session")
def kafka_jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the jars of Apache Kafka, resolved once."""
    settings = own_broker(tmp_path_factory.mktemp("jars"), "apache")
    backend = Apache(settings)
    _require(backend)
    backend.prepare()
    return settings.home / "kafka" / settings.broker.kafka_version / "lib"


def _started(settings: Settings) -> Iterator[str]:
    up = broker.up(settings, _quiet)
    yield up.state.bootstrap
    broker.down(settings, _quiet)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of an Apache Kafka for this session."""
    given = os.environ.get(BOOTSTRAP_ENV)
    if given:
        yield given
        return
    settings = own_broker(tmp_path_factory.mktemp("kafka"), "apache")
    lend_jars(request.getfixturevalue("kafka_jars"), settings)
    yield from _started(settings)


@pytest.fixture(scope="session")
def memory_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a Tansu for this session."""
    settings = own_broker(tmp_path_factory.mktemp("memory"), "memory")
    _require(Memory(settings))
    yield from _started(settings)


def kafka_image() -> str:
    """A Kafka image that the engine holds; skips without engine or image."""
    settings = own_broker(Path("unused"), "docker")
    _require(Docker(settings))
    candidates = [os.environ.get(IMAGE_ENV), f"stratum/kafka:{settings.broker.kafka_version}", settings.broker.image]
    for image in filter(None, candidates):
        if image_present(image):
            return image
    cannot("docker: no Kafka image here; compose/image/build.sh makes one")


@pytest.fixture(scope="session")
def docker_kafka() -> Iterator[str]:
    """Bootstrap address of a Kafka in a container, by Testcontainers."""
    image = kafka_image()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

    # The container is stopped below; the reaper would need an image of its own.
    testcontainers_config.ryuk_disabled = True
    settings = own_broker(Path("unused"), "docker", image=image)
    container = DockerContainer(image).with_bind_ports(9092, settings.broker.port).with_kwargs(hostname="kafka")
    for name, value in Docker(settings).environment().items():
        container = container.with_env(name, value)
    address = f"{HOST}:{settings.broker.port}"
    container.start()
    try:
        wait_for(lambda: broker.answers(settings, address), f"the container answers at {address}")
        yield address
    finally:
        container.stop(force=True, delete_volume=True)
        container.get_docker_client().client.close()


@pytest.fixture
def kafka_settings(kafka: str, tmp_path: Path) -> Settings:
    """Settings with an own home and an own topic prefix; the topics exist, with 4 partitions each."""
    return settings_at(kafka, tmp_path / "home")


@pytest.fixture(params=["kafka", "memory_kafka", pytest.param("docker_kafka", marks=pytest.mark.docker)])
def any_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The same as `kafka_settings`, once for every kind of broker."""
    return settings_at(request.getfixturevalue(request.param), tmp_path / "home")
