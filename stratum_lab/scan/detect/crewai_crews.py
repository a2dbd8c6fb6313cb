"""CrewAI crews: members, order, process and manager, the edges that follow, and what starts them (A3)."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.crewai_agents import (
    FRAMEWORK,
    agent_methods,
    argument,
    class_around,
    decorated,
    decorated_methods,
    member,
    spaced,
)
from stratum_lab.scan.detect.crewai_knowledge import add_knowledge
from stratum_lab.scan.detect.crewai_tasks import TaskBook
from stratum_lab.scan.detect.crewai_yaml import is_crew_base
from stratum_lab.scan.detect.guard import keyword_guardrails
from stratum_lab.scan.model import Agent, Crew, Link, Model, Site, Task

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Function, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

CREWS: Final = ("crewai.**.Crew",)
KICKOFFS: Final = ("kickoff", "kickoff_async", "kickoff_for_each", "kickoff_for_each_async", "akickoff",
                   "akickoff_for_each")  # fmt: skip


class CrewBook:
    """Every crew of the project, known by its call, and by the method or class that stands for it."""

    def __init__(self, project: Project, model: Model, tasks: TaskBook) -> None:
        self.project = project
        self.resolver = project.resolver
        self.model = model
        self.tasks = tasks
        self._by_site: dict[Site, Crew] = {}
        self._by_code: dict[Function | Class, Crew] = {}
        self._working: dict[Crew, list[Agent]] = {}
        for call, _ in project.calls_to(*CREWS):
            self._from_call(call)
        for cls in project.classes():
            self._from_class(cls)
        for call, value in self.kickoffs():
            crew = self.of_value(value.receiver) if value.receiver is not None else None
            if crew is not None:
                crew.run = True
                keyword_guardrails(call, project, model, FRAMEWORK, [crew])

    def of_value(self, value: Value) -> Crew | None:
        """The crew a value is: by its call, the functions it came through, or the crew class it is made of."""
        for call in value.calls:
            if call.site in self._by_site:
                return self._by_site[call.site]
        for function in (*value.via, *([value.function] if value.function is not None else [])):
            if function in self._by_code:
                return self._by_code[function]
        return self._by_code.get(value.cls) if value.cls is not None else None

    def kickoffs(self) -> list[tuple[Call, Value]]:
        """Calls that start a crew, with what they call."""
        return list(self.project.calls_to(*(f"crewai.**.{name}" for name in KICKOFFS)))

    def _from_call(self, call: Call) -> None:
        cls = class_around(call.scope)
        base = cls if cls is not None and is_crew_base(self.project, cls) else None
        crew = Crew(call.site, FRAMEWORK, self._name(call, cls), "sequential", self.project.unit_of(call.module.path))
        listed, crew.unknown_members = self._agents(call, base)
        crew.tasks, whole = self._tasks(call, base)
        manager = self._agent(call, "manager_agent")
        worked = [task.agent for task in crew.tasks if task.agent is not None]
        ordered = whole and len(worked) == len(crew.tasks) > 0
        members = [*worked, *listed] if ordered else [*listed, *worked]
        if not members and manager is None and base is not None:
            members = [a for m in agent_methods(self.project, base) if (a := self.model.agent_of_code(m)) is not None]
        if manager is not None:
            members = [*(a for a in members if a is not manager), manager]
        crew.members = [agent for agent in dict.fromkeys(members) if not agent.inline]
        if not crew.members:
            return
        crew.process = self._process(call)
        crew.manager = manager if crew.process == "hierarchical" else None
        crew.ordered = crew.process == "sequential"
        crew.memory = self._is_on(call, "memory")
        self._register(crew, call)
        working = worked if ordered else [*listed, *worked] or crew.members
        self._link(crew, [agent for agent in crew.members if agent in working])
        add_knowledge(self.project, self.model, call.arg("knowledge_sources"), call.scope, crew.members)
        keyword_guardrails(call, self.project, self.model, FRAMEWORK, [crew])
        function = call.function
        if function is not None and decorated(self.project, function, "crew"):
            self._by_code.setdefault(function, crew)
            if function.cls is not None:
                self._by_code.setdefault(function.cls, crew)

    def _from_class(self, cls: Class) -> None:
        """A `@CrewBase` class whose crew no call shows: all its agents, in order of definition."""
        if not is_crew_base(self.project, cls) or cls in self._by_code:
            return
        methods = agent_methods(self.project, cls)
        own = [method for method in methods if method.cls is cls]
        made = decorated_methods(self.project, cls, "crew")
        if not own or any(method in self._by_code for method in made):
            return
        found = (self.model.agent_of_code(method) for method in methods)
        crew = Crew(cls.site, FRAMEWORK, cls.name, "sequential", self.project.unit_of(cls.module.path))
        crew.members = [agent for agent in found if agent is not None]
        crew.tasks = list(self.tasks.all_of(decorated_methods(self.project, cls, "task")))
        crew.ordered = True
        if crew.members:
            self._register(crew, None)
            self._link(crew, crew.members)
            self._by_code.setdefault(cls, crew)
            for method in made:
                self._by_code.setdefault(method, crew)

    def _register(self, crew: Crew, call: Call | None) -> None:
        self.model.crews.append(crew)
        if call is not None:
            self._by_site[call.site] = crew

    def _name(self, call: Call, cls: Class | None) -> str:
        """Class around it, else the name it is assigned to, else where it stands."""
        if cls is not None:
            return cls.name
        return self.resolver.symbol_of(call).rpartition(".")[2] if call.assigned else self.resolver.symbol_of(call)

    def _agents(self, call: Call, base: Class | None) -> tuple[list[Agent], int]:
        given = argument(self.project, call, "agents")
        if given is None:
            return [], 0
        unknown = 0
        found: list[Agent] = []
        for expr, scope in self._parts(*given):
            if self._is_all(expr, base, "agents", scope):
                assert base is not None
                methods = agent_methods(self.project, base)
                found += [a for m in methods if (a := self.model.agent_of_code(m)) is not None]
                continue
            values = self.resolver.items(expr, scope).values
            agents = [member(self.model, value) for value in values]
            found += [agent for agent in agents if agent is not None]
            if isinstance(expr, ast.List | ast.Tuple):
                unknown += sum(agent is None for agent in agents)
        return found, unknown

    def _tasks(self, call: Call, base: Class | None) -> tuple[list[Task], bool]:
        """Tasks of a crew in order, and whether every one of them is known."""
        given = argument(self.project, call, "tasks")
        if given is None:
            return [], False
        found: list[Task] = []
        whole = True
        for expr, scope in self._parts(*given):
            if self._is_all(expr, base, "tasks", scope):
                assert base is not None
                found += self.tasks.all_of(decorated_methods(self.project, base, "task"))
                continue
            items = self.resolver.items(expr, scope)
            tasks = [self.tasks.of_value(value) for value in items.values]
            found += [task for task in tasks if task is not None]
            whole = whole and items.complete and None not in tasks
        return found, whole

    def _parts(self, expr: ast.expr, scope: Scope, depth: int = 0) -> list[tuple[ast.expr, Scope]]:
        """The parts of a sum or of a list with starred elements; a name that stands for an attribute is followed."""
        if depth > 6:
            return [(expr, scope)]
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Add):
            return [*self._parts(expr.left, scope, depth + 1), *self._parts(expr.right, scope, depth + 1)]
        if isinstance(expr, ast.List | ast.Tuple) and any(isinstance(e, ast.Starred) for e in expr.elts):
            out: list[tuple[ast.expr, Scope]] = []
            for element in expr.elts:
                if isinstance(element, ast.Starred):
                    out += self._parts(element.value, scope, depth + 1)
                else:
                    out.append((ast.copy_location(ast.List(elts=[element], ctx=ast.Load()), element), scope))
            return out
        if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Name) and expr.func.id == "list" and expr.args:
            return self._parts(expr.args[0], scope, depth + 1)
        if isinstance(expr, ast.Name):
            bound = [b for b in scope.bindings.get(expr.id, ()) if b.kind != "add"]
            plain = len(bound) == len(scope.bindings.get(expr.id, ()))
            if plain and len(bound) == 1 and bound[0].kind == "assign" and isinstance(bound[0].value, ast.Attribute):
                return self._parts(bound[0].value, scope, depth + 1)
        return [(expr, scope)]

    def _is_all(self, expr: ast.expr, base: Class | None, name: str, scope: Scope) -> bool:
        """`self.agents` of a `@CrewBase` class, which holds what the decorated methods make, unless it is assigned."""
        if base is None or not isinstance(expr, ast.Attribute) or expr.attr != name:
            return False
        owner = self.resolver.resolve(expr.value, scope)
        if owner.cls is None or owner.kind != "instance" or not is_crew_base(self.project, owner.cls):
            return False
        return not any(
            binding.value is not None
            for cls in self.resolver.lineage(owner.cls)
            if not isinstance(cls, str)
            for binding in (*cls.scope.bindings.get(name, ()), *(b for b, _ in cls.scope.attributes.get(name, ())))
        )

    def _agent(self, call: Call, name: str) -> Agent | None:
        given = argument(self.project, call, name)
        return member(self.model, self.resolver.resolve(*given)) if given is not None else None

    def _process(self, call: Call) -> str:
        given = argument(self.project, call, "process")
        if given is None:
            return "sequential"
        value = self.resolver.resolve(*given)
        word = spaced(value.text or value.origin or "").rpartition(".")[2]
        return "hierarchical" if word == "hierarchical" else "sequential"

    def _is_on(self, call: Call, name: str) -> bool:
        given = argument(self.project, call, name)
        if given is None:
            return False
        return self.resolver.literal(*given) is True or self.resolver.resolve(*given).kind == "instance"

    def ends(self, crew: Crew) -> tuple[Agent, Agent]:
        """The agents that begin and end the work of a crew; one without a task does neither."""
        working = self._working.get(crew) or crew.members
        return working[0], working[-1]

    def _link(self, crew: Crew, working: list[Agent]) -> None:
        """Sequential: each to the next. Hierarchical: the manager, when it is an agent, to each of the others."""
        if crew.process == "sequential":
            self._working[crew] = working
        if crew.process == "sequential":
            for before, after in pairwise(working):
                self.model.links.append(Link(before, after, "feeds_into", crew))
        elif crew.manager is not None:
            for worker in crew.members:
                if worker is not crew.manager:
                    self.model.links.append(Link(crew.manager, worker, "delegates_to", crew))
