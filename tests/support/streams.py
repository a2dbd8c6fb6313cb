"""One partition's topics in memory, and an outlet that can lose the end of what it was given."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import (
    BehavioralRecord,
    DeadLetter,
    EventBatch,
    GraphEdge,
    GraphNode,
    Message,
    RunFinished,
    StructuralGraph,
    TopologyMetrics,
)
from stratum_lab.contract.topics import RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS
from stratum_lab.errors import DecodeError
from stratum_lab.fold import Folder, canonical_json
from streams import codecs
from streams.messages import SOURCES, Checkpoint, Raw
from streams.owner import Owner
from streams.partition import Partition
from tests.support.fold import batches_of, event, events_of, finished_of

CODEC = Codec()
NOW_MS = 1_700_000_000_000


class Lost(Exception):
    """The process died here."""


@dataclass
class MemoryLog:
    """The source topics of one partition; offsets may be left out, as compaction does."""

    messages: dict[str, list[Raw]] = field(default_factory=lambda: {name: [] for name in SOURCES})
    reads: int = 0

    def append(self, topic: str, key: str | None, value: bytes | None, headers: Any = (), skip: int = 0) -> Raw:
        """Add one message, `skip` offsets further than the next."""
        m = Raw(topic, self.end(topic) + skip, key.encode() if key is not None else None, value, list(headers), NOW_MS)
        self.messages[topic].append(m)
        return m

    def add(self, topic: str, message: Message) -> Raw:
        """Add one message of the contract."""
        encoded = CODEC.encode(message)
        return self.append(topic, message.repo_id, encoded.value, encoded.headers)

    def end(self, topic: str) -> int:
        """Offset after the last message."""
        found = self.messages[topic]
        return found[-1].offset + 1 if found else 0

    def ends(self, number: int = 0) -> dict[tuple[str, int], int]:
        """Offsets after the last messages, as a sweep wants them."""
        return {(topic, number): self.end(topic) for topic in SOURCES}

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Raw]:
        """Messages of a range."""
        self.reads += 1
        return (m for m in list(self.messages[topic]) if start <= m.offset < end)


@dataclass
class MemoryOutlet:
    """Changelog, dead letters and outputs; `die_after` writes or sends the next call loses the rest and raises."""

    changelog: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    records: list[BehavioralRecord | None] = field(default_factory=list)
    record_keys: list[str] = field(default_factory=list)
    topologies: dict[str, TopologyMetrics | None] = field(default_factory=dict)
    die_after: int | None = None
    fenced: bool = False
    """Whether the writer finds out that it was given up before it sends."""

    def _step(self) -> None:
        if self.die_after is not None:
            if self.die_after <= 0:
                raise Lost
            self.die_after -= 1

    def write(self, cuts: Mapping[int, Checkpoint]) -> None:
        """Keep what arrives before the end."""
        for cut in cuts.values():
            for letter in cut.letters:
                self._step()
                self.letters.append(letter)
            for entry in cut.writes:
                self._step()
                self.changelog.append(entry)

    def send(self, cuts: Mapping[int, Checkpoint]) -> None:
        """Keep what arrives before the end."""
        if self.fenced:
            raise Lost
        for cut in cuts.values():
            for out in cut.outputs:
                self._step()
                self.topologies[out.repo_id] = out.topology
                self.records.append(out.record)
                self.record_keys.append(out.repo_id)

    def recovered(self, *, compacted: bool = False) -> dict[bytes, bytes]:
        """The values a new owner finds; compaction leaves only the last of each key."""
        entries = list(dict(self.changelog).items()) if compacted else self.changelog
        out: dict[bytes, bytes] = {}
        for key, value in entries:
            codecs.merge(out, key, value)
        return out

    def final(self) -> dict[str, BehavioralRecord]:
        """The record that stays of each repository, by the rule of the sinks."""
        out: dict[str, BehavioralRecord] = {}
        for key, record in zip(self.record_keys, self.records, strict=True):
            if record is None:
                out.pop(key, None)
            elif key not in out or _version(record) >= _version(out[key]):
                out[key] = record
        return out


def _version(record: BehavioralRecord) -> tuple[int, int]:
    return record.source_offset, record.revision


def partition(log: MemoryLog, outlet: MemoryOutlet, *, compacted: bool = False) -> Partition:
    """Partition 0 as a new owner finds it."""
    low = {topic: (found[0].offset if found else 0) for topic, found in log.messages.items()}
    hold = {topic: log.end(topic) for topic in SOURCES} if outlet.records else {}
    found = outlet.recovered(compacted=compacted)
    return Partition(0, found, low=low, codec=CODEC, epoch=secrets.randbits(32), hold=hold)


def owner(
    log: MemoryLog, outlet: MemoryOutlet, *, incomplete_after_s: float = 600.0, now_s: float | None = None
) -> Owner:
    """An owner of partition 0, just recovered."""
    made = Owner(
        log, outlet, incomplete_after_s=incomplete_after_s, clock=lambda: NOW_MS / 1000 if now_s is None else now_s
    )
    made.own([partition(log, outlet)])
    return made


async def deliver(own: Owner, messages: Iterable[Raw], log: MemoryLog) -> None:
    """Hand messages over as the agent does."""
    for m in messages:
        if not own.take(m, 0):
            await own.take_slowly(m, 0, log.end(m.topic))


async def finish(own: Owner, log: MemoryLog, sweeps: int = 3) -> None:
    """What happens when nothing more comes: sweeps and checkpoints."""
    for _ in range(sweeps):
        await own.sweep(log.ends())
        await own.checkpoint()


def run(coroutine: Any) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(coroutine)


def sample_events(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Events of a few kinds that leave traces in many sections of a record."""
    nodes = ["planner", "writer", "reviewer"]
    out = []
    for _ in range(count):
        kind = rng.choice(
            ["agent.task_start", "agent.task_end", "llm.call_end", "error.occurred", "delegation.initiated"]
        )
        fields: dict[str, Any] = {}
        if kind == "agent.task_start":
            fields = {"parent_node_id": rng.choice(nodes)}
        elif kind == "agent.task_end":
            fields = {"status": rng.choice(["success", "error", "failed"]), "output_hash": rng.choice("abc")}
        elif kind == "llm.call_end":
            fields = {"active_node_stack": [rng.choice(nodes)]}
        elif kind == "error.occurred":
            fields = {"error_type": rng.choice(["ValueError", "KeyError"])}
        else:
            fields = {"target": rng.choice(nodes)}
        out.append(event(kind, rng.choice(nodes), **fields))
    return out


