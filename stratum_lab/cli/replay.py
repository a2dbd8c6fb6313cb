"""`stratum replay records`: rebuild every record from the log, compare with live, promote."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from producers.replay import Options, ReplaySummary, differences_by_kind, replay
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stderr
from stratum_lab.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROBLEMS, UsageError
from stratum_lab.observe import garbage
from stratum_lab.observe.logs import clean

replay_app = typer.Typer(no_args_is_help=True, add_completion=False)

SHOWN = 20
_SHOWN_VALUE = 60


@replay_app.callback()
def group() -> None:
    """Rebuild derived topics and tables from the log."""


@replay_app.command("records")
@command
def replay_records(
    diff: Annotated[
        bool,
        typer.Option("--diff", envvar="STRATUM_REPLAY_DIFF", help="Compare with live; exit 1 when anything differs."),
    ] = False,
    promote: Annotated[
        bool,
        typer.Option(
            "--promote",
            envvar="STRATUM_REPLAY_PROMOTE",
            help="Write what differs, and deletions, into the live topics.",
        ),
    ] = False,
    no_write: Annotated[
        bool, typer.Option("--no-write", envvar="STRATUM_REPLAY_NO_WRITE", help="Write no shadow topics.")
    ] = False,
    warehouse: Annotated[
        Path | None,
        typer.Option(
            "--warehouse",
            envvar="STRATUM_REPLAY_WAREHOUSE",
            help="Fill this new DuckDB file instead of shadow topics (one process).",
        ),
    ] = None,
    replay_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            envvar="STRATUM_REPLAY_ID",
            help="Name of this replay in the shadow topics; default: time and 4 hex.",
        ),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            "--processes", envvar="STRATUM_REPLAY_PROCESSES", min=0, help="Worker processes; 0: one per core."
        ),
    ] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Rebuild every record and topology from run.events, run.status and scan.graphs.

    The result goes to shadow topics named <topic>.shadow.<id>, or with --warehouse into a new DuckDB file.
    Live topics change only with --promote. Exit code 1 when something differs, a finished run has holes, or a
    derived record is invalid.
    """
    loaded = settings()
    garbage.tune()
    replay_id = replay_id or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    if not replay_id.replace("-", "").replace("_", "").replace(".", "").isalnum() or not replay_id.isascii():
        raise UsageError(f"--id {clean(replay_id)!r} must be letters, digits, '.', '-' and '_'", remedy="leave it out")
    options = Options(
        replay_id,
        target="warehouse" if warehouse is not None else "none" if no_write else "shadow",
        warehouse=warehouse,
        diff=diff or promote,
        promote=promote,
        processes=processes,
    )
    summary = ReplaySummary(replay_id)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr) as bar:
        task = bar.add_task("replaying", total=None)
        replay(
            loaded,
            options,
            summary,
            start=lambda total: bar.update(task, total=total),
            advance=lambda number: bar.advance(task, number),
        )
    if as_json:
        emit_json({"replay": summary.to_json()})
    _report(summary, options)
    if summary.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    total = summary.total
    left = bool(total.differences) and not promote
    raise typer.Exit(EXIT_PROBLEMS if left or total.incomplete or total.invalid or total.problems else EXIT_OK)


def _short(value: object) -> str:
    return clean(json.dumps(value, default=str))[:_SHOWN_VALUE]


def _report(summary: ReplaySummary, options: Options) -> None:
    total = summary.total
    for problem in total.problems[:SHOWN]:
        say(f"problem: {clean(problem)}")
    for run in total.incomplete[:SHOWN]:
        say(
            f"incomplete: {clean(run.repo_id)} run {run.run_number} attempt {run.attempt}, "
            f"missing {list(run.missing)[:5]}"
        )
    for d in total.differences[:SHOWN]:
        say(
            f"{d.kind}: {d.topic} {clean(d.repo_id)} at {clean(d.path)}: live {_short(d.live)}, "
            f"replayed {_short(d.replayed)}"
        )
    more = max(0, len(total.differences) - SHOWN)
    if more:
        say(f"and {more} more differences; --json lists all")
    if total.poison:
        said = ", ".join(f"{n} {reason}" for reason, n in sorted(total.poison.items()))
        say(f"skipped, as they were live: {said}")
    say(
        f"{'interrupted: ' if summary.interrupted else ''}{total.records} records and {total.topologies} topologies "
        f"from {total.events:,} events in {total.batches:,} messages, {total.finished} finished and {total.open_runs} "
        f"open runs, {summary.partitions} partitions, {summary.processes} processes; {summary.seconds:.1f} s, "
        f"{summary.events_per_second:,.0f} events/s, {summary.events_per_cpu_second:,.0f} events per CPU second"
    )
    if summary.shadow_topics:
        say(f"written to {', '.join(summary.shadow_topics)}")
    if options.warehouse is not None and not summary.interrupted:
        say(f"written to {clean(str(options.warehouse))}")
    if options.diff:
        kinds = ", ".join(f"{n} {kind}" for kind, n in differences_by_kind(summary).items()) or "none"
        say(f"differences: {kinds}; {total.newer} live values are newer than this replay")
    if options.promote:
        say(f"promoted {total.promoted} values, deleted {total.tombstones}")
