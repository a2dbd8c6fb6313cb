"""Records straight from result folders, without a broker: the same reader, batches and fold as the streams use.

Repositories are folded one after the other, by several processes when there are many, and each record is written
as its own file in one step.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from producers.processes import pool, submit_all
from producers.recorded_run import Plan, PlannedRun, RecordedRun
from producers.result_folder import Problem
from producers.tally import Tally
from stratum_lab.contract.events import EventBatch
from stratum_lab.contract.ids import REPO_ID
from stratum_lab.errors import DestinationFull, IntegrityError, PrerequisiteError
from stratum_lab.files import write_whole
from stratum_lab.fold import Folder, canonical_json, validate_record

MANY_RUNS = 2_000
"""From so many runs on, further processes are worth their start."""

_CHUNK_REPOS = 64


class Folded(NamedTuple):
    """What became of one repository."""

    repo_id: str
    record: dict[str, Any] | None
    runs: int
    open_runs: int
    events: int
    malformed: int
    invalid: bool
    problems: tuple[Problem, ...]


@dataclass
class BuildSummary(Tally):
    """What a build did.

    Attributes:
        without_record: Repositories none of whose runs counts.
        stale: Records that `--check` found different or missing.
    """

    folders: int = 0
    runs: int = 0
    open_runs: int = 0
    events: int = 0
    malformed: int = 0
    repositories: int = 0
    records: int = 0
    without_record: int = 0
    invalid: int = 0
    stale: list[str] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    problems: list[Problem] = field(default_factory=list)


def by_repository(runs: Sequence[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """The runs of each repository, repositories in order of their id; runs of no known repository under ''."""
    groups: dict[str, list[PlannedRun]] = {}
    for planned in runs:
        groups.setdefault(planned.identity.repo_id if planned.identity is not None else "", []).append(planned)
    return {repo: groups[repo] for repo in sorted(groups)}


def fold_repository(repo_id: str, runs: Sequence[PlannedRun]) -> Folded:
    """Read and fold every run of one repository."""
    folder = Folder()
    problems: list[Problem] = []
    open_runs = events = malformed = 0
    for planned in runs:
        run = RecordedRun(planned, numbered=False)
        try:
            for message in run.stream():
                if isinstance(message, EventBatch):
                    folder.batch(message)
            finished = run.finished()
        except OSError as exc:
            problems.append(Problem(str(exc.filename or planned.files.folder), f"cannot be read: {exc.strerror}"))
            open_runs += 1
            continue
        if finished is not None:
            folder.finished(finished)
        open_runs += run.is_open
        events += run.events
        malformed += run.malformed
        problems += run.problems
    record: dict[str, Any] | None = None
    for result in folder.results():
        record = result.record
        problems += [Problem(repo_id, text) for text in result.problems]
    faults = validate_record(record) if record is not None else []
    problems += [Problem(repo_id, f"invalid record: {fault}") for fault in faults]
    return Folded(repo_id, record, len(runs), open_runs, events, malformed, bool(faults), tuple(problems))


def fold_all(plan: Plan, processes: int) -> Iterator[Folded]:
    """Fold every repository of a plan, in order of their id.

    Args:
        plan: What to read.
        processes: How many to use; 1 stays in this one.
    """
    groups = by_repository(plan.runs)
    if processes == 1 or len(plan.runs) < MANY_RUNS:
        for repo_id, runs in groups.items():
            yield fold_repository(repo_id, runs)
        return
    listed = list(groups.items())
    chunks = [listed[i : i + _CHUNK_REPOS] for i in range(0, len(listed), _CHUNK_REPOS)]
    with pool(processes) as workers:
        for future in submit_all(workers, _fold_chunk, chunks):
            yield from future.result()


def _fold_chunk(chunk: Sequence[tuple[str, Sequence[PlannedRun]]]) -> list[Folded]:
    return [fold_repository(repo_id, runs) for repo_id, runs in chunk]


def build(
    plan: Plan, out: Path, summary: BuildSummary, *, processes: int, check: bool, step: Callable[[], None]
) -> None:
    """Write (or check) one `<repo_id>.json` per repository with a record.

    Args:
        plan: What to read.
        out: Folder of the records; created when missing.
        summary: Filled on the way.
        processes: How many to use.
        check: Compare with the files that are there and write nothing.
        step: Called after every repository.

    Raises:
        DestinationFull: No room on the disk.
        PrerequisiteError: The folder cannot be written.
    """
    summary.folders, summary.problems = plan.folders, list(plan.problems)
    try:
        if not check:
            out.mkdir(parents=True, exist_ok=True)
        for folded in fold_all(plan, processes):
            _account(folded, summary)
            if folded.record is not None:
                _keep(out / f"{_name(folded.repo_id)}.json", canonical_json(folded.record), check, summary)
            step()
    except KeyboardInterrupt:
        summary.interrupted = True
    except OSError as exc:
        raise _refused(exc, out) from exc


def _account(folded: Folded, summary: BuildSummary) -> None:
    summary.runs += folded.runs
    summary.open_runs += folded.open_runs
    summary.events += folded.events
    summary.malformed += folded.malformed
    summary.problems += folded.problems
    if folded.repo_id:
        summary.repositories += 1
        summary.without_record += folded.record is None
    summary.invalid += folded.invalid


def _name(repo_id: str) -> str:
    if not REPO_ID.match(repo_id):
        raise IntegrityError(f"{repo_id!r} is no repo_id (12 hex digits) and cannot name a file")
    return repo_id


def _keep(path: Path, text: str, check: bool, summary: BuildSummary) -> None:
    data = text.encode("utf-8") + b"\n"
    if check:
        if path.is_file() and path.read_bytes() == data:
            summary.records += 1
        else:
            summary.stale.append(path.name)
            summary.problems.append(
                Problem(str(path), "differs from what the runs give" if path.is_file() else "is missing")
            )
        return
    write_whole(path, data)
    summary.records += 1


def _refused(exc: OSError, out: Path) -> DestinationFull | PrerequisiteError:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return DestinationFull(f"no room left for {exc.filename or out}", remedy="free some space and run it again")
    return PrerequisiteError(
        f"{exc.filename or out} cannot be written: {exc.strerror}", remedy="give --out a folder this user may write"
    )
