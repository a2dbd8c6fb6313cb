"""Kafka in a container: with the compose plugin from `compose/docker-compose.yml`, else the same by `docker run`.

Container, volume and compose project carry a name made from the home's path, so homes do not disturb each other.
Every call of the engine's client has a time limit: a socket that hangs must not hang us.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping

from stratum_lab.errors import BrokerUnavailable, PrerequisiteError, StratumError
from stratum_lab.kafka.backends.apache import compose_folder
from stratum_lab.kafka.backends.base import STOP_GRACE_S, Obstacle, require_port
from stratum_lab.kafka.state import BrokerState
from stratum_lab.observe.logs import clean
from stratum_lab.settings import Settings

PROBE_TIMEOUT_S = 10.0
_RUN_TIMEOUT_S = 120.0
_PULL_TIMEOUT_S = 600.0
_TAIL_LINES = "12"
PROFILES = ("registry", "prometheus", "grafana")
"""All of the compose file; `stop` ends those that an earlier setting started, too."""

_DATA = "/var/lib/kafka/data"
START_ENGINE = "start the engine: systemctl start docker (or dockerd &)"
_ABSENT = ("Cannot connect", "Is the docker daemon running", "no such file", "connection refused", "permission denied")


def _client(
    arguments: list[str], timeout_s: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the engine's client.

    Raises:
        PrerequisiteError: There is no client, no engine, or one that hangs.
        BrokerUnavailable: The engine answers and fails.
    """
    program = shutil.which("docker")
    if program is None:
        raise PrerequisiteError("there is no container client (docker) here", remedy="apt-get install docker.io")
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired as exc:
        raise PrerequisiteError(
            f"the container engine did not answer `docker {arguments[0]}` within {timeout_s:g} s",
            remedy=START_ENGINE,
        ) from exc
    except OSError as exc:
        raise PrerequisiteError(f"{program} cannot be run: {exc}", remedy="apt-get install docker.io") from exc
    if done.returncode != 0:
        said = clean(" | ".join((done.stderr or done.stdout).strip().splitlines()[-3:]))
        if any(mark.lower() in said.lower() for mark in _ABSENT):
            raise PrerequisiteError(f"no container engine answers: {said}", remedy=START_ENGINE)
        raise BrokerUnavailable(
            f"the container engine refused `docker {' '.join(arguments[:2])}`: {said}", remedy="docker info"
        )
    return done


def engine_version() -> str:
    """Version of the engine that answers.

    Raises:
        PrerequisiteError: None does.
        BrokerUnavailable: It answers and fails.
    """
    return _client(["version", "--format", "{{.Server.Version}}"], PROBE_TIMEOUT_S).stdout.strip()


def has_compose() -> bool:
    """Whether the compose plugin is installed."""
    try:
        _client(["compose", "version"], PROBE_TIMEOUT_S)
    except StratumError:
        return False
    return True


def image_present(image: str) -> bool:
    """Whether the engine holds the image."""
    try:
        _client(["image", "inspect", "--format", "{{.Id}}", image], PROBE_TIMEOUT_S)
    except StratumError:
        return False
    return True


