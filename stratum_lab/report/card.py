"""The numbers at the top of a report: score, severity bar, and what changed since the last scan.

They answer checks V1, V2, V6 and M1 to M5 of ping.md section 11.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from stratum_lab.contract.events.ping import Ping
from stratum_lab.scan.graph import SEVERITIES
from stratum_lab.scan.view import FindingView

BAR_CELLS = 20
"""Cells of the score bar."""


class Change(NamedTuple):
    """One line of the progress card: value before and now; `better` when the direction of the change is good."""

    label: str
    text: str
    delta: int
    better: bool


def filled_cells(score: int, cells: int = BAR_CELLS) -> int:
    """Filled cells of the score bar: score*cells/100, half up."""
    return (2 * score * cells + 100) // 200


def bar(score: int, cells: int = BAR_CELLS) -> str:
    """The score as a bar."""
    filled = filled_cells(score, cells)
    return "█" * filled + "░" * (cells - filled)


def severities(ping: Ping) -> str:
    """The severity bar: counts after adjustment, highest first; "no findings" when there is none."""
    counts: dict[str, int] = ping.finding_severities or {}
    parts = [f"{counts[level]} {level.lower()}" for level in SEVERITIES if counts.get(level)]
    return " · ".join(parts) or "no findings"


def merged(findings: Iterable[FindingView]) -> str:
    """Severities of an action group after adjustment, equal ones merged: "2 critical, 1 low"."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.adjusted] = counts.get(finding.adjusted, 0) + 1
    return ", ".join(f"{counts[level]} {level.lower()}" for level in SEVERITIES if level in counts)


def changes(ping: Ping, previous: dict[str, Any] | None) -> list[Change]:
    """The lines of the progress card that changed; empty on a first scan or after a failed one.

    Args:
        ping: The ping of this scan.
        previous: The flat ping it is compared with, of any schema.
    """
    if previous is None or ping.scan_status == "failed":
        return []
    lines = [
        _line("score", previous.get("risk_score"), ping.risk_score, "/100", lower_is_better=True),
        _line("findings", _findings(previous), ping.finding_count, "", lower_is_better=True),
        _line("guardrails", previous.get("guardrail_count"), ping.guardrail_count, "", lower_is_better=False),
        _clean(previous, ping),
    ]
    return [line for line in lines if line is not None]


def _findings(previous: dict[str, Any]) -> Any:
    counts = previous.get("finding_severities")
    return sum(counts.values()) if isinstance(counts, dict) else previous.get("finding_count")


def _line(label: str, before: object, now: int | None, unit: str, *, lower_is_better: bool) -> Change | None:
    if not isinstance(before, int) or now is None or before == now:
        return None
    delta = now - before
    return Change(label, f"{before}{unit} → {now}{unit} ({delta:+d})", delta, (delta < 0) == lower_is_better)


def _clean(previous: dict[str, Any], ping: Ping) -> Change | None:
    before, now, total = previous.get("crews_clean"), ping.crews_clean, ping.crew_count
    if not isinstance(before, int) or now is None or before == now:
        return None
    delta = now - before
    return Change("clean crews", f"{now} of {total} ({delta:+d})", delta, delta > 0)
