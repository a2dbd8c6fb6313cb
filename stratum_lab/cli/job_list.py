"""`stratum job list`: one line a job, counts per state, and the same kept up to date while workers work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from producers.job_state import SCAN_STATUSES, AttemptState, counts
from producers.job_state_log import StatusFollower, read_states
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stderr, stdout
from stratum_lab.contract.events.scan import STATES
from stratum_lab.errors import UsageError
from stratum_lab.observe.logs import clean
from stratum_lab.settings import Settings

LIMIT = 50
CELL = 60
REFRESH_S = 0.5
CATCH_UP_S = 60.0


def list_jobs_of(
    states: Iterable[AttemptState], state: str | None, campaign: str | None, source: str | None
) -> list[AttemptState]:
    """Jobs that pass the filters, newest news last.

    Args:
        states: All jobs.
        state: A state, or a scan status for jobs that are done; None: any.
        campaign: Of this campaign; None: any.
        source: Part of the source or the display name, in any case; None: any.
    """
    part = source.lower() if source else ""
    return [
        s
        for s in states
        if (state is None or state in (s.state, s.label))
        and campaign in (None, s.campaign_id)
        and (not part or part in s.source.lower() or part in (s.display_name or "").lower())
    ]


@command
def list_jobs(
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            envvar="STRATUM_JOB_STATE",
            help="queued, running, done, cancelled; or how it ended: success, partial, empty, failed.",
        ),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", envvar="STRATUM_CAMPAIGN_ID", help="Jobs of this campaign.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", envvar="STRATUM_JOB_SOURCE", help="Part of the source or the name.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, envvar="STRATUM_JOB_LIMIT", help="Newest jobs shown; 0: all.")
    ] = LIMIT,
    watch: Annotated[
        bool, typer.Option("--watch", envvar="STRATUM_JOB_WATCH", help="Keep showing until every job has ended.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List jobs with their states and counts; the newest news come last."""
    if state is not None and state not in (*STATES, *SCAN_STATUSES):
        raise UsageError(f"--state {state!r} is unknown", remedy=f"one of {', '.join((*STATES, *SCAN_STATUSES))}")
    loaded = settings()
    jobs = _watch(loaded, campaign, source) if watch else list_jobs_of(read_states(loaded), None, campaign, source)
    chosen = list_jobs_of(jobs, state, None, None)
    if as_json:
        shown = chosen[-limit:] if limit else chosen
        emit_json({"jobs": [s.to_json() for s in shown], "counts": counts(jobs), "matching": len(chosen)})
        return
    stdout.print(jobs_table(chosen[-limit:] if limit else chosen))
    more = f"{limit} of {len(chosen)} jobs shown; --limit 0 shows all; " if limit and len(chosen) > limit else ""
    say(f"{more}{counts_line(jobs)}")


def counts_line(jobs: Iterable[AttemptState]) -> str:
    """Counts in one line, states without a job left out."""
    found = counts(jobs)
    shown = ", ".join(f"{number} {name}" for name, number in found.items() if number)
    return f"{sum(found.values())} jobs" + (f": {shown}" if shown else "")


def jobs_table(states: Sequence[AttemptState]) -> Table:
    """One row a job."""
    table = Table(box=None, pad_edge=False)
    table.add_column("job", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("agents", justify="right", no_wrap=True)
    table.add_column("at (UTC)", no_wrap=True)
    table.add_column("name", overflow="fold", min_width=14)
    table.add_column("reason", overflow="fold")
    for s in states:
        table.add_row(
            s.job_id,
            s.label,
            _number(s.risk_score),
            _number(s.agent_count),
            f"{s.at:%m-%d %H:%M:%S}",
            _text(s.display_name or s.source),
            _text(s.reason or ""),
        )
    return table


def show_attempts(attempts: Sequence[AttemptState]) -> None:
    """Print every attempt of one job, one field a line."""
    for a in attempts:
        table = Table(title=Text(f"attempt {a.attempt} of job {a.job_id}"), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in a.to_json().items():
            if value is not None and name not in ("job_id", "attempt"):
                table.add_row(name, _text(str(value), 500))
        stdout.print(table)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _text(value: str, most: int = CELL) -> Text:
    text = clean(value).replace("\n", "\\n").replace("\t", "\\t")
    return Text(text if len(text) <= most else text[: most - 1] + "…")


def _watch(loaded: Settings, campaign: str | None, source: str | None) -> list[AttemptState]:
    """Show progress on stderr until every job has ended."""
    with StatusFollower(loaded) as follower:
        follower.catch_up(CATCH_UP_S)
        began, first_done = time.monotonic(), -1
        with Live(console=stderr, auto_refresh=False) as live:
            while True:
                follower.check()
                with follower.changed:
                    jobs = list_jobs_of(follower.states, None, campaign, source)
                done = sum(s.final for s in jobs)
                if first_done < 0:
                    first_done = done
                live.update(_progress(jobs, done, done - first_done, time.monotonic() - began), refresh=True)
                if done == len(jobs):
                    return jobs
                with follower.changed:
                    follower.changed.wait(REFRESH_S)


def _progress(jobs: Sequence[AttemptState], done: int, lately: int, seconds: float) -> Group:
    rate = lately / seconds if seconds > 0 else 0.0
    left = f", {(len(jobs) - done) / rate:,.0f} s left" if rate > 0 and done < len(jobs) else ""
    found = counts(jobs)
    return Group(
        ProgressBar(total=max(len(jobs), 1), completed=done, width=60),
        Text(f"{done} of {len(jobs)} jobs, {rate:.1f} a second{left}"),
        Text("  ".join(f"{name} {number}" for name, number in found.items())),
    )
