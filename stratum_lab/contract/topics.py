"""The topic catalogue: one table that holds every topic's key, messages, partitions, clean-up and retention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""`max.message.bytes` of every topic, and the largest message a reader decodes."""

DAY_MS = 24 * 3600 * 1000
FOR_EVER = -1

SCAN_JOBS = "scan.jobs"
RUN_JOBS = "run.jobs"
SCAN_STATUS = "scan.status"
SCAN_PINGS = "scan.pings"
SCAN_GRAPHS = "scan.graphs"
SCAN_IDENTITIES = "scan.identities"
RUN_EVENTS = "run.events"
RUN_STATUS = "run.status"
REPO_RECORDS = "repo.records"
REPO_TOPOLOGY = "repo.topology"
CAMPAIGN_EVENTS = "campaign.events"
TRAJECTORY_TASKS = "trajectory.tasks"
TRAJECTORY_STEPS = "trajectory.steps"
DEAD_LETTERS = "dead.letters"

Cleanup = Literal["delete", "compact"]


@dataclass(frozen=True)
class Topic:
    """One row of the catalogue.

    Attributes:
        name: Name without the prefix of the settings.
        key: What the message key holds.
        messages: Names of the messages it carries; empty while no part of the product writes it yet.
        cleanup: Kafka's `cleanup.policy`.
        retention_ms: Kafka's `retention.ms`, milliseconds; -1 keeps for ever. Ignored when compacted.
        partitions: Number of partitions, or None for the setting's.
    """

    name: str
    key: str
    messages: tuple[str, ...]
    cleanup: Cleanup = "delete"
    retention_ms: int = FOR_EVER
    partitions: int | None = None

    def config(self) -> dict[str, str]:
        """Topic configuration for the broker."""
        out = {"cleanup.policy": self.cleanup, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        if self.cleanup == "delete":
            out["retention.ms"] = str(self.retention_ms)
        return out


CATALOGUE: tuple[Topic, ...] = (
    Topic(SCAN_JOBS, "repo_id", ("ScanJob",), retention_ms=30 * DAY_MS),
    Topic(RUN_JOBS, "repo_id", (), retention_ms=30 * DAY_MS),
    Topic(SCAN_STATUS, "repo_id", ("ScanStatus",)),
    Topic(SCAN_PINGS, "repo_hash or scan_id", ("Ping", "PingDocument")),
    Topic(SCAN_GRAPHS, "repo_id", ("StructuralGraph",), cleanup="compact"),
    Topic(SCAN_IDENTITIES, "repo_id", ("RepoIdentity",), cleanup="compact"),
    Topic(RUN_EVENTS, "repo_id", ("EventBatch",)),
    Topic(RUN_STATUS, "repo_id", ("RunStarted", "RunFinished")),
    Topic(REPO_RECORDS, "repo_id", ("BehavioralRecord",), cleanup="compact"),
    Topic(REPO_TOPOLOGY, "repo_id", ("TopologyMetrics",), cleanup="compact"),
    Topic(CAMPAIGN_EVENTS, "campaign_id", ()),
    Topic(TRAJECTORY_TASKS, "task_id", ()),
    Topic(TRAJECTORY_STEPS, "task_id", ()),
    Topic(DEAD_LETTERS, "original key", ("DeadLetter",), retention_ms=90 * DAY_MS),
)

BY_NAME: dict[str, Topic] = {t.name: t for t in CATALOGUE}

RAW_TOPICS: tuple[str, ...] = (RUN_EVENTS, RUN_STATUS, SCAN_PINGS, SCAN_STATUS, SCAN_GRAPHS, SCAN_IDENTITIES)
"""The topics from which everything else can be rebuilt; what the archive keeps."""


def full_name(prefix: str, name: str) -> str:
    """The name on the broker of a catalogue topic.

    Raises:
        KeyError: The catalogue holds no such topic.
    """
    return prefix + BY_NAME[name].name


def base_name(prefix: str, full: str) -> str:
    """The catalogue name of a topic on the broker; names outside the prefix come back as they are."""
    return full[len(prefix) :] if full.startswith(prefix) else full
