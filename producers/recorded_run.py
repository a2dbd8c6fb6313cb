"""One recorded run as messages: its identity, its batches and dead letters in order, and its end-of-run marker.

Shared by the import and by `records build`, so both fold exactly the same events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from producers.metadata import Metadata, read_metadata, read_text
from producers.result_folder import Line, Problem, RunFiles, content_digest, find_runs, read_lines
from stratum_lab.contract.events import DeadLetter, EventBatch, RunFinished
from stratum_lab.contract.events.batch import MAX_BATCH_EVENTS, MAX_RUN_BYTES, MAX_RUN_EVENTS, BatchBuilder
from stratum_lab.contract.events.lines import MAX_LINE_BYTES, Event, parse_line
from stratum_lab.contract.ids import repo_id
from stratum_lab.errors import InvalidLine

MAX_DEAD_LETTERS = 10_000
"""Malformed lines of one file that become dead letters; those after it are only counted."""


class Identity(NamedTuple):
    """What an attempt is known by everywhere."""

    repo_id: str
    run_number: int
    attempt: int


@dataclass(frozen=True)
class PlannedRun:
    """A run that will be read; `identity` is None when its files do not tell the repository."""

    files: RunFiles
    identity: Identity | None


@dataclass
class Plan:
    """Every run of the given folders, in a fixed order.

    Attributes:
        folders: Result folders found.
        runs: What will be read.
        twice: Runs that lie there a second time with equal content.
        problems: What had to be left out, and why.
    """

    folders: int = 0
    runs: list[PlannedRun] = field(default_factory=list)
    twice: int = 0
    problems: list[Problem] = field(default_factory=list)


def plan(dirs: Sequence[Path]) -> Plan:
    """Find the runs and their identities; of two different runs with one identity the second is refused.

    Raises:
        UsageError: A given path is no folder.
    """
    found = find_runs(dirs)
    out = Plan(found.folders, problems=found.problems)
    first: dict[Identity, RunFiles] = {}
    for files in found.runs:
        try:
            identity = _identify(files)
            if identity is not None and identity in first:
                if content_digest(files) == content_digest(first[identity]):
                    out.twice += 1
                else:
                    out.problems.append(
                        Problem(
                            str(files.folder),
                            f"run {files.run_number} attempt {identity.attempt} of repository {identity.repo_id} "
                            f"differs from the one in {first[identity].folder}; nothing of this one is used",
                        )
                    )
                continue
        except OSError as exc:
            out.problems.append(Problem(str(exc.filename or files.folder), f"cannot be read: {exc.strerror}"))
            continue
        if identity is not None:
            first[identity] = files
        out.runs.append(PlannedRun(files, identity))
    return out


def _identify(files: RunFiles) -> Identity | None:
    if files.events is not None:
        with files.events.open("rb"):
            pass  # an unreadable events file leaves the whole run out, marker included
    metadata = read_metadata(files.metadata, files.run_number)[0] if files.metadata is not None else None
    return _identity(files, metadata, None)


def _identity(files: RunFiles, metadata: Metadata | None, first: Event | None) -> Identity | None:
    attempt = metadata.fields.get("attempt", 1) if metadata is not None else 1
    if metadata is not None and metadata.repo_id is not None:
        return Identity(metadata.repo_id, files.run_number, attempt)
    first = first or first_event(files)
    if first is None:
        return None
    try:
        return Identity(repo_id(first.repo_url), files.run_number, attempt)
    except ValueError:
        return None


def first_event(files: RunFiles) -> Event | None:
    """The first valid line of a run, or None."""
    if files.events is None:
        return None
    with files.events.open("rb") as file:
        for line in read_lines(file):
            try:
                return parse_line(line.body)
            except InvalidLine:
                continue
    return None


class RecordedRun:
    """Reads one run once: iterate `stream`, then ask for `finished`.

    Args:
        planned: Which run.
        batch_events: Events per batch.
        numbered: Whether dead letters are wanted at all; without, malformed lines are only counted.

    Attributes:
        run_id: Execution id of the attempt.
        repo_url: Address of the repository, if known.
        problems: What the person who gave the files has to know.
        malformed: Malformed lines so far.
        dropped: Valid events beyond the limits of a run.
    """

    def __init__(self, planned: PlannedRun, *, batch_events: int = MAX_BATCH_EVENTS, numbered: bool = True) -> None:
        self.files, self.identity = planned.files, planned.identity
        self.problems: list[Problem] = []
        self.malformed = 0
        self.dropped = 0
        self._numbered = numbered
        self._metadata: Metadata | None = None
        if self.files.metadata is not None:
            self._metadata, said = read_metadata(self.files.metadata, self.files.run_number)
            self.problems += said
        self.run_id, self.repo_url = self._origin()
        self._builder: BatchBuilder | None = None
        if self.identity is not None:
            tier = self._metadata.fields.get("tier", 0) if self._metadata is not None else 0
            self._builder = BatchBuilder(*self.identity, self.run_id, tier, max_events=batch_events)

    @property
    def events(self) -> int:
        """Events of the batches so far."""
        return self._builder.event_count if self._builder is not None else 0

    @property
    def batches(self) -> int:
        """Batches so far."""
        return self._builder.batch_count if self._builder is not None else 0

    @property
    def is_open(self) -> bool:
        """Whether no end-of-run marker can be made."""
        return self._metadata is None or self.identity is None

    def _origin(self) -> tuple[str, str | None]:
        """Execution id and address: the metadata's, else those of the first valid line."""
        fields = self._metadata.fields if self._metadata is not None else {}
        run_id, url = fields.get("run_id"), fields.get("repo_url")
        first = None if run_id and url else first_event(self.files)
        return run_id or (first.run_id if first is not None else ""), url or (first.repo_url if first else None)

    def stream(self) -> Iterator[EventBatch | DeadLetter]:
        """Batches and dead letters in the order of the file.

        Raises:
            OSError: The file cannot be read (on).
        """
        path, builder = self.files.events, self._builder
        if path is not None:
            size, full = 0, False
            with path.open("rb") as file:
                for line in read_lines(file):
                    try:
                        if line.length > MAX_LINE_BYTES:
                            raise InvalidLine("too_long", f"{line.length} bytes, at most {MAX_LINE_BYTES} are read")
                        event = parse_line(line.body)
                    except InvalidLine as exc:
                        letter = self._dead_letter(line, exc)
                        if letter is not None:
                            yield letter
                        continue
                    if builder is None:
                        continue
                    size += line.length
                    full = full or size > MAX_RUN_BYTES or builder.event_count + builder.pending >= MAX_RUN_EVENTS
                    if full:
                        self.dropped += 1
                        continue
                    batch = builder.add(event)
                    if batch is not None:
                        yield batch
        if builder is not None:
            batch = builder.flush()
            if batch is not None:
                yield batch
        self._conclude()

    def _dead_letter(self, line: Line, exc: InvalidLine) -> DeadLetter | None:
        self.malformed += 1
        if not self._numbered or self.malformed > MAX_DEAD_LETTERS:
            return None
        identity = self.identity
        return DeadLetter.from_line(
            source_file=self.files.source_file,
            source_line=line.number,
            body=line.body,
            reason=exc.reason,
            detail=exc.message,
            repo_id=identity.repo_id if identity is not None else None,
            run_number=self.files.run_number,
            attempt=identity.attempt if identity is not None else None,
            length=line.length,
            sha256=line.sha256,
        )

    def _conclude(self) -> None:
        where = str(self.files.events or self.files.metadata)
        if self.malformed:
            kept = f"; only the first {MAX_DEAD_LETTERS} are kept" if self.malformed > MAX_DEAD_LETTERS else ""
            self.problems.append(Problem(where, f"{self.malformed} malformed lines{kept}"))
        if self.dropped:
            limit = f"{MAX_RUN_EVENTS} events or {MAX_RUN_BYTES} bytes"
            self.problems.append(Problem(where, f"{self.dropped} events beyond {limit} of one run are dropped"))
        if self.identity is None:
            self.problems.append(Problem(where, "no metadata and no valid line say whose run this is; not used"))
        elif self._metadata is None:
            self.problems.append(
                Problem(where, f"no usable run_metadata_{self.files.run_number}.json: the run stays open")
            )

    def finished(self) -> RunFinished | None:
        """The end-of-run marker, once the stream is read; None when the run stays open."""
        metadata, identity, builder = self._metadata, self.identity, self._builder
        if metadata is None or identity is None or builder is None:
            return None
        status: str | None = None
        if self.files.status is not None:
            status = read_text(self.files.status, self.problems)
        fields = dict(metadata.fields)
        fields.pop("attempt", None)
        fields.pop("run_id", None)
        fields["repo_url"] = self.repo_url
        return RunFinished(
            repo_id=identity.repo_id,
            run_number=identity.run_number,
            attempt=identity.attempt,
            run_id=self.run_id,
            event_count=builder.event_count,
            events_dropped=metadata.events_dropped + self.dropped,
            batch_count=builder.batch_count,
            tiers=builder.tiers,
            metadata_extra=metadata.extra,
            status_json=status,
            **fields,
        )
