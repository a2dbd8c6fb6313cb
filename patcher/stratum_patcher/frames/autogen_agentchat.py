"""AutoGen 0.4 to 0.7 (`import autogen_agentchat`): the hooks of its agents, teams, tools, memory and model clients.

The library's own event log tells ends only and at a level that the program sets, so classes are watched instead.
"""

from __future__ import annotations

from ..frame import Frame, Hook
from . import autogen_agentchat_agents as agents
from . import autogen_agentchat_core as core
from . import autogen_agentchat_groups as groups
from . import autogen_agentchat_teams as teams
from . import autogen_agentchat_tools as tools

_CHAT = "autogen_agentchat.teams._group_chat._"

FRAME = Frame(
    agents.IDENTITY.name,
    agents.IDENTITY.family,
    agents.IDENTITY.library,
    suppresses=agents.IDENTITY.suppresses,
    hooks=(
        Hook("autogen_agentchat.agents", "autogen_agentchat.agents._base_chat_agent", agents.watch),
        Hook("autogen_agentchat.agent_places", "autogen_agentchat.agents._base_chat_agent", agents.watch_making),
        Hook("autogen_agentchat.teams", f"{_CHAT}base_group_chat", teams.watch_runs),
        Hook("autogen_agentchat.team_places", f"{_CHAT}base_group_chat", teams.watch_making),
        Hook("autogen_agentchat.turns", "autogen_core._routed_agent", core.watch_messages, "autogen-core"),
        Hook("autogen_agentchat.core_places", "autogen_core._routed_agent", core.watch_making, "autogen-core"),
        Hook("autogen_agentchat.speakers", "autogen_core._base_agent", groups.watch_requests, "autogen-core"),
        Hook("autogen_agentchat.tools", "autogen_core.tools._base", tools.watch_tools, "autogen-core"),
        Hook("autogen_agentchat.tool_places", "autogen_core.tools._base", tools.watch_making, "autogen-core"),
        Hook("autogen_agentchat.workbenches", "autogen_core.tools._workbench", tools.watch_workbenches, "autogen-core"),
        Hook("autogen_agentchat.executors", "autogen_core.code_executor._base", tools.watch_executors, "autogen-core"),
        Hook("autogen_agentchat.memory", "autogen_core.memory._base_memory", tools.watch_memory, "autogen-core"),
        Hook("autogen_agentchat.models", "autogen_core.models._model_client", tools.watch_models, "autogen-core"),
    ),
)
