"""Every message that crosses a process boundary; `MESSAGES` maps its Avro name to its class."""

from __future__ import annotations

from stratum_lab.contract.events.dead_letter import DeadHeader, DeadLetter
from stratum_lab.contract.events.graph import GraphEdge, GraphNode, Place, StructuralGraph
from stratum_lab.contract.events.ping import Ping, PingDocument
from stratum_lab.contract.events.ping_model import Rescan
from stratum_lab.contract.events.record import BehavioralRecord, CountedRun, GraphMetrics, TopologyMetrics
from stratum_lab.contract.events.run import EventBatch, RunFinished, RunStarted, TierRange
from stratum_lab.contract.events.scan import RepoIdentity, ScanJob, ScanLimits, ScanStatus

Message = (
    EventBatch
    | RunStarted
    | RunFinished
    | BehavioralRecord
    | TopologyMetrics
    | StructuralGraph
    | ScanJob
    | ScanStatus
    | RepoIdentity
    | Ping
    | PingDocument
    | DeadLetter
)

MESSAGES: dict[str, type[Message]] = {
    "BehavioralRecord": BehavioralRecord,
    "DeadLetter": DeadLetter,
    "EventBatch": EventBatch,
    "Ping": Ping,
    "PingDocument": PingDocument,
    "RepoIdentity": RepoIdentity,
    "RunFinished": RunFinished,
    "RunStarted": RunStarted,
    "ScanJob": ScanJob,
    "ScanStatus": ScanStatus,
    "StructuralGraph": StructuralGraph,
    "TopologyMetrics": TopologyMetrics,
}

__all__ = [
    "MESSAGES",
    "BehavioralRecord",
    "CountedRun",
    "DeadHeader",
    "DeadLetter",
    "EventBatch",
    "GraphEdge",
    "GraphMetrics",
    "GraphNode",
    "Message",
    "Ping",
    "PingDocument",
    "Place",
    "RepoIdentity",
    "Rescan",
    "RunFinished",
    "RunStarted",
    "ScanJob",
    "ScanLimits",
    "ScanStatus",
    "StructuralGraph",
    "TierRange",
    "TopologyMetrics",
]
