"""Fields of group blast_radius: agents of one crew that hold the same tool."""

from __future__ import annotations

from collections import Counter

from stratum_lab.ping.counting import descending
from stratum_lab.ping.crews import crews
from stratum_lab.scan.result import Scan


def _holders(scan: Scan) -> list[int]:
    """Number of holders for every (tool, crew)."""
    return [
        holders
        for crew in crews(scan)
        for holders in Counter(
            key for agent in set(crew.members) for key in {tool.key for tool in agent.tools}
        ).values()
    ]


def blast_radius_distribution(scan: Scan) -> list[int]:
    """Holders of every tool that is shared."""
    return descending(holders for holders in _holders(scan) if holders >= 2)


def max_blast_radius(scan: Scan) -> int:
    """The most."""
    return max(blast_radius_distribution(scan), default=0)


def shared_tool_max_agents(scan: Scan) -> int:
    """The same, 1 where tools exist and none is shared."""
    return max(max_blast_radius(scan), int(any(agent.tools for agent in scan.model.agents)))


def control_bypass_count(scan: Scan) -> int:
    """Distinct (upstream agent, downstream agent, store) of rule CR06."""
    return scan.control_bypasses
