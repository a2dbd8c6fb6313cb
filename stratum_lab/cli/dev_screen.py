"""What `stratum dev` shows: progress of the log, the streams and the warehouse, and the summary at the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from stratum_lab.contract.topics import (
    DEAD_LETTERS,
    REPO_RECORDS,
    REPO_TOPOLOGY,
    RUN_EVENTS,
    RUN_STATUS,
    SCAN_GRAPHS,
    full_name,
)
from stratum_lab.errors import Busy, PrerequisiteError, UsageError
from stratum_lab.kafka.reader import all_watermarks
from stratum_lab.kafka.topics import committed, partition_counts
from stratum_lab.observe.logs import clean
from stratum_lab.settings import Settings
from stratum_lab.warehouse.reader import open_warehouse
from stratum_lab.warehouse.serve import find_door

_FOLDED = (RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS)
_STORED = (RUN_EVENTS, RUN_STATUS, REPO_RECORDS, REPO_TOPOLOGY, DEAD_LETTERS)
_COUNTS = """
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM runs) AS runs,
    (SELECT count(DISTINCT repo_id) FROM runs) AS repositories, (SELECT count(*) FROM records) AS records,
    (SELECT count(*) FROM dead_letters) AS dead_letters
"""
NEXT_QUERY = "SELECT repo_full_name, total_events, edges_total FROM records ORDER BY total_events DESC LIMIT 5"
"""The question the summary suggests."""


@dataclass(frozen=True)
class Counts:
    """Rows of the warehouse."""

    events: int = 0
    runs: int = 0
    repositories: int = 0
    records: int = 0
    dead_letters: int = 0


@dataclass(frozen=True)
class Progress:
    """How far everything is.

    Attributes:
        messages: Topic (catalogue name) -> messages in the log.
        to_fold: Messages the stream worker has not committed.
        to_store: Messages the warehouse has not stored; None while it cannot be asked.
        counts: Rows of the warehouse; None while it cannot be asked.
    """

    messages: dict[str, int]
    to_fold: int
    to_store: int | None
    counts: Counts | None

    def describe(self) -> str:
        """One line for an error."""
        stored = "the warehouse does not answer" if self.to_store is None else f"{self.to_store} messages to store"
        return f"{self.to_fold} messages to fold, {stored}"


def caught_up(progress: Progress) -> bool:
    """Whether everything in the log is folded and stored."""
    return progress.to_fold == 0 and progress.to_store == 0


def read_progress(settings: Settings) -> Progress:
    """Ask the broker and the warehouse; folding is asked first, so that zero means its output was in the log.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    prefix, existing = settings.kafka.topic_prefix, partition_counts(settings)
    done = committed(settings, settings.streams.app_id, _FOLDED)
    names = {n: full_name(prefix, n) for n in dict.fromkeys((*_FOLDED, *_STORED))}
    marks = all_watermarks(settings, {full: existing[full] for full in names.values() if full in existing})
    folded = {names[n] for n in _FOLDED}
    to_fold = sum(
        max(0, high - max(low, done.get(where, low))) for where, (low, high) in marks.items() if where[0] in folded
    )
    messages = {n: sum(high - low for (t, _), (low, high) in marks.items() if t == full) for n, full in names.items()}
    stored = {names[n] for n in _STORED}
    if find_door(settings) is None:
        # Never read the file itself here: that would keep the sink from opening it.
        return Progress(messages, to_fold, None, None)
    try:
        with open_warehouse(settings) as warehouse:
            rows = warehouse.sql("SELECT topic, partition, next_offset FROM sink_offsets").rows()
            counts = Counts(**warehouse.sql(_COUNTS).dicts()[0])
    except (PrerequisiteError, Busy, UsageError):
        # The sink is starting, or is just making its tables: the next look will tell.
        return Progress(messages, to_fold, None, None)
    at = {(topic, partition): offset for topic, partition, offset in rows}
    to_store = sum(
        max(0, high - max(low, at.get(where, low))) for where, (low, high) in marks.items() if where[0] in stored
    )
    return Progress(messages, to_fold, to_store, counts)


def screen(settings: Settings, progress: Progress, parts: dict[str, str]) -> RenderableType:
    """The live status screen."""
    log = Table("topic", "messages", title="log", title_justify="left")
    for name, count in progress.messages.items():
        log.add_row(name, f"{count:,}")
    state = Table("part", "state", "to do", title="parts", title_justify="left")
    todo = {"streams": progress.to_fold, "warehouse": progress.to_store}
    for name, text in parts.items():
        left = todo.get(name)
        state.add_row(name, text, "?" if left is None else f"{left:,}")
    rows = Table("rows of", "number", title="warehouse", title_justify="left")
    for name, count in asdict(progress.counts or Counts()).items():
        rows.add_row(name.replace("_", " "), f"{count:,}")
    return Group(log, state, rows, f"home {clean(str(settings.home))}; Ctrl-C stops everything, data stays")


@dataclass(frozen=True)
class Summary:
    """What a person wants to see at the end."""

    counts: Counts
    findings: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self.counts), "findings": self.findings, "next_query": NEXT_QUERY}

    def render(self) -> RenderableType:
        """For the terminal."""
        table = Table("finding", "name", "repositories", "prevalence", "occurrences")
        for f in self.findings:
            table.add_row(
                clean(f["finding_id"]),
                clean(f["finding_name"] or ""),
                f"{f['repositories_affected']} of {f['repositories']}",
                f"{f['prevalence']:.0%}",
                str(f["occurrences"]),
            )
        c = self.counts
        line = (
            f"{c.repositories} repositories, {c.runs} runs, {c.events:,} events; "
            f"{c.records} behavioral records, {c.dead_letters} dead letters"
        )
        return Group(line, table)


def summary(settings: Settings) -> Summary:
    """Read the summary from the warehouse.

    Raises:
        PrerequisiteError: There is no warehouse.
    """
    with open_warehouse(settings) as warehouse:
        counts = Counts(**warehouse.sql(_COUNTS).dicts()[0])
        return Summary(counts, warehouse.sql("FROM findings_overview").dicts())
