"""`stratum archive`: what the archive holds, and filling a broker from it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from consumers import archive_files
from consumers.archive_restore import restore as restore_archive
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stderr, stdout

archive_app = typer.Typer(no_args_is_help=True, add_completion=False)

Folder = Annotated[
    Path | None,
    typer.Argument(metavar="[DIR]", envvar="STRATUM_ARCHIVE_FOLDER", help="The archive; default: setting archive.dir."),
]


@archive_app.callback()
def group() -> None:
    """Keep the raw topics as files and refill a broker from them."""


@archive_app.command("list")
@command
def show(folder: Folder = None, as_json: JsonFlag = False) -> None:
    """List what is archived, per topic and partition."""
    root = folder or settings().archive_dir
    rows = []
    for (topic, partition), group_ in groupby(archive_files.listing(root), key=lambda f: (f.topic, f.partition)):
        files = list(group_)
        rows.append(
            {
                "topic": topic,
                "partition": partition,
                "files": len(files),
                "first_offset": files[0].first,
                "last_offset": files[-1].last,
                "bytes": sum(f.size for f in files),
            }
        )
    if as_json:
        emit_json({"archive": str(root), "partitions": rows})
        return
    table = Table("topic", "partition", "files", "first offset", "last offset", "bytes")
    for row in rows:
        table.add_row(*map(str, row.values()))
    stdout.print(table)


@archive_app.command()
@command
def restore(
    folder: Folder = None,
    append: Annotated[
        bool,
        typer.Option("--append", envvar="STRATUM_ARCHIVE_APPEND", help="Also into topics that already hold messages."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Publish the archive into empty topics, byte for byte and in the same order per partition."""
    loaded = settings()
    root = folder or loaded.archive_dir
    columns = (TextColumn("restoring"), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeElapsedColumn())
    with Progress(*columns, console=stderr) as bar:
        task = bar.add_task("restoring", total=len(archive_files.listing(root)))
        done = restore_archive(loaded, root, append=append, progress=lambda _: bar.advance(task))
    if as_json:
        emit_json(done._asdict())
    say(f"{done.messages} messages of {done.topics} topics restored from {done.files} files")