class Docker:
    """One KRaft node in a container; its log is in a named volume.

    Args:
        settings: Image, host, port, heap, profiles and home.
    """

    name = "docker"

    def __init__(self, settings: Settings) -> None:
        self._broker = settings.broker
        mark = hashlib.sha256(str(settings.home.absolute()).encode()).hexdigest()[:10]
        self._project = f"stratum-{mark}"
        self._container = f"{self._project}-kafka"
        self._volume = f"{self._project}-data"
        # 22 characters of URL-safe base64, as Kafka's cluster ids are; fixed per home, since the volume is.
        self._cluster_id = mark + "A" * 12

    def obstacle(self) -> Obstacle | None:
        """No client, no engine, or one that fails."""
        try:
            engine_version()
        except StratumError as exc:
            return Obstacle(exc.message, exc.remedy or START_ENGINE)
        if self._broker.profiles and not has_compose():
            return Obstacle(
                f"the profiles {', '.join(self._broker.profiles)} need the compose plugin of docker",
                "install docker-compose-plugin, or unset STRATUM_BROKER__PROFILES",
            )
        return None

    def prepare(self) -> None:
        """Pull the image unless it is here."""
        if image_present(self._broker.image):
            return
        try:
            _client(["pull", "--quiet", self._broker.image], _PULL_TIMEOUT_S)
        except StratumError as exc:
            raise PrerequisiteError(
                f"the image {self._broker.image} is not here and cannot be pulled: {exc.message}",
                remedy="compose/image/build.sh builds one without a registry; then set STRATUM_BROKER__IMAGE",
            ) from exc

    def environment(self) -> dict[str, str]:
        """What the Kafka image is told; the same variables in both ways to start it."""
        return {
            "CLUSTER_ID": self._cluster_id,
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,INTERNAL://:19092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": (
                f"PLAINTEXT://{self._broker.host}:{self._broker.port},INTERNAL://kafka:19092"
            ),
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": ("PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"),
            "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@kafka:9093",
            "KAFKA_LOG_DIRS": _DATA,
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "16",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_OFFSETS_RETENTION_MINUTES": str(90 * 24 * 60),
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_HEAP_OPTS": f"-Xms256m -Xmx{self._broker.heap_mb}m",
        }

    def _compose(self, profiles: Iterable[str], *arguments: str) -> list[str]:
        out = ["compose", "--project-name", self._project]
        out += ["--file", str(compose_folder() / "docker-compose.yml")]
        for profile in profiles:
            out += ["--profile", profile]
        return [*out, *arguments]

    def _compose_environment(self) -> dict[str, str]:
        return {
            "STRATUM_COMPOSE_IMAGE": self._broker.image,
            "STRATUM_COMPOSE_REGISTRY_IMAGE": self._broker.registry_image,
            "STRATUM_COMPOSE_PROMETHEUS_IMAGE": self._broker.prometheus_image,
            "STRATUM_COMPOSE_GRAFANA_IMAGE": self._broker.grafana_image,
            "STRATUM_COMPOSE_HOST": self._broker.host,
            "STRATUM_COMPOSE_PORT": str(self._broker.port),
            "STRATUM_COMPOSE_CONTAINER": self._container,
            "STRATUM_COMPOSE_VOLUME": self._volume,
            "STRATUM_COMPOSE_CLUSTER_ID": self._cluster_id,
            "STRATUM_COMPOSE_HEAP": self.environment()["KAFKA_HEAP_OPTS"],
        }

    def start(self) -> BrokerState:
        """Start the container, and those of the profiles."""
        require_port(self._broker.host, self._broker.port)
        if has_compose():
            _client(self._compose(self._broker.profiles, "up", "--detach"), _RUN_TIMEOUT_S, self._compose_environment())
        else:
            self._remove()
            arguments = ["run", "--detach", "--name", self._container, "--hostname", "kafka", "--init"]
            arguments += ["--publish", f"{self._broker.host}:{self._broker.port}:9092"]
            arguments += ["--volume", f"{self._volume}:{_DATA}", "--label", "stratum.broker=1"]
            for name, value in self.environment().items():
                arguments += ["--env", f"{name}={value}"]
            _client([*arguments, self._broker.image], _RUN_TIMEOUT_S)
        address = f"{self._broker.host}:{self._broker.port}"
        return BrokerState(self.name, address, None, time.time(), self._container)

    def _remove(self) -> None:
        """Take away a container that an earlier start left; the volume stays."""
        found = _client(
            ["ps", "--all", "--quiet", "--filter", f"name=^{self._container}$"], PROBE_TIMEOUT_S
        ).stdout.split()
        if found:
            _client(["rm", "--force", *found], _RUN_TIMEOUT_S)

    def alive(self, state: BrokerState) -> bool:
        """Whether the container runs."""
        try:
            said = _client(
                ["inspect", "--format", "{{.State.Running}}", state.container or self._container], PROBE_TIMEOUT_S
            )
        except StratumError:
            return False
        return said.stdout.strip() == "true"

    def stop(self, state: BrokerState) -> None:
        """Stop and remove the containers; the volumes stay."""
        if has_compose():
            _client(
                self._compose(PROFILES, "down", "--timeout", str(int(STOP_GRACE_S))),
                _RUN_TIMEOUT_S,
                self._compose_environment(),
            )
            return
        if self.alive(state):
            _client(["stop", "--time", str(int(STOP_GRACE_S)), self._container], _RUN_TIMEOUT_S)
        self._remove()

    def log_tail(self, state: BrokerState) -> str:
        """What the container printed."""
        try:
            said = _client(["logs", "--tail", _TAIL_LINES, state.container or self._container], PROBE_TIMEOUT_S)
        except StratumError:
            return ""
        return "\n".join(clean(line) for line in (said.stdout + said.stderr).splitlines())
