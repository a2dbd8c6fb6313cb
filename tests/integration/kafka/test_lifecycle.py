"""`stratum up`, `status` and `down` as a person uses them: real processes, real brokers, and what gets in the way."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stratum_lab import errors
from stratum_lab.contract.topics import CATALOGUE, RUN_EVENTS
from stratum_lab.kafka import broker, reader, topics
from stratum_lab.kafka.backends.base import free_port
from stratum_lab.kafka.backends.memory import Memory
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.state import BrokerState, read_state, state_path, write_state
from stratum_lab.settings import Settings
from tests.support.kafka import (
    HOST,
    cannot,
    environment,
    kafka_image,
    lend_jars,
    own_broker,
    wait_for,
)

pytestmark = pytest.mark.integration

SCRIPT = Path(sys.executable).with_name("stratum")
RUN_S = 110
MESSAGES = 500


def stratum(settings: Settings, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    return subprocess.run(
        [SCRIPT, *arguments],
        env=environment(settings) | extra,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        cwd=settings.home.parent,
    )


def succeed(settings: Settings, *arguments: str) -> Any:
    """Run the real command with --json, which must succeed."""
    done = stratum(settings, *arguments, "--json")
    assert done.returncode == errors.EXIT_OK, done.stderr
    return json.loads(done.stdout)


Home = Callable[[str], Settings]


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Home]:
    """Makes settings for a broker of a kind in a new home; whatever runs there at the end is stopped."""
    made: list[Settings] = []

    def make(backend: str) -> Settings:
        image = kafka_image() if backend == "docker" else None
        settings = own_broker(tmp_path / backend, backend, image=image)
        settings.home.mkdir()
        if backend == "apache":
            lend_jars(request.getfixturevalue("kafka_jars"), settings)
        if backend == "memory" and (obstacle := Memory(settings).obstacle()):
            cannot(obstacle.reason)
        made.append(settings)
        return settings

    yield make
    for settings in made:
        broker.down(settings, lambda _: None)
        if settings.broker.backend == "docker":
            mark = broker.BACKENDS["docker"](settings)._volume  # type: ignore[attr-defined]
            subprocess.run(["docker", "volume", "rm", "--force", mark], capture_output=True, timeout=60)


def noted(settings: Settings) -> BrokerState:
    """The broker that `up` noted."""
    state = read_state(settings.home)
    assert state is not None
    return state


def produce(settings: Settings, bootstrap: str) -> None:
    at = broker.at(settings, bootstrap)
    with Producer(at) as producer:
        for i in range(MESSAGES):
            producer.send_raw(topics.on_broker(at, RUN_EVENTS), "k", b"%d" % i)


def consume(settings: Settings, bootstrap: str) -> list[int]:
    return [int(m.value or b"") for m in reader.read_topic(broker.at(settings, bootstrap), RUN_EVENTS)]


@pytest.mark.parametrize("backend", ["apache", pytest.param("docker", marks=pytest.mark.docker)])
def test_down_and_up_lose_nothing(home: Home, backend: str) -> None:
    settings = home(backend)
    first = succeed(settings, "up")
    assert (first["backend"], first["already_running"]) == (backend, False)
    assert len(first["topics_created"]) == len(CATALOGUE)
    produce(settings, first["bootstrap"])

    again = succeed(settings, "up")
    assert (again["already_running"], again["topics_created"]) == (True, [])

    status = succeed(settings, "status")
    found = {t["name"]: t["messages"] for t in status["topics"]}
    assert (status["reachable"], found[topics.on_broker(settings, RUN_EVENTS)]) == (True, MESSAGES)

    assert succeed(settings, "down") == {"stopped": True, "backend": backend}
    assert not state_path(settings.home).exists()
    done = stratum(settings, "status")
    assert (done.returncode, "stratum up" in done.stderr) == (errors.EXIT_TRY_LATER, True)

    second = succeed(settings, "up")
    assert second["topics_created"] == []
    assert consume(settings, second["bootstrap"]) == list(range(MESSAGES))


def test_a_broker_killed_while_messages_are_sent_is_noticed_and_loses_and_doubles_nothing(home: Home) -> None:
    settings = home("apache")
    bootstrap = succeed(settings, "up")["bootstrap"]
    at = broker.at(settings, bootstrap)
    full = topics.on_broker(at, RUN_EVENTS)
    state = noted(settings)
    with Producer(at) as producer:
        for i in range(2 * MESSAGES):
            producer.send_raw(full, "k", b"%d" % i)
            if i == MESSAGES:
                wait_for(lambda: producer.poll() > 0, "something is acknowledged")
                os.kill(state.pid or 0, signal.SIGKILL)
                wait_for(lambda: state.stale, "the broker is dead")

        done = stratum(settings, "status", "--json")
        assert done.returncode == errors.EXIT_TRY_LATER
        envelope = json.loads(done.stdout)["error"]
        assert (envelope["kind"], envelope["remedy"]) == ("broker_unavailable", "stratum up")
        assert str(state.pid) in envelope["message"]

        done = stratum(settings, "up")
        assert (done.returncode, "is gone; its note is removed" in done.stderr) == (errors.EXIT_OK, True)
    assert producer.delivered == 2 * MESSAGES
    assert consume(settings, bootstrap) == list(range(2 * MESSAGES))


def test_the_memory_broker_says_that_its_log_dies_with_it(home: Home) -> None:
    settings = home("memory")
    done = stratum(settings, "up")
    assert (done.returncode, "gone when the broker stops" in done.stderr) == (errors.EXIT_OK, True)
    state = noted(settings)
    produce(settings, state.bootstrap)
    assert consume(settings, state.bootstrap) == list(range(MESSAGES))
    done = stratum(settings, "down")
    assert (done.returncode, "stopped the memory broker" in done.stdout) == (errors.EXIT_OK, True)
    assert not psutil.pid_exists(state.pid or -1)
    succeed(settings, "up")
    assert consume(settings, state.bootstrap) == []


def test_a_port_in_use_names_port_holder_and_way_out(home: Home) -> None:
    settings = home("memory")
    with socket.socket() as other:
        other.bind((HOST, settings.broker.port))
        other.listen()
        done = stratum(settings, "up", "--json")
        assert done.returncode == errors.EXIT_TRY_LATER
        error = json.loads(done.stdout)["error"]
        assert error["kind"] == "busy"
        assert f"port {settings.broker.port}" in error["message"]
        assert f"pid {os.getpid()}" in error["message"]
        assert "--port" in error["remedy"]
        assert not state_path(settings.home).exists()
        other_port = free_port(HOST)
        assert succeed(settings, "up", "--port", str(other_port))["bootstrap"] == f"{HOST}:{other_port}"


def test_a_note_about_a_pid_of_another_program_is_dropped_and_that_program_lives(home: Home) -> None:
    settings = home("memory")
    first = succeed(settings, "up")
    state = noted(settings)
    broker.down(settings, lambda _: None)
    # This test process has the pid now, as it were; it must survive `down` and `up`.
    started = psutil.Process().create_time()
    write_state(settings.home, dataclasses.replace(state, pid=os.getpid(), started=started))
    done = stratum(settings, "down")
    assert (done.returncode, "already gone" in done.stderr) == (errors.EXIT_OK, True)
    write_state(settings.home, dataclasses.replace(state, pid=os.getpid()))
    assert succeed(settings, "up")["pid"] not in (os.getpid(), first["pid"])


def test_a_lock_left_by_a_dead_process_stops_nobody(home: Home) -> None:
    settings = home("memory")
    (settings.home / "broker.lock").write_text("999999")
    assert succeed(settings, "up")["backend"] == "memory"


def test_two_ups_at_once_start_one_broker(home: Home) -> None:
    settings = home("memory")
    runs = [
        subprocess.Popen(
            [SCRIPT, "up", "--json"], env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    found = [json.loads(run.communicate(timeout=RUN_S)[0]) for run in runs]
    assert len({f["pid"] for f in found}) == 1
    assert sorted(f["already_running"] for f in found) == [False, True, True]


def test_an_interrupted_up_leaves_nothing_behind(home: Home) -> None:
    settings = home("apache")
    run = subprocess.Popen(
        [SCRIPT, "up"], env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(state_path(settings.home).exists, "the broker is noted")
    state = noted(settings)
    run.send_signal(signal.SIGINT)
    assert run.wait(RUN_S) == errors.EXIT_INTERRUPTED
    assert state.stale
    assert not state_path(settings.home).exists()


def test_another_back_end_is_refused_while_one_runs(home: Home) -> None:
    settings = home("memory")
    succeed(settings, "up")
    done = stratum(settings, "up", "--backend", "apache")
    assert (done.returncode, "stratum down" in done.stderr) == (errors.EXIT_USAGE, True)


def test_a_broker_that_cannot_start_is_cleaned_up_and_its_words_are_shown(home: Home) -> None:
    settings = home("apache")
    data = settings.home / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=another\n")
    done = stratum(settings, "up")
    assert done.returncode == errors.EXIT_TRY_LATER
    assert "ended while starting" in done.stderr
    assert "node" in done.stderr.lower()
    assert not state_path(settings.home).exists()


def test_an_external_broker_is_used_and_never_stopped(kafka: str, tmp_path: Path) -> None:
    settings = own_broker(tmp_path / "home", "auto")
    prefix = f"x{os.getpid()}{free_port(HOST)}."
    extra = {"STRATUM_BROKER__BOOTSTRAP": kafka, "STRATUM_KAFKA__TOPIC_PREFIX": prefix}
    done = stratum(settings, "up", "--json", **extra)
    assert done.returncode == errors.EXIT_OK, done.stderr
    assert json.loads(done.stdout)["backend"] == "external"
    assert stratum(settings, "down", **extra).returncode == errors.EXIT_OK
    done = stratum(settings, "status", "--json", **extra)
    assert (done.returncode, json.loads(done.stdout)["reachable"]) == (errors.EXIT_OK, True)


@pytest.mark.parametrize("command", ["up", "status"])
def test_a_broker_that_is_not_there_is_exit_75(tmp_path: Path, command: str) -> None:
    settings = own_broker(tmp_path / "home", "auto")
    extra = {
        "STRATUM_BROKER__BOOTSTRAP": f"{HOST}:{free_port(HOST)}",
        "STRATUM_KAFKA__REQUEST_TIMEOUT_S": "2",
    }
    done = stratum(settings, command, **extra)
    assert (done.returncode, "does not answer" in done.stderr) == (errors.EXIT_TRY_LATER, True)


def test_an_unknown_back_end_is_exit_78_and_names_the_known_ones(tmp_path: Path) -> None:
    done = stratum(own_broker(tmp_path / "home", "auto"), "up", "--backend", "rabbit")
    assert done.returncode == errors.EXIT_CONFIG
    assert all(name in done.stderr for name in ("rabbit", "external", "docker", "apache", "memory"))
