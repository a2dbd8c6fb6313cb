"""What every sink must withstand: a ledger of messages, sinks as processes of their own, and ways to compare.

The ledger is read back from the log with the plain reader and compared with what the destination holds; none of it
goes through a sink's code.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import fastavro

from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import (
    BehavioralRecord,
    CountedRun,
    EventBatch,
    Message,
    Ping,
    RepoIdentity,
    RunFinished,
    ScanStatus,
    StructuralGraph,
)
from stratum_lab.contract.events.batch import BatchBuilder
from stratum_lab.contract.events.lines import Event, parse_line
from stratum_lab.contract.ids import repo_id
from stratum_lab.contract.topics import (
    RAW_TOPICS,
    REPO_RECORDS,
    REPO_TOPOLOGY,
    RUN_EVENTS,
    RUN_STATUS,
    SCAN_GRAPHS,
    SCAN_IDENTITIES,
    SCAN_PINGS,
    SCAN_STATUS,
    full_name,
)
from stratum_lab.fold import Folder, canonical_json
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import read_topic, watermarks
from stratum_lab.kafka.topics import committed
from stratum_lab.settings import Settings
from tests.support.kafka import wait_for
from tests.support.messages import examples
from tests.support.pings import first_scan

RUNS = Path(__file__).parents[1] / "fixtures" / "runs"
CAUGHT_UP_S = 90.0
STOP_S = 10.0
DIED = 9
"""Exit code of `stratum_lab.observe.faults`."""


def recorded_events(folder: Path) -> list[Event]:
    """The events of a recorded run."""
    return [parse_line(line) for line in (folder / "events_run_1.jsonl").read_bytes().splitlines()]


@dataclass(frozen=True)
class Recorded:
    """One recorded run as messages."""

    batches: list[EventBatch]
    finished: RunFinished


def recorded_runs(*, batch_events: int = 9) -> list[Recorded]:
    """All recorded runs, cut into small batches."""
    out = []
    for folder in sorted(RUNS.iterdir()):
        meta = json.loads((folder / "run_metadata_1.json").read_bytes())
        repo = repo_id(meta["repo_url"])
        builder = BatchBuilder(repo, 1, 1, meta["run_id"], meta["tier"], max_events=batch_events)
        batches = [b for e in recorded_events(folder) if (b := builder.add(e))]
        if last := builder.flush():
            batches.append(last)
        end = RunFinished(
            repo_id=repo,
            repo_url=meta["repo_url"],
            repo_full_name=meta["repo_full_name"],
            run_number=1,
            run_id=meta["run_id"],
            status=meta["status"],
            tier=meta["tier"],
            event_count=builder.event_count,
            batch_count=len(batches),
            tiers=builder.tiers,
            framework_detected=meta["framework_detected"],
            model_name=meta["model_name"],
        )
        out.append(Recorded(batches, end))
    return out


def records_of(runs: list[Recorded]) -> list[BehavioralRecord]:
    """The records of the runs, folded directly."""
    folder = Folder()
    for run in runs:
        for b in run.batches:
            folder.batch(b)
        folder.finished(run.finished)
    return [
        BehavioralRecord(
            repo_id=r.repo_id,
            repo_full_name=str(r.record["repo_full_name"]),
            runs=[CountedRun(run_number=1, attempt=1, event_count=f.event_count) for f in r.runs],
            source_partition=0,
            source_offset=5,
            revision=1,
            record=canonical_json(r.record),
        )
        for r in folder.results()
        if r.record is not None
    ]


def publish(settings: Settings, runs: list[Recorded], records: list[BehavioralRecord] = []) -> None:  # noqa: B006
    """Put runs, what a scan of their repositories leaves, and records into the log."""
    with Producer(settings) as producer:
        for run in runs:
            for b in run.batches:
                producer.send(RUN_EVENTS, b.repo_id, b)
            producer.send(RUN_STATUS, run.finished.repo_id, run.finished)
            for topic, key, message in scan_messages(run.finished.repo_id):
                producer.send(topic, key, message)
        for r in records:
            producer.send(REPO_RECORDS, r.repo_id, r)


def scan_messages(repo: str) -> list[tuple[str, str, Message]]:
    """What one scan of a repository leaves: topic, key, message."""
    scan_id, repo_hash = repo[:8], repo + "0000"
    made = examples()
    status, graph, identity = made["ScanStatus"], made["StructuralGraph"], made["RepoIdentity"]
    assert isinstance(status, ScanStatus)
    assert isinstance(graph, StructuralGraph)
    assert isinstance(identity, RepoIdentity)
    ids = {"repo_id": repo, "scan_id": scan_id, "repo_hash": repo_hash}
    done = status.model_copy(update={**ids, "job_id": repo + "ffff"})
    return [
        (SCAN_STATUS, repo, done.model_copy(update={"state": "queued", "status": None})),
        (SCAN_GRAPHS, repo, graph.model_copy(update={"repo_id": repo})),
        (SCAN_IDENTITIES, repo, identity.model_copy(update=ids)),
        (SCAN_PINGS, repo_hash, Ping.from_json(first_scan() | {"scan_id": scan_id, "repo_hash": repo_hash})),
        (SCAN_STATUS, repo, done),
    ]


def poison(settings: Settings, topic: str, seed: int) -> int:
    """Put unreadable messages into a topic; returns how many."""
    draw = random.Random(seed)
    good = Codec().encode(recorded_runs()[0].finished)
    values: list[tuple[bytes, list[tuple[str, bytes | None]]]] = [
        (draw.randbytes(40), []),
        (b"\x07" + good.value[1:], []),
        (b"\x00\x00\x00\xff\xff" + good.value[5:], []),
        (good.value[: len(good.value) // 2], list(good.headers)),
        (good.value + b"tail", list(good.headers)),
        (good.value, [("fp", b"unknown!")]),
        (b"", []),
    ]
    with Producer(settings) as producer:
        for number, (value, headers) in enumerate(values):
            producer.send_raw(
                full_name(settings.kafka.topic_prefix, topic), f"poison{number}", value, headers, partition=number % 2
            )
    return len(values)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Environment under which a sink's process has these settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STRATUM_")}
    return {
        **kept,
        "STRATUM_HOME": str(settings.home),
        "STRATUM_BROKER__BOOTSTRAP": str(settings.broker.bootstrap),
        "STRATUM_KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "STRATUM_KAFKA__PARTITIONS": str(settings.kafka.partitions),
        "STRATUM_WAREHOUSE__PORT": "0",
        "STRATUM_WAREHOUSE__BATCH_SECONDS": "0.2",
        "STRATUM_ARCHIVE__ROLL_SECONDS": "0.5",
        **more,
    }


@dataclass(frozen=True)
class SinkCase:
    """One sink under test.

    Attributes:
        name: As in `stratum worker NAME`.
        topics: Catalogue names it reads.
        arguments: Further arguments of the command.
        contents: What the destination holds, comparable with `expected`.
        expected: The same, from the log itself.
    """

    name: str
    topics: tuple[str, ...]
    arguments: Callable[[Settings], list[str]]
    contents: Callable[[Settings], Any]
    expected: Callable[[Settings], Any]


def start(case: SinkCase, settings: Settings, **env: str) -> subprocess.Popen[bytes]:
    """Start a sink as `stratum worker` does."""
    settings.home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "stratum_lab.cli", "worker", case.name, *case.arguments(settings)]
    with (settings.home / f"{case.name}.log").open("ab") as log:
        return subprocess.Popen(
            command, env=environment(settings, **env), stdout=log, stderr=log, cwd=Path(__file__).parents[2]
        )


def log_of(case: SinkCase, settings: Settings) -> str:
    """What the sink said so far."""
    return (settings.home / f"{case.name}.log").read_text(errors="replace")


@contextmanager
def running(case: SinkCase, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A sink that has begun to read, and is stopped gracefully at the end; it must then exit with 0 in time."""
    path = settings.home / f"{case.name}.log"
    before = path.stat().st_size if path.is_file() else 0
    process = start(case, settings)

    def started() -> bool:
        assert process.poll() is None, log_of(case, settings)
        return b"sink_started" in path.read_bytes()[before:]

    try:
        wait_for(started, f"the {case.name} sink starts", CAUGHT_UP_S)
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0, log_of(case, settings)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def catch_up(case: SinkCase, settings: Settings) -> None:
    """Run the sink until it has stored the whole log."""
    with running(case, settings) as process:
        wait_until_stored(case, settings, process)


