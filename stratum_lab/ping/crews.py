"""The crews a ping counts, and which rules are attributed to which of them (ping.md section 5.1)."""

from __future__ import annotations

from stratum_lab.scan.model import Crew
from stratum_lab.scan.result import Scan


def crews(scan: Scan) -> list[Crew]:
    """Groups of at least one agent; flows and graphs that own no agent are none."""
    return [crew for crew in scan.model.crews if crew.members]


def rules_per_crew(scan: Scan) -> list[set[str]]:
    """One set of rule IDs per crew, in order of place; empty for a clean crew."""
    rules: dict[int, set[str]] = {id(crew): set() for crew in crews(scan)}
    for finding in scan.findings:
        for instance in finding.instances:
            if instance.crew is not None and id(instance.crew) in rules:
                rules[id(instance.crew)].add(finding.rule)
    return list(rules.values())
