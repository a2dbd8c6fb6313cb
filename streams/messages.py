"""What goes in and out of a partition: raw messages, outputs, checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from stratum_lab.contract.events import BehavioralRecord, DeadLetter, TopologyMetrics
from stratum_lab.contract.topics import RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS

SOURCES = (RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS)
"""The topics that are folded; same number of partitions, same key."""


class Raw(NamedTuple):
    """One message of a source topic; `topic` is its catalogue name."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes | None]]
    timestamp_ms: int


class Output(NamedTuple):
    """What is emitted for one repository; None for both is a pair of tombstones."""

    repo_id: str
    record: BehavioralRecord | None
    topology: TopologyMetrics | None


@dataclass(slots=True)
class Checkpoint:
    """What must be written, in this order, before anything below `next` may be committed.

    Attributes:
        writes: Changelog keys and values (None deletes), the mark last but for those it replaces.
        letters: Dead letters.
        outputs: Records and topologies; sent only when the writes are acknowledged.
        next: Offsets that may be committed when all is acknowledged.
    """

    writes: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    next: dict[str, int] = field(default_factory=dict)
