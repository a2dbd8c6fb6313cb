"""Choosing a back-end, the container engine at its worst, and notes about brokers that are gone."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path

import psutil
import pytest
from prometheus_client import Counter, Gauge

from stratum_lab.errors import BrokerUnavailable, IntegrityError, PrerequisiteError, StratumError, UsageError
from stratum_lab.kafka import broker
from stratum_lab.kafka.address import bootstrap
from stratum_lab.kafka.backends import docker, select
from stratum_lab.kafka.backends.apache import Apache, compose_folder, java_major
from stratum_lab.kafka.backends.base import Obstacle, spawn, terminate
from stratum_lab.kafka.backends.docker import Docker
from stratum_lab.kafka.state import BrokerState, read_state, remove_state, state_path, write_state
from stratum_lab.settings import BrokerSettings, Settings


def _settings(home: Path, **fields: object) -> Settings:
    return Settings(home=home, broker=BrokerSettings.model_validate(fields))


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


class Stub:
    """A back-end with a given obstacle."""

    def __init__(self, name: str, obstacle: Obstacle | None, prepared: StratumError | None = None) -> None:
        self.name, self._obstacle, self._prepared = name, obstacle, prepared

    def obstacle(self) -> Obstacle | None:
        return self._obstacle

    def prepare(self) -> None:
        if self._prepared is not None:
            raise self._prepared

    def start(self) -> BrokerState:
        raise NotImplementedError

    def alive(self, state: BrokerState) -> bool:
        return False

    def stop(self, state: BrokerState) -> None:
        raise NotImplementedError

    def log_tail(self, state: BrokerState) -> str:
        return ""


def _stubs(monkeypatch: pytest.MonkeyPatch, *stubs: Stub) -> None:
    monkeypatch.setattr(select, "BACKENDS", {s.name: (lambda _, s=s: s) for s in stubs})


NOT_HERE = Obstacle("not here", "install it")


def test_the_order_is_external_docker_apache_memory() -> None:
    assert list(select.BACKENDS) == ["external", "docker", "apache", "memory"]


def test_auto_takes_the_first_that_applies_and_says_why_not_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unprepared = PrerequisiteError("cannot be pulled", remedy="build it")
    _stubs(
        monkeypatch,
        Stub("external", NOT_HERE),
        Stub("docker", None, unprepared),
        Stub("apache", None),
        Stub("memory", None),
    )
    said: list[str] = []
    assert select.select(_settings(tmp_path), said.append).name == "apache"
    assert said == ["not external: not here", "not docker: cannot be pulled"]


def test_auto_with_nothing_names_every_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _stubs(monkeypatch, Stub("apache", NOT_HERE), Stub("memory", Obstacle("no extra", "pip")))
    with pytest.raises(PrerequisiteError, match="apache: not here; memory: no extra"):
        select.select(_settings(tmp_path), lambda _: None)


def test_a_named_back_end_is_not_replaced_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _stubs(monkeypatch, Stub("docker", NOT_HERE), Stub("apache", None))
    with pytest.raises(PrerequisiteError, match="docker does not apply: not here") as caught:
        select.select(_settings(tmp_path, backend="docker"), lambda _: None)
    assert caught.value.remedy == "install it"


def test_external_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"broker\.bootstrap is not set"):
        select.select(_settings(tmp_path, backend="external"), lambda _: None)


@pytest.mark.parametrize(
    ("script", "error", "says"),
    [
        pytest.param(None, PrerequisiteError, "no container client", id="no client"),
        pytest.param(
            "echo 'Cannot connect to the Docker daemon at unix:///x' >&2; exit 1",
            PrerequisiteError,
            "no container engine answers",
            id="no engine",
        ),
        pytest.param("sleep 30", PrerequisiteError, "did not answer", id="engine hangs"),
        pytest.param(
            "echo 'Error response from daemon: 500 Internal' >&2; exit 1",
            BrokerUnavailable,
            "500 Internal",
            id="engine fails",
        ),
    ],
)
def test_an_engine_that_is_absent_slow_or_ill_is_a_typed_error(
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    script: str | None,
    error: type[StratumError],
    says: str,
) -> None:
    if script is not None:
        _program(programs, "docker", "PATH=/usr/bin:/bin; " + script.replace("sleep", "exec sleep"))
    monkeypatch.setattr(docker, "PROBE_TIMEOUT_S", 0.5)
    with pytest.raises(error, match=says):
        docker.engine_version()
    found = Docker(_settings(tmp_path)).obstacle()
    assert found is not None
    assert says in found.reason
    assert found.fix


def test_the_words_of_an_engine_cannot_paint_the_terminal(programs: Path) -> None:
    _program(programs, "docker", r"printf 'bad \033[31m thing' >&2; exit 1")
    with pytest.raises(BrokerUnavailable) as caught:
        docker.engine_version()
    assert "\x1b" not in caught.value.message


def test_an_image_that_cannot_be_pulled_says_how_to_build_one(programs: Path, tmp_path: Path) -> None:
    _program(programs, "docker", "echo 'no such host' >&2; exit 1")
    with pytest.raises(PrerequisiteError, match="cannot be pulled") as caught:
        Docker(_settings(tmp_path)).prepare()
    assert "build.sh" in str(caught.value.remedy)


def test_profiles_without_the_compose_plugin_are_an_obstacle(programs: Path, tmp_path: Path) -> None:
    _program(programs, "docker", '[ "$1" = version ] || { echo "unknown command" >&2; exit 1; }')
    assert Docker(_settings(tmp_path)).obstacle() is None
    found = Docker(_settings(tmp_path, profiles=("grafana",))).obstacle()
    assert found is not None
    assert "grafana" in found.reason


def test_compose_gets_the_settings_and_the_profiles(programs: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    _program(programs, "docker", f'echo "$* port=$STRATUM_COMPOSE_PORT image=$STRATUM_COMPOSE_IMAGE" >>{log}')
    settings = _settings(tmp_path, profiles=("registry",), port=45123, image="mine:1")
    state = Docker(settings).start()
    assert state.bootstrap == "127.0.0.1:45123"
    up = log.read_text().splitlines()[-1]
    assert "--profile registry up --detach port=45123 image=mine:1" in up
    assert "--profile grafana" not in up
    Docker(settings).stop(state)
    down = log.read_text().splitlines()[-1]
    assert all(f"--profile {name}" in down for name in docker.PROFILES)
    assert "--volumes" not in down


def test_the_compose_file_and_docker_run_tell_kafka_the_same(tmp_path: Path) -> None:
    text = (compose_folder() / "docker-compose.yml").read_text()
    found = dict(re.findall(r"^      (KAFKA_\w+): \"?(.*?)\"?$", text, re.MULTILINE))
    made = Docker(_settings(tmp_path)).environment()
    made.pop("CLUSTER_ID")
    assert {k: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", v) for k, v in found.items()} == made


def test_default_images_and_versions_agree() -> None:
    text = (compose_folder() / "docker-compose.yml").read_text()
    fields = BrokerSettings()
    for image in (fields.image, fields.registry_image, fields.prometheus_image, fields.grafana_image):
        assert f":-{image}}}" in text
    pom = (compose_folder() / "apache" / "pom.xml").read_text()
    assert f"<kafka.version>{fields.kafka_version}</kafka.version>" in pom


def test_the_pom_names_no_repository() -> None:
    pom = (compose_folder() / "apache" / "pom.xml").read_text()
    assert "<repositor" not in pom
    assert "https://" not in pom


def test_the_dashboard_shows_metrics_that_exist() -> None:
    from streams import metrics

    known = set()
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge):
            for family in metric.collect():
                known |= {family.name, f"{family.name}_total"}
    board = json.loads((compose_folder() / "grafana" / "dashboards" / "streams.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"stratum_\w+", target["expr"])
    }
    assert asked
    assert asked <= known


@pytest.mark.parametrize(
    ("says", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_381"', 1),
        ("what", None),
    ],
    ids=["17", "21", "8", "nonsense"],
)
def test_the_java_version_is_read(programs: Path, says: str, major: int | None) -> None:
    _program(programs, "java", f"echo '{says}' >&2")
    assert java_major() == major


def test_apache_needs_java_17_and_maven_or_jars(programs: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path)

    def reason() -> str:
        found = Apache(settings).obstacle()
        return found.reason if found else ""

    assert "no Java" in reason()
    _program(programs, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    assert "Java 11" in reason()
    _program(programs, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    assert "Maven" in reason()
    (tmp_path / "kafka" / settings.broker.kafka_version / "lib").mkdir(parents=True)
    assert reason() == ""


def test_maven_that_fails_shows_its_words_and_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    _program(programs, "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(PrerequisiteError, match="Could not transfer artifact") as caught:
        Apache(_settings(tmp_path)).prepare()
    assert "settings.xml" in str(caught.value.remedy)
    assert not list((tmp_path / "kafka").glob("*/lib"))
    assert not list((tmp_path / "kafka").glob(".resolve-*"))


@pytest.mark.parametrize("version", ["../../etc", "4.1.1;rm", "", "-x"])
def test_a_version_that_is_none_touches_no_path(tmp_path: Path, version: str) -> None:
    with pytest.raises(PrerequisiteError, match="kafka_version"):
        Apache(_settings(tmp_path, kafka_version=version)).prepare()
    assert not (tmp_path / "kafka").exists()


def _sleeper(tmp_path: Path, script: str = "import time; time.sleep(60)") -> BrokerState:
    return spawn("apache", "127.0.0.1:1", [sys.executable, "-c", script], os.environ, tmp_path / "log")


def test_a_note_is_read_as_it_was_written_and_its_file_appears_whole(tmp_path: Path) -> None:
    state = BrokerState("docker", "127.0.0.1:9092", None, 1.5, "name")
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [p.name for p in tmp_path.iterdir()] == ["broker.json"]
    remove_state(tmp_path)
    remove_state(tmp_path)
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"backend": "x", "more": 1}'])
def test_a_note_that_is_none_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    state_path(tmp_path).write_text(text)
    with pytest.raises(IntegrityError, match=r"broker\.json"):
        read_state(tmp_path)


def test_a_process_outlives_nothing_but_its_end(tmp_path: Path) -> None:
    state = _sleeper(tmp_path)
    assert not state.stale
    assert os.getsid(state.pid or 0) == state.pid
    terminate(state)
    assert state.stale
    terminate(state)


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    state = _sleeper(tmp_path, script)
    process = psutil.Process(state.pid)
    while not (tmp_path / "log").read_text():
        assert process.is_running()
    terminate(state, grace_s=0.2)
    assert state.stale


def test_a_reused_pid_is_stale_by_time_or_by_command(tmp_path: Path) -> None:
    state = _sleeper(tmp_path)
    fields = {"backend": state.backend, "bootstrap": state.bootstrap, "pid": state.pid}
    try:
        assert BrokerState(**fields, started=state.started - 100, command=state.command).stale  # type: ignore[arg-type]
        assert BrokerState(**fields, started=state.started, command="java kafka.Kafka").stale  # type: ignore[arg-type]
        assert not BrokerState(**fields, started=state.started, command=state.command).stale  # type: ignore[arg-type]
    finally:
        terminate(state)


def test_a_configured_address_wins_over_a_note(tmp_path: Path) -> None:
    write_state(tmp_path, BrokerState("docker", "noted:1", None, 0.0, "c"))
    assert bootstrap(_settings(tmp_path, bootstrap="configured:1")) == "configured:1"
    assert bootstrap(_settings(tmp_path)) == "noted:1"


def test_without_a_broker_the_way_to_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        bootstrap(_settings(tmp_path))
    assert caught.value.remedy == "stratum up"


def test_a_note_about_an_unknown_back_end_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path, BrokerState("rabbit", "127.0.0.1:1", None, 0.0))
    for call in (broker.up, broker.down):
        with pytest.raises((IntegrityError, UsageError), match="rabbit"):
            call(_settings(tmp_path), lambda _: None)
