"""Fields of group repo: size and frameworks of the tree; never its name."""

from __future__ import annotations

from collections import Counter

from stratum_lab.scan.detect.frameworks import DISPLAY
from stratum_lab.scan.result import Scan


def repo_metadata(scan: Scan) -> dict[str, int | str | None]:
    """Five values; the primary framework has the most agents, then the most files, then the first name."""
    frameworks = scan.model.frameworks
    agents = Counter(DISPLAY.get(agent.framework, agent.framework) for agent in scan.model.agents)
    return {
        "python_file_count": scan.files.python_file_count,
        "yaml_config_count": scan.files.yaml_config_count,
        "total_loc": scan.files.total_loc,
        "primary_framework": min(frameworks, key=lambda name: (-agents[name], -frameworks[name], name), default=None),
        "framework_count": len(frameworks),
    }
