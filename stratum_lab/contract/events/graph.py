"""Message of `scan.graphs`: the structural graph of one repository."""

from __future__ import annotations

from pydantic import Field

from stratum_lab.contract.events.run import _Message


class Place(_Message):
    """A place in a repository."""

    file: str
    line: int = 0


class GraphNode(_Message):
    """One node; its id has the form the patcher uses at run time."""

    node_id: str = Field(description="framework:Name:file:line, capabilities with #kind.")
    node_type: str = Field(
        description="agent, capability, data_store, external, mcp_server, guardrail, step or group_chat."
    )
    name: str = Field(description="Name; may hold {placeholders}.")
    file: str = Field("-", description="Relative path, or - when there is none.")
    line: int = Field(0, description="Line, or 0.")
    places: list[Place] = Field(default_factory=list, description="Further places of the same node.")
    groups: list[str] = Field(default_factory=list, description="Crews, graphs or teams it belongs to.")
    service: str | None = Field(None, description="Canonical service of a store, external or capability.")


class GraphEdge(_Message):
    """One typed edge."""

    edge_id: str
    source: str
    target: str
    edge_type: str


class StructuralGraph(_Message):
    """Nodes and typed edges of one repository."""

    repo_id: str = Field(description="12 hex; the message key.")
    commit: str | None = Field(None, description="Commit that was scanned.")
    scanner_version: str | None = Field(None, description="Version of the scanner.")
    nodes: list[GraphNode]
    edges: list[GraphEdge]
