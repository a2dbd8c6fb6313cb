"""`stratum records build`: fold result folders into records, without a broker."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from producers.recorded_run import plan
from producers.records_build import BuildSummary, build, by_repository
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stderr
from stratum_lab.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROBLEMS
from stratum_lab.observe import garbage
from stratum_lab.observe.logs import clean

records_app = typer.Typer(no_args_is_help=True, add_completion=False)

SHOWN_PROBLEMS = 20


@records_app.callback()
def group() -> None:
    """Fold result folders into records, without a broker."""


@records_app.command("build")
@command
def build_records(
    dirs: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            envvar="STRATUM_RECORDS_DIRS",
            help="Result folders (events_run_N.jsonl, run_metadata_N.json) or folders that hold them.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", envvar="STRATUM_RECORDS_OUT", help="Folder of the records, one <repo_id>.json each."),
    ],
    processes: Annotated[
        int, typer.Option("--processes", envvar="STRATUM_RECORDS_PROCESSES", min=0, help="Processes; 0: one per core.")
    ] = 0,
    check: Annotated[
        bool,
        typer.Option("--check", envvar="STRATUM_RECORDS_CHECK", help="Compare with the files in --out; write nothing."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Fold recorded runs into v6 records, one JSON file each.

    Exit code 1 when a line is malformed, a run stays open, a file cannot be read or a record is invalid.
    """
    settings()
    garbage.tune()
    summary = BuildSummary()
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr) as bar:
        task = bar.add_task("reading folders", total=None)
        planned = plan(dirs)
        bar.update(task, description="repositories", total=len(by_repository(planned.runs)))
        build(
            planned,
            out,
            summary,
            processes=processes or os.cpu_count() or 1,
            check=check,
            step=lambda: bar.advance(task),
        )
    summary.seconds = time.monotonic() - began
    if as_json:
        emit_json({"records": summary.to_json()})
    _report(summary, check)
    if summary.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_PROBLEMS if summary.problems else EXIT_OK)


def _report(summary: BuildSummary, check: bool) -> None:
    for problem in summary.problems[:SHOWN_PROBLEMS]:
        say(f"problem: {clean(problem.where)}: {clean(problem.what)}")
    if len(summary.problems) > SHOWN_PROBLEMS:
        say(f"and {len(summary.problems) - SHOWN_PROBLEMS} more problems; --json lists all")
    did = "equal" if check else "written"
    say(
        f"{'interrupted: ' if summary.interrupted else ''}{summary.records} records {did} for {summary.repositories} "
        f"repositories ({summary.without_record} without a counted run), {summary.runs} runs "
        f"({summary.open_runs} open), "
        f"{summary.events:,} events, {summary.malformed} malformed lines; {summary.invalid} invalid records; "
        f"{summary.seconds:.1f} s, {summary.events_per_second:,.0f} events/s"
    )
