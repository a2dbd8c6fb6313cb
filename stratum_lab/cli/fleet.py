"""`stratum fleet`: the newest scan of every repository in one table, worst first."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from stratum_lab.cli.output import JsonFlag, command, emit_json, settings, stdout
from stratum_lab.errors import UsageError
from stratum_lab.observe.logs import clean
from stratum_lab.ping.checks import PROVIDER_TIERS
from stratum_lab.scan.graph import SEVERITIES
from stratum_lab.warehouse.reader import open_warehouse

fleet_app = typer.Typer(add_completion=False)

UNKNOWN = "unknown"
TABLE_ROWS = 50
_COLUMNS = (
    "name", "risk_score", "score_delta", "finding_count", "severities", "agent_count", "providers",
    "provider_confidence", "frameworks", "status",
)  # fmt: skip

# V8: score descending, then number of findings descending; the name makes the order total.
_QUERY = """
SELECT coalesce(s.display_name, s.source, s.repo_id) AS name, s.repo_id, s.scan_id, s.risk_score, p.score_delta,
    s.finding_count, CAST(to_json(p.finding_severities) AS VARCHAR) AS severities, s.agent_count,
    coalesce(s.providers, []) AS providers, coalesce(s.provider_confidence, 'unknown') AS provider_confidence,
    coalesce(s.frameworks, []) AS frameworks, s.status
FROM private.latest_scans s LEFT JOIN pings p USING (scan_id)
ORDER BY risk_score DESC, finding_count DESC, name, repo_id
"""
_FAILED = """
SELECT count(DISTINCT repo_id) FROM private.scan_jobs
WHERE state = 'done' AND status = 'failed' AND repo_id NOT IN (SELECT repo_id FROM private.latest_scans)
"""


@fleet_app.command()
@command
def fleet(
    as_json: JsonFlag = False,
    as_csv: Annotated[bool, typer.Option("--csv", envvar="STRATUM_FLEET_CSV", help="Print CSV with a header.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=0, envvar="STRATUM_FLEET_LIMIT", help="Rows of the table; 0: all of them.")
    ] = TABLE_ROWS,
) -> None:
    """Compare the newest scan of every repository: highest risk score first, then most findings.

    For a rescan it repeats the change of the score; severities are those after partial mitigation.
    It names repositories and reads the private part of the warehouse. JSON and CSV hold every row.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", remedy="give one of them")
    with open_warehouse(settings()) as warehouse:
        rows = [row | {"severities": json.loads(row["severities"] or "{}")} for row in warehouse.sql(_QUERY).dicts()]
        failed = warehouse.sql(_FAILED).rows()[0][0]
    if as_json:
        emit_json({"repositories": rows, **summary(rows), "failed": failed})
    elif as_csv:
        _csv(rows)
    else:
        _table(rows[: limit or None])
        if limit and len(rows) > limit:
            stdout.print(f"and {len(rows) - limit} more; --limit 0 shows all", markup=False)
        for line in closing_lines(rows, failed):
            stdout.print(line, markup=False)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Totals over the fleet (rows of the query, hence Any)."""
    tiers = Counter(row["provider_confidence"] for row in rows)
    return {
        "scanned": len(rows),
        "providers_known": sum(bool(row["providers"]) for row in rows),
        "provider_confidence": {tier: tiers[tier] for tier in PROVIDER_TIERS},
        "providers": dict(Counter(name for row in rows for name in row["providers"]).most_common()),
    }


def closing_lines(rows: list[dict[str, Any]], failed: int) -> list[str]:
    """What stands below the table: how many scans, and how many have a known provider (V12)."""
    total = summary(rows)
    tiers = ", ".join(f"{tier} {count}" for tier, count in total["provider_confidence"].items())
    return [
        f"{len(rows)} repositories scanned, {failed} failed",
        f"providers known in {total['providers_known']} of {len(rows)} ({tiers})",
    ]


def _providers(row: dict[str, Any]) -> str:
    return ", ".join(row["providers"]) or UNKNOWN


def _severities(row: dict[str, Any]) -> str:
    """Counts after adjustment, highest first: 1C 3H."""
    return " ".join(f"{row['severities'][name]}{name[0]}" for name in SEVERITIES if name in row["severities"])


def _table(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("repository", overflow="fold")
    for name in ("score", "change", "findings"):
        table.add_column(name, justify="right")
    table.add_column("severities")
    table.add_column("agents", justify="right")
    for name in ("providers", "frameworks", "status"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(
            Text(clean(row["name"])),
            _number(row["risk_score"]),
            "" if row["score_delta"] is None else f"{row['score_delta']:+d}",
            _number(row["finding_count"]),
            _severities(row),
            _number(row["agent_count"]),
            Text(clean(_providers(row))),
            Text(clean(", ".join(row["frameworks"]))),
            Text(clean(str(row["status"]))),
        )
    stdout.print(table)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _csv(rows: list[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    for row in rows:
        shown = {
            **row,
            "severities": _severities(row),
            "providers": _providers(row),
            "frameworks": " ".join(row["frameworks"]),
        }
        writer.writerow([_cell(shown[name]) for name in _COLUMNS])
    sys.stdout.flush()


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
