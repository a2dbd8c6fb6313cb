"""CrewAI tasks: `Task(...)` calls and `@task` methods, with their agent, tools, controls and order of use (A3)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.detect.crewai_agents import (
    FRAMEWORK,
    argument,
    class_around,
    decorated,
    member,
    spaced,
    yaml_tools,
)
from stratum_lab.scan.detect.crewai_yaml import NO_CONFIG, Config, config_of
from stratum_lab.scan.detect.guard import Target, add_guardrail, keyword_guardrails
from stratum_lab.scan.detect.tools import tools_of
from stratum_lab.scan.model import Agent, Model, Site, Task

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Function
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.resolve import Value

TASKS: Final = ("crewai.**.Task", "crewai.**.ConditionalTask")
_YAML_SCHEMAS: Final = ("output_pydantic", "output_json", "response_model", "guardrail", "guardrails")
_NAME_LENGTH = 60
"""Characters of a description that name a task without a name (events.md 2.1)."""


class TaskBook:
    """Every task of the project, known by its call and by the decorated method that makes it."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project = project
        self.model = model
        self._by_site: dict[Site, Task] = {}
        self._by_method: dict[Function, Task] = {}
        self._calls: dict[Task, Call] = {}
        self._methods: dict[Task, Function] = {}
        self._variants: dict[tuple[Site, Agent], Task] = {}
        self._fill()

    def of_value(self, value: Value) -> Task | None:
        """The task a value is; a factory's parameter that is its agent is read from the call of the factory."""
        task = next((t for call in value.calls if (t := self._by_site.get(call.site)) is not None), None)
        task = task or next((t for f in value.via if (t := self._by_method.get(f)) is not None), None)
        if task is None and value.function is not None:
            task = self._by_method.get(value.function)
        if task is None or task.agent is not None:
            return task
        return self._passed(task, value)

    def of_method(self, method: Function) -> Task | None:
        """The task that a `@task` method makes."""
        return self._by_method.get(method)

    def _fill(self) -> None:
        project, model = self.project, self.model
        taken: set[Site] = set()
        for cls in project.classes():
            for method in cls.methods.values():
                if decorated(project, method, "task"):
                    calls = [c for c in method.calls if self._makes_task(c)]
                    taken.update(c.site for c in calls)
                    self._add(calls[0] if calls else None, method.site, cls, method)
                    for call in calls:
                        self._by_site[call.site] = self._by_method[method]
        for call, _ in project.calls_to(*TASKS):
            if call.site not in taken:
                self._add(call, call.site, class_around(call.scope), None)
        for task in list(self._calls):
            self._context(task)
        model.tasks.extend(self._calls)

    def _makes_task(self, call: Call) -> bool:
        origin = self.project.callee(call).origin or ""
        return origin.startswith("crewai.") and origin.rpartition(".")[2] in ("Task", "ConditionalTask")

    def _add(self, call: Call | None, site: Site, cls: Class | None, method: Function | None) -> None:
        project, resolver = self.project, self.project.resolver
        config = config_of(project, call, "task", cls) if call is not None else NO_CONFIG
        texts: dict[str, str] = {}
        for field in ("name", "description", "expected_output"):
            given = argument(project, call, field) if call is not None else None
            text = resolver.text(*given) if given is not None else None
            texts[field] = text or config.text(field) or ""
        name = texts["name"] or (method.name if method is not None else config.key or "")
        name = spaced(name or texts["description"])[: None if name else _NAME_LENGTH]
        if not name and call is not None:
            name = resolver.symbol_of(call).rpartition(".")[2] if call.assigned else resolver.symbol_of(call)
        task = Task(site, name, text=spaced(f"{texts['description']} {texts['expected_output']}"))
        if method is not None:
            self._by_method[method] = task
            self._methods[task] = method
        if call is None:
            self.model.tasks.append(task)
            return
        self._by_site[call.site] = task
        self._calls[task] = call
        task.agent = self._agent(call, config, cls)
        listed = argument(project, call, "tools")
        if listed is not None:
            task.tools = tools_of(project, self.model, *listed, FRAMEWORK)
        else:
            task.tools = yaml_tools(project, self.model, config, cls)
        self._controls(task, call, config)
        self._equip(task)

    def _equip(self, task: Task) -> None:
        if task.agent is not None:
            task.agent.hold(task.tools)

    def _agent(self, call: Call, config: Config, cls: Class | None) -> Agent | None:
        given = argument(self.project, call, "agent")
        if given is not None:
            return member(self.model, self.project.resolver.resolve(*given))
        name = config.text("agent")
        if name is None:
            return None
        method = self.project.resolver.find_method(cls, name) if cls is not None else None
        if method is not None:
            return self.model.agent_of_code(method)
        unit = self.project.unit_of(call.module.path)
        near = [a for a in self.model.agents if a.framework == FRAMEWORK and a.unit == unit]
        named = [a for a in near if a.symbol.rpartition(".")[2] == name]
        return named[0] if len(named) == 1 else None

    def _controls(self, task: Task, call: Call, config: Config) -> None:
        """Controls of a task cover it and its agent; what the configuration says counts where the call is silent."""
        covered: list[Target] = [task, *([task.agent] if task.agent is not None else [])]
        keyword_guardrails(call, self.project, self.model, FRAMEWORK, covered)
        written, site = set(call.keywords()), config.site
        if site is None:
            return
        if config.data.get("human_input") is True and "human_input" not in written:
            add_guardrail(self.project, self.model, site, "hitl", FRAMEWORK, covered)
        if any(config.data.get(n) for n in _YAML_SCHEMAS if n not in written):
            add_guardrail(self.project, self.model, site, "validation", FRAMEWORK, covered)

    def _context(self, task: Task) -> None:
        call = self._calls[task]
        given = call.arg("context")
        if given is not None:
            found = (self.of_value(value) for value in self.project.resolver.items(given, call.scope).values)
            task.context = [other for other in found if other is not None and other is not task]

    def _passed(self, task: Task, value: Value) -> Task:
        """The task as one call of its factory makes it, when the factory takes the agent as a parameter."""
        call = self._calls.get(task)
        given = call.arg("agent") if call is not None else None
        if call is None or not isinstance(given, ast.Name) or call.function is None:
            return task
        factory = call.function
        for outer in value.calls:
            if self.project.callee(outer).function is not factory:
                continue
            expr = self.project.resolver.argument(outer, factory, given.id)
            if expr is None:
                continue
            agent = member(self.model, self.project.resolver.resolve(expr, outer.scope))
            if agent is not None:
                return self._variant(task, agent)
        return task

    def _variant(self, task: Task, agent: Agent) -> Task:
        known = self._variants.get((task.site, agent))
        if known is None:
            known = Task(task.site, task.name, agent, task.text, task.hitl, task.validated, task.tools, task.context)
            self._variants[(task.site, agent)] = known
            if task in self.model.tasks:  # the factory itself is no task once its calls are known
                self.model.tasks.remove(task)
            self.model.tasks.append(known)
            self._equip(known)
            for guardrail in self.model.guardrails:
                if task in guardrail.targets:
                    guardrail.targets += [t for t in (known, agent) if t not in guardrail.targets]
        return known

    def all_of(self, methods: list[Function]) -> Iterator[Task]:
        """The tasks of decorated methods, in their order."""
        for method in methods:
            task = self._by_method.get(method)
            if task is not None:
                yield task
