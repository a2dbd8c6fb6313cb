"""Every message that crosses a process boundary; `MESSAGES` maps its Avro name to its class."""

from __future__ import annotations

from stratum_lab.contract.events.dead_letter import DeadHeader, DeadLetter
from stratum_lab.contract.events.graph import GraphEdge, GraphNode, Place, StructuralGraph
from stratum_lab.contract.events.record import BehavioralRecord, CountedRun, GraphMetrics, TopologyMetrics
from stratum_lab.contract.events.run import EventBatch, RunFinished, RunStarted, TierRange

Message = EventBatch | RunStarted | RunFinished | BehavioralRecord | TopologyMetrics | StructuralGraph | DeadLetter

MESSAGES: dict[str, type[Message]] = {
    "BehavioralRecord": BehavioralRecord,
    "DeadLetter": DeadLetter,
    "EventBatch": EventBatch,
    "RunFinished": RunFinished,
    "RunStarted": RunStarted,
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
    "Place",
    "RunFinished",
    "RunStarted",
    "StructuralGraph",
    "TierRange",
    "TopologyMetrics",
]
