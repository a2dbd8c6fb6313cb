"""Definition sites that are constructor calls: of a framework's class, or of a repository class deriving from one.

What the call itself does not say is looked up where Python would find it: in the arguments of `super().__init__` and
in the class's own defaults.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stratum_lab.scan.detect.guard import keyword_guardrails
from stratum_lab.scan.detect.teams import agent_of, is_inline
from stratum_lab.scan.detect.tools import tools_of
from stratum_lab.scan.model import Agent, Crew, Model, Site
from stratum_lab.scan.source.project import matches_origin

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Function, Scope
    from stratum_lab.scan.source.project import Project
    from stratum_lab.scan.source.value import Value


class Given(NamedTuple):
    """An argument with the scope it stands in."""

    expr: ast.expr
    scope: Scope


class Members(NamedTuple):
    """Agents of a list expression, and how many elements are none that is known."""

    agents: list[Agent]
    unknown: int


class Construction:
    """One call that makes an object of a framework's class.

    Attributes:
        call: The call.
        kind: Name of the framework's class, for a repository class that of its nearest base.
        method: Class method through which it is made, "" for the constructor.
        cls: The repository class, None for the framework's own.
    """

    def __init__(self, project: Project, call: Call, kind: str, method: str = "", cls: Class | None = None) -> None:
        self.project = project
        self.call = call
        self.kind = kind
        self.method = method
        self.cls = cls

    def arg(self, name: str, position: int | None = None) -> Given | None:
        """An argument by keyword, else by position, else from the class; None when it is not given or None."""
        own = self.cls is not None and "__init__" in self.cls.methods
        expr = self.call.arg(name, None if own else position)
        if expr is not None:
            return None if _is_none(expr) else Given(expr, self.call.scope)
        return self._of_class(name, position) or next(iter(self._handed_on(name)), None)

    def every(self, name: str, position: int | None = None) -> list[Given]:
        """An argument as `arg` finds it; of a factory that hands on `**kwargs`, what each of its callers gives."""
        handed_on = self._handed_on(name)
        first = self.arg(name, position)
        return handed_on or ([first] if first is not None else [])

    def _handed_on(self, name: str) -> list[Given]:
        """What the callers of the factory around pass under a name that the factory only hands on as `**kwargs`."""
        function = self.call.function
        if function is None or function.node is None or name in self.call.keywords():
            return []
        rest = function.node.args.kwarg
        names = [k.value.id for k in self.call.node.keywords if k.arg is None and isinstance(k.value, ast.Name)]
        if rest is None or rest.arg not in names:
            return []
        callers = (call for call in self.project.resolver.callers(function) if not call.module.excluded)
        given = ((call.arg(name), call.scope) for call in callers)
        return [Given(expr, scope) for expr, scope in given if expr is not None and not _is_none(expr)]

    def _of_class(self, name: str, position: int | None) -> Given | None:
        for owner in self.project.resolver.lineage(self.cls) if self.cls is not None else ():
            if isinstance(owner, str):
                continue
            made = owner.methods.get("__init__")
            for call in made.calls if made is not None else ():
                func = call.node.func
                if isinstance(func, ast.Attribute) and func.attr == "__init__":
                    expr = call.arg(name, position)
                    if expr is not None and not _is_none(expr):
                        return self._handed(made, Given(expr, call.scope)) if made is not None else None
            for binding in reversed(owner.scope.bindings.get(name, [])):
                if binding.kind == "assign" and binding.value is not None and not _is_none(binding.value):
                    return Given(binding.value, owner.scope)
        return None

    def _handed(self, made: Function, given: Given) -> Given | None:
        """What this construction hands to a parameter that `__init__` passes on: its own argument, else the default."""
        expr = given.expr.values[0] if isinstance(given.expr, ast.BoolOp) else given.expr
        bound = given.scope.bindings.get(expr.id, ()) if isinstance(expr, ast.Name) else ()
        if not isinstance(expr, ast.Name) or not any(b.kind == "param" for b in bound):
            return given
        own = self.project.resolver.argument(self.call, made, expr.id)
        if own is not None:
            return None if _is_none(own) else Given(own, self.call.scope)
        default = next((b.value for b in bound if b.kind == "param"), None)
        if default is None:
            return given
        return None if _is_none(default) else Given(default, made.scope.parent or made.scope)

    def text(self, *names: str) -> str | None:
        """The first of these arguments that is a text, its whitespace collapsed."""
        for name in names:
            given = self.arg(name)
            text = self.project.resolver.text(*given) if given is not None else None
            if text and text.strip():
                return " ".join(text.split())
        return None

    def value(self, name: str, position: int | None = None) -> Value | None:
        """What an argument resolves to."""
        given = self.arg(name, position)
        return self.project.resolver.resolve(*given) if given is not None else None

    def is_true(self, name: str) -> bool:
        """Whether an argument is the literal True."""
        given = self.arg(name)
        return given is not None and self.project.resolver.literal(*given) is True


def constructions(
    project: Project, root: str, names: Collection[str], methods: Collection[str] = ()
) -> Iterator[Construction]:
    """Calls that construct one of a framework's classes or a repository class deriving from one, in order of place.

    Args:
        root: Dotted prefix of the framework.
        names: Its classes; each is looked for under any of its modules.
        methods: Class methods that construct too.
    """
    found: list[Construction] = []
    for name in names:
        for call, _ in project.calls_to(f"{root}.**.{name}"):
            found.append(Construction(project, call, name))
        for method in methods:
            for call, value in project.calls_to(f"{root}.**.{name}.{method}"):
                if value.receiver is None:
                    found.append(Construction(project, call, name, method))
    patterns = [f"{root}.**.{name}" for name in names]
    for cls in project.subclasses(*patterns):
        kind = next(n for b in project.resolver.bases(cls) for n in names if matches_origin(b, f"{root}.**.{n}"))
        for call, value in project.calls_to(cls.dotted, *(f"{cls.dotted}.{method}" for method in methods)):
            if value.cls is cls:
                found.append(Construction(project, call, kind, "", cls))
    yield from sorted(found, key=lambda made: made.call.site)


def define(
    project: Project,
    model: Model,
    framework: str,
    made: Construction,
    *,
    name: str | None = None,
    identified: bool | None = None,
    role: str | None = None,
) -> Agent:
    """Register the agent that a construction defines; one that is known at its place is given back.

    Args:
        name: Name of its join key; that of its variable or factory when it has none.
        identified: It carries a name, role or id literal; by default when it has a name.
        role: What it does, in words.
    """
    call = made.call
    symbol = project.resolver.symbol_of(call)
    agent = Agent(
        call.site,
        framework,
        symbol,
        name or short(symbol),
        project.unit_of(call.module.path),
        role=role or name or short(symbol),
        identified=name is not None if identified is None else identified,
        inline=is_inline(project, call),
    )
    owners = [call.function] if call.returned and call.function is not None else []
    return model.add_agent(agent, *owners)


def hold_tools(
    project: Project, model: Model, agent: Agent, made: Construction, *names: str, position: int | None = None
) -> None:
    """Give an agent the tools of its construction's arguments of these names."""
    for name in names:
        for given in made.every(name, position):
            agent.hold(tools_of(project, model, *given, agent.framework))


