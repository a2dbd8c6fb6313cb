"""Scan jobs for tests: messages, a scanner that needs no source, and a worker in a thread of the test."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from producers.job_state import AttemptState, JobStates
from producers.job_state_log import read_states
from producers.jobs import draw, publish
from producers.scan_worker import run
from producers.scan_worker_attempt import Request, Scanned, Scanner
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import Message, Ping, RepoIdentity, ScanJob, ScanStatus, StructuralGraph
from stratum_lab.contract.ids import repo_id
from stratum_lab.contract.topics import SCAN_PINGS
from stratum_lab.kafka.reader import read_topic
from stratum_lab.scan.view import ScanView
from stratum_lab.settings import JobsSettings, Settings
from tests.support.kafka import wait_for
from tests.support.pings import empty_scan, first_scan

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
WITHIN_S = 60.0


def job(source: str = "https://example.org/o/r", **fields: Any) -> ScanJob:
    """A job with ids of its own."""
    values: dict[str, Any] = {
        "job_id": draw(8),
        "scan_id": draw(4),
        "repo_id": repo_id(source),
        "source": source,
        "submitted_at": AT,
        "display_name": source.rpartition("/")[2],
    }
    return ScanJob.model_validate(values | fields)


def status(of: ScanJob, state: str, **fields: Any) -> ScanStatus:
    """A status of a job."""
    values = {name: getattr(of, name) for name in ("job_id", "attempt", "scan_id", "repo_id", "source")}
    return ScanStatus.model_validate({**values, "state": state, "at": AT, **fields})


def scanned(request: Request, *, empty: bool = False, **fields: Any) -> Scanned:
    """A valid result for a request.

    Args:
        request: What was asked for.
        empty: Without agents.
        **fields: Fields of the ping that differ; an invalid ping is made like this.
    """
    rescan = {}
    values = (empty_scan if empty else first_scan)() | {"scan_id": request.job.scan_id}
    if request.previous is not None:
        rules = set(values["finding_rules"])
        rescan = {
            "is_rescan": True,
            "prev_score": request.previous.risk_score,
            "score_delta": values["risk_score"] - request.previous.risk_score,
            "resolved_count": len(request.previous.finding_rules - rules),
            "new_count": len(rules - request.previous.finding_rules),
            "pre_scan_id": request.previous.scan_id,
        }
    ping = Ping.from_json(values | rescan | fields)
    graph = StructuralGraph(repo_id=request.job.repo_id, nodes=[], edges=[])
    view = ScanView(providers=["openai"], models=["gpt-4o"], frameworks=["crewai"])
    return Scanned(ping, view, graph, request.job.source, "c" * 40, None)


@dataclass
class Recorder:
    """A scanner that notes what it was asked, and waits while `gate` is closed.

    Attributes:
        make: Makes the result.
        gate: Open by default; a request waits for it, or for its own stop.
        asked: scan_ids in the order they came.
    """

    make: Callable[[Request], Scanned] = scanned
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    now: set[str] = field(default_factory=set)
    most: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, request: Request) -> Scanned:
        """Wait for the gate, then make the result."""
        self.asked.append(request.job.scan_id)
        self.folders.append(request.folder)
        (request.folder / "fetched").write_text("x")
        self.now.add(request.job.scan_id)
        self.most = max(self.most, len(self.now))
        while not request.stop.is_set() and not self.gate.wait(0.02):
            pass
        self.now.discard(request.job.scan_id)
        return self.make(request)


def with_jobs(settings: Settings, **fields: Any) -> Settings:
    """Settings of workers in tests: no room kept on the disk, short grace."""
    return settings.model_copy(
        update={"jobs": JobsSettings.model_validate({"min_free_mb": 0, "stop_grace_s": 1.0} | fields)}
    )


@contextmanager
def worker(settings: Settings, scanner: Scanner) -> Iterator[threading.Event]:
    """A worker in a thread; it has stopped without an error when the block is left."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run, settings, stop, scanner)
        try:
            yield stop
        finally:
            stop.set()
            ended.result(WITHIN_S)


def submit_jobs(settings: Settings, jobs: Sequence[ScanJob]) -> None:
    """Put jobs and their first statuses into the log."""
    publish(settings, jobs)


def states_of(settings: Settings) -> JobStates:
    """How far every job is."""
    return read_states(settings)


def wait_final(settings: Settings, jobs: Sequence[ScanJob], within_s: float = WITHIN_S) -> list[AttemptState]:
    """The final states of these attempts."""
    found: list[AttemptState] = []

    def final() -> bool:
        states = read_states(settings)
        found[:] = [s for j in jobs if (s := states.attempt(j.job_id, j.attempt)) is not None and s.final]
        return len(found) == len(jobs)

    wait_for(final, f"{len(jobs)} jobs ended", within_s)
    return found


def messages(settings: Settings, topic: str, name: str) -> list[Message]:
    """Every message of a topic, decoded."""
    codec = Codec()
    return [codec.decode(m.value, m.headers, (name,)) for m in read_topic(settings, topic)]


def pings(settings: Settings) -> list[Ping]:
    """Every ping in the log."""
    return [m for m in messages(settings, SCAN_PINGS, "Ping") if isinstance(m, Ping)]


def identities(settings: Settings, topic: str) -> list[RepoIdentity]:
    """Every identity in the log."""
    return [m for m in messages(settings, topic, "RepoIdentity") if isinstance(m, RepoIdentity)]


SMALL = """from crewai import Agent, Crew, Task

writer = Agent(role="Writer {number}", goal="Write", backstory="A writer")
task = Task(description="Write a text", expected_output="A text", agent=writer)
crew = Crew(agents=[writer], tasks=[task])
"""


def small_folders(parent: Path, number: int) -> list[Path]:
    """So many folders to scan, each a crew of one agent with a name of its own."""
    out = []
    for index in range(number):
        folder = parent / f"repo{index:03}"
        folder.mkdir(parents=True)
        (folder / "crew.py").write_text(SMALL.replace("{number}", str(index)), encoding="utf-8")
        out.append(folder)
    return out


def jobs_of(sources: Sequence[Path | str], **fields: Any) -> list[ScanJob]:
    """One job for each source."""
    return [job(str(source), **fields) for source in sources]


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Environment under which a worker's process has these settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STRATUM_")}
    return {
        **kept,
        "STRATUM_HOME": str(settings.home),
        "STRATUM_BROKER__BOOTSTRAP": str(settings.broker.bootstrap),
        "STRATUM_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "STRATUM_KAFKA__PARTITIONS": str(settings.kafka.partitions),
        "STRATUM_STREAMS__SESSION_TIMEOUT_S": str(settings.streams.session_timeout_s),
        "STRATUM_JOBS__MIN_FREE_MB": "0",
        "STRATUM_JOBS__STOP_GRACE_S": "5",
        "NO_COLOR": "1",
        **more,
    }
