"""LangGraph (A4): graphs with their agent nodes and steps, prebuilt agents, supervisors and swarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratum_lab.scan.detect import langgraph_prebuilt
from stratum_lab.scan.detect.langgraph_controls import Controls
from stratum_lab.scan.detect.langgraph_graphs import GraphReader
from stratum_lab.scan.detect.langgraph_nodes import Assembler
from stratum_lab.scan.detect.langgraph_prebuilt import FRAMEWORK

if TYPE_CHECKING:
    from stratum_lab.scan.model import Model
    from stratum_lab.scan.source.project import Project

__all__ = ["FRAMEWORK", "agents", "groups"]


def agents(project: Project, model: Model) -> None:
    """Register prebuilt agents; nodes follow in `groups`, because they may stand for any framework's agents."""
    langgraph_prebuilt.register(project, model)


def groups(project: Project, model: Model) -> None:
    """Tools of prebuilt agents, supervisors and swarms, then the graphs and what controls them."""
    if not any(root.startswith("lang") for module in project.modules for root in module.roots):
        return
    reader = GraphReader(project)
    langgraph_prebuilt.equip(project, model)
    langgraph_prebuilt.teams(project, model, reader)
    assembler = Assembler(project, model, reader)
    assembler.assemble_all()
    Controls(project, model, assembler).find()
