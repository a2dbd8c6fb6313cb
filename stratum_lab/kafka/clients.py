"""Configuration shared by every librdkafka client: address, security, and logs that go to structlog."""

from __future__ import annotations

import logging
import time
from typing import Any

from confluent_kafka.admin import AdminClient

from stratum_lab.kafka.address import bootstrap as find_bootstrap
from stratum_lab.kafka.failures import translated
from stratum_lab.observe import logs
from stratum_lab.settings import Settings

_REPEAT_S = 30.0
"""The same line of librdkafka is logged at most this often; it repeats itself while a broker is away."""

_MAX_SEEN = 256


class ClientLog:
    """What librdkafka calls to log; it wants an object with the `log` of a `logging.Logger`."""

    def __init__(self) -> None:
        self._log = logs.get("librdkafka")
        self._seen: dict[str, float] = {}

    def log(self, level: int, message: str, *args: object) -> None:
        """Pass one line on, unless the same one was just logged."""
        text = message % args if args else message
        where, now = text.split("]", 1)[0][-80:], time.monotonic()
        if now - self._seen.get(where, -_REPEAT_S) < _REPEAT_S:
            return
        if len(self._seen) >= _MAX_SEEN:
            self._seen.clear()
        self._seen[where] = now
        # Whoever needs the broker gets a typed error; a worker that waits says why; what is retried says nothing.
        shown = logging.WARNING if level >= logging.ERROR else logging.DEBUG
        self._log.log(shown, logs.clean(text))


def client_config(settings: Settings, bootstrap: str | None = None) -> dict[str, Any]:
    """The librdkafka properties every client needs.

    Args:
        settings: Address, security and timeouts.
        bootstrap: Address to use instead of the settings'.
    """
    return {
        "bootstrap.servers": bootstrap or find_bootstrap(settings),
        "client.id": "stratum",
        "logger": ClientLog(),
        "error_cb": _ignore,
        "log.connection.close": False,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2000,
        **settings.kafka.security,
    }


def _ignore(_: object) -> None:
    """Global errors are logged by librdkafka too; without this they are printed."""


def admin(settings: Settings, bootstrap: str | None = None) -> AdminClient:
    """An admin client.

    Raises:
        SettingsError: librdkafka refuses a property.
    """
    config = client_config(settings, bootstrap)
    with translated("starting an admin client"):
        return AdminClient(config)
