"""`stratum worker scan`: takes jobs from `scan.jobs` and publishes a ping for every attempt; as many as wanted.

This module starts and ends the parts: `scan_worker_loop` takes and commits jobs, `scan_worker_attempt` does one,
`scan_worker_publish` sends what came of it, `scan_worker_scratch` keeps the disk clean.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import threading
import time

from producers.job_state_log import StatusFollower
from producers.scan_worker_attempt import Attempts, Scanner
from producers.scan_worker_history import results_there
from producers.scan_worker_loop import PUBLISH_S, Loop
from producers.scan_worker_metrics import Metrics
from producers.scan_worker_publish import Encoder, Publisher
from producers.scan_worker_scan import scan_source
from producers.scan_worker_scratch import Scratch
from stratum_lab.contract.topics import (
    DEAD_LETTERS,
    SCAN_GRAPHS,
    SCAN_IDENTITIES,
    SCAN_JOBS,
    SCAN_PINGS,
    SCAN_STATUS,
)
from stratum_lab.errors import EXIT_TRY_LATER
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.observe import logs
from stratum_lab.observe.signals import StopSignals
from stratum_lab.settings import Settings

_log = logs.get("scan")

TOPICS = (SCAN_JOBS, SCAN_STATUS, SCAN_PINGS, SCAN_GRAPHS, SCAN_IDENTITIES, DEAD_LETTERS)
LEAVE_S = 20.0
"""Time to leave the group and clean up after everything else; then the process ends in any case."""


def worker_name() -> str:
    """Host, process and four digits of chance: unique, and good as the name of a folder."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:40].lstrip(".-") or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(2)}"


def run(settings: Settings, stop: threading.Event, scanner: Scanner = scan_source) -> None:
    """Do jobs until `stop` is set.

    Args:
        settings: Broker, limits, attempts at once.
        stop: Ends the worker: running attempts have `jobs.stop_grace_s` to end, the rest is left to other workers.
        scanner: Fetches and scans.

    Raises:
        BrokerUnavailable: The broker does not answer at the start.
        DestinationFull: There is no scratch folder to be had.
        StratumError: The broker refuses this worker.
    """
    ensure_topics(settings, TOPICS)
    name = worker_name()
    metrics = Metrics(settings.jobs.metrics_port)
    scratch = Scratch(settings.scratch_dir, name, settings.jobs.min_free_mb)
    try:
        swept = scratch.sweep()
        if swept:
            _log.info("scratch_swept", workers=swept)
        encode, publisher = Encoder(settings), Publisher(settings, metrics.failed)
        with StatusFollower(settings) as follower:
            attempts = Attempts(
                settings.scan,
                name,
                scanner,
                scratch,
                follower,
                encode,
                publisher.put,
                lambda state: results_there(settings, state),
                metrics.waiting,
            )
            try:
                Loop(settings, attempts, follower, encode, publisher, metrics, stop).run()
            finally:
                publisher.close(PUBLISH_S)
    finally:
        scratch.close()


def service(settings: Settings, attempts: int | None = None) -> int:
    """Run a scan worker until SIGTERM or SIGINT; a second SIGINT ends the process at once.

    Args:
        settings: Settings of the process.
        attempts: Attempts at once; default: the setting's.

    Returns:
        Exit code: 0 after SIGTERM, 130 after SIGINT.
    """
    if attempts is not None:
        settings = settings.model_copy(update={"jobs": settings.jobs.model_copy(update={"attempts": attempts})})
    ended = threading.Event()
    limit_s = settings.jobs.stop_grace_s + 2 * PUBLISH_S + LEAVE_S
    with StopSignals() as signals:
        threading.Thread(
            target=_end_in_time, args=(signals.stop, ended, limit_s), name="scan-deadline", daemon=True
        ).start()
        try:
            run(settings, signals.stop)
        finally:
            ended.set()
    return signals.code


def _end_in_time(stop: threading.Event, ended: threading.Event, limit_s: float) -> None:
    """A stop that hangs (a broker that is away, a thread that waits) is cut: what was not committed is repeated."""
    stop.wait()
    began = time.monotonic()
    if not ended.wait(limit_s):
        _log.error("stop_cut", seconds=round(time.monotonic() - began))
        os._exit(EXIT_TRY_LATER)
