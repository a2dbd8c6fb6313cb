"""CrewAI (A3): agents of methods, calls and YAML; tasks, crews, flows and the edges between their agents."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from stratum_lab.scan.detect import crewai_agents
from stratum_lab.scan.detect.crewai_agents import FRAMEWORK
from stratum_lab.scan.detect.crewai_crews import CREWS, CrewBook
from stratum_lab.scan.detect.crewai_flows import link_flows
from stratum_lab.scan.detect.crewai_tasks import TaskBook
from stratum_lab.scan.detect.crewai_yaml import is_crew_base

if TYPE_CHECKING:
    from stratum_lab.scan.model import Model
    from stratum_lab.scan.source.project import Project

__all__ = ["FRAMEWORK", "agents", "groups", "late"]


def agents(project: Project, model: Model) -> None:
    """Make the folders of crew definitions project units, and register the agents that Python defines."""
    files = {call.module.path for call, _ in project.calls_to(*CREWS)}
    files |= {cls.module.path for cls in project.classes() if cls.decorators and is_crew_base(project, cls)}
    for path in files:
        project.add_unit(posixpath.dirname(path))
    for agent in model.agents:  # other detectors may have asked before the units were known
        agent.unit = project.unit_of(agent.site.file)
    for server in model.mcp_servers:
        server.unit = project.unit_of(server.site.file)
    crewai_agents.register(project, model)


def groups(project: Project, model: Model) -> None:
    """Tools and limits of the agents; then tasks, crews and flows."""
    crewai_agents.equip(project, model)
    crews = CrewBook(project, model, TaskBook(project, model))
    link_flows(project, model, crews)


def late(project: Project, model: Model) -> None:
    """Agents of YAML files in units where no code defines any."""
    crewai_agents.register_unread(project, model)
