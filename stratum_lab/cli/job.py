"""`stratum job`: put repositories to scan into the log, see how far they are, cancel them, try them again."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from producers.job_state_log import read_states
from producers.jobs import Request, Submitted, cancel, retry, submit, the_job
from stratum_lab.campaign.sources import Listed, parse_list, parse_source
from stratum_lab.cli.job_list import list_jobs, show_attempts
from stratum_lab.cli.job_select import read_lines, select_sources
from stratum_lab.cli.output import JsonFlag, command, emit_json, say, settings
from stratum_lab.contract.events import ScanLimits
from stratum_lab.contract.events.scan import What
from stratum_lab.errors import EXIT_OK, EXIT_PROBLEMS, StratumError, UsageError
from stratum_lab.observe.logs import clean

job_app = typer.Typer(no_args_is_help=True, add_completion=False)

SHOWN = 20
"""Lines of one kind on the terminal; `--json` has them all."""
_RUNS = re.compile(r"^([1-9]\d{0,5})(?:\.\.([1-9]\d{0,5}))?\Z")
_MIB = 1 << 20


@job_app.callback()
def group() -> None:
    """Scan jobs: submit, list, show, cancel, retry, select."""


job_app.command("list")(list_jobs)
job_app.command("select")(select_sources)

JobIds = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...",
        envvar="STRATUM_JOB_IDS",
        help="A job_id or its first digits, a scan_id, or a repo_id with one job.",
    ),
]


@job_app.command("submit")
@command
def submit_jobs(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            envvar="STRATUM_JOB_SOURCES",
            help="Git address (https, ssh, file; @commit), local folder or archive, pypi:NAME==VERSION.",
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            envvar="STRATUM_JOB_FILE",
            help="List of sources, one a line, such as `job select` prints; `-`: standard input.",
        ),
    ] = None,
    what: Annotated[
        str, typer.Option("--what", envvar="STRATUM_JOB_WHAT", help="static: scan; runs: run; both: scan, then run.")
    ] = "static",
    runs: Annotated[
        str | None,
        typer.Option("--runs", envvar="STRATUM_JOB_RUNS", help="Run numbers N..M, with --what runs or both."),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", envvar="STRATUM_CAMPAIGN_ID", help="Campaign of these jobs.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", envvar="STRATUM_JOB_TIMEOUT", min=1, help="Seconds an attempt may take."),
    ] = None,
    memory_mb: Annotated[
        int | None,
        typer.Option("--memory-mb", envvar="STRATUM_JOB_MEMORY_MB", min=64, help="Memory of the scan, MiB."),
    ] = None,
    clone_mb: Annotated[
        int | None,
        typer.Option("--clone-mb", envvar="STRATUM_JOB_CLONE_MB", min=1, help="Size of clone or archive, MiB."),
    ] = None,
    files: Annotated[
        int | None, typer.Option("--files", envvar="STRATUM_JOB_FILES", min=1, help="Files walked, at most.")
    ] = None,
    candidate_files: Annotated[
        int | None,
        typer.Option("--candidate-files", envvar="STRATUM_JOB_CANDIDATE_FILES", min=1, help="Files parsed, at most."),
    ] = None,
    candidate_mb: Annotated[
        int | None,
        typer.Option("--candidate-mb", envvar="STRATUM_JOB_CANDIDATE_MB", min=1, help="MiB parsed, at most."),
    ] = None,
    nesting: Annotated[
        int | None, typer.Option("--nesting", envvar="STRATUM_JOB_NESTING", min=1, help="Depth of nested syntax.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", envvar="STRATUM_JOB_FORCE", help="Also what is queued or running already.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put one job a source into the log; `stratum worker scan` takes them.

    A source for which a job waits or runs already is named and left out. A list with a bad line is refused as a
    whole, with the numbers of the lines. Limits that are not given are the worker's.
    """
    entries = _entries(sources or [], file)
    request = Request(
        what=_what(what),
        runs=_runs(runs),
        campaign_id=campaign or None,
        limits=ScanLimits(
            timeout_seconds=timeout,
            memory_bytes=_bytes(memory_mb),
            clone_bytes=_bytes(clone_mb),
            files=files,
            candidate_files=candidate_files,
            candidate_bytes=_bytes(candidate_mb),
            nesting=nesting,
        ),
        force=force,
    )
    request.check()
    loaded = settings()
    done = Submitted()
    try:
        submit(loaded, read_states(loaded), entries, request, done)
    except StratumError:
        if done.jobs:
            say(f"not finished: {len(done.jobs)} jobs are in the log; the same command submits the rest")
        raise
    if as_json:
        emit_json(done.to_json())
    _report(done, request)


def _bytes(mebibytes: int | None) -> int | None:
    return None if mebibytes is None else mebibytes * _MIB


