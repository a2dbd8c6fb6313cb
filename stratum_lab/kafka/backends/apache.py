"""The real Apache Kafka server: jars resolved once by Maven, one KRaft node, data on disk.

Layout below `<home>/kafka`: `<version>/lib` (jars), `data` (the log; kept by `down` and by upgrades), `cluster.id`.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from stratum_lab.errors import Busy, PrerequisiteError
from stratum_lab.kafka.backends.base import (
    Obstacle,
    free_port,
    log_folder,
    port_taken,
    require_port,
    spawn,
    tail,
    terminate,
)
from stratum_lab.kafka.state import BrokerState
from stratum_lab.settings import Settings

MIN_JAVA = 17
_JAVA_TIMEOUT_S = 20.0
_MAVEN_TIMEOUT_S = 600.0
_FORMAT_TIMEOUT_S = 60.0
_OUTPUT_LINES = 5
_VERSION = re.compile(r'version "(\d+)')
_SAFE_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.\-]*")


def compose_folder() -> Path:
    """The folder `compose/`: inside the wheel, else in the checkout."""
    packaged = Path(__file__).parents[1] / "compose"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "compose"


def java() -> str | None:
    """The Java program: that of JAVA_HOME, else the first on the path."""
    home = os.environ.get("JAVA_HOME")
    if home and os.access(Path(home) / "bin" / "java", os.X_OK):
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


def java_major() -> int | None:
    """Major version of Java here; None when there is none or it does not say."""
    program = java()
    if program is None:
        return None
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=_JAVA_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stderr)
    return int(found[1]) if found else None


class Apache:
    """One KRaft node of the version in the settings.

    Args:
        settings: Host, ports, heap, version and home.
    """

    name = "apache"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root = settings.home.absolute() / "kafka"
        self._lib = self._root / settings.broker.kafka_version / "lib"

    def obstacle(self) -> Obstacle | None:
        """Java is missing or too old, Maven is missing while the jars are not here yet."""
        major = java_major()
        if major is None or major < MIN_JAVA:
            found = "no Java" if major is None else f"Java {major}"
            return Obstacle(f"{found} here, {MIN_JAVA} or newer is needed", "apt-get install openjdk-17-jre-headless")
        if not self._lib.is_dir() and shutil.which("mvn") is None:
            return Obstacle("Maven is missing; it fetches Apache Kafka once", "apt-get install maven")
        return None

    def prepare(self) -> None:
        """Resolve the jars, once per version; whoever comes second waits for the first."""
        version = self._settings.broker.kafka_version
        if not _SAFE_VERSION.fullmatch(version):
            raise PrerequisiteError(
                f"broker.kafka_version is {version!r}, no version of Apache Kafka", remedy="use one such as 4.1.1"
            )
        if self._lib.is_dir():
            return
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._root / f"{version}.lock", timeout=_MAVEN_TIMEOUT_S):
                if not self._lib.is_dir():
                    self._resolve(version)
        except Timeout as exc:
            raise Busy(f"another process has been fetching Apache Kafka for {_MAVEN_TIMEOUT_S:g} s") from exc

    def _resolve(self, version: str) -> None:
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".resolve-") as scratch:
            pom = Path(scratch) / "pom.xml"
            shutil.copyfile(compose_folder() / "apache" / "pom.xml", pom)
            fresh = Path(scratch) / "lib"
            argv = [shutil.which("mvn") or "mvn", "-q", "-B", "-f", str(pom), f"-Dkafka.version={version}"]
            argv += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
            try:
                done = subprocess.run(argv, capture_output=True, text=True, timeout=_MAVEN_TIMEOUT_S)
            except (OSError, subprocess.TimeoutExpired) as exc:
                raise self._unresolved(version, str(exc)) from exc
            if done.returncode != 0 or not any(fresh.glob("kafka_*.jar")):
                said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
                raise self._unresolved(version, " | ".join(said[:_OUTPUT_LINES]))
            self._lib.parent.mkdir(exist_ok=True)
            fresh.rename(self._lib)

    def _unresolved(self, version: str, why: str) -> PrerequisiteError:
        return PrerequisiteError(
            f"Maven could not fetch Apache Kafka {version}: {why}",
            remedy="check network and ~/.m2/settings.xml (a mirror set there is used), then stratum up",
        )

    def _cluster_id(self) -> str:
        path = self._root / "cluster.id"
        if not path.is_file():
            # Kafka's tools read a leading dash as an option.
            fresh = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
            path.write_text(fresh + "\n", encoding="ascii")
        return path.read_text(encoding="ascii").strip()

    def _write_config(self, controller_port: int) -> Path:
        broker, data = self._settings.broker, self._root / "data"
        controller = f"{broker.host}:{controller_port}"
        client = f"PLAINTEXT://{broker.host}:{broker.port}"
        rows = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"{client},CONTROLLER://{controller}",
            "advertised.listeners": client,
            "controller.listener.names": "CONTROLLER",
            # Voters from the configuration and not from the log, so that the ports may change between starts.
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(data),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "16",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # Consumer groups keep their place for as long as a project may rest.
            "offsets.retention.minutes": str(90 * 24 * 60),
        }
        path = log_folder(self._settings.home) / "server.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in rows.items()), encoding="utf-8")
        return path

    def _java(self, *arguments: str) -> list[str]:
        program = java()
        if program is None:
            raise PrerequisiteError("there is no Java here", remedy="apt-get install openjdk-17-jre-headless")
        logs = log_folder(self._settings.home)
        return [
            program,
            f"-Xmx{self._settings.broker.heap_mb}m",
            "-Xms256m",
            "-XX:+ExitOnOutOfMemoryError",
            f"-Dstratum.log.dir={logs}",
            f"-Dlog4j2.configurationFile={compose_folder() / 'apache' / 'log4j2.properties'}",
            "-cp",
            f"{self._lib}/*",
            *arguments,
        ]

    def start(self) -> BrokerState:
        """Format the storage when it is new, and start the node."""
        broker = self._settings.broker
        require_port(broker.host, broker.port)
        taken = port_taken(broker.host, broker.controller_port) or broker.controller_port == broker.port
        controller_port = free_port(broker.host) if taken else broker.controller_port
        config = self._write_config(controller_port)
        if not (self._root / "data" / "meta.properties").is_file():
            self._format(config)
        log = log_folder(self._settings.home) / "broker.out"
        address = f"{broker.host}:{broker.port}"
        return spawn(self.name, address, self._java("kafka.Kafka", str(config)), os.environ, log)

    def _format(self, config: Path) -> None:
        argv = self._java("kafka.tools.StorageTool", "format", "--ignore-formatted")
        argv += ["-t", self._cluster_id(), "-c", str(config)]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_FORMAT_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise PrerequisiteError(f"Kafka's storage could not be made: {exc}", remedy="stratum doctor") from exc
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()[-_OUTPUT_LINES:]
            raise PrerequisiteError(
                f"Kafka's storage in {self._root / 'data'} could not be made: {' | '.join(said)}",
                remedy=f"check that {self._root} can be written and has room",
            )

    def alive(self, state: BrokerState) -> bool:
        """Whether its process runs."""
        return state.process() is not None

    def stop(self, state: BrokerState) -> None:
        """Ask the node to shut down; the log stays."""
        terminate(state)

    def log_tail(self, state: BrokerState) -> str:
        """The end of the server's log, and what Java printed."""
        logs = log_folder(self._settings.home)
        return "\n".join(filter(None, (tail(logs / "server.log"), tail(logs / "broker.out"))))
