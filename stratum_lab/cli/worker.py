"""`stratum worker`: runs one long-lived part; the parts are found by entry point, none is imported here.

Workers print nothing on stdout; `--json` gives their error envelope there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from stratum_lab.cli.output import JsonFlag, command, say, settings
from stratum_lab.errors import PrerequisiteError

SERVICES = "stratum_lab.services"
"""Entry-point group: name -> `service(settings, **options) -> exit code`."""

worker_app = typer.Typer(no_args_is_help=True, add_completion=False)


def _service(name: str) -> Callable[..., int]:
    found = entry_points(group=SERVICES, name=name)
    if not found:
        known = ", ".join(sorted(e.name for e in entry_points(group=SERVICES))) or "none"
        raise PrerequisiteError(
            f"no service {name!r} is installed; installed: {known}", remedy="pip install -e . (or `make setup`)"
        )
    loaded: Callable[..., int] = next(iter(found)).load()
    return loaded


def _run(name: str, **options: Any) -> None:
    loaded = settings()
    run = _service(name)
    say(f"{name}: running; Ctrl-C stops it")
    raise typer.Exit(run(loaded, **options))


@worker_app.command()
@command
def scan(
    attempts: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, envvar="STRATUM_WORKER_ATTEMPTS", help="Scans at once; default: setting jobs.attempts."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take scan jobs and publish a ping for each attempt; start as many as wanted, on any machine."""
    _run("scan", attempts=attempts)


@worker_app.command()
@command
def streams(
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, envvar="STRATUM_WORKER_WORKERS", help="Processes that share the partitions."),
    ] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Fold events into records and topology (Faust), supervised and restarted."""
    _run("streams", workers=workers)


@worker_app.command()
@command
def warehouse(as_json: JsonFlag = False) -> None:
    """Write everything into DuckDB and serve it read-only."""
    _run("warehouse")


@worker_app.command()
@command
def records(
    directory: Annotated[
        Path, typer.Option("--dir", envvar="STRATUM_WORKER_RECORDS_DIR", help="Folder of the record files.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Write each record as one JSON file."""
    _run("records", directory=directory)


@worker_app.command()
@command
def archive(as_json: JsonFlag = False) -> None:
    """Keep the raw topics as Avro container files."""
    _run("archive")
