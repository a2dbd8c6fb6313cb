"""`stratum dev`: broker, streams and sinks together, with one live status screen, stopped cleanly at the end."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from producers.importer import Options
from stratum_lab.cli.dev_children import Children
from stratum_lab.cli.dev_screen import NEXT_QUERY, Progress, caught_up, read_progress, screen, summary
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stderr, stdout
from stratum_lab.cli.run import import_with_bar, report
from stratum_lab.errors import EXIT_OK, EXIT_PROBLEMS, BrokerUnavailable
from stratum_lab.kafka import broker
from stratum_lab.settings import Backend, Settings

dev_app = typer.Typer(add_completion=False)

_SERVICES = ("streams", "warehouse")
_REFRESH_S = 1.0


@dev_app.command()
@command
def dev(
    import_dir: Annotated[
        list[Path] | None,
        typer.Option("--import", envvar="STRATUM_DEV_IMPORT", help="Result folders to import once everything is up."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", envvar="STRATUM_DEV_ONCE", help="Stop when all input is folded and stored.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(envvar="STRATUM_DEV_TIMEOUT", help="With --once: give up after this many seconds.")
    ] = 240.0,
    backend: Annotated[
        Backend | None, typer.Option(envvar="STRATUM_DEV_BACKEND", help="Broker back-end; default: the setting's.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run broker, streams and warehouse together on this machine; Ctrl-C stops them.

    A broker that this command started is stopped at the end; its data stays on disk and the next start goes on.
    """
    loaded = settings(broker__backend=backend)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    up = broker.up(loaded, say)
    say(f"{up.state.backend} broker at {up.state.bootstrap}")
    loaded = broker.at(loaded, up.state.bootstrap)
    children = Children(_SERVICES, loaded.home / "logs")
    problems = False
    try:
        children.start()
        if import_dir:
            imported = import_with_bar(loaded, import_dir, Options())
            report(imported)
            problems = bool(imported.problems)
        progress = _watch(loaded, children, stop, once=once, timeout=timeout)
        if once and not stop.is_set() and not caught_up(progress):
            raise BrokerUnavailable(
                f"not caught up after {timeout:.0f} s: {progress.describe()}",
                remedy=f"see the logs in {loaded.home / 'logs'}; run the command again, it goes on where it stopped",
            )
    finally:
        children.stop()
        if not up.already and up.state.backend != "external":
            broker.down(loaded, say)
    # The sinks are down: the summary reads the file itself.
    if as_json:
        emit_json(summary(loaded).as_dict())
    else:
        stdout.print(summary(loaded).render())
        # Not through the console: a command that is wrapped cannot be copied.
        typer.echo(f'next: stratum query "{NEXT_QUERY}"')
    raise typer.Exit(EXIT_PROBLEMS if problems else EXIT_OK)


def _watch(loaded: Settings, children: Children, stop: threading.Event, *, once: bool, timeout: float) -> Progress:
    """Refresh the screen until asked to stop, or, with `once`, until all input is stored or time is up."""
    deadline = time.monotonic() + timeout
    progress = read_progress(loaded)
    with Live(
        screen(loaded, progress, children.states()), console=stderr, refresh_per_second=2, transient=True
    ) as live:
        while not stop.wait(_REFRESH_S):
            children.tend()
            progress = read_progress(loaded)
            live.update(screen(loaded, progress, children.states()))
            if once and (caught_up(progress) or time.monotonic() > deadline):
                break
    return progress
