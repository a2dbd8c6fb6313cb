"""`stratum run import`: bring recorded result folders into the log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from producers.importer import Options, Summary, run_import
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stderr
from stratum_lab.contract.events.batch import MAX_BATCH_EVENTS
from stratum_lab.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROBLEMS, StratumError
from stratum_lab.observe import garbage
from stratum_lab.observe.logs import clean
from stratum_lab.settings import Settings

run_app = typer.Typer(no_args_is_help=True, add_completion=False)

SHOWN_PROBLEMS = 20
"""Problems that are listed on the terminal; `--json` has them all."""


@run_app.callback()
def group() -> None:
    """Bring recorded runs in."""


@run_app.command("import")
@command
def import_runs(
    dirs: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            envvar="STRATUM_IMPORT_DIRS",
            help="Result folders (events_run_N.jsonl, run_metadata_N.json) or folders that hold them.",
        ),
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            envvar="STRATUM_IMPORT_FORCE",
            help="Publish again what is there with equal content; changes nothing.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", envvar="STRATUM_IMPORT_DRY_RUN", help="Read and check everything, publish nothing."),
    ] = False,
    batch_events: Annotated[
        int,
        typer.Option(
            "--batch-events",
            envvar="STRATUM_IMPORT_BATCH_EVENTS",
            min=1,
            max=MAX_BATCH_EVENTS,
            help="Events per message.",
        ),
    ] = MAX_BATCH_EVENTS,
    as_json: JsonFlag = False,
) -> None:
    """Publish recorded runs; runs that are already there are skipped.

    Exit code 1 when a run stays open, a line is malformed, or a file cannot be read or must not be published.
    """
    loaded = settings()
    garbage.tune()
    summary = import_with_bar(loaded, dirs, Options(force=force, dry_run=dry_run, batch_events=batch_events))
    if as_json:
        emit_json({"import": summary.to_json()})
    report(summary)
    if summary.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_PROBLEMS if summary.problems else EXIT_OK)


def import_with_bar(loaded: Settings, dirs: list[Path], options: Options) -> Summary:
    """Import with a progress bar on stderr; what was done so far is told when it fails.

    Raises:
        StratumError: As `producers.importer.run_import`.
    """
    summary = Summary()
    began = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr) as bar:
        task = bar.add_task("reading folders", total=None)
        try:
            run_import(
                loaded,
                dirs,
                options,
                summary,
                start=lambda total: bar.update(task, total=total, description="importing"),
                tick=lambda s: bar.update(task, description=f"importing, {s.events:,} events"),
                step=lambda: bar.advance(task),
            )
        except StratumError:
            summary.seconds = time.monotonic() - began
            say(f"not finished: {_line(summary)}")
            raise
    summary.seconds = time.monotonic() - began
    return summary


def _line(summary: Summary) -> str:
    did = "would publish" if summary.dry_run else "published"
    return (
        f"{did} {summary.runs} of {summary.found} runs from {summary.folders} folders: {summary.events:,} events in "
        f"{summary.batches:,} messages, {summary.dead_letters} dead letters; {summary.already_there} already there, "
        f"{summary.open_runs} open, {summary.refused} refused; {summary.seconds:.1f} s, "
        f"{summary.events_per_second:,.0f} events/s"
    )


def report(summary: Summary) -> None:
    """Tell on stderr what was done and what was wrong."""
    for problem in summary.problems[:SHOWN_PROBLEMS]:
        say(f"problem: {clean(problem.where)}: {clean(problem.what)}")
    if len(summary.problems) > SHOWN_PROBLEMS:
        say(f"and {len(summary.problems) - SHOWN_PROBLEMS} more problems; --json lists all")
    say(("interrupted: " if summary.interrupted else "") + _line(summary))
