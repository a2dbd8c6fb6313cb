"""The topology graph of a static model (finding_rules.md part B): nodes, typed edges, trust, sensitivity, data paths.

`build` makes what the ping measures: steps contracted away, delegations of a chat without a manager counted from its
first participant. `Edges` serves the published graph too, which keeps both.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from stratum_lab.scan.graph import Edge, Node, Topology
from stratum_lab.scan.metrics import measure
from stratum_lab.scan.model import Agent, Capability, Crew, GroupChat, Link, McpServer, Model, Step
from stratum_lab.scan.paths import Flow, PathFinder, Reader, Sender
from stratum_lab.scan.sensitivity import CARRYING, PATH_SOURCES, PROTECTED, propagate, sensitivity_of, store_trust
from stratum_lab.scan.signature import topology_signature
from stratum_lab.scan.topology_controls import Controls
from stratum_lab.scan.topology_ids import HOST, Ids, capability_name, service_id

_SENDING = frozenset({"outbound", "financial"})
"""Kinds that send data away; running code sends to the host, but does not end a data path."""
_IN_LINE = frozenset({"sequential", "round_robin"})
"""Processes whose consecutive members feed each other."""


def links_of(model: Model) -> Iterator[Link]:
    """Links as found, and consecutive members of a crew that works in order where its detector left that open."""
    yield from model.links
    linked = {link.crew for link in model.links if link.edge_type == "feeds_into"}
    for crew in model.crews:
        if crew.ordered and crew.process in _IN_LINE and crew not in linked and not crew.tasks:
            for first, second in zip(crew.members, crew.members[1:], strict=False):
                yield Link(first, second, "feeds_into", crew)


def build(model: Model) -> Topology:
    """The graph of a model, measured."""
    builder = Edges(model)
    edges = builder.all(published=False)
    nodes = builder.nodes()
    _spread(nodes, edges, builder)
    needing, controlled = _control_coverage(nodes, edges, builder.controls)
    return Topology(
        nodes=nodes,
        edges=edges,
        metrics=measure(nodes, edges, has_agent=bool(model.agents)),
        paths=PathFinder(model, builder.ids, builder.flow(), builder.controls).find(),
        edges_needing_control=needing,
        controlled_edges=controlled,
        signature=topology_signature({i: node.node_type for i, node in nodes.items()}, edges),
    )


class Edges:
    """Nodes and edges of one model by id.

    Attributes:
        ids: Ids of its nodes.
        controls: Its guardrails with what they cover.
        held: Capabilities of each agent.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.ids = Ids(model)
        self.controls = Controls(model, self.ids)
        self.held: dict[Agent, list[Capability]] = {agent: [] for agent in model.agents}
        for capability in model.capabilities:
            for agent in capability.agents:
                if agent in self.held:
                    self.held[agent].append(capability)
        self._servers: dict[str, McpServer] = {}
        for server in (*model.mcp_servers, *(s for agent in model.agents for s in agent.mcp_servers)):
            self._servers.setdefault(self.ids.server(server), server)
        self._first: dict[GroupChat, Agent] = {
            crew.chat: crew.members[0] for crew in reversed(model.crews) if crew.chat is not None and crew.members
        }
        self._stores = {i: service for c in model.capabilities for i, service in _stores_of(c).items()}
        self._externals: dict[str, str] = {}
        for capability in model.capabilities:
            if self._server_of(capability) is None:
                for service in _destinations(capability):
                    self._externals[self._external_id(service, capability.unit)] = service

    def nodes(self) -> dict[str, Node]:
        """Every node the ping counts, in order of id."""
        found: list[Node] = []
        for agent, node_id in self.ids.agents.items():
            found.append(Node(node_id, "agent", agent.name, "internal", agent.site.file, agent.site.line, thing=agent))
        for capability, node_id in self.ids.capabilities.items():
            place = min(capability.sites, default=None)
            file, line = (place.file, place.line) if place is not None else ("-", 0)
            name, trust, service = capability_name(capability), capability.trust, capability.service
            found.append(Node(node_id, "capability", name, trust, file, line, service=service, thing=capability))
        for node_id, service in self._stores.items():
            native = sensitivity_of(service)
            found.append(Node(node_id, "data_store", service, store_trust(native), service=service, native=native))
        for node_id, service in self._externals.items():
            trust = "privileged" if service == HOST else "external"
            native = sensitivity_of(service)
            found.append(Node(node_id, "external", service, trust, service=service, native=native))
        for node_id, server in self._servers.items():
            trust = "external" if server.remote else "internal"
            site = server.site
            found.append(Node(node_id, "mcp_server", server.name, trust, site.file, site.line, thing=server))
        for node_id, guardrail in self.controls.guardrails.items():
            site = guardrail.site
            found.append(Node(node_id, "guardrail", guardrail.kind, "internal", site.file, site.line, thing=guardrail))
        return {node.node_id: node for node in sorted(found, key=lambda node: node.node_id)}

    def all(self, *, published: bool) -> list[Edge]:
        """Distinct edges without self-loops, sorted.

        Args:
            published: Keep steps and chats as ends, and leave out what replaces them.
        """
        edges = (*self._of_capabilities(), *self._between_agents(published), *self.controls.edges)
        found = {edge for edge in edges if edge.source != edge.target}
        # Where a flow repeats an edge of a crew, the crew's edge stands.
        repeated = {edge for edge in found if edge.flow_link and edge._replace(flow_link=False) in found}
        return sorted(found - repeated)

    def flow(self) -> Flow:
        """Readers, senders and routes, for the search of data paths."""
        readers: dict[Agent, list[Reader]] = {}
        senders: dict[Agent, list[Sender]] = {}
        for agent, capabilities in self.held.items():
            for capability in capabilities:
                if capability.kind == "data_access":
                    for store, service in _stores_of(capability).items():
                        level = sensitivity_of(service)
                        if level in PATH_SOURCES:
                            readers.setdefault(agent, []).append(Reader(store, level, capability))
                elif capability.kind in _SENDING:
                    for sink in self._sinks(capability):
                        senders.setdefault(agent, []).append(Sender(sink, capability))
        return Flow(readers, senders, self._routes())

    def virtual_hops(self) -> Iterator[tuple[str, str]]:
        """(agent, sender) for each sending capability an agent holds: carries sensitivity, is no edge."""
        for agent, capabilities in self.held.items():
            for capability in capabilities:
                if capability.kind in _SENDING:
                    yield self.ids.agents[agent], self.ids.capabilities[capability]

    def _of_capabilities(self) -> Iterator[Edge]:
        for capability, node_id in self.ids.capabilities.items():
            for store in _stores_of(capability):
                if capability.kind == "data_access":
                    yield Edge(store, node_id, "reads_from")
                else:
                    yield Edge(node_id, store, "writes_to")
            for sink in self._sinks(capability):
                yield Edge(node_id, sink, "sends_to")
        for agent, capabilities in self.held.items():
            agent_id = self.ids.agents[agent]
            held = [(capability, self.ids.capabilities[capability]) for capability in capabilities]
            senders = [node_id for capability, node_id in held if capability.kind in _SENDING]
            for capability, node_id in held:
                yield Edge(node_id, agent_id, "tool_of")
                if capability.kind == "data_access":
                    for sender in senders:
                        yield Edge(node_id, sender, "shares_with")
            for server in agent.mcp_servers:
                yield Edge(agent_id, self.ids.server(server), "connects_to")

    def _between_agents(self, published: bool) -> Iterator[Edge]:
        for link in links_of(self._model):
            if published and link.contracted:
                continue
            source, target = self._end(link.source, published), self._end(link.target, published)
            if source and target:
                yield Edge(source, target, link.edge_type, link.flow)
        for crew in self._model.crews:
            holders: dict[tuple[str, str], list[Agent]] = {}
            for agent in crew.members:
                for tool in agent.tools:
                    holders.setdefault(tool.key, []).append(agent)
            for agents in {tuple(sorted(set(group), key=lambda a: a.site)) for group in holders.values()}:
                for first, second in combinations(agents, 2):
                    yield Edge(self.ids.agents[first], self.ids.agents[second], "shares_tool")

    def _routes(self) -> dict[Crew, dict[Agent, list[Agent]]]:
        members = {crew: set(crew.members) for crew in self._model.crews}
        crews_of: dict[Agent, list[Crew]] = {}
        for crew in self._model.crews:
            for agent in crew.members:
                crews_of.setdefault(agent, []).append(crew)
        routes: dict[Crew, dict[Agent, list[Agent]]] = {crew: {a: [] for a in crew.members} for crew in members}
        known: set[tuple[Crew, Agent, Agent]] = set()
        for link in links_of(self._model):
            source = self._first.get(link.source) if isinstance(link.source, GroupChat) else link.source
            target = link.target
            if not isinstance(source, Agent) or not isinstance(target, Agent) or source is target or link.flow:
                continue
            for crew in [link.crew] if link.crew is not None else crews_of.get(source, ()):
                inside = members.get(crew, ())
                if source in inside and target in inside and (crew, source, target) not in known:
                    known.add((crew, source, target))
                    routes[crew][source].append(target)
        return {crew: leads_to for crew, leads_to in routes.items() if any(leads_to.values())}

    def _end(self, end: Agent | GroupChat | Step, published: bool) -> str | None:
        if isinstance(end, Agent):
            return self.ids.agents.get(end)
        if published:
            return self.ids.steps.get(end) if isinstance(end, Step) else self.ids.chats.get(end)
        first = self._first.get(end) if isinstance(end, GroupChat) else None
        return self.ids.agents.get(first) if first is not None else None

    def _sinks(self, capability: Capability) -> list[str]:
        """Where a capability sends: its MCP server when it is one's, else the external of its service."""
        server = self._server_of(capability)
        if server is not None:
            return [self.ids.server(server)]
        return [self._external_id(service, capability.unit) for service in _destinations(capability)]

    def _server_of(self, capability: Capability) -> McpServer | None:
        if capability.kind != "outbound":
            return None
        return next((tool.server for tool in capability.tools if tool.server is not None), None)

    def _external_id(self, service: str, unit: str) -> str:
        """A service that is read and sent to has two nodes; the second carries its type, which the join key ignores."""
        plain = service_id(service, unit)
        return f"{plain}#external" if plain in self._stores else plain


