"""Views of scans and their pings, for tests of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stratum_lab.contract.events.ping import Ping
from stratum_lab.scan.view import (
    AgentView,
    CoverageView,
    CrewView,
    EdgeView,
    FindingView,
    InstanceView,
    PlaceView,
    ScanView,
    SkippedView,
)

_GOLDEN = Path("tests/fixtures/wire/Ping.v1.json")


def ping(**changes: Any) -> Ping:
    """A valid ping of the schema this version writes, with some fields changed."""
    values = json.loads(_GOLDEN.read_text())["fields"]
    values.pop("rescan", None)
    values = {k: v for k, v in values.items() if k in Ping.model_fields}
    return Ping.model_validate({**values, "rescan": None, "is_rescan": False, **changes})


def agent(name: str, *, tools: tuple[str, ...] = (), crew: str = "Desk", line: int = 1) -> AgentView:
    """One agent of a crew."""
    return AgentView(
        key=name,
        name=name,
        framework="crewai",
        symbol=name.lower(),
        place=PlaceView(file="src/crew.py", line=line),
        tools=list(tools),
        crews=[crew] if crew else [],
        confidence="confirmed",
    )


def finding(
    rule: str = "STRATUM-001", *, severity: str = "CRITICAL", adjusted: str = "", impact: int = -9, **more: Any
) -> FindingView:
    """One finding with one place."""
    values: dict[str, Any] = {
        "rule": rule,
        "title": "No human review",
        "rule_class": "architecture",
        "category": "security",
        "severity": severity,
        "adjusted": adjusted or severity,
        "confidence": "confirmed",
        "remediation": "Add a review.",
        "incident": None,
        "risks": ["ASI01"],
        "coverage": None,
        "impact": impact,
        "instances": [instance()],
    }
    return FindingView(**values | more)


def instance(
    file: str = "src/crew.py", line: int = 12, text: str = "Writer sends mail", subjects: tuple[str, ...] = ("Writer",)
) -> InstanceView:
    """One place."""
    return InstanceView(
        place=PlaceView(file=file, line=line), crew="Desk", text=text, severity="CRITICAL", subjects=list(subjects)
    )


def view(**changes: Any) -> ScanView:
    """Two agents of one crew and one alone, with one finding."""
    values: dict[str, Any] = {
        "agents": [
            agent("Reader", tools=("FileReadTool",), line=3),
            agent("Writer", tools=("GmailSendMessage", "FileReadTool"), line=9),
            agent("Loner", crew="", line=30),
        ],
        "crews": [
            CrewView(
                name="Desk",
                framework="crewai",
                process="sequential",
                place=PlaceView(file="src/crew.py", line=1),
                members=["Reader", "Writer"],
                manager=None,
                unknown_members=0,
            )
        ],
        "tools": [],
        "edges": [EdgeView(source="Reader", target="Writer", edge_type="feeds_into")],
        "findings": [finding()],
        "skipped": [SkippedView(file="old.py", reason="syntax error")],
    }
    return ScanView(**values | changes)


def coverage(pct: int, guarded: int, total: int) -> CoverageView:
    """Partial mitigation."""
    return CoverageView(total_paths=total, guarded_paths=guarded, coverage_pct=pct)