def repo_name(n: int) -> str:
    """A repo_id."""
    return f"{n:012x}"


def attempt_messages(
    rng: random.Random, repo_id: str, run_number: int, attempt: int, count: int, **fields: Any
) -> tuple[list[EventBatch], RunFinished]:
    """The batches of one attempt and its end-of-run marker."""
    events = events_of(sample_events(rng, count))
    cuts = rng.sample(range(1, count), min(count - 1, rng.randint(0, 3))) if count > 1 else []
    batches = batches_of(events, cuts, repo_id=repo_id, run_number=run_number, attempt=attempt) if count else []
    marker = finished_of(
        events, run_number=run_number, attempt=attempt, repo_id=repo_id, batch_count=len(batches), **fields
    )
    return batches, marker


def sample_graph(rng: random.Random, repo_id: str) -> StructuralGraph:
    """A small structural graph."""
    names = ["planner", "writer", "reviewer"]
    return StructuralGraph(
        repo_id=repo_id,
        nodes=[GraphNode(node_id=n, node_type="agent", name=n) for n in names],
        edges=[
            GraphEdge(edge_id=f"e{i}", source=rng.choice(names), target=rng.choice(names), edge_type="delegates_to")
            for i in range(3)
        ],
    )


def sample_world(rng: random.Random, repos: int = 4) -> MemoryLog:
    """Runs, retries, graphs and poison in one partition; only the batches of an attempt keep their order."""
    log = MemoryLog()
    queues: list[list[tuple[str, Message | bytes]]] = []
    for n in range(repos):
        repo_id = repo_name(n)
        for run_number in range(1, rng.randint(1, 3) + 1):
            for attempt in range(1, rng.choice([1, 1, 2]) + 1):
                status = rng.choice(["SUCCESS", "SUCCESS", "RUNTIME_ERROR", "INFRA_ERROR"])
                batches, marker = attempt_messages(rng, repo_id, run_number, attempt, rng.randint(0, 12), status=status)
                queues.append([(RUN_EVENTS, b) for b in batches])
                queues.append([(RUN_STATUS, marker)])
        if rng.random() < 0.6:
            queues.append([(SCAN_GRAPHS, sample_graph(rng, repo_id)) for _ in range(rng.randint(1, 2))])
    queues.append([(rng.choice(SOURCES), rng.randbytes(20)) for _ in range(3)])
    queues = [q for q in queues if q]
    while queues:
        queue = rng.choice(queues)
        topic, message = queue.pop(0)
        if not queue:
            queues.remove(queue)
        if isinstance(message, bytes):
            log.append(topic, repo_name(0), message)
        else:
            log.add(topic, message)
    return log


def cold(log: MemoryLog) -> dict[str, tuple[str, list[tuple[int, int]]]]:
    """Record and counted runs of each repository, folded in one go from the whole log."""
    folder = Folder()
    for topic in SOURCES:
        for m in log.messages[topic]:
            try:
                message = CODEC.decode(m.value, m.headers)
            except DecodeError:
                continue
            if isinstance(message, EventBatch):
                folder.batch(message)
            elif isinstance(message, RunFinished):
                folder.finished(message)
            elif isinstance(message, StructuralGraph):
                folder.graph(message)
    return {
        r.repo_id: (canonical_json(r.record), [(f.run_number, f.attempt) for f in r.runs])
        for r in folder.results()
        if r.record is not None
    }


def live(records: Mapping[str, BehavioralRecord]) -> dict[str, tuple[str, list[tuple[int, int]]]]:
    """The same of what was emitted."""
    return {k: (r.record, [(c.run_number, c.attempt) for c in r.runs]) for k, r in records.items()}


def shuffled_delivery(rng: random.Random, log: MemoryLog, starts: Mapping[str, int]) -> list[Raw]:
    """Messages from the given offsets on, topics interleaved, some repeated, and blocks left out as Faust does."""
    queues: dict[str, Sequence[Raw]] = {t: [m for m in log.messages[t] if m.offset >= starts[t]] for t in SOURCES}
    at = dict.fromkeys(SOURCES, 0)
    out: list[Raw] = []
    while any(at[t] < len(queues[t]) for t in SOURCES):
        topic = rng.choice([t for t in SOURCES if at[t] < len(queues[t])])
        roll = rng.random()
        if roll < 0.1:
            at[topic] += rng.randint(1, 6)
        elif roll < 0.2:
            at[topic] = max(0, at[topic] - rng.randint(1, 4))
        else:
            out.append(queues[topic][at[topic]])
            at[topic] += 1
    return out
