"""`stratum up`, `stratum status`, `stratum down`: the broker of this home."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stderr, stdout
from stratum_lab.contract.topics import DAY_MS, FOR_EVER
from stratum_lab.errors import BrokerUnavailable
from stratum_lab.kafka import broker
from stratum_lab.kafka.address import bootstrap
from stratum_lab.kafka.status import Status, read_status
from stratum_lab.observe.logs import clean
from stratum_lab.settings import Settings

up_app = typer.Typer(add_completion=False)
status_app = typer.Typer(add_completion=False)
down_app = typer.Typer(add_completion=False)


@up_app.command()
@command
def up(
    backend: Annotated[
        str | None,
        typer.Option(envvar="STRATUM_UP_BACKEND", help="auto, external, docker, apache or memory."),
    ] = None,
    port: Annotated[int | None, typer.Option(envvar="STRATUM_UP_PORT", help="Port of a broker started here.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Provide a broker, wait until it answers, and create the topics. Does nothing twice."""
    loaded = settings(broker__backend=backend, broker__port=port)
    with stderr.status("waiting for the broker", spinner="dots"):
        found = broker.up(loaded, say)
    state = found.state
    if as_json:
        emit_json(
            {
                "backend": state.backend,
                "bootstrap": state.bootstrap,
                "pid": state.pid,
                "container": state.container,
                "already_running": found.already,
                "topics_created": found.created,
                "home": str(loaded.home),
            }
        )
        return
    stdout.print(f"{state.backend} broker at {state.bootstrap}", markup=False)
    if found.already:
        say("it was already running")
    if found.created:
        say(f"{len(found.created)} topics created")
    if state.backend == "memory":
        say("this broker keeps the log in memory only: it is gone when the broker stops")
    say("next: stratum run import DIR   (stratum status shows the topics, stratum down stops the broker)")


@down_app.command()
@command
def down(as_json: JsonFlag = False) -> None:
    """Stop the broker that `up` started; its data stays (memory: is gone)."""
    loaded = settings()
    state = broker.down(loaded, say)
    if as_json:
        emit_json({"stopped": state is not None, "backend": state.backend if state else None})
        return
    if state is not None:
        stdout.print(f"stopped the {state.backend} broker at {state.bootstrap}", markup=False)


def _as_json(found: Status, backend: str) -> dict[str, Any]:
    return {
        "backend": backend,
        "bootstrap": found.bootstrap,
        "reachable": True,
        "topics": [
            {
                "name": t.name,
                "partitions": t.partitions,
                "messages": t.messages,
                "cleanup": t.cleanup,
                "retention_ms": t.retention_ms,
            }
            for t in found.topics
        ],
        "groups": [{"group": g.group, "state": g.state, "members": g.members, "lag": g.lag} for g in found.groups],
    }


def _kept(cleanup: str, retention_ms: int | None) -> str:
    if "compact" in cleanup:
        return "newest per key"
    if retention_ms is None:
        return "?"
    return "for ever" if retention_ms == FOR_EVER else f"{retention_ms / DAY_MS:g} days"


def _show(found: Status, backend: str, loaded: Settings) -> None:
    stdout.print(f"{backend} broker at {found.bootstrap}: answers", markup=False)
    topics = Table("topic", "partitions", "messages", "kept")
    for t in found.topics:
        topics.add_row(clean(t.name), str(t.partitions), f"{t.messages:,}", _kept(t.cleanup, t.retention_ms))
    stdout.print(topics)
    if not found.topics:
        say(f"no topics with the prefix {loaded.kafka.topic_prefix!r}; create them: stratum up")
    if found.groups:
        groups = Table("consumer group", "state", "members", "behind")
        for g in found.groups:
            groups.add_row(clean(g.group), g.state, str(g.members), f"{g.lag:,}")
        stdout.print(groups)


@status_app.command()
@command
def status(as_json: JsonFlag = False) -> None:
    """Show where the broker is, its topics, and how far every consumer group is. Exits 75 when it does not answer."""
    loaded = settings()
    where = bootstrap(loaded)
    state = None if loaded.broker.bootstrap else broker.running(loaded)
    backend = state.backend if state else "external"
    if not broker.answers(loaded, where, loaded.kafka.request_timeout_s):
        gone = BrokerUnavailable(f"the {backend} broker at {where} does not answer", remedy="stratum up")
        if not as_json:
            raise gone
        error = {"kind": gone.kind, "message": gone.message, "remedy": gone.remedy}
        unknown = {"backend": backend, "bootstrap": where, "reachable": False, "topics": [], "groups": []}
        emit_json({**unknown, "error": error})
        raise typer.Exit(gone.exit_code)
    found = read_status(broker.at(loaded, where))
    if as_json:
        emit_json(_as_json(found, backend))
    else:
        _show(found, backend, loaded)
