"""The supervisor starts workers again, passes settings on, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import psutil
import pytest

from stratum_lab.settings import BrokerSettings, KafkaSettings, Settings, load
from streams import supervisor
from streams.supervisor import Supervisor, environment, state_file


def until(true: Callable[[], bool], within_s: float = 20) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose broker nobody asks."""
    return Settings(home=tmp_path, broker=BrokerSettings(bootstrap="127.0.0.1:1"))


def fake(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let workers run a piece of Python instead of Faust."""
    monkeypatch.setattr(supervisor, "COMMAND", (sys.executable, "-c", code))
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(supervisor, "POLL_S", 0.02)


def running(settings: Settings) -> list[int]:
    """Process ids of the workers, from the state file."""
    try:
        workers = orjson.loads(state_file(settings).read_bytes())["workers"]
    except FileNotFoundError:
        return []
    return [w["pid"] for w in workers if w["pid"] is not None and psutil.pid_exists(w["pid"])]


def test_settings_reach_a_worker_through_its_environment(tmp_path: Path) -> None:
    made = Settings(
        home=tmp_path,
        broker=BrokerSettings(bootstrap="h:1", profiles=("registry", "grafana")),
        kafka=KafkaSettings(topic_prefix="x.", security={"sasl.username": "u", "sasl.password": "p"}),
    )
    assert load(env=environment(made), file=Path(os.devnull)) == made


def test_a_worker_that_ends_is_started_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "import time; time.sleep(60)")
    made = Supervisor(settings, workers=2)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        until(lambda: len(running(settings)) == 2)
        victim = running(settings)[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in running(settings) and len(running(settings)) == 2)
        left = running(settings)
    finally:
        made.stop()
        thread.join()
    assert not any(psutil.pid_exists(pid) for pid in left)
    assert not state_file(settings).exists()


def test_a_contradiction_is_not_started_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "raise SystemExit(3)")
    assert Supervisor(settings).run() == 3


def test_a_worker_that_ignores_sigterm_is_killed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = settings.home / "ready"
    fake(
        monkeypatch,
        "import signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)",
    )
    monkeypatch.setattr(supervisor, "GRACE_S", 0.2)
    made = Supervisor(settings)
    thread = threading.Thread(target=made.run)
    thread.start()
    until(ready.exists)
    pid = running(settings)[0]
    made.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert not psutil.pid_exists(pid)
