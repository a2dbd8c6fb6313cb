"""A fixture repository run through detectors, and the model told in plain values for exact comparison."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from stratum_lab.scan.model import Agent, Crew, Guardrail, Model, Step, Task, Tool
from stratum_lab.scan.source.project import Project
from tests.support.projects import tree

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scan"


def detected(name: str, *detectors: ModuleType) -> tuple[Project, Model]:
    """Project and model of a fixture repository after agents, groups and late of these detectors."""
    project = tree(FIXTURES / name)
    return project, run(project, *detectors)


def run(project: Project, *detectors: ModuleType) -> Model:
    """The model after every step of these detectors, in the order of a scan."""
    model = Model()
    for step in ("agents", "groups", "late", "last"):
        for detector in detectors:
            if hasattr(detector, step):
                getattr(detector, step)(project, model)
    model.settle()
    return model


def agents(model: Model) -> dict[str, tuple[str, list[str]]]:
    """Name to file and tool identities; agents of one name get their line added."""
    out: dict[str, tuple[str, list[str]]] = {}
    for agent in model.agents:
        name = agent.name if agent.name not in out else f"{agent.name}@{agent.site.line}"
        out[name] = (agent.site.file, [tool.identity for tool in agent.tools])
    return out


def crews(model: Model) -> dict[str, tuple[str, list[str]]]:
    """Name to process and members in order."""
    return {crew.name: (crew.process, [agent.name for agent in crew.members]) for crew in model.crews}


def links(model: Model) -> set[tuple[str, str, str, str]]:
    """Source, type, target and crew of every link."""
    return {(k.source.name, k.edge_type, k.target.name, k.crew.name if k.crew else "") for k in model.links}


def guardrails(model: Model) -> list[tuple[str, int, str, list[str]]]:
    """File, line, kind and covered things of every active guardrail."""
    return [(g.site.file, g.site.line, g.kind, sorted(map(_told, g.targets))) for g in _active(model)]


def _active(model: Model) -> list[Guardrail]:
    return [g for g in model.guardrails if g.active]


def _told(target: Agent | Tool | Task | Crew | Step) -> str:
    return f"{type(target).__name__.lower()} {target.name}"
