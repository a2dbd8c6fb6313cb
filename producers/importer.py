"""Publishing recorded runs: batches and dead letters first, the end-of-run marker once those are acknowledged.

Sequence numbers come from the order of the lines, so publishing a run twice yields the same events under the same
(repo_id, run_number, attempt, seq) and changes nothing downstream. `docs/import.md` tells the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from producers.recorded_run import Identity, PlannedRun, RecordedRun, plan
from producers.result_folder import Problem, content_digest
from producers.tally import Tally
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import EventBatch, RunFinished, RunStarted
from stratum_lab.contract.events.batch import MAX_BATCH_EVENTS
from stratum_lab.contract.topics import DEAD_LETTERS, RUN_EVENTS, RUN_STATUS, full_name
from stratum_lab.errors import DecodeError
from stratum_lab.kafka import reader
from stratum_lab.kafka.codec import codec
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import Settings

CONTENT_HEADER = "content"
"""Header of markers this import wrote: SHA-256 of the run's files, by which a later import knows them again."""

_HELD_RUNS = 256
_HELD_EVENTS = 50_000
"""Markers wait for their batches in groups of at most so many runs and events: one wait per group, not per run."""

Marker = RunStarted | RunFinished


class Known(NamedTuple):
    """What the log already says about an attempt."""

    run_id: str
    content: str | None
    finished: bool


@dataclass
class Summary(Tally):
    """What an import did; filled while it runs, so an interrupted one can tell too."""

    folders: int = 0
    found: int = 0
    runs: int = 0
    events: int = 0
    batches: int = 0
    dead_letters: int = 0
    malformed: int = 0
    open_runs: int = 0
    already_there: int = 0
    refused: int = 0
    events_dropped: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    dry_run: bool = False
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Options:
    """How to import.

    Attributes:
        force: Publish again what is already there with equal content.
        dry_run: Read and check everything, publish nothing.
        batch_events: Events per batch.
    """

    force: bool = False
    dry_run: bool = False
    batch_events: int = MAX_BATCH_EVENTS


Tick = Callable[[Summary], None]


