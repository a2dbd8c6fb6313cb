"""The supplied graph in the form that runs are compared with: steps joined through, unobservable kinds set apart."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.contract.events.graph import GraphNode, StructuralGraph
from stratum_lab.fold.state import DELEGATES
from stratum_lab.fold.view import StructuralEdge

STEP, GUARDRAIL, GROUP_CHAT, AGENT, CAPABILITY = "step", "guardrail", "group_chat", "agent", "capability"
DATA_STORE, EXTERNAL, MCP_SERVER = "data_store", "external", "mcp_server"
FEEDS = "feeds_into"
UNOBSERVABLE = frozenset({"filtered_by", "gated_by", "shares_tool", "shares_with"})
"""Edge types that no event can show."""
_THROUGH = (FEEDS, DELEGATES)


class Structure:
    """One supplied graph, contracted.

    Attributes:
        graph: The graph as published.
        nodes: Node id -> node, steps included; the first of several with one id counts.
        steps: Ids of the steps.
        edges: Contracted edges of all types, structural order, distinct (source, target, type).
        observable: Those that a run can show.
    """

    def __init__(self, graph: StructuralGraph) -> None:
        self.graph = graph
        self.nodes: dict[str, GraphNode] = {}
        for node in graph.nodes:
            self.nodes.setdefault(node.node_id, node)
        self.steps = {n.node_id for n in self.nodes.values() if n.node_type == STEP}
        self.edges = list(self._contract())
        self.observable = [e for e in self.edges if e.edge_type not in UNOBSERVABLE]

    def type_of(self, node_id: str) -> str:
        """Type of a structural node; empty for an end that the graph does not list."""
        node = self.nodes.get(node_id)
        return node.node_type if node is not None else ""

    def _contract(self) -> Iterator[StructuralEdge]:
        """In-edges of steps joined to their out-edges; the joined edge stands where its first part stood."""
        leaving: dict[str, list[StructuralEdge]] = {}
        edges = [StructuralEdge(e.edge_id, e.source, e.target, e.edge_type) for e in self.graph.edges]
        for edge in edges:
            if edge.source in self.steps and edge.edge_type in _THROUGH:
                leaving.setdefault(edge.source, []).append(edge)
        known: set[tuple[str, str, str]] = set()
        ids: set[str] = set()
        # Direct edges first claim their triple, so that a joined edge never takes the id of a drawn one.
        direct = {e[1:] for e in edges if e.source not in self.steps and e.target not in self.steps}
        for edge in edges:
            if edge.source in self.steps:
                continue
            through = edge.target in self.steps
            for joined in self._through(edge, leaving) if through else (edge,):
                if joined[1:] in known or (through and joined[1:] in direct):
                    continue
                known.add(joined[1:])
                edge_id = joined.edge_id
                while edge_id in ids:  # ids are the keys of activation_rates
                    edge_id += "'"
                ids.add(edge_id)
                yield joined._replace(edge_id=edge_id)

    def _through(self, edge: StructuralEdge, leaving: dict[str, list[StructuralEdge]]) -> Iterator[StructuralEdge]:
        if edge.edge_type not in _THROUGH:
            return
        queue, done = [edge], {edge.target}
        while queue:
            arriving = queue.pop(0)
            for step_out in leaving.get(arriving.target, ()):
                kind = DELEGATES if arriving.edge_type == step_out.edge_type == DELEGATES else FEEDS
                joined = StructuralEdge(f"{arriving.edge_id}+{step_out.edge_id}", edge.source, step_out.target, kind)
                if step_out.target not in self.steps:
                    yield joined
                elif step_out.target not in done:
                    done.add(step_out.target)
                    queue.append(joined)
