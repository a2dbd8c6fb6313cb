"""`stratum scan`: scan one repository on this machine, without a broker, and print the report a developer reads."""

from __future__ import annotations

import secrets
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings, stdout
from stratum_lab.errors import EXIT_PROBLEMS, UsageError
from stratum_lab.files import write_whole
from stratum_lab.observe.logs import clean
from stratum_lab.ping.attempt import Attempted, run_attempt
from stratum_lab.ping.previous import History
from stratum_lab.report import baseline as baselines
from stratum_lab.report.sarif import sarif as sarif_log
from stratum_lab.report.svg import svg as picture
from stratum_lab.report.text import report
from stratum_lab.scan.fetch import fetch
from stratum_lab.scan.source.limits import Limits
from stratum_lab.scan.structure import PACKAGE
from stratum_lab.scan.view import ScanView
from stratum_lab.settings import Settings

scan_app = typer.Typer(add_completion=False)


class _Done(NamedTuple):
    """An attempt with what it is compared with and the name in the report's heading."""

    attempted: Attempted
    previous: dict[str, Any] | None
    name: str


@scan_app.command()
@command
def scan(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            envvar="STRATUM_SCAN_SOURCE",
            help="Folder, archive, git address (`@commit` allowed) or pypi:name==version.",
        ),
    ],
    as_json: JsonFlag = False,
    as_sarif: Annotated[
        bool, typer.Option("--sarif", envvar="STRATUM_SCAN_SARIF", help="Print a SARIF 2.1.0 log on stdout.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", envvar="STRATUM_SCAN_SVG", help="Draw the agent graph into this file.")
    ] = None,
    ci: Annotated[
        bool,
        typer.Option("--ci", envvar="STRATUM_SCAN_CI", help="Exit 1 on critical findings the baseline does not hold."),
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", envvar="STRATUM_SCAN_BASELINE", help="Accepted critical findings.")
    ] = None,
    write_baseline: Annotated[
        Path | None,
        typer.Option(
            "--write-baseline", envvar="STRATUM_SCAN_WRITE_BASELINE", help="Accept today's critical findings: FILE."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", envvar="STRATUM_SCAN_FULL", help="Show every place of every finding.")
    ] = False,
    history: Annotated[
        bool,
        typer.Option(
            "--history/--no-history",
            envvar="STRATUM_SCAN_HISTORY",
            help="Compare with the last scan and remember this.",
        ),
    ] = True,
    timeout: Annotated[
        int | None,
        typer.Option(min=1, max=86_400, envvar="STRATUM_SCAN_TIMEOUT", help="Seconds the scan may take."),
    ] = None,
) -> None:
    """Scan a repository: risk score, agents, what to fix first. Nothing in it is executed or written."""
    if as_json and as_sarif:
        raise UsageError("--json and --sarif exclude each other", remedy="give one of them")
    if baseline is not None and not ci:
        raise UsageError("--baseline without --ci changes nothing", remedy="add --ci")
    accepted = baselines.read(baseline) if baseline is not None else baselines.Baseline(version=1)
    done = _attempt(source, settings(), timeout, history)
    attempted, view = done.attempted, done.attempted.view
    if svg is not None and view is not None:
        write_whole(svg, picture(view, done.name).encode("utf-8"))
        say(f"drew {clean(str(svg))}")
    if write_baseline is not None and view is not None:
        say(f"accepted {baselines.write(write_baseline, view)} places in {clean(str(write_baseline))}")
    if as_json:
        emit_json(_document(attempted))
    elif as_sarif:
        emit_json(sarif_log(view or ScanView(), version(PACKAGE)))
    else:
        shown = report(done.name, attempted.ping, view, done.previous, reason=attempted.reason or "", full=full)
        stdout.print(shown)
    if attempted.ping.scan_status == "failed":
        last = attempted.detail.strip().rpartition("\n")[2]
        note = f" ({clean(last)})" if last else ""
        say(f"error: {clean(source)} could not be scanned: {attempted.reason or 'unknown reason'}{note}")
        say("  fix: see the reason; --timeout and the scan.* settings move the limits")
        raise typer.Exit(EXIT_PROBLEMS)
    if ci and view is not None:
        _gate(view, accepted)


def _attempt(source: str, loaded: Settings, timeout: int | None, history: bool) -> _Done:
    """One attempt on a folder in place, or on a fetched copy that is removed again."""
    limits = Limits.of(loaded.scan)
    if timeout is not None:
        limits = replace(limits, timeout_seconds=timeout)
    store = History()
    previous = store.latest(source) if history else None
    scan_id = secrets.token_hex(4)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stratum-scan-", ignore_cleanup_errors=True) as scratch:
        fetched = fetch(source, Path(scratch), limits)
        attempted = run_attempt(fetched.root, limits, scan_id=scan_id, started=started, previous=previous)
    if history:
        store.keep(source, attempted.ping.to_json())
    return _Done(attempted, dict(previous.values) if previous is not None else None, fetched.display_name)


def _document(attempted: Attempted) -> dict[str, Any]:
    """The object of `--json`: `ping`, `model` and `findings`; the last two are null when the scan failed."""
    view = attempted.view
    model = None if view is None else view.model_dump(mode="json", exclude={"findings"})
    findings = None if view is None else view.model_dump(mode="json", include={"findings"})["findings"]
    return {"ping": attempted.ping.to_json(), "model": model, "findings": findings, "reason": attempted.reason}


def _gate(view: ScanView, accepted: baselines.Baseline) -> None:
    """The verdict of `--ci`."""
    fresh = baselines.new_criticals(view, accepted)
    for finding, instances in fresh:
        for instance in instances:
            place = f"{instance.place.file}:{instance.place.line}" if instance.place is not None else "-"
            say(f"critical: {finding.rule}  {clean(place)}  {clean(instance.text)}")
    if fresh:
        raise typer.Exit(EXIT_PROBLEMS)
