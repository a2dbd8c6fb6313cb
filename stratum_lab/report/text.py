"""The report a developer reads: score, what changed, topology, what to fix first, findings by action, coverage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from stratum_lab.contract.events.ping import Ping
from stratum_lab.observe.logs import clean
from stratum_lab.report.card import BAR_CELLS, bar, changes, merged, severities
from stratum_lab.report.tree import topology_tree
from stratum_lab.scan.view import FindingView, InstanceView, ScanView

ACTIONS = {
    "architecture": "Change the design",
    "operational": "Make it safe to run",
    "hygiene": "Tidy up",
}
"""Class of a rule -> heading of its action group, in order."""
MAX_PLACES = 5
MAX_FIRST = 3
_STYLES = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "blue"}


def report(
    name: str,
    ping: Ping,
    view: ScanView | None,
    previous: dict[str, Any] | None,
    *,
    reason: str = "",
    full: bool = False,
) -> RenderableType:
    """The report of one scan.

    Args:
        name: What was scanned, for the heading.
        ping: Its ping.
        view: What the ping leaves out; None when the scan failed.
        previous: The flat ping of the scan before, None on a first scan.
        reason: Why a failed scan failed.
        full: Show every place of every finding.
    """
    parts: list[RenderableType] = [_header(name, ping)]
    if ping.scan_status == "failed" or view is None:
        parts.append(Text(f"The scan failed: {clean(reason) or 'no reason was given'}.", style="red"))
        parts.append(_coverage(ping, view))
        return Group(*parts)
    lines = changes(ping, previous)
    if lines:
        parts += [Text(), *(_change(line.label, line.text, line.better) for line in lines)]
    parts += [Text(), topology_tree(view)]
    if ping.scan_status == "empty":
        parts.append(Text("No agents were found, so there is nothing to rate.", style="dim"))
    parts += list(_first(ping, view.findings))
    parts += list(_groups(view.findings, full))
    parts += [Text(), _coverage(ping, view)]
    return Group(*parts)


def _header(name: str, ping: Ping) -> RenderableType:
    title = Text(clean(name), style="bold")
    if ping.risk_score is None or ping.scan_status == "empty":
        return title.append(f"  {ping.scan_status}", style="dim")
    title.append(f"  risk {ping.risk_score}/100 ", style=_score_style(ping.risk_score))
    title.append(bar(ping.risk_score, BAR_CELLS), style=_score_style(ping.risk_score))
    title.append(f"  {severities(ping)}")
    return title


def _score_style(score: int) -> str:
    return "green" if score < 30 else "yellow" if score < 60 else "red"


def _change(label: str, text: str, better: bool) -> Text:
    return Text(f"  {label:<12}", style="dim").append(text, style="green" if better else "red")


def _first(ping: Ping, findings: list[FindingView]) -> Iterator[RenderableType]:
    """What to fix first, and by how much the score would fall."""
    ranked = sorted((f for f in findings if f.impact < 0), key=lambda f: (f.impact, f.rule))[:MAX_FIRST]
    if not ranked or ping.risk_score is None:
        return
    yield Text()
    yield Text("Fix first", style="bold")
    for finding in ranked:
        line = Text(f"  {ping.risk_score} → {ping.risk_score + finding.impact}", style="green")
        yield line.append(f"  {finding.rule}  {clean(finding.title)}", style="default")


def _groups(findings: list[FindingView], full: bool) -> Iterator[RenderableType]:
    for rule_class, heading in ACTIONS.items():
        group = [f for f in findings if f.rule_class == rule_class]
        if not group:
            continue
        yield Text()
        yield Text(f"{heading} ({merged(group)})", style="bold")
        order = list(_STYLES)
        for finding in sorted(group, key=lambda f: (order.index(f.adjusted), f.rule)):
            yield _finding(finding, full)


def _finding(finding: FindingView, full: bool) -> RenderableType:
    head = Text(f"  {finding.adjusted.lower()}", style=_STYLES.get(finding.adjusted, ""))
    head.append(f"  {finding.rule}  ", style="bold").append(clean(finding.title), style="default")
    lines: list[RenderableType] = [head]
    if finding.coverage is not None and finding.coverage.guarded_paths:
        covered = finding.coverage
        cells = bar(covered.coverage_pct, 10)
        note = f" (was {finding.severity.lower()})" if finding.adjusted != finding.severity else ""
        lines.append(
            Text(f"    {cells} {covered.guarded_paths} of {covered.total_paths} guarded, {covered.coverage_pct}%{note}")
        )
    distinct = list({(i.place, i.text): i for i in finding.instances}.values())  # one place can concern several crews
    places = distinct if full else distinct[:MAX_PLACES]
    lines += [_instance(instance) for instance in places]
    if len(places) < len(distinct):
        lines.append(Text(f"    and {len(distinct) - len(places)} more places", style="dim"))
    if finding.incident:
        lines.append(Text(f"    seen in {finding.incident}", style="magenta"))
    lines.append(Text(f"    fix: {clean(finding.remediation)}", style="green"))
    return Group(*lines)


def _instance(instance: InstanceView) -> Text:
    line = Text("    ")
    if instance.place is not None:
        line.append(f"{clean(instance.place.file)}:{instance.place.line}  ", style="cyan")
    return line.append(clean(instance.text), style="default")


def _coverage(ping: Ping, view: ScanView | None) -> RenderableType:
    """How much of the repository was read, and what was not."""
    text = Text(f"{ping.files_scanned} of {ping.files_total} files read", style="dim")
    if ping.parser_errors:
        text.append(f", {ping.parser_errors} could not be", style="yellow")
    lines: list[RenderableType] = [text]
    for skipped in (view.skipped if view is not None else [])[:MAX_PLACES]:
        lines.append(Text(f"  {clean(skipped.file)}: {clean(skipped.reason)}", style="dim"))
    return Group(*lines)
