"""Which nodes of a LangGraph graph are agents, stand for agents or crews defined elsewhere, or are steps (A4)."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.langgraph_graphs import Graph, GraphReader, Node
from stratum_lab.scan.detect.langgraph_prebuilt import FRAMEWORK
from stratum_lab.scan.detect.langgraph_reach import Follower, Runs
from stratum_lab.scan.detect.reach import holds_model
from stratum_lab.scan.detect.tools import tools_of
from stratum_lab.scan.model import Agent, Confidence, Crew, Link, Model, Step, Tool
from stratum_lab.scan.source.index import chain

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Function, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

_FACTORIES: Final = frozenset({
    "create_react_agent", "create_agent", "create_supervisor", "create_swarm", "create_deep_agent", "AgentExecutor",
    "create_tool_calling_agent", "create_openai_tools_agent", "create_openai_functions_agent", "initialize_agent",
})  # fmt: skip
_ASK_NOTHING: Final = (".ToolNode", ".ValidationNode")
_RENAMED: Final = ("langgraph", "langchain")
"""Frameworks whose agents run as the node: the node's name is theirs when they have none."""


@dataclass(eq=False, slots=True)
class Place:
    """What a node is in the model: agents that it is or stands for, crews it runs, or a step; its own functions."""

    node: Node
    agents: list[Agent] = field(default_factory=list)
    crews: list[Crew] = field(default_factory=list)
    step: Step | None = None
    functions: list[Function] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)

    @property
    def entries(self) -> list[Agent | Step]:
        """Where edges into the node end."""
        return self._ends(0)

    @property
    def exits(self) -> list[Agent | Step]:
        """Where edges out of the node begin."""
        return self._ends(-1)

    def _ends(self, which: int) -> list[Agent | Step]:
        if self.step is not None:
            return [self.step]
        if self.agents and (which == -1 or not self.crews):
            return [self.agents[which]]
        if self.crews:
            crew = self.crews[which]
            return [crew.manager or crew.members[which]]
        return []


