"""Messages of `run.events` and `run.status`: EventBatch, RunStarted, RunFinished."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

INDEX_COLUMNS = ("event_type", "emitter_run_id", "repo_url", "framework", "edge_type")
"""Columns that index `strings`."""
NODE_COLUMNS = ("source_node", "target_node")
"""Columns that index `nodes`."""
VALUE_COLUMNS = ("event_id", "timestamp_ns", "parent_event_id", "stack_depth", "payload")
"""Columns that hold the value itself."""


@dataclass(slots=True)
class EventBatch:
    """Consecutive events of one run and tier, one list per field (see `schemas/avro/EventBatch.avsc`).

    Every column has `count` entries. `strings` and `nodes` are dictionaries; the columns that index them hold -1
    where the event has no such field. Nodes are mappings with `node_id`, `node_type`, `node_name` (each may be None).
    `payload` is JSON text, empty when absent. Event i has the sequence number `first_seq + i`.
    """

    repo_id: str
    run_number: int
    attempt: int
    run_id: str
    tier: int
    batch_seq: int
    first_seq: int
    count: int
    strings: list[str]
    nodes: list[dict[str, str | None]]
    event_id: list[str]
    timestamp_ns: list[int]
    event_type: list[int]
    emitter_run_id: list[int]
    repo_url: list[int]
    framework: list[int]
    source_node: list[int]
    target_node: list[int]
    edge_type: list[int]
    parent_event_id: list[str]
    stack_depth: list[int]
    payload: list[str]
    extra: list[dict[str, Any]]

    @property
    def last_seq(self) -> int:
        """Sequence number of the last event; `first_seq - 1` for an empty batch."""
        return self.first_seq + self.count - 1

    def to_avro(self) -> dict[str, Any]:
        """Field name to value, without copying."""
        return {name: getattr(self, name) for name in _BATCH_FIELDS}

    def head_problem(self) -> str | None:
        """What makes the batch unusable whatever its columns hold, or None."""
        if self.count < 1 or self.first_seq < 1 or self.run_number < 1 or self.attempt < 1:
            return (
                f"count {self.count}, first_seq {self.first_seq}, run {self.run_number}, attempt {self.attempt} "
                "must be >= 1"
            )
        return None

    def problem(self) -> str | None:
        """What makes the batch unusable although it decoded, or None."""
        n, head = self.count, self.head_problem()
        if head is not None:
            return head
        for columns, size in ((INDEX_COLUMNS, len(self.strings)), (NODE_COLUMNS, len(self.nodes))):
            for name in columns:
                column = getattr(self, name)
                if len(column) != n:
                    return f"column {name} has {len(column)} entries, expected {n}"
                if max(column) >= size or min(column) < -1:
                    return f"column {name} points outside its dictionary of {size}"
        for name in VALUE_COLUMNS:
            if len(getattr(self, name)) != n:
                return f"column {name} has {len(getattr(self, name))} entries, expected {n}"
        if min(self.event_type) < 0:
            return "an event has no event_type"
        if any(not 0 <= e["index"] < n for e in self.extra):
            return f"an extra entry points outside the {n} events"
        return None


_BATCH_FIELDS = tuple(f.name for f in fields(EventBatch))


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_avro(self) -> dict[str, Any]:
        """Field name to value, ready for the Avro writer."""
        return self.model_dump()


class _RunMessage(_Message):
    repo_id: str = Field(description="12 hex; the message key.")
    repo_url: str | None = Field(None, description="Source address as listed.")
    repo_full_name: str | None = Field(None, description="owner/name.")
    run_number: int = Field(ge=1, description="From 1.")
    attempt: int = Field(1, ge=1, description="From 1.")
    run_id: str = Field(description="Execution id of the attempt.")
    campaign_id: str | None = Field(None, description="Campaign, when there is one.")
    commit: str | None = Field(None, description="Resolved commit.")


class RunStarted(_RunMessage):
    """An attempt at a run has begun."""

    started_at: datetime | None = Field(None, description="When, UTC.")
    limits: str | None = Field(None, description="JSON object of the run's limits.")


class TierRange(_Message):
    """Sequence numbers of one tier of an attempt, both ends included."""

    tier: int
    first_seq: int
    last_seq: int


class RunFinished(_RunMessage):
    """End-of-run marker: the last message of an attempt, also of a failed one."""

    exit_code: int | None = Field(None, description="Exit code; None when there was none.")
    status: str = Field(description="Run status; recorded statuses of old runs stay verbatim.")
    reason: str | None = Field(None, description="Detail of the status.")
    tier: int = Field(0, description="Tier whose events count: 0 none or unknown, 1, 2.")
    entry_mode: str | None = Field(None, description="script, import_call, ...")
    entry_point: str | None = Field(None, description="Path in the container.")
    framework_detected: str | None = Field(None, description="Framework by text match.")
    framework: str | None = Field(None, description="Older name of the field above.")
    frameworks_matched: list[str] | None = Field(None, description="Every framework that matched.")
    events_file: str | None = Field(None, description="Name of the events file.")
    event_count: int = Field(ge=0, description="Highest sequence number of the attempt.")
    events_dropped: int = Field(0, ge=0, description="Events the relay dropped.")
    batch_count: int = Field(ge=0, description="Number of batches of the attempt.")
    tiers: list[TierRange] = Field(default_factory=list, description="Sequence numbers per tier.")
    finished_at: datetime | None = Field(None, description="When, UTC, by the runner's clock.")
    timeout_seconds: float | None = Field(None, description="Time limit of the run, seconds.")
    duration_seconds: float | None = Field(None, description="Duration, seconds; None for old runs.")
    model_name: str | None = Field(None, description="Served model.")
    recovered: bool = Field(False, description="Closed by the campaign for a runner that died.")
    harness_variant: str | None = Field(None, description="Variant of the synthetic harness (tier 2).")
    error_tail: str | None = Field(None, description="At most 2,000 characters of standard error.")
    metadata_event_count: int | None = Field(None, description="event_count as the recorded metadata had it.")
    metadata_extra: str | None = Field(None, description="JSON object of metadata fields without a field here.")
    status_json: str | None = Field(None, description="The status file beside the metadata, as it stood.")
