"""Fields of group identity_risk."""

from __future__ import annotations

from stratum_lab.scan.result import Scan


def has_shared_credentials(scan: Scan) -> bool:
    """Two agents take their key from one variable."""
    return any(f.rule == "IDENTITY-001" for f in scan.findings)


def has_agent_identity(scan: Scan) -> bool:
    """Every agent says who it is."""
    return bool(scan.model.agents) and all(agent.identified for agent in scan.model.agents)
