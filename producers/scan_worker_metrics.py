"""What a scan worker shows of itself: Prometheus metrics, one log line a job, and a line of counts now and then."""

from __future__ import annotations

import threading
import time
from collections import Counter as Counts

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from stratum_lab.contract.events import Ping, ScanJob
from stratum_lab.errors import Busy, StratumError
from stratum_lab.observe import logs

_log = logs.get("scan")

SUMMARY_S = 10.0
_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counts of one worker; every method may be called from any thread.

    Args:
        port: Prometheus port; 0: none.

    Raises:
        Busy: The port is taken.
    """

    def __init__(self, port: int) -> None:
        registry = CollectorRegistry()
        self._jobs = Counter("stratum_scan_jobs_total", "Jobs that ended, by status.", ["status"], registry=registry)
        self._skipped = Counter("stratum_scan_skipped_total", "Jobs not scanned.", ["reason"], registry=registry)
        self._letters = Counter("stratum_scan_dead_letters_total", "Dead letters.", ["reason"], registry=registry)
        self._given_up = Counter("stratum_scan_given_up_total", "Attempts another worker repeats.", registry=registry)
        self._errors = Counter("stratum_scan_broker_errors_total", "Calls that failed.", registry=registry)
        self._seconds = Histogram("stratum_scan_seconds", "Time of an attempt.", buckets=_BUCKETS, registry=registry)
        self._running = Gauge("stratum_scan_running", "Attempts under way.", registry=registry)
        self._taken = Gauge("stratum_scan_taken", "Jobs taken that wait for a free place.", registry=registry)
        self._paused = Gauge("stratum_scan_paused", "Attempts that wait for disk or broker.", registry=registry)
        self._lock = threading.Lock()  # guards _counts
        self._counts: Counts[str] = Counts()
        self._shown: Counts[str] = Counts()
        self._last = time.monotonic()
        if port:
            try:
                start_http_server(port, addr="127.0.0.1", registry=registry)
            except OSError as exc:
                raise Busy(
                    f"metrics of the scan worker cannot listen on port {port}: {exc.strerror}",
                    remedy="set STRATUM_JOBS__METRICS_PORT to a free port, or to 0",
                ) from exc

    def ended(self, job: ScanJob, ping: Ping, reason: str | None) -> None:
        """The results of a job are acknowledged."""
        self._jobs.labels(ping.scan_status).inc()
        self._seconds.observe(ping.scan_duration_ms / 1000)
        self._count(ping.scan_status)
        _log.info(
            "scanned",
            job=job.job_id,
            name=logs.clean(job.display_name or job.source),
            status=ping.scan_status,
            score=ping.risk_score,
            agents=ping.agent_count,
            seconds=round(ping.scan_duration_ms / 1000, 1),
            **({"reason": reason} if reason else {}),
        )

    def skipped(self, job: ScanJob, reason: str) -> None:
        """Nothing was done for a job."""
        self._skipped.labels(reason).inc()
        self._count("skipped")
        _log.info("skipped", job=job.job_id, reason=reason)

    def given_up(self, job: ScanJob) -> None:
        """An attempt was ended without a result; the job is done again."""
        self._given_up.inc()
        _log.info("given_up", job=job.job_id)

    def dead_letter(self, reason: str) -> None:
        """A message was refused, or a result does not pass its checks."""
        self._letters.labels(reason).inc()
        self._count("dead letters")

    def failed(self, error: StratumError) -> None:
        """A call to the broker failed; it is made again."""
        self._errors.inc()
        _log.warning("broker_error", error=error.message)

    def waiting(self, begins: bool) -> None:
        """An attempt waits for the host, or goes on."""
        self._paused.inc(1 if begins else -1)

    def load(self, running: int, taken: int) -> None:
        """How much is under way; says the counts when they changed, every SUMMARY_S at most."""
        self._running.set(running)
        self._taken.set(taken)
        now = time.monotonic()
        if now - self._last < SUMMARY_S:
            return
        self._last = now
        with self._lock:
            if self._counts == self._shown:
                return
            self._shown = self._counts.copy()
        _log.info("progress", running=running, waiting=taken, **self._shown)

    def summary(self) -> dict[str, int]:
        """Counts since the start."""
        with self._lock:
            return dict(self._counts)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name.replace(" ", "_")] += 1
