"""Fields of group tool."""

from __future__ import annotations

from stratum_lab.ping.counting import descending
from stratum_lab.scan.result import Scan


def total_tool_count(scan: Scan) -> int:
    """Distinct tools that agents hold."""
    return len({tool.key for agent in scan.model.agents for tool in agent.tools})


def agent_tool_count_distribution(scan: Scan) -> list[int]:
    """Distinct tools per agent."""
    return descending(len({tool.key for tool in agent.tools}) for agent in scan.model.agents)