def short(symbol: str) -> str:
    """A symbol without its class; the place of an anonymous definition stays whole."""
    return symbol if ":" in symbol else symbol.rpartition(".")[2]


def members_of(project: Project, model: Model, given: Given | None) -> Members:
    """The agents of a list; elements of a literal list that are no known agent are counted."""
    if given is None:
        return Members([], 0)
    items = project.resolver.items(*given)
    found = [agent_of(model, value) for value in items.values]
    agents = list(dict.fromkeys(agent for agent in found if agent is not None))
    return Members(agents, sum(agent is None for agent in found))


def add_crew(
    project: Project,
    model: Model,
    made: Construction,
    framework: str,
    process: str,
    members: Sequence[Agent],
    **more: object,
) -> Crew:
    """Register a crew at the place of a construction, named as given, else after its class or variable."""
    name = made.text("name") or (
        made.cls.name if made.cls is not None else short(project.resolver.symbol_of(made.call))
    )
    crew = Crew(made.call.site, framework, name, process, project.unit_of(made.call.module.path), list(members), **more)  # type: ignore[arg-type]
    model.crews.append(crew)
    return crew


def mark_runs(project: Project, model: Model, crews: Iterable[Crew], methods: Collection[str]) -> None:
    """Mark the crews on which one of these methods is called; limits given to the call cover the crew."""
    by_site: dict[Site, Crew] = {crew.site: crew for crew in crews}
    for module in project.modules if by_site else ():
        for call in module.calls:
            func = call.node.func
            if not isinstance(func, ast.Attribute) or func.attr not in methods:
                continue
            for made in project.resolver.resolve(func.value, call.scope).calls:
                crew = by_site.get(made.site)
                if crew is not None:
                    crew.run = True
                    if not module.excluded:
                        keyword_guardrails(call, project, model, crew.framework, [crew])


def _is_none(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is None