class Assembler:
    """Turns the graphs of a project into crews, agents, steps and links."""

    def __init__(self, project: Project, model: Model, reader: GraphReader) -> None:
        self.project = project
        self.model = model
        self.reader = reader
        sites = {node.site for graph in reader.graphs.values() for node in graph.nodes.values()}
        self.follower = Follower(project, model, reader, sites)
        self.crews: dict[Graph, Crew | None] = {}
        self.places: dict[Graph, dict[str, Place]] = {}

    def assemble_all(self) -> None:
        """Assemble every graph, those that others run first."""
        for graph in self.reader.graphs.values():
            self.assemble(graph)

    def assemble(self, graph: Graph) -> Crew | None:
        """The crew a graph is; None when none of its nodes is an agent."""
        if graph in self.crews:
            return self.crews[graph]
        self.crews[graph] = None  # a graph that runs itself
        places = self.places[graph] = {name: self._place(node) for name, node in graph.nodes.items()}
        for source, target in graph.edges:
            for agent in places[source].agents:
                agent.hold(places[target].tools)
        for name, place in places.items():
            for tool in [tool for agent in place.agents for tool in agent.tools]:
                for target in self.reader.handed_over(tool):
                    self.reader.edge(graph, name, target)
        members = list(dict.fromkeys(agent for place in places.values() for agent in place.agents))
        crew = None
        if members:
            unit = self.project.unit_of(graph.site.file)
            crew = Crew(graph.site, FRAMEWORK, self.name_of(graph), "graph", unit, members=members)
            self.model.crews.append(crew)
            self.crews[graph] = crew
        self._link(graph, places, crew)
        return crew

    def name_of(self, graph: Graph) -> str:
        """Name given at compile, else of the variable that holds the compiled graph, else of the builder's."""
        resolver = self.project.resolver
        for call in graph.compiled:
            given = call.arg("name")
            text = resolver.text(given, call.scope) if given is not None else None
            if text:
                return " ".join(text.split())
        named = [call for call in (*graph.compiled, graph.call) if call.assigned]
        returned = [call for call in graph.compiled if call.returned]
        symbol = resolver.symbol_of((named or returned or [graph.call])[0])
        return symbol.rpartition(".")[2] if named else symbol

    def _place(self, node: Node) -> Place:
        place = Place(node)
        if node.action is None:
            self._be_agent(place, Confidence.PROBABLE)
            return place
        expr, scope = node.action
        value = self.project.resolver.resolve(expr, scope)
        thing = self.follower.thing_of(value)
        if isinstance(thing, Graph):
            self.assemble(thing)
            self._be_agent(place)
            return place
        if isinstance(thing, Crew) and value.kind == "instance" and self.model.agent_at(thing.site) is not None:
            thing = self.model.agent_at(thing.site)  # a compiled supervisor is an agent, not its team
        if isinstance(thing, Crew):
            place.crews.append(thing)
            return place
        if isinstance(thing, Agent):
            self._stand(place, [thing])
            return place
        place.functions = self.reader.functions_of(expr, scope)
        if place.functions:
            self._place_functions(place)
        else:
            self._place_object(place, value)
        return place

    def _place_functions(self, place: Place) -> None:
        """A repo function: stands for what it invokes, is an agent when it reaches a model, else a step."""
        assert place.node.action is not None
        env = self.follower.passed(*place.node.action)
        runs = Runs()
        for function in place.functions:
            found = self.follower.runs(function, env)
            runs.agents += [a for a in found.agents if a not in runs.agents]
            runs.crews += [c for c in found.crews if c not in runs.crews]
            runs.graphs += [g for g in found.graphs if g not in runs.graphs]
            runs.asks = runs.asks or found.asks
        for graph in runs.graphs:
            crew = self.assemble(graph)
            if crew is not None and crew not in runs.crews:
                runs.crews.append(crew)
        place.crews = runs.crews
        if runs.agents:
            self._stand(place, runs.agents)
        elif not runs.crews:
            if runs.asks:
                self._be_agent(place)
            else:
                self._be_step(place)

    def _place_object(self, place: Place, value: Value) -> None:
        """Anything else: a tool node, a runnable, something from outside."""
        assert place.node.action is not None
        expr, scope = place.node.action
        origin = value.origin or ""
        runners = self._tool_nodes(value) or self._tool_nodes_in(expr, scope)
        if runners or self._typed_tool_node(expr, scope) or self._asks_nothing(value):
            for runner in runners:
                place.tools += tools_of(self.project, self.model, runner.arg("tools", 0), runner.scope, FRAMEWORK)
            self._be_step(place)
            return
        receiver = value.receiver if value.kind == "external" else None
        thing = self.follower.thing_of(receiver) if receiver is not None else None
        if isinstance(thing, Graph):
            self.assemble(thing)
            self._be_agent(place)
        elif isinstance(thing, Crew):
            place.crews.append(thing)
        elif isinstance(thing, Agent):
            self._stand(place, [thing])
        elif holds_model(self.project, expr, scope) or _FACTORIES.intersection(origin.split(".")):
            self._be_agent(place)
        elif origin.startswith(("langchain", "langgraph", "builtins.", "operator.", "functools.")):
            self._be_step(place)
        elif receiver is not None and holds_model(self.project, getattr(expr, "value", expr), scope):
            self._be_agent(place)
        else:
            self._be_agent(place, Confidence.PROBABLE)

    def _tool_nodes(self, value: Value) -> list[Call]:
        """The `ToolNode` calls behind a value."""
        return [call for call in value.calls if (self.project.callee(call).origin or "").endswith(".ToolNode")]

    def _asks_nothing(self, value: Value) -> bool:
        """Whether a value is one of LangGraph's nodes that run or check tool calls, or of a class deriving from one."""
        origins = [value.origin or ""] if value.cls is None else self.project.resolver.bases(value.cls)
        return value.kind == "instance" and any(
            origin.startswith("langgraph.") and origin.endswith(_ASK_NOTHING) for origin in origins
        )

    def _tool_nodes_in(self, expr: ast.expr, scope: Scope) -> list[Call]:
        """The tool nodes of a collection of which one is taken under a name that is not known."""
        if not isinstance(expr, ast.Subscript):
            return []
        values = self.project.resolver.items(expr.value, scope).values
        found = [call for value in values for call in self._tool_nodes(value)[:1]]
        return found if len(found) == len(values) else []

    def _typed_tool_node(self, expr: ast.expr, scope: Scope) -> bool:
        """Whether an element is taken from a parameter or field annotated as a collection of tool nodes."""
        if not isinstance(expr, ast.Subscript) or self.project.resolver.resolve(expr, scope).known:
            return False
        base, where = expr.value, scope
        if isinstance(base, ast.Attribute):
            owner = self.project.resolver.resolve(base.value, scope).cls
            body = owner.node.body if owner is not None and owner.node is not None else []
            fields = [s.annotation for s in body if isinstance(s, ast.AnnAssign) and chain(s.target) == base.attr]
            if any("ToolNode" in ast.unparse(annotation) for annotation in fields):
                return True
        for inner, inner_scope in self.follower.behind(base, scope):
            base, where = inner, inner_scope
        function = where.function
        if not isinstance(base, ast.Name) or function is None or not isinstance(function.node, ast.FunctionDef):
            return False
        given = function.node.args
        annotations = [a.annotation for a in (*given.args, *given.kwonlyargs) if a.arg == base.id and a.annotation]
        return any("ToolNode" in ast.unparse(annotation) for annotation in annotations)

    def _be_agent(self, place: Place, confidence: Confidence = Confidence.CONFIRMED) -> None:
        node = place.node
        unit = self.project.unit_of(node.site.file)
        agent = Agent(node.site, FRAMEWORK, node.name, node.name, unit, role=node.name, identified=True,
                      confidence=confidence, code=place.functions)  # fmt: skip
        agent = self.model.add_agent(agent)
        place.agents = [agent]
        for function in place.functions:
            self.model.stand_for(agent, function)
            for given, scope in self.follower.bound_tools(function):
                agent.hold(tools_of(self.project, self.model, given, scope, FRAMEWORK))
        if not place.functions and node.action is not None:
            for given, scope in self.follower.bound_in(*node.action):
                agent.hold(tools_of(self.project, self.model, given, scope, FRAMEWORK))

    def _be_step(self, place: Place) -> None:
        node = place.node
        unit = self.project.unit_of(node.site.file)
        place.step = Step(node.site, FRAMEWORK, node.name, unit, code=place.functions)
        self.model.steps.append(place.step)

    def _stand(self, place: Place, agents: list[Agent]) -> None:
        """The node is those agents; one without a name of its own takes the node's, as it runs under it."""
        place.agents = agents
        agent = agents[0]
        if len(agents) == 1 and agent.framework in _RENAMED and not agent.identified:
            agent.name = agent.role = place.node.name
            agent.identified = True
        for agent in agents:
            agent.code += [function for function in place.functions if function not in agent.code]
            if place.node.site not in agent.places and place.node.site != agent.site:
                agent.places.append(place.node.site)

    def _link(self, graph: Graph, places: dict[str, Place], crew: Crew | None) -> None:
        """Edges between nodes; ways through steps once more as contracted links between agents."""
        direct: set[tuple[Agent, Agent]] = set()
        for source, target in graph.edges:
            direct |= self._join(places[source], places[target], crew, contracted=False)
        for name, place in places.items():
            if place.step is not None:
                continue
            for target in self._beyond_steps(graph, places, name):
                self._join(place, places[target], crew, contracted=True, known=direct)
        if crew is not None:
            self._order(crew)

    def _beyond_steps(self, graph: Graph, places: dict[str, Place], name: str) -> list[str]:
        seen = {name}
        todo = [n for n in graph.successors(name) if places[n].step is not None]
        found: list[str] = []
        while todo:
            current = todo.pop(0)
            if current in seen:
                continue
            seen.add(current)
            for following in graph.successors(current):
                if places[following].step is not None:
                    todo.append(following)
                elif following not in found and following != name:
                    found.append(following)
        return found

    def _join(
        self,
        source: Place,
        target: Place,
        crew: Crew | None,
        *,
        contracted: bool,
        known: set[tuple[Agent, Agent]] | None = None,
    ) -> set[tuple[Agent, Agent]]:
        made: set[tuple[Agent, Agent]] = set()
        for before in source.exits:
            for after in target.entries:
                if before is after:
                    continue
                pair = (before, after) if isinstance(before, Agent) and isinstance(after, Agent) else None
                if known is not None and (pair is None or pair in known):
                    continue
                if pair is not None:
                    made.add(pair)
                flow = bool(source.crews and target.crews and not source.agents and not target.agents)
                own = crew is not None and (pair is None or all(agent in crew.members for agent in pair))
                where = crew if own else None
                if not any(k.source is before and k.target is after and k.crew is where and k.contracted == contracted
                           for k in self.model.links):  # fmt: skip
                    self.model.links.append(Link(before, after, "feeds_into", where, flow=flow, contracted=contracted))
        return made

    def _order(self, crew: Crew) -> None:
        """Bring the members of a linear graph into their order of work."""
        following: dict[Agent, set[Agent]] = {agent: set() for agent in crew.members}
        for link in self.model.links:
            if link.crew is crew and isinstance(link.source, Agent) and isinstance(link.target, Agent):
                following[link.source].add(link.target)
        targets = [target for found in following.values() for target in found]
        starts = [agent for agent in crew.members if agent not in targets]
        if len(starts) != 1 or len(targets) != len(set(targets)) or any(len(f) > 1 for f in following.values()):
            return
        line = [starts[0]]
        while following[line[-1]]:
            line.append(next(iter(following[line[-1]])))
        if len(line) == len(crew.members):
            crew.members, crew.ordered = line, True
