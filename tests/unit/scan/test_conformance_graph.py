"""Statements about crews, the topology graph, data paths and partial mitigation, each held against a small tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stratum_lab.ping.build import measured
from tests.support.written import AGENT, fields_of, scan_of

HEAD = """
from crewai import Agent, Crew, Process, Task
from crewai.tools import tool
from crewai_tools import FileReadTool, FileWriterTool, RagTool, SerperDevTool
from langchain_community.tools import WikipediaQueryRun
from langchain_community.tools.gmail import GmailSearch, GmailSendMessage
import stripe, subprocess
"""
BALANCE = "@tool('bal')\ndef bal(x):\n    'd'\n    return stripe.Balance.retrieve()\n"
SHELL = "@tool('sh')\ndef sh(x):\n    'd'\n    subprocess.run(x)\n"


def member(name: str, tools: str = "", more: str = "") -> str:
    return f"{name} = Agent(role='{name}', goal='g', backstory='b', tools=[{tools}]{more})\n"


def crew(name: str, *members: str, more: str = "") -> str:
    tasks = ", ".join(f"Task(description='d', expected_output='e', agent={m}{more})" for m in members)
    return f"{name} = Crew(agents=[{', '.join(members)}], tasks=[{tasks}])\n"


SHARED = (
    HEAD
    + "search = SerperDevTool()\n"
    + member("a", "search")
    + member("b", "search, FileReadTool()")
    + member("c")
    + "t1 = Task(description='d', expected_output='e', agent=a)\n"
    + "t2 = Task(description='d', expected_output='e', agent=b, tools=[FileWriterTool()])\n"
    + "one = Crew(agents=[a, b], tasks=[t1, t2])\ntwo = Crew(agents=[b, c], tasks=[t2])\n"
)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"x.py": SHARED, "y/requirements.txt": "", "y/x.py": SHARED},
            {
                "agent_count": 6,
                "crew_size_distribution": [2, 2, 2, 2],
                "total_tool_count": 3,
                "agent_tool_count_distribution": [3, 3, 1, 1, 0, 0],
                "blast_radius_distribution": [2, 2],
                "shared_tool_max_agents": 2,
                "total_capabilities": 6,
            },
            id="one tree twice, in two units",
        ),
        pytest.param(
            {
                "x.py": HEAD
                + member("a", "SerperDevTool()")
                + member("b", "SerperDevTool()")
                + crew("one", "a")
                + crew("two", "b")
            },
            {
                "crew_count": 2,
                "blast_radius_distribution": [],
                "max_blast_radius": 0,
                "shared_tool_max_agents": 1,
                "total_tool_count": 1,
                "graph_edge_type_distribution": {"tool_of": 2, "sends_to": 1},
                "control_coverage_pct": 0.0,
            },
            id="a tool of two crews is shared by none",
        ),
        pytest.param(
            {"x.py": AGENT},
            {
                "shared_tool_max_agents": 0,
                "control_coverage_pct": 100.0,
                "edge_density": 0.0,
                "graph_topology_metrics.diameter": 1,
                "graph_topology_metrics.connected_components": 1,
                "graph_topology_metrics.longest_chain": 0,
            },
            id="an agent alone",
        ),
        pytest.param(
            {
                "x.py": HEAD
                + member("m")
                + member("a", more=", allow_delegation=True")
                + member("b")
                + "k = Crew(agents=[a, b], tasks=[], process=Process.hierarchical, manager_agent=m)\n"
            },
            {"graph_edge_type_distribution": {"delegates_to": 2}, "crew_size_distribution": [3]},
            id="a manager that is an agent delegates, a permission to delegate is no edge",
        ),
        pytest.param(
            {
                "x.py": HEAD
                + member("a")
                + member("b")
                + "k = Crew(agents=[a, b], tasks=[], process=Process.hierarchical, manager_llm='gpt-4o')\n"
            },
            {"graph_edge_type_distribution": {}, "agent_count": 2, "crew_size_distribution": [2]},
            id="a synthetic manager is no agent",
        ),
        pytest.param(
            {
                "x.py": HEAD
                + SHELL
                + member("a", "sh, RagTool()")
                + member("b", "SerperDevTool(), RagTool()")
                + crew("k", "a", "b")
            },
            {
                "graph_node_type_distribution": {"agent": 2, "capability": 3, "data_store": 1, "external": 2},
                "graph_edge_type_distribution": {
                    "reads_from": 1,
                    "sends_to": 2,
                    "tool_of": 4,
                    "feeds_into": 1,
                    "shares_tool": 1,
                    "shares_with": 1,
                },
                "edge_density": 0.178571,
                "trust_crossings": {"external→internal": 1, "external→privileged": 1, "internal→privileged": 1},
                "downward_trust_crossings": 2,
                "uncontrolled_path_count": 1,
                "max_path_hops": 5,
                "data_sensitivity_types": ["internal"],
                "regulatory_surface": [],
                "has_pii": False,
            },
            id="every edge of a small crew",
        ),
        pytest.param(
            {"x.py": HEAD + member("a", "GmailSearch(), SerperDevTool()")},
            {
                "uncontrolled_path_count": 1,
                "max_path_hops": 3,
                "data_sensitivity_types": ["personal"],
                "has_pii": True,
                "regulatory_surface": [
                    "EU AI Act Art. 14",
                    "EU AI Act Art. 9",
                    "GDPR Art. 35",
                    "NIST AI RMF MAP 1.5",
                ],
            },
            id="mail to the outside within one agent",
        ),
        pytest.param(
            {"x.py": HEAD + member("a", "WikipediaQueryRun(), SerperDevTool()")},
            {"uncontrolled_path_count": 0, "max_path_hops": 0, "regulatory_surface": []},
            id="what is public starts no path",
        ),
        pytest.param(
            {
                "x.py": HEAD
                + BALANCE
                + member("a", "bal")
                + member("b")
                + member("c", "SerperDevTool()")
                + crew("k", "a", "b", "c")
            },
            {"uncontrolled_path_count": 1, "max_path_hops": 6, "has_financial_data": True, "has_pii": False},
            id="six edges are a path",
        ),
        pytest.param(
            {
                "x.py": HEAD
                + BALANCE
                + member("a", "bal")
                + member("b")
                + member("c")
                + member("d", "SerperDevTool()")
                + crew("k", "a", "b", "c", "d")
            },
            {"uncontrolled_path_count": 0, "data_sensitivity_types": [], "has_financial_data": True},
            id="seven are none",
        ),
        pytest.param(
            {
                "x.py": HEAD
                + BALANCE
                + member("a", "SerperDevTool()")
                + member("b", "bal")
                + crew("k", "a", "b")
                + crew("alone", "a")
            },
            {"uncontrolled_path_count": 0, "crew_count": 2},
            id="data does not flow against the order of work",
        ),
    ],
)
def test_crews_graph_and_paths(tmp_path: Path, files: dict[str, str], expected: dict[str, Any]) -> None:
    assert fields_of(scan_of(tmp_path, files), list(expected)) == expected


@pytest.mark.parametrize(
    ("reviewed", "percent", "adjusted"),
    [
        ("00000", None, ("CRITICAL", "HIGH")),
        ("10000", 20, ("CRITICAL", "HIGH")),
        ("1000", 25, ("HIGH", "MEDIUM")),
        ("110", 67, ("HIGH", "MEDIUM")),
        ("1110", 75, ("MEDIUM", "LOW")),
        ("111", None, ()),
    ],
)
def test_reviewed_crews_lower_the_severity_by_their_share(
    tmp_path: Path, reviewed: str, percent: int | None, adjusted: tuple[str, ...]
) -> None:
    text = HEAD
    for number, flag in enumerate(reviewed):
        more = f", human_input={flag == '1'}"
        text += member(f"a{number}", "GmailSearch(), GmailSendMessage()") + crew(f"c{number}", f"a{number}", more=more)
    scan = scan_of(tmp_path, {"x.py": text})
    ping = measured(scan)
    found = {f.rule: f.adjusted for f in scan.findings if f.rule in ("STRATUM-001", "STRATUM-BR01")}
    assert tuple(found.values()) == adjusted
    assert {c["coverage_pct"] for c in ping["finding_coverages"].values()} == ({percent} if percent else set())
    assert bool(ping["severity_downgrades"]) == (percent is not None and percent >= 25)
    assert ping["crews_clean"] == reviewed.count("1")
