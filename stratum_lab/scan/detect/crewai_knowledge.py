"""CrewAI knowledge sources (A3): stores that an agent, or every agent of a crew, reads from."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from stratum_lab.scan.model import Agent, Capability, Confidence, Model

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Scope
    from stratum_lab.scan.source.project import Project

_FILES: Final = "local_files"
_EMBEDDED: Final = "chroma"
"""Where CrewAI keeps knowledge that comes from no file."""


def add_knowledge(project: Project, model: Model, expr: ast.expr | None, scope: Scope, agents: list[Agent]) -> None:
    """Let agents read from the sources of a `knowledge_sources=` argument; one capability a class and unit."""
    if expr is None:
        return
    for value in project.resolver.items(expr, scope).values:
        name = value.cls.name if value.cls is not None else (value.origin or "").rpartition(".")[2]
        if value.kind != "instance" or value.call is None or not name:
            continue
        site = value.call.site
        unit = project.unit_of(site.file)
        key = (unit, name, "data_access")
        made = next((c for c in model.capabilities if (c.unit, c.symbol, c.kind) == key), None)
        if made is None:
            service = _EMBEDDED if name.startswith("String") else _FILES
            made = Capability(unit, name, "data_access", "internal", Confidence.CONFIRMED, service=service,
                              services=[service], framework="crewai")  # fmt: skip
            model.capabilities.append(made)
        if site not in made.sites:
            made.sites.append(site)
        made.agents += [agent for agent in agents if agent not in made.agents]
