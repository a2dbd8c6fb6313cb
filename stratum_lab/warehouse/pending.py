"""What waits for the next transaction: decoded messages, gathered in the order of the log."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stratum_lab.contract.events import (
    BehavioralRecord,
    DeadLetter,
    EventBatch,
    RunFinished,
    RunStarted,
    TopologyMetrics,
)
from stratum_lab.warehouse.rows import Row, dead_letter_row, record_rows, run_row, topology_rows
from stratum_lab.warehouse.scans import PendingScans

AttemptKey = tuple[str, int, int]
"""repo_id, run_number, attempt."""


class Entity(NamedTuple):
    """Newest rows of one repository in the record or topology tables, and how new they are."""

    version: tuple[int, int]
    rows: dict[str, list[Row]]


@dataclass
class Pending:
    """Rows of one transaction to come. Later messages of a partition must be added later."""

    batches: list[EventBatch] = field(default_factory=list)
    runs: dict[AttemptKey, Row] = field(default_factory=dict)
    records: dict[str, Entity] = field(default_factory=dict)
    topology: dict[str, Entity] = field(default_factory=dict)
    dropped_records: set[str] = field(default_factory=set)
    dropped_topology: set[str] = field(default_factory=set)
    dead_letters: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    scans: PendingScans = field(default_factory=PendingScans)
    event_rows: int = 0

    def __len__(self) -> int:
        """Rows, roughly; what decides that a transaction is large enough."""
        parts: tuple[Sized, ...] = (self.runs, self.records, self.topology, self.dead_letters, self.scans)
        return self.event_rows + sum(len(part) for part in parts)

    def add_batch(self, batch: EventBatch) -> None:
        """Events; duplicates are found when they are written."""
        self.batches.append(batch)
        self.event_rows += batch.count

    def add_run(self, message: RunStarted | RunFinished) -> None:
        """Begin or end of an attempt; both may be in one transaction."""
        key = (message.repo_id, message.run_number, message.attempt)
        new = run_row(message)
        old = self.runs.get(key, {})
        self.runs[key] = {**old, **{k: v for k, v in new.items() if v is not None or k not in old}}

    def add_record(self, message: BehavioralRecord) -> None:
        """A record; the largest (source_offset, revision) stays.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: Its text is no v6 record.
        """
        row, edges, findings, baselines = record_rows(message)
        rows = {"records": [row], "record_edges": edges, "record_findings": findings, "baselines": baselines}
        self._keep(self.records, message.repo_id, (message.source_offset, message.revision), rows)

    def add_topology(self, message: TopologyMetrics) -> None:
        """Topology metrics; as with records."""
        version = (message.source_offset, message.revision)
        self._keep(self.topology, message.repo_id, version, {"topology": topology_rows(message)})

    @staticmethod
    def _keep(into: dict[str, Entity], repo_id: str, version: tuple[int, int], rows: dict[str, list[Row]]) -> None:
        if repo_id not in into or version >= into[repo_id].version:
            into[repo_id] = Entity(version, rows)

    def drop_record(self, repo_id: str) -> None:
        """A tombstone in the records topic."""
        self.records.pop(repo_id, None)
        self.dropped_records.add(repo_id)

    def drop_topology(self, repo_id: str) -> None:
        """A tombstone in the topology topic."""
        self.topology.pop(repo_id, None)
        self.dropped_topology.add(repo_id)

    def add_dead_letter(self, message: DeadLetter) -> None:
        """A dead letter, once per place and stage."""
        row = dead_letter_row(message)
        self.dead_letters.setdefault(tuple(row[k] for k in DEAD_LETTER_KEY), row)


DEAD_LETTER_KEY = (
    "stage", "reason", "topic", "partition", "offset", "source_file", "source_line", "body_sha256", "repo_id",
    "run_number", "attempt",
)  # fmt: skip
"""What makes two dead letters the same."""
