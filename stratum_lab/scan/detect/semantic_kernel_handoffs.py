"""Handoffs of a Semantic Kernel orchestration: `OrchestrationHandoffs().add(...)`, `.add_many(...)`, maps of names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stratum_lab.scan.detect.teams import agent_of
from stratum_lab.scan.model import Agent, Model

if TYPE_CHECKING:
    from stratum_lab.scan.detect.construction import Construction
    from stratum_lab.scan.source.index import Call, Scope
    from stratum_lab.scan.source.project import Project


def handoffs_of(
    project: Project, model: Model, made: Construction, members: Sequence[Agent]
) -> list[tuple[Agent, Agent]]:
    """Pairs of members of which the first may hand over to the second, as `handoffs=` says."""
    given = made.arg("handoffs", 1)
    if given is None:
        return []
    reader = _Reader(project, model, members)
    pairs = dict.fromkeys(pair for pair in reader.read(*given) if pair[0] is not pair[1])
    return list(pairs)


class _Reader:
    """Reads one handoffs expression."""

    def __init__(self, project: Project, model: Model, members: Sequence[Agent]) -> None:
        self.project = project
        self.resolver = project.resolver
        self.model = model
        self.members = members

    def read(self, expr: ast.expr, scope: Scope) -> Iterator[tuple[Agent, Agent]]:
        for source, inner, where in self._map(expr, scope):
            for target, _, _ in self._map(inner, where):
                yield source, target
        whole = self.resolver.resolve(expr, scope)
        roots = {c.site for c in whole.calls if (self.project.callee(c).origin or "").endswith("OrchestrationHandoffs")}
        for call, value in self.project.calls_to("semantic_kernel.*"):
            method = (value.origin or "").rpartition(".")[2]
            if method in ("add", "add_many") and ".OrchestrationHandoffs." in (value.origin or ""):
                made = (*value.calls, *(value.receiver.calls if value.receiver is not None else ()))
                if any(c.site in roots for c in made):
                    yield from self._added(call, many=method == "add_many")

    def _added(self, call: Call, *, many: bool) -> Iterator[tuple[Agent, Agent]]:
        source = self._agent(call.arg("source_agent", 0), call.scope)
        given = call.arg("target_agents" if many else "target_agent", 1)
        if source is None or given is None:
            return
        if not many:
            target = self._agent(given, call.scope)
            if target is not None:
                yield source, target
            return
        for target, _, _ in self._map(given, call.scope):
            yield source, target
        for value in self.resolver.items(given, call.scope).values:
            target = agent_of(self.model, value)
            if target is not None:
                yield source, target

    def _map(self, expr: ast.expr, scope: Scope) -> Iterator[tuple[Agent, ast.expr, Scope]]:
        """Members that are keys of a dict, by name or as `agent.name`, with what stands under them."""
        value = self.resolver.resolve(expr, scope)
        if isinstance(value.node, ast.Call) and value.node.args:  # OrchestrationHandoffs({...})
            value = self.resolver.resolve(value.node.args[0], value.scope or scope)
        if not isinstance(value.node, ast.Dict) or value.scope is None:
            return
        for key, inner in zip(value.node.keys, value.node.values, strict=True):
            agent = self._agent(key, value.scope)
            if agent is not None:
                yield agent, inner, value.scope

    def _agent(self, expr: ast.expr | None, scope: Scope) -> Agent | None:
        if expr is None:
            return None
        value = self.resolver.resolve(expr, scope)
        if value.kind == "text":
            return next((member for member in self.members if member.name == value.text), None)
        return agent_of(self.model, value)