def wait_until_stored(case: SinkCase, settings: Settings, process: subprocess.Popen[bytes]) -> None:
    """Wait until the sink's group shows every message as stored."""

    def done() -> bool:
        assert process.poll() is None, log_of(case, settings)
        shown = committed(settings, f"{settings.kafka.topic_prefix}{case.name}", case.topics)
        ends = {
            (full, p): marks[1]
            for topic in case.topics
            for full in [full_name(settings.kafka.topic_prefix, topic)]
            for p, marks in watermarks(settings, full).items()
        }
        return all(shown.get(where, 0) >= end for where, end in ends.items())

    wait_for(done, f"the {case.name} sink stores everything", CAUGHT_UP_S)


def _warehouse_contents(settings: Settings) -> Any:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as con:
        events = con.execute("SELECT repo_id, run_number, attempt, seq, event_id, payload FROM events").fetchall()
        runs = con.execute("SELECT repo_id, run_number, attempt, state, events_stored, status FROM runs").fetchall()
        records = con.execute("SELECT repo_id, record FROM records").fetchall()
        offsets = con.execute("SELECT topic, partition, next_offset FROM sink_offsets").fetchall()
        scans = [
            sorted(con.execute(query).fetchall())
            for query in (
                "SELECT scan_id, original FROM pings",
                "SELECT scan_id, count(*) FROM ping_findings GROUP BY scan_id",
                "SELECT repo_id, nodes[1].name FROM graphs",
                "SELECT repo_id, repo_hash FROM private.identities",
                "SELECT job_id, state FROM private.scan_status",
            )
        ]
    return sorted(events), sorted(runs), sorted(records), scans, sorted(offsets)


