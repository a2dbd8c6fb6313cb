"""Messages of `repo.records` and `repo.topology`, emitted whenever a repository's result changes."""

from __future__ import annotations

from pydantic import Field

from stratum_lab.contract.events.run import _Message


class CountedRun(_Message):
    """One run of a record and the attempt of it that counts."""

    run_number: int
    attempt: int
    event_count: int = Field(description="Highest sequence number of the attempt.")


class BehavioralRecord(_Message):
    """The v6 record of one repository, with what it was derived from.

    `record` is the nine-key record as canonical JSON: its keys and their order are part of the contract, so it
    travels as text (docs/adr/0002-record-as-json.md).
    """

    repo_id: str = Field(description="12 hex; the message key.")
    repo_full_name: str = Field(description="owner/name, or the repo_id.")
    runs: list[CountedRun] = Field(description="The runs it was derived from, in run order.")
    source_partition: int = Field(description="Partition of the source topics; -1 when folded without a broker.")
    source_offset: int = Field(description="Highest folded offset of run.status; -1 without a broker.")
    revision: int = Field(description="Grows with every emission for the repository; not dense.")
    record: str = Field(description="The nine-key record, canonical JSON.")


class GraphMetrics(_Message):
    """Metrics of one graph; definitions, views and rounding in docs/topology.md."""

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


class TopologyMetrics(_Message):
    """Topology of one repository: structural graph, run-time graph, differences and overlap."""

    repo_id: str = Field(description="12 hex; the message key.")
    revision: int = Field(description="Grows with every emission for the repository; not dense.")
    source_partition: int = Field(description="As in BehavioralRecord.")
    source_offset: int = Field(description="As in BehavioralRecord.")
    structural: GraphMetrics | None = Field(None, description="Of the structural graph, when known.")
    runtime: GraphMetrics = Field(description="Of the run-time graph.")
    difference: GraphMetrics | None = Field(None, description="Run-time minus structural.")
    nodes_structural: int = Field(0, description="Joinable structural nodes.")
    nodes_runtime: int = Field(0, description="Joinable run-time nodes.")
    nodes_both: int = Field(0, description="Nodes in both, by join key.")
    edges_structural: int = Field(0, description="Comparable structural edges.")
    edges_runtime: int = Field(0, description="Comparable run-time edges.")
    edges_both: int = Field(0, description="Edges in both.")
    edges_not_observable: int = Field(0, description="Structural edges of kinds that no event can show.")
    ambiguous_nodes: int = Field(0, description="Structural nodes that share a join key.")
    edges_missing_endpoint: int = Field(0, description="Run-time edges dropped for an empty end.")
