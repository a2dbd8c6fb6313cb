"""Input of every measurement: recorded runs repeated to the size wanted, with identities of their own.

Two shapes. `throughput`: runs of 1,000 events, one per repository. `natural`: recorded runs as they are (about 22
events), five runs per repository, the depth of a campaign. Everything is derived from counters, so two invocations
measure the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from stratum_lab.contract.events import EventBatch, RunFinished
from stratum_lab.contract.events.batch import build_batch
from stratum_lab.contract.events.lines import Event, parse_line
from stratum_lab.contract.events.run import TierRange

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "tests" / "fixtures" / "runs", ROOT.parent / "shared" / "data" / "runs")
THROUGHPUT_RUN_EVENTS = 1_000
NATURAL_RUNS_PER_REPO = 5
NATURAL_BATCH = 500
"""Larger than any recorded run: in the natural shape one message carries one run, as the relay would send it."""

_TIER = 1
_REPEAT_NS = 1_000_000_000
"""Every repetition of a recorded run happens one second after the one before."""


@dataclass(frozen=True)
class Shape:
    """What is produced.

    Attributes:
        name: Short name, part of topic names.
        batch: Most events per message.
        repos: Repositories.
        runs: Runs per repository.
        run_events: Events per run; 0: as many as were recorded.
    """

    name: str
    batch: int
    repos: int
    runs: int
    run_events: int

    @property
    def label(self) -> str:
        """What tables call it."""
        return f"{self.batch} events a message" if self.run_events else "runs as recorded"


def throughput(batch: int, events: int) -> Shape:
    """Runs of 1,000 events, one per repository, `batch` events per message."""
    return Shape(f"e{batch}", batch, max(1, events // THROUGHPUT_RUN_EVENTS), 1, THROUGHPUT_RUN_EVENTS)


def natural(runs: int) -> Shape:
    """Runs as recorded, one message each, five per repository."""
    return Shape("natural", NATURAL_BATCH, max(1, runs // NATURAL_RUNS_PER_REPO), NATURAL_RUNS_PER_REPO, 0)


class Run(NamedTuple):
    """One run of the input: its batches in order, then its marker."""

    batches: list[EventBatch]
    finished: RunFinished


@lru_cache(maxsize=1)
def recorded_lines() -> list[list[bytes]]:
    """Lines of the recorded runs, one list per run.

    Raises:
        FileNotFoundError: No recorded run is here.
    """
    for folder in FOLDERS:
        files = sorted(folder.glob("*/events_run_*.jsonl"))
        if files:
            return [[line for line in f.read_bytes().split(b"\n") if line.strip()] for f in files]
    raise FileNotFoundError(f"no recorded runs in {' or '.join(str(f) for f in FOLDERS)}")


@lru_cache(maxsize=1)
def recorded() -> list[list[Event]]:
    """The recorded runs as events."""
    return [[parse_line(line) for line in run] for run in recorded_lines()]


class _Template:
    """One recorded run repeated to a length, cut into batches once; runs differ in identity and event ids only."""

    def __init__(self, events: list[Event], length: int, batch: int) -> None:
        length = length or len(events)
        position = {e.event_id: i for i, e in enumerate(events)}
        rows = [
            events[i % len(events)]._replace(
                timestamp_ns=events[i % len(events)].timestamp_ns + i // len(events) * _REPEAT_NS
            )
            for i in range(length)
        ]
        # A parent is the event at the same distance as in the recording, -1 where there is none.
        self.parents = [
            i - i % len(events) + position[e.parent_event_id] if e.parent_event_id in position else -1
            for i, e in enumerate(rows)
        ]
        self.events = length
        self.repo_url = rows[0].repo_url
        self.batches = [
            build_batch(
                rows[at : at + batch],
                repo_id="",
                run_number=1,
                attempt=1,
                run_id="",
                tier=_TIER,
                batch_seq=at // batch,
                first_seq=at + 1,
            )
            for at in range(0, length, batch)
        ]

    def run(self, repo_id: str, run_number: int, first_id: int) -> Run:
        """A run of its own; `first_id` numbers its first event among all events of the input."""
        run_id = f"{first_id:016x}"
        ids = [f"evt_{n:016x}" for n in range(first_id, first_id + self.events)]
        parents = ["" if p < 0 else ids[p] for p in self.parents]
        batches = [
            replace(
                b,
                repo_id=repo_id,
                run_number=run_number,
                run_id=run_id,
                event_id=ids[b.first_seq - 1 : b.last_seq],
                parent_event_id=parents[b.first_seq - 1 : b.last_seq],
            )
            for b in self.batches
        ]
        finished = RunFinished(
            repo_id=repo_id,
            repo_url=self.repo_url,
            repo_full_name=f"bench/{repo_id}",
            run_number=run_number,
            attempt=1,
            run_id=run_id,
            exit_code=0,
            status="SUCCESS",
            tier=_TIER,
            event_count=self.events,
            batch_count=len(batches),
            tiers=[TierRange(tier=_TIER, first_seq=1, last_seq=self.events)],
        )
        return Run(batches, finished)


def repo_name(number: int) -> str:
    """The repo_id of the n-th repository; spread, so that partitions get equal shares."""
    return f"{(number * 0x9E3779B97F4A7 + 0x1234567) & 0xFFFFFFFFFFFF:012x}"


def runs_of(shape: Shape) -> Iterator[Run]:
    """Every run of a shape: run 1 of all repositories, then run 2 of all, as a campaign does it."""
    templates = [_Template(events, shape.run_events, shape.batch) for events in recorded()]
    first_id = 0
    for number in range(shape.runs):
        for repo in range(shape.repos):
            template = templates[(repo + number) % len(templates)]
            yield template.run(repo_name(repo), number + 1, first_id)
            first_id += template.events
