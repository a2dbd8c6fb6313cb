"""The broker of one invocation: the configured one, else an Apache Kafka of our own that is removed afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from stratum_lab.settings import Settings, load

PARTITIONS = 4
DELETE_TIMEOUT_S = 60.0
_UP_TIMEOUT_S = 900.0


@contextmanager
def broker(prefix: str) -> Iterator[Settings]:
    """Settings of a broker that answers; topics whose name holds `prefix` are deleted at the end.

    Args:
        prefix: Prefix of every topic and group of this invocation; nobody else's.
    """
    with tempfile.TemporaryDirectory(prefix="stratum-bench-") as folder:
        home = Path(folder)
        own = load()
        if own.broker.bootstrap:
            made = _settings(home, own.broker.bootstrap, prefix)
            try:
                yield made
            finally:
                delete_topics(made, prefix)
            return
        port, controller = _free_port(), _free_port()
        env = os.environ | {
            "STRATUM_HOME": str(home),
            "STRATUM_BROKER__BACKEND": "apache",
            "STRATUM_BROKER__PORT": str(port),
            "STRATUM_BROKER__CONTROLLER_PORT": str(controller),
        }
        _stratum("up", env)
        try:
            yield _settings(home, f"127.0.0.1:{port}", prefix)
        finally:
            _stratum("down", env)


def _settings(home: Path, bootstrap: str, prefix: str) -> Settings:
    return load(
        overrides={
            "home": home,
            "broker.bootstrap": bootstrap,
            "kafka.topic_prefix": prefix,
            "kafka.partitions": PARTITIONS,
            "log.level": "warning",
        }
    )


def _stratum(verb: str, env: dict[str, str]) -> None:
    # Its talk is not part of the result, which is on stdout.
    command = [sys.executable, "-m", "stratum_lab.cli", verb]
    subprocess.run(command, env=env, check=True, timeout=_UP_TIMEOUT_S, stdout=sys.stderr)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def delete_topics(settings: Settings, prefix: str) -> None:
    """Delete every topic whose name holds this; changelogs put their own words before it. Waits until they are gone."""
    admin = AdminClient({"bootstrap.servers": settings.broker.bootstrap or ""})
    names = _named(admin, prefix)
    if not names:
        return
    for future in admin.delete_topics(names, request_timeout=DELETE_TIMEOUT_S).values():
        try:
            future.result()
        except KafkaException as exc:
            if exc.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    deadline = time.monotonic() + DELETE_TIMEOUT_S
    while _named(admin, prefix) and time.monotonic() < deadline:
        time.sleep(0.2)


def _named(admin: AdminClient, part: str) -> list[str]:
    return [name for name in admin.list_topics(timeout=DELETE_TIMEOUT_S).topics if part in name]
