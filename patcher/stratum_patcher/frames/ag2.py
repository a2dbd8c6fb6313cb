"""ag2 1.x (`import ag2`): the hooks of its agents, tools, subtasks, model clients and network."""

from __future__ import annotations

from ..frame import Frame, Hook
from . import ag2_agents as agents
from . import ag2_models as models
from . import ag2_network as network

FRAME = Frame(
    agents.IDENTITY.name,
    agents.IDENTITY.family,
    agents.IDENTITY.library,
    hooks=(
        Hook("ag2.turns", "ag2.agent", agents.watch_turns),
        Hook("ag2.agent_places", "ag2.agent", agents.watch_agents),
        Hook("ag2.models", "ag2.agent", models.watch),
        Hook("ag2.tools", "ag2.tools.executor", agents.watch_uses),
        Hook("ag2.tool_places", "ag2.tools.final.function_tool", agents.watch_tools),
        Hook("ag2.subtasks", "ag2.tools.subagents.run_task", agents.watch_subtasks),
        Hook("ag2.speakers", "ag2.network.hub.core", network.watch_hub),
        Hook("ag2.participants", "ag2.network.client.agent_client", network.watch_clients),
        Hook("ag2.humans", "ag2.network.client.human_client", network.watch_humans),
        Hook("ag2.answers", "ag2.network.client.handlers", network.watch_answers),
    ),
)