def known_attempts(settings: Settings, repos: Iterable[str]) -> dict[Identity, Known]:
    """What `run.status` holds about these repositories; messages that cannot be decoded are not ours to judge.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    wanted = {r.encode() for r in repos}
    decoder, out = Codec(), dict[Identity, Known]()
    if not wanted:
        return out
    for message in reader.read_topic(settings, RUN_STATUS):
        if message.key not in wanted:
            continue
        try:
            marker = decoder.decode(message.value, message.headers, ("RunStarted", "RunFinished"))
        except DecodeError:
            continue
        assert isinstance(marker, RunStarted | RunFinished)
        digest = dict(message.headers).get(CONTENT_HEADER)
        found = Known(
            marker.run_id, digest.decode("ascii", "replace") if digest else None, isinstance(marker, RunFinished)
        )
        identity = Identity(marker.repo_id, marker.run_number, marker.attempt)
        before = out.get(identity)
        if before is None or found.finished or not before.finished:
            out[identity] = found
    return out


class Importer:
    """Publishes planned runs through one producer.

    Args:
        settings: Topic prefix and codec.
        producer: Where messages go; None: nothing is published (dry run).
        known: What is already there; grows as runs are published.
        options: How to import.
        summary: Filled on the way.
    """

    def __init__(
        self,
        settings: Settings,
        producer: Producer | None,
        known: Mapping[Identity, Known],
        options: Options,
        summary: Summary,
    ) -> None:
        self._producer = producer
        self._known = known
        self._options = options
        self._summary = summary
        self._codec = codec(settings) if producer is not None else Codec()
        self._events_topic = full_name(settings.kafka.topic_prefix, RUN_EVENTS)
        self._status_topic = full_name(settings.kafka.topic_prefix, RUN_STATUS)
        self._held: list[tuple[Marker, str]] = []
        self._held_events = 0

    def add(self, planned: PlannedRun, tick: Tick) -> None:
        """Publish one run; its marker follows with the next `settle`."""
        summary = self._summary
        try:
            digest = content_digest(planned.files)
            planned = self._next_attempt(planned)
            if self._is_there(planned, digest):
                return
            run = RecordedRun(planned, batch_events=self._options.batch_events)
            for message in run.stream():
                if isinstance(message, EventBatch):
                    summary.batches += 1
                    summary.events += message.count
                    self._held_events += message.count
                    self._publish(self._events_topic, message.repo_id, message)
                else:
                    summary.dead_letters += 1
                    if self._producer is not None:
                        self._producer.send(DEAD_LETTERS, message.repo_id, message)
                tick(summary)
            marker = run.finished() or _opened(run)
        except OSError as exc:
            summary.problems.append(
                Problem(
                    str(exc.filename or planned.files.folder), f"cannot be read: {exc.strerror}; the run stays open"
                )
            )
            summary.open_runs += 1
            return
        summary.problems += run.problems
        summary.malformed += run.malformed
        summary.events_dropped += run.dropped
        if run.is_open:
            summary.open_runs += 1
        if marker is not None:
            summary.runs += 1
            self._held.append((marker, digest))
        if len(self._held) >= _HELD_RUNS or self._held_events >= _HELD_EVENTS:
            self.settle()
        tick(summary)

    def _next_attempt(self, planned: PlannedRun) -> PlannedRun:
        """A run that was imported without metadata and has some now is a further attempt: its tier is known now."""
        identity = planned.identity
        if identity is None or planned.files.metadata is None:
            return planned
        while (before := self._known.get(identity)) is not None and before.content and not before.finished:
            identity = identity._replace(attempt=identity.attempt + 1)
        return replace(planned, identity=identity)

    def _is_there(self, planned: PlannedRun, digest: str) -> bool:
        """Whether nothing is left to do: the run is there already, or must not be published."""
        before = self._known.get(planned.identity) if planned.identity is not None else None
        if before is None:
            return False
        # What a runner published carries no digest; its execution id tells whether it is the same run.
        same = before.content == digest if before.content else before.run_id == RecordedRun(planned).run_id
        if not same:
            assert planned.identity is not None
            self._summary.refused += 1
            self._summary.problems.append(
                Problem(
                    str(planned.files.folder),
                    f"run {planned.identity.run_number} attempt {planned.identity.attempt} of repository "
                    f"{planned.identity.repo_id} is in the log with other content; nothing of this one is published",
                )
            )
            return True
        if self._options.force or not (before.finished or before.content):
            return False  # wanted again, or a runner began it and its marker is what is missing
        self._summary.already_there += 1
        if not before.finished:
            self._summary.open_runs += 1
            self._summary.problems.append(
                Problem(str(planned.files.folder), f"{planned.files.label} is there and still open")
            )
        return True

    def _publish(self, topic: str, key: str, message: EventBatch | Marker, content: str | None = None) -> None:
        if self._producer is None:
            return
        value, headers = self._codec.encode(message)
        more = [(CONTENT_HEADER, content.encode())] if content else []
        self._producer.send_raw(topic, key, value, [*headers, *more])

    def settle(self) -> None:
        """Wait until the batches are acknowledged, then publish the markers that were held for them.

        Raises:
            BrokerUnavailable: Not everything was acknowledged; the markers are not published.
        """
        if self._producer is not None and self._held:
            self._producer.flush()
        for marker, digest in self._held:
            self._publish(self._status_topic, marker.repo_id, marker, digest)
        self._held.clear()
        self._held_events = 0


def _opened(run: RecordedRun) -> RunStarted | None:
    """The marker of a run that stays open; it comes last too, so that finding it means all batches are there."""
    if run.identity is None or not run.batches:
        return None
    return RunStarted(
        repo_id=run.identity.repo_id,
        repo_url=run.repo_url,
        run_number=run.identity.run_number,
        attempt=run.identity.attempt,
        run_id=run.run_id,
    )


def run_import(
    settings: Settings,
    dirs: Sequence[Path],
    options: Options,
    summary: Summary,
    *,
    start: Callable[[int], None],
    tick: Tick,
    step: Callable[[], None],
) -> None:
    """Import every run of the given folders.

    Args:
        settings: Broker, prefix and codec.
        dirs: Result folders or folders of them.
        options: How.
        summary: Filled on the way; complete when this returns, true so far when it raises.
        start: Told the number of runs before the first is published.
        tick: Called after every message.
        step: Called after every run.

    Raises:
        UsageError: A given path is no folder.
        BrokerUnavailable: The broker went away; runs without their marker are published again next time.
    """
    summary.dry_run = options.dry_run
    planned = plan(dirs)
    summary.folders, summary.found, summary.already_there = planned.folders, len(planned.runs), planned.twice
    summary.problems += planned.problems
    start(len(planned.runs))
    if options.dry_run:
        importer = Importer(settings, None, {}, options, summary)
        _each(importer, planned.runs, summary, tick, step)
        return
    ensure_topics(settings, (RUN_EVENTS, RUN_STATUS, DEAD_LETTERS))
    known = known_attempts(settings, {p.identity.repo_id for p in planned.runs if p.identity is not None})
    with Producer(settings) as producer:
        _each(Importer(settings, producer, known, options, summary), planned.runs, summary, tick, step)


def _each(
    importer: Importer, runs: Sequence[PlannedRun], summary: Summary, tick: Tick, step: Callable[[], None]
) -> None:
    try:
        for planned in runs:
            importer.add(planned, tick)
            step()
    except KeyboardInterrupt:
        # What was read completely is finished below; a second interrupt ends it at once.
        summary.interrupted = True
    importer.settle()
