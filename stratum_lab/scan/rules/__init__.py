"""The rule catalogue: what a finding is, when it fires, how bad it is (finding_rules.md parts C and D).

One module per family of rules; `catalogue` finds them by listing this package, `facts` answers their questions,
`consolidate` merges what they report, `score` turns findings into numbers.
"""

from __future__ import annotations

from stratum_lab.scan.result import Scan
from stratum_lab.scan.rules.catalogue import rules
from stratum_lab.scan.rules.compounding import control_bypasses
from stratum_lab.scan.rules.consolidate import consolidate
from stratum_lab.scan.rules.facts import Facts, SourceTree
from stratum_lab.scan.rules.incidents import cite, match
from stratum_lab.scan.rules.regulations import labels
from stratum_lab.scan.rules.score import crew_score, fix_impact, risk_score

__all__ = ["crew_score", "evaluate", "fix_impact", "risk_score", "rules"]


def evaluate(scan: Scan, project: SourceTree) -> None:
    """Run every rule over a scan and fill its findings, incidents, regulations and control bypasses.

    A repository without agents has no graph and gets none of them, whatever else was found in it.
    """
    scan.findings, scan.incidents, scan.regulations, scan.control_bypasses = [], [], [], 0
    if scan.graph is None or not scan.model.agents:
        return
    facts = Facts(scan.model, scan.graph, project)
    matched = match(facts)
    scan.incidents = [found.best for found in matched]
    scan.findings = consolidate(rules(), facts)
    cite(scan.findings, matched)
    scan.regulations = labels(scan.graph.uncontrolled)
    scan.control_bypasses = len(
        {bypass.triple for crew in scan.model.crews for bypass in control_bypasses(facts, crew)}
    )
