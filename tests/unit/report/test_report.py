"""Reports show the numbers of the ping, and nothing from the source reaches a terminal or a picture unescaped."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from rich.console import Console

from stratum_lab.contract.events.ping import Ping
from stratum_lab.errors import UsageError
from stratum_lab.report import baseline
from stratum_lab.report.card import bar, changes, filled_cells, merged, severities
from stratum_lab.report.sarif import sarif
from stratum_lab.report.svg import svg
from stratum_lab.report.text import report
from stratum_lab.scan.view import ScanView
from tests.support.views import agent, coverage, finding, instance, ping, view

SVG = "{http://www.w3.org/2000/svg}"


def shown(ping_: Ping, view_: ScanView | None, previous: dict[str, Any] | None = None, **more: Any) -> str:
    out = Console(file=io.StringIO(), width=160, color_system=None)
    out.print(report("demo", ping_, view_, previous, **more))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def measured(**changes_: Any) -> Ping:
    """A ping whose card numbers are known."""
    return ping(
        **{
            "risk_score": 37,
            "finding_severities": {"CRITICAL": 1, "HIGH": 3, "MEDIUM": 2},
            "finding_count": 6,
            "guardrail_count": 2,
            "crews_clean": 1,
            "crew_count": 3,
            "files_scanned": 94,
            "files_total": 116,
            "parser_errors": 2,
            "scan_status": "partial",
        }
        | changes_
    )


@pytest.mark.check("V1", "M1", "M3")
def test_a_first_report_shows_score_and_severities_of_the_ping() -> None:
    text = shown(measured(), view())
    assert "risk 37/100" in text
    assert "1 critical · 3 high · 2 medium" in text
    assert "→ 37/100" not in text


@pytest.mark.check("V2", "V6", "M2")
def test_a_rescan_shows_the_four_changes() -> None:
    before = {"risk_score": 50, "finding_severities": {"HIGH": 8}, "guardrail_count": 1, "crews_clean": 0}
    text = shown(measured(), view(), before)
    assert "50/100 → 37/100 (-13)" in text
    assert "8 → 6 (-2)" in text
    assert "1 → 2 (+1)" in text
    assert "1 of 3 (+1)" in text


@pytest.mark.check("V2")
def test_lines_that_did_not_change_are_left_out() -> None:
    same = {"risk_score": 37, "finding_severities": {"HIGH": 6}, "guardrail_count": 2, "crews_clean": 1}
    assert changes(measured(), same) == []
    assert [c.label for c in changes(measured(), same | {"risk_score": 36})] == ["score"]


def test_what_an_older_schema_did_not_record_has_no_line() -> None:
    assert [c.label for c in changes(measured(), {"risk_score": 50})] == ["score"]


def test_a_change_for_the_better_is_told_from_one_for_the_worse() -> None:
    worse = {"risk_score": 10, "guardrail_count": 9, "crews_clean": 3}
    assert [c.better for c in changes(measured(), worse)] == [False, False, False]


@pytest.mark.check("M4")
@pytest.mark.parametrize(
    ("score", "cells", "filled"), [(0, 20, 0), (100, 20, 20), (37, 20, 7), (38, 20, 8), (5, 10, 1), (4, 10, 0)]
)
def test_the_bar_fills_by_the_score_half_up(score: int, cells: int, filled: int) -> None:
    assert filled_cells(score, cells) == filled
    assert bar(score, cells).count("█") == filled
    assert len(bar(score, cells)) == cells


@pytest.mark.check("M5")
def test_a_group_names_adjusted_severities_merged() -> None:
    group = [finding(severity="CRITICAL", adjusted="HIGH"), finding("B", severity="HIGH"), finding("C", severity="LOW")]
    assert merged(group) == "2 high, 1 low"
    assert "Change the design (2 high, 1 low)" in shown(measured(), view(findings=group))


@pytest.mark.check("V3")
def test_partial_mitigation_has_a_bar_and_says_what_the_severity_was() -> None:
    partial = finding(severity="CRITICAL", adjusted="HIGH", coverage=coverage(50, 1, 2))
    text = shown(measured(), view(findings=[partial]))
    assert "█████░░░░░ 1 of 2 guarded, 50% (was critical)" in text


def test_the_report_says_what_to_fix_first_and_by_how_much_the_score_falls() -> None:
    findings = [finding("A", impact=-3), finding("B", impact=-11), finding("C", impact=0)]
    text = shown(measured(), view(findings=findings))
    first = text[text.index("Fix first") :].splitlines()
    assert [line.split()[3] for line in first[1:3]] == ["B", "A"]
    assert "37 → 26" in first[1]


def test_coverage_counts_files_and_names_what_was_skipped() -> None:
    text = shown(measured(), view())
    assert "94 of 116 files read, 2 could not be" in text
    assert "old.py: syntax error" in text


def test_a_failed_scan_says_why_and_shows_no_rating() -> None:
    failed = ping(scan_status="failed", risk_score=None, finding_severities=None)
    text = shown(failed, None, reason="timeout")
    assert "The scan failed: timeout" in text
    assert "/100" not in text


def test_hand_overs_tools_and_the_agents_in_no_crew_are_in_the_tree() -> None:
    text = shown(measured(), view())
    assert "3 agents, 1 crew" in text
    assert "Reader [FileReadTool] → Writer  src/crew.py:3" in text
    assert "in no crew" in text


def test_places_beyond_five_are_counted_unless_all_are_wanted() -> None:
    many = finding(instances=[instance(line=n) for n in range(1, 9)])
    assert "and 3 more places" in shown(measured(), view(findings=[many]))
    assert "src/crew.py:8" in shown(measured(), view(findings=[many]), full=True)


def test_control_characters_from_the_source_do_not_reach_the_terminal() -> None:
    text = shown(
        measured(),
        view(agents=[agent("evil\x1b[2Jname", crew="")], findings=[finding(instances=[instance("a\x1b]0;x\x07.py")])]),
    )
    assert "\x1b" not in text
    assert "evil\\x1b[2Jname" in text


def test_no_findings_are_said_so() -> None:
    assert severities(measured(finding_severities={})) == "no findings"


def test_the_picture_is_xml_with_every_agent_whatever_they_are_called() -> None:
    names = ["<script>alert(1)</script>", 'a"b&c', "nul\x00", "Writer"]
    drawn = svg(view(agents=[agent(n) for n in names], edges=[], crews=[]), "demo <x>")
    root = ET.fromstring(drawn)
    assert root.find(f"{SVG}script") is None
    assert len(root.findall(f".//{SVG}title")) == len(names)
    assert "demo <x>" in (root.attrib["aria-label"])


def test_the_picture_draws_hand_overs_and_cycles() -> None:
    ring = [{"source": s, "target": t, "edge_type": "feeds_into"} for s, t in (("A", "B"), ("B", "C"), ("C", "A"))]
    root = ET.fromstring(svg(view(agents=[agent(n) for n in "ABC"], edges=ring, crews=[]), "ring"))
    assert len([p for p in root.findall(f".//{SVG}path") if "marker-end" in p.attrib]) == 3
    boxes = {(r.attrib["x"], r.attrib["y"]) for r in root.findall(f".//{SVG}rect") if r.attrib.get("rx")}
    assert len(boxes) == 3


def test_sarif_has_a_result_for_each_place_with_rule_level_and_fingerprint() -> None:
    many = finding(instances=[instance(line=1), instance("b c.py", 7)], adjusted="MEDIUM")
    log = sarif(view(findings=[many]), "1.0")
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["STRATUM-001"]
    assert [r["level"] for r in run["results"]] == ["warning", "warning"]
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "b%20c.py", "uriBaseId": "SRCROOT"}, "region": {"startLine": 7}}
    assert json.loads(json.dumps(log)) == log


def test_a_baseline_holds_what_was_accepted_and_lets_new_criticals_through(tmp_path: Any) -> None:
    path = tmp_path / "accepted.json"
    known, fresh = instance(line=3), instance(line=3, subjects=("Other",))
    assert baseline.write(path, view(findings=[finding(instances=[known]), finding("LOWER", severity="HIGH")])) == 1
    held = baseline.read(path)
    moved = instance(line=99)
    assert baseline.new_criticals(view(findings=[finding(instances=[moved])]), held) == []
    ((found, places),) = baseline.new_criticals(view(findings=[finding(instances=[moved, fresh])]), held)
    assert (found.rule, places) == ("STRATUM-001", [fresh])


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2, "accepted": []}', '{"accepted": [{"rule": 1}]}'])
def test_what_is_no_baseline_is_refused_with_the_way_out(tmp_path: Any, content: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="no baseline") as caught:
        baseline.read(path)
    assert "--write-baseline" in (caught.value.remedy or "")
    with pytest.raises(UsageError, match="cannot be read"):
        baseline.read(tmp_path / "missing.json")
