"""AutoGen and AG2 (A6): classic conversations and AgentChat teams, in the order in which they need each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratum_lab.scan.detect.autogen_agents import FRAMEWORK, define_agents, equip
from stratum_lab.scan.detect.autogen_chats import form_chats
from stratum_lab.scan.detect.autogen_teams import form_teams
from stratum_lab.scan.detect.autogen_tools import hold_tools
from stratum_lab.scan.detect.teams import add_links, delegations

if TYPE_CHECKING:
    from stratum_lab.scan.model import Model
    from stratum_lab.scan.source.project import Project

__all__ = ["FRAMEWORK", "agents", "groups"]


def agents(project: Project, model: Model) -> None:
    """Agents where they are constructed."""
    define_agents(project, model)


def groups(project: Project, model: Model) -> None:
    """Tools, code execution and guardrails; then chats, teams, and agents that are tools of others."""
    hold_tools(project, model)
    equip(project, model)
    form_chats(project, model)
    form_teams(project, model)
    own = [agent for agent in model.agents if agent.framework == FRAMEWORK]
    for link in add_links(model, delegations(project, model, own)):
        link.crew = next((c for c in model.crews if link.source in c.members and link.target in c.members), None)