def _entries(sources: list[str], file: str | None) -> list[Listed]:
    entries = [Listed(parse_source(text), 0.0, f"argument {number}") for number, text in enumerate(sources, 1)]
    if file is not None:
        name = "standard input" if file == "-" else file
        entries += parse_list(read_lines(file), name)
    if not entries:
        raise UsageError("no source is given", remedy="name sources, or a list of them with --file")
    return entries


def _what(text: str) -> What:
    known: dict[str, What] = {"static": "static", "runs": "runs", "both": "both"}
    if text not in known:
        raise UsageError(f"--what {text!r} is unknown", remedy=f"one of {', '.join(known)}")
    return known[text]


def _runs(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = _RUNS.match(text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last:
        raise UsageError(f"--runs {text!r} names no runs", remedy="write N..M with N <= M, such as 1..5")
    return first, last


def _report(done: Submitted, request: Request) -> None:
    for entry, state in done.already[:SHOWN]:
        say(f"already {state.state} as job {state.job_id}: {clean(entry.source.text)}")
    if len(done.already) > SHOWN:
        say(f"and {len(done.already) - SHOWN} more; --json lists all")
    for job in done.jobs[:SHOWN]:
        say(f"job {job.job_id}: {clean(job.source)}")
    if len(done.jobs) > SHOWN:
        say(f"and {len(done.jobs) - SHOWN} more; --json lists all")
    repeated = f", {len(done.repeated)} named twice" if done.repeated else ""
    say(f"{len(done.jobs)} jobs submitted, {len(done.already)} queued or running already{repeated}")
    if request.what != "static" and done.jobs:
        say(f"runs {request.runs[0]} to {request.runs[1]} wait for a campaign's coordinator" if request.runs else "")


@job_app.command("show")
@command
def show(
    job_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", envvar="STRATUM_JOB_ID", help="A job_id or its first digits, a scan_id, or a repo_id."
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show every attempt of one job."""
    states = read_states(settings())
    attempts = states.attempts(the_job(states, job_id).job_id)
    if as_json:
        emit_json({"job": {"job_id": attempts[-1].job_id, "attempts": [a.to_json() for a in attempts]}})
    else:
        show_attempts(attempts)


@job_app.command("cancel")
@command
def cancel_jobs(
    job_ids: JobIds,
    reason: Annotated[
        str, typer.Option("--reason", envvar="STRATUM_JOB_REASON", help="Kept in the status of the job.")
    ] = "cancelled by a person",
    as_json: JsonFlag = False,
) -> None:
    """Cancel jobs: workers skip those that wait and stop those that run.

    Exit code 1 when a job had ended already.
    """
    loaded = settings()
    states = read_states(loaded)
    found = {s.job_id: s for s in (the_job(states, wanted) for wanted in job_ids)}
    open_jobs = [s for s in found.values() if not s.final]
    ended = [s for s in found.values() if s.final]
    cancel(loaded, open_jobs, reason)
    if as_json:
        emit_json({"cancelled": [s.job_id for s in open_jobs], "ended": [s.to_json() for s in ended]})
    for s in ended:
        say(f"job {s.job_id} had ended already: {s.label}")
    say(f"{len(open_jobs)} jobs cancelled")
    raise typer.Exit(EXIT_PROBLEMS if ended else EXIT_OK)


@job_app.command("retry")
@command
def retry_jobs(
    job_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID...",
            envvar="STRATUM_JOB_IDS",
            help="A job_id or its first digits, a scan_id, or a repo_id with one job.",
        ),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", envvar="STRATUM_JOB_FAILED", help="Every job whose last attempt failed.")
    ] = False,
    campaign: Annotated[
        str | None, typer.Option("--campaign", envvar="STRATUM_CAMPAIGN_ID", help="With --failed: of this campaign.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Try jobs again: a further attempt with a scan_id of its own, everything else as submitted.

    Exit code 1 when a job still waits or runs.
    """
    if failed == bool(job_ids):
        raise UsageError("give job ids, or --failed", remedy="stratum job retry --help")
    loaded = settings()
    states = read_states(loaded)
    chosen = {s.job_id: s for s in (the_job(states, wanted) for wanted in job_ids or [])}
    if failed:
        chosen = {s.job_id: s for s in states if s.status == "failed" and campaign in (None, s.campaign_id)}
    still_open = [s for s in chosen.values() if not s.final]
    jobs = retry(loaded, states, [s for s in chosen.values() if s.final])
    if as_json:
        emit_json(
            {
                "retried": [{"job_id": j.job_id, "attempt": j.attempt, "scan_id": j.scan_id} for j in jobs],
                "open": [s.job_id for s in still_open],
            }
        )
    for s in still_open:
        say(f"job {s.job_id} is still {s.state}")
    say(f"{len(jobs)} jobs submitted again")
    raise typer.Exit(EXIT_PROBLEMS if still_open else EXIT_OK)
