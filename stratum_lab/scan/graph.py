"""Types of the topology graph (finding_rules.md part B): nodes, typed edges, data paths, metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stratum_lab.scan.model import Agent, Capability, Crew, GroupChat, Guardrail, McpServer, Sensitivity, Step, Trust

NodeType = Literal["agent", "capability", "data_store", "external", "mcp_server", "guardrail"]
EdgeType = Literal[
    "reads_from", "writes_to", "sends_to", "tool_of", "feeds_into", "delegates_to", "shares_tool", "shares_with",
    "filtered_by", "gated_by", "connects_to",
]  # fmt: skip
Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW"]
SEVERITIES: tuple[Severity, ...] = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
"""Highest first."""
FLOW_EDGES = frozenset({"reads_from", "writes_to", "sends_to", "tool_of", "feeds_into", "delegates_to", "connects_to"})
"""Edge types of the flow view F (ping.md section 5)."""


@dataclass(eq=False, slots=True)
class Node:
    """One node; `thing` is the model object behind it, None for stores and externals.

    Attributes:
        node_id: framework:Name:file:line, capabilities with #kind (events.md section 2, finding_rules.md A8).
        native: Sensitivity of its own; unknown for what holds no data.
        level: Sensitivity after propagation.
    """

    node_id: str
    node_type: NodeType
    name: str
    trust: Trust
    file: str = "-"
    line: int = 0
    service: str = ""
    native: Sensitivity = "unknown"
    level: Sensitivity = "unknown"
    thing: Agent | Capability | McpServer | Guardrail | GroupChat | Step | None = None


class Edge(NamedTuple):
    """A distinct (source, target, type); ids of nodes. `flow_link` joins two crews of a flow."""

    source: str
    target: str
    edge_type: EdgeType
    flow_link: bool = False


@dataclass(frozen=True, slots=True)
class DataPath:
    """A directed data path of at most six edges from a store to a sink (part B).

    Attributes:
        nodes: Node ids from the store to the sink.
        hops: Edges, the virtual hop to a sender included.
        sensitivity: Of its source.
        external: The sink is an external or MCP server node.
        missing: Controls of table D4 that are missing: output_filter, hitl, validation. Empty: controlled.
        guarded: A hitl guardrail gates the sender, its agent or task, or an output filter lies on it (rule 001).
        severity: Path severity; None when controlled.
        crews: Crews in which it runs; empty for a crewless agent.
        agents: Agents it runs through, in order.
        sender: The capability that sends.
    """

    nodes: tuple[str, ...]
    hops: int
    sensitivity: Sensitivity
    external: bool
    missing: frozenset[str]
    guarded: bool
    severity: Severity | None
    crews: tuple[Crew, ...]
    agents: tuple[Agent, ...]
    sender: Capability


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of ping.md section 5, rounded as the catalogue says."""

    graph_node_count: int
    graph_edge_count: int
    edge_density: float
    diameter: int
    avg_degree: float
    max_degree: int
    clustering_coefficient: float
    connected_components: int
    longest_chain: int
    hub_score: float


@dataclass(slots=True)
class Topology:
    """The graph of one repository with what rules and ping read from it.

    Attributes:
        nodes: By id, in order of id.
        edges: Distinct triples without self-loops, sorted.
        paths: Data paths, controlled or not, guarded or not. Within one agent every one; across agents one for each
            store, sender, sink, last agent, length, missing controls, guard and crew (`paths`).
        controlled_edges, edges_needing_control: Numerator and denominator of control_coverage_pct.
    """

    nodes: dict[str, Node]
    edges: list[Edge]
    metrics: Metrics
    paths: list[DataPath] = field(default_factory=list)
    edges_needing_control: int = 0
    controlled_edges: int = 0
    signature: str | None = None

    @property
    def uncontrolled(self) -> list[DataPath]:
        """Paths with a missing control."""
        return [path for path in self.paths if path.missing]
