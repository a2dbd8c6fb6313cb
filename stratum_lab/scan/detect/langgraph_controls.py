"""Checkpointers, interrupts, recursion limits and runs of LangGraph graphs and prebuilt agents (A4)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.guard import add_guardrail, arguments, is_limit
from stratum_lab.scan.detect.langgraph_graphs import Graph
from stratum_lab.scan.detect.langgraph_nodes import Assembler, Place
from stratum_lab.scan.detect.langgraph_prebuilt import FRAMEWORK, REACT, SUPERVISORS, SWARMS, compiled
from stratum_lab.scan.detect.reach import INVOKING
from stratum_lab.scan.model import Agent, Checkpoint, Crew, Model, Site, Step, Tool

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Function
    from stratum_lab.scan.source.project import Project

_IN_MEMORY: Final = frozenset({"MemorySaver", "InMemorySaver"})
_RANK: Final[dict[Checkpoint, int]] = {"none": 0, "memory_only": 1, "durable": 2}
_SERVED = re.compile(r'"([^":]+\.py):([A-Za-z_]\w*)"')
"""A graph of a langgraph.json: "./path/file.py:variable"."""


class Controls:
    """Finds what controls the graphs that an assembler has made."""

    def __init__(self, project: Project, model: Model, assembler: Assembler) -> None:
        self.project = project
        self.resolver = project.resolver
        self.model = model
        self.assembler = assembler
        self._kept: set[Graph] = set()  # graphs compiled with a checkpointer
        self._kept_agents: set[Agent] = set()

    def find(self) -> None:
        """Fill crews and guardrails."""
        for graph, crew in self.assembler.crews.items():
            for call in graph.compiled:
                kind, given = self._checkpointer(call)
                if given:
                    self._kept.add(graph)
                if crew is not None:
                    crew.checkpoint = max(crew.checkpoint, kind, key=_RANK.__getitem__)
        self._teams()
        self._kept_agents |= {
            agent for graph in self._kept for place in self.assembler.places[graph].values() for agent in place.agents
        }
        for graph in self.assembler.crews:
            for call in graph.compiled:
                self._named_interrupts(call, graph)
        for call, _ in self.project.calls_to(*REACT, "langchain.**.create_agent"):
            agent = self.model.agent_at(call.site)
            if agent is not None:
                self._agent_interrupts(call, agent)
        self._interrupt_calls()
        self._runs()
        self._served()

    def _checkpointer(self, call: Call) -> tuple[Checkpoint, bool]:
        """Kind of the `checkpointer=` of a call, and whether one is given at all."""
        given = call.arg("checkpointer", 0 if isinstance(call.node.func, ast.Attribute) else None)
        if given is None:
            return "none", False
        value = self.resolver.resolve(given, call.scope)
        if value.kind in ("none", "bool"):
            return "none", value.text == "True"
        if value.kind != "instance" or value.origin is None:
            return "none", True  # handed in from somewhere: there is one, of a kind that is not known
        return ("memory_only" if _IN_MEMORY.intersection(value.origin.split(".")) else "durable"), True

    def _teams(self) -> None:
        """Checkpointers of supervisors and swarms; their members keep state with them."""
        for call, _ in self.project.calls_to(*SUPERVISORS, *SWARMS):
            crew = next((c for c in self.model.crews if c.site == call.site), None)
            for made in compiled(self.project, call) if crew is not None else ():
                assert crew is not None
                kind, given = self._checkpointer(made)
                crew.checkpoint = max(crew.checkpoint, kind, key=_RANK.__getitem__)
                if given:
                    self._kept_agents.update(crew.members)
                for name, expr, site in arguments(made):
                    if name in ("interrupt_before", "interrupt_after"):
                        names = set(self.assembler.reader.naming.names(expr, made.scope))
                        targets = [a for a in crew.members if a.name in names]
                        add_guardrail(self.project, self.model, site, "hitl", FRAMEWORK, targets, active=given)

    def _named_interrupts(self, call: Call, graph: Graph) -> None:
        """`interrupt_before=["node"]`: the named nodes; "*" is every node."""
        for name, expr, site in arguments(call):
            if name not in ("interrupt_before", "interrupt_after"):
                continue
            names = self.assembler.reader.naming.names(expr, call.scope)
            if not names:
                continue
            places = self.assembler.places[graph]
            chosen = [place for key, place in places.items() if key in names or "*" in names]
            self._hitl(site, [t for place in chosen for t in _targets(place)], active=graph in self._kept)

    def _agent_interrupts(self, call: Call, agent: Agent) -> None:
        _, given = self._checkpointer_of_factory(call)
        if given:
            self._kept_agents.add(agent)
        for name, expr, site in arguments(call):
            if name in ("interrupt_before", "interrupt_after") and self.assembler.reader.naming.names(expr, call.scope):
                self._hitl(site, [agent], active=agent in self._kept_agents)

    def _checkpointer_of_factory(self, call: Call) -> tuple[Checkpoint, bool]:
        given = call.arg("checkpointer")
        if given is None:
            return "none", False
        value = self.resolver.resolve(given, call.scope)
        return "none", value.kind != "none" and value.text != "False"

    def _interrupt_calls(self) -> None:
        """`interrupt(...)` in the code of a node gates the node, in the code of a tool that tool."""
        for call, _ in self.project.calls_to("langgraph.**.interrupt", "langgraph.**.NodeInterrupt"):
            if call.function is None:
                continue
            targets: list[Agent | Step | Tool | Crew] = []
            active = False
            for graph, place in self._places():
                if any(self._runs_in(function, call.function) for function in place.functions):
                    targets += _targets(place)
                    active = active or graph in self._kept
            if not targets:
                for agent in self.model.agents:
                    for tool in agent.tools:
                        if any(self._runs_in(function, call.function) for function in tool.code):
                            targets.append(tool)
                            active = active or agent in self._kept_agents
            self._hitl(call.site, targets, active=active)

    def _runs_in(self, outer: Function, inner: Function) -> bool:
        return inner in self.resolver.reachable(outer)

    def _places(self) -> Iterator[tuple[Graph, Place]]:
        for graph, places in self.assembler.places.items():
            for place in places.values():
                yield graph, place

    def _hitl(self, site: Site, targets: list[Agent | Step | Tool | Crew], *, active: bool) -> None:
        add_guardrail(self.project, self.model, site, "hitl", FRAMEWORK, dict.fromkeys(targets), active=active)

    def _runs(self) -> None:
        """Invocations mark a graph as run; a literal `recursion_limit` in their configuration bounds it."""
        for module in self.project.modules:
            for call in module.calls if not module.excluded else ():
                func = call.node.func
                if not isinstance(func, ast.Attribute) or (func.attr not in INVOKING and func.attr != "with_config"):
                    continue
                thing = self.assembler.follower.thing(func.value, call.scope)
                target = self.assembler.crews.get(thing) if isinstance(thing, Graph) else thing
                if target is None or target.framework not in ("langgraph", "langchain"):
                    continue
                if isinstance(target, Crew) and func.attr in INVOKING:
                    target.run = True
                for expr in (*call.node.args, *(k.value for k in call.node.keywords if k.arg in ("config", None))):
                    self._limit(expr, call, target)
                for name, expr, site in arguments(call):
                    if name == "recursion_limit" and is_limit(expr, call.scope, self.project):
                        add_guardrail(self.project, self.model, site, "rate_limit", FRAMEWORK, [target])

    def _limit(self, expr: ast.expr, call: Call, target: Agent | Crew) -> None:
        if isinstance(expr, ast.Constant):
            return
        found = self.resolver.mapping(expr, call.scope).get("recursion_limit")
        if found is not None and is_limit(*found, self.project):
            site = Site(found[1].module.path, found[0].lineno, found[0].col_offset)
            add_guardrail(self.project, self.model, site, "rate_limit", FRAMEWORK, [target])

    def _served(self) -> None:
        """Graphs that a langgraph.json serves are run by the server."""
        for path, text in self.project.texts.items():
            if path.rpartition("/")[2] != "langgraph.json":
                continue
            for file, variable in _SERVED.findall(text):
                found = self.project.resolve_path(path, file)
                module = self.project.table.by_path.get(found) if found is not None else None
                if module is None:
                    continue
                value = self.resolver.name(variable, module.scope)
                made = self.resolver.returned(value.function, ()) if value.function is not None else value
                thing = self.assembler.follower.thing_of(made)
                crew = self.assembler.crews.get(thing) if isinstance(thing, Graph) else thing
                if isinstance(crew, Crew):
                    crew.run = True


def _targets(place: Place) -> list[Agent | Step | Tool | Crew]:
    """What a control on a node covers."""
    if place.step is not None:
        return [place.step]
    return [*place.agents, *place.crews]