def _warehouse_expected(settings: Settings) -> Any:
    codec = Codec()
    events: set[tuple[Any, ...]] = set()
    seqs: dict[tuple[Any, ...], int] = {}
    runs: dict[tuple[Any, ...], str] = {}
    records: dict[str, str] = {}
    scans: list[set[tuple[Any, ...]]] = [set() for _ in range(5)]
    offsets: dict[tuple[str, int], int] = {}
    for topic in WAREHOUSE.topics:
        for m in read_topic(settings, topic):
            offsets[m.topic, m.partition] = m.offset + 1
            message = codec.decode(m.value, m.headers)
            if isinstance(message, EventBatch):
                key = (message.repo_id, message.run_number, message.attempt)
                for i in range(message.count):
                    events.add((*key, message.first_seq + i, message.event_id[i], message.payload[i] or None))
            elif isinstance(message, RunFinished):
                runs[message.repo_id, message.run_number, message.attempt] = message.status
                seqs[message.repo_id, message.run_number, message.attempt] = message.event_count
            elif isinstance(message, BehavioralRecord):
                records[message.repo_id] = message.record
            elif isinstance(message, Ping):
                text = json.dumps(message.to_json(), ensure_ascii=False, separators=(",", ":"))
                scans[0].add((message.scan_id, text))
                scans[1].add((message.scan_id, len(message.finding_rules or [])))
            elif isinstance(message, StructuralGraph):
                scans[2].add((message.repo_id, message.nodes[0].name))
            elif isinstance(message, RepoIdentity):
                scans[3].add((message.repo_id, message.repo_hash))
            elif isinstance(message, ScanStatus):
                scans[4].add((message.job_id, message.state))
    ends = sorted((*where, offset) for where, offset in offsets.items())
    rows = sorted((*key, "finished", seqs[key], status) for key, status in runs.items())
    return sorted(events), rows, sorted(records.items()), list(map(sorted, scans)), ends


def records_dir(settings: Settings) -> Path:
    """Folder of the record files under test."""
    return settings.home / "records"


def _records_contents(settings: Settings) -> Any:
    return {p.name: p.read_text() for p in records_dir(settings).iterdir() if not p.name.startswith(".")}


def _records_expected(settings: Settings) -> Any:
    codec, out = Codec(), {}
    for m in read_topic(settings, REPO_RECORDS):
        message = codec.decode(m.value, m.headers)
        assert isinstance(message, BehavioralRecord)
        out[f"{message.repo_id}.json"] = message.record + "\n"
    return out


def _archive_contents(settings: Settings) -> Any:
    out: dict[tuple[str, int], list[Any]] = {}
    for path in sorted(settings.archive_dir.glob("*/*/*.avro")):
        with path.open("rb") as file:
            for row in fastavro.reader(file):
                headers = [(h["key"], h["value"]) for h in row["headers"]]
                place = (path.parent.parent.name, int(path.parent.name))
                out.setdefault(place, []).append(
                    (row["offset"], row["key"], row["value"], headers, row["timestamp_ms"])
                )
    return out


def raw_log(settings: Settings) -> dict[tuple[str, int], list[Any]]:
    """Every raw topic's messages per partition, in order."""
    out: dict[tuple[str, int], list[Any]] = {}
    for topic in RAW_TOPICS:
        for m in read_topic(settings, topic):
            out.setdefault((topic, m.partition), []).append((m.offset, m.key, m.value, m.headers, m.timestamp_ms))
    return out


WAREHOUSE = SinkCase(
    "warehouse",
    (
        RUN_EVENTS,
        RUN_STATUS,
        REPO_RECORDS,
        REPO_TOPOLOGY,
        SCAN_PINGS,
        SCAN_STATUS,
        SCAN_GRAPHS,
        SCAN_IDENTITIES,
    ),
    lambda _: [],
    _warehouse_contents,
    _warehouse_expected,
)
RECORDS = SinkCase(
    "records", (REPO_RECORDS,), lambda s: ["--dir", str(records_dir(s))], _records_contents, _records_expected
)
ARCHIVE = SinkCase("archive", RAW_TOPICS, lambda _: [], _archive_contents, raw_log)

CASES = (WAREHOUSE, RECORDS, ARCHIVE)
FAULT_POINTS = ("sink.after_write", "sink.before_commit", "sink.after_commit")
