"""A broker that somebody else runs; it is only checked, never started or stopped."""

from __future__ import annotations

import time

from stratum_lab.kafka.backends.base import Obstacle
from stratum_lab.kafka.state import BrokerState
from stratum_lab.settings import Settings


class External:
    """The broker at `broker.bootstrap`.

    Args:
        settings: Where it is.
    """

    name = "external"

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = settings.broker.bootstrap

    def obstacle(self) -> Obstacle | None:
        """No address is configured."""
        if self._bootstrap:
            return None
        return Obstacle("broker.bootstrap is not set", "export STRATUM_BROKER__BOOTSTRAP=host:port")

    def prepare(self) -> None:
        """Nothing to fetch."""

    def start(self) -> BrokerState:
        """Nothing to start."""
        return BrokerState(self.name, self._bootstrap or "", None, time.time())

    def alive(self, state: BrokerState) -> bool:
        """Only a connection can tell."""
        return True

    def stop(self, state: BrokerState) -> None:
        """It is not ours."""

    def log_tail(self, state: BrokerState) -> str:
        """Its log is elsewhere."""
        return ""
