"""Fields of group ml: ratios that make repositories of different size comparable."""

from __future__ import annotations

from stratum_lab.ping.groups import architecture, capability, finding, guardrail, tool, trust
from stratum_lab.ping.rounding import ratio
from stratum_lab.scan.result import Scan


def normalized_features(scan: Scan) -> dict[str, float]:
    """The six ratios of ping.md section 5.2."""
    findings, agents = finding.finding_count(scan), architecture.agent_count(scan)
    levels = trust.trust_level_distribution(scan)
    exposed = levels.get("external", 0) + levels.get("public", 0)
    return {
        "findings_per_agent": ratio(findings, agents),
        "findings_per_crew": ratio(findings, architecture.crew_count(scan)),
        "guardrails_per_agent": ratio(guardrail.guardrail_count(scan), agents),
        "tools_per_agent": ratio(tool.total_tool_count(scan), agents),
        "external_exposure_ratio": ratio(exposed, capability.total_capabilities(scan)),
        "guardrail_coverage_ratio": min(1.0, ratio(guardrail.guardrail_linked_count(scan), findings)),
    }