def _stores_of(capability: Capability) -> dict[str, str]:
    """Ids of the data stores a capability reads or writes, with their services."""
    if capability.kind not in ("data_access", "destructive"):
        return {}
    return {service_id(service, capability.unit): service for service in capability.all_services}


def _destinations(capability: Capability) -> list[str]:
    """Services of the external nodes a capability sends to."""
    if capability.kind == "code_exec":
        return [HOST]
    return capability.all_services if capability.kind in _SENDING else []


def _spread(nodes: dict[str, Node], edges: list[Edge], builder: Edges) -> None:
    """Let sensitivity flow; a flow between two capabilities of agents stops too where all those agents filter."""
    owners: dict[str, set[str]] = {}
    for agent, capabilities in builder.held.items():
        for capability in capabilities:
            owners.setdefault(builder.ids.capabilities[capability], set()).add(builder.ids.agents[agent])
    filtering = {
        node_id
        for node_id in builder.ids.agents.values()
        if builder.controls.has(node_id, "output_filter", "input_filter")
    }

    def blocked(source: str, target: str) -> bool:
        if builder.controls.blocks(source, target):
            return True
        through = owners.get(source, set()) & owners.get(target, set())
        return bool(through) and through <= filtering

    flows = [(edge.source, edge.target) for edge in edges if edge.edge_type in CARRYING]
    propagate(nodes, [*flows, *builder.virtual_hops()], blocked)


def _control_coverage(nodes: dict[str, Node], edges: list[Edge], controls: Controls) -> tuple[int, int]:
    """Edges that need a control, and those of them with one at either end."""
    needing = controlled = 0
    for edge in edges:
        target = nodes[edge.target].node_type
        carries = edge.edge_type in CARRYING and nodes[edge.source].level in PROTECTED
        if target in ("external", "mcp_server") or (carries and target != "data_store"):
            needing += 1
            controlled += controls.linked(edge.source) or controls.linked(edge.target)
    return needing, controlled
