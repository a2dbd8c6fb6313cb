"""What one partition keeps in the changelog: keys, and values with a fixed header that can be read without the body.

    A/<repo_id>/<run>/<attempt>   folded state of one attempt
    I/<repo_id>                   finished attempts of one repository and what was emitted for it
    G/<repo_id>                   its structural graph, as it came from scan.graphs
    W/<epoch>                     the mark of one owner: everything below its offsets is in the values written before it

Every value starts with a version byte and its rank, a number that never falls while a partition is folded. Recovery
keeps the value of the highest rank, so that a late write of a former owner does not replace a newer value.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from stratum_lab.errors import IntegrityError
from stratum_lab.fold import AttemptState, RunFacts, dump_attempt, load_attempt

VERSION = 1
ATTEMPT, INDEX, GRAPH, MARK = b"A", b"I", b"G", b"W"

_RANK = struct.Struct(">Bq")
_ATTEMPT = struct.Struct(">Bqqq")
_INDEX = struct.Struct(">BqIqII")
_GRAPH = struct.Struct(">BqB")
_CHANGE_BITS = 24

MAX_LINEAGE = 64
"""Former owners a mark remembers; what an older one stored last is emitted once more."""

REFUSED = -2
_ZLIB = 0x78
_LARGE = 64 * 1024


def _packed(body: bytes) -> bytes:
    """Large bodies compressed; JSON never starts like a zlib stream."""
    return zlib.compress(body, 1) if len(body) > _LARGE else body


def _unpacked(body: bytes) -> bytes:
    return zlib.decompress(body) if body[:1] == bytes((_ZLIB,)) else body


AttemptKey = tuple[str, int, int]
"""(repo_id, run_number, attempt)."""


def attempt_key(key: AttemptKey) -> bytes:
    """Changelog key of an attempt."""
    return f"A/{key[0]}/{key[1]}/{key[2]}".encode()


def index_key(repo_id: str) -> bytes:
    """Changelog key of a repository's index."""
    return f"I/{repo_id}".encode()


def graph_key(repo_id: str) -> bytes:
    """Changelog key of a repository's graph."""
    return f"G/{repo_id}".encode()


def mark_key(epoch: int) -> bytes:
    """Changelog key of an owner's mark."""
    return f"W/{epoch:08x}".encode()


def repo_of(key: bytes) -> str:
    """The repository a key belongs to."""
    return key.split(b"/", 2)[1].decode()


def rank(value: bytes) -> int:
    """Rank of a stored value.

    Raises:
        IntegrityError: The value was written by another version of this product.
    """
    if len(value) < _RANK.size or value[0] != VERSION:
        raise IntegrityError(
            f"a changelog value starts with {value[:1].hex() or 'nothing'}, expected version {VERSION}",
            remedy="set streams.app_id to a new name; the state is folded again from the log",
        )
    return int(_RANK.unpack_from(value)[1])


def merge(stored: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    """Take one replayed entry in; of two values the one of the higher rank stays, of equals the later."""
    if value is None:
        stored.pop(key, None)
        return
    known = stored.get(key)
    if known is None or rank(value) >= rank(known):
        stored[key] = value


@dataclass(slots=True)
class Attempt:
    """State of one attempt and where in `run.events` it stands.

    Attributes:
        state: The fold's state.
        offset: Highest offset of `run.events` folded into it; -1 for none.
        held: Lowest offset not folded because batches before it are missing; -1 for none, REFUSED for an attempt that
            is not folded any more.
    """

    state: AttemptState
    offset: int = -1
    held: int = -1

    @property
    def refused(self) -> bool:
        """Whether the attempt was given up: it never counts."""
        return self.held == REFUSED

    def refuse(self) -> None:
        """Give the attempt up; only how far it was folded is kept."""
        last_seq = self.state.last_seq
        self.state, self.held = AttemptState(), REFUSED
        self.state.last_seq = last_seq

    def dump(self) -> bytes:
        """The value that is stored."""
        # Of two values with the same events, the one that remembers skipped batches is the safer one.
        ranked = 2 * self.state.last_seq + (self.held != -1)
        return _ATTEMPT.pack(VERSION, ranked, self.offset, self.held) + _packed(dump_attempt(self.state))

    @classmethod
    def load(cls, value: bytes) -> Attempt:
        """The inverse of `dump`."""
        _, _, offset, held = _ATTEMPT.unpack_from(value)
        return cls(load_attempt(_unpacked(value[_ATTEMPT.size :])), offset, held)


def last_seq_of(value: bytes) -> int:
    """Highest folded sequence number of a stored attempt, without loading it."""
    return rank(value) // 2


class Finished(NamedTuple):
    """A finished attempt, and the message of `run.status` that said so."""

    facts: RunFacts
    offset: int
    timestamp_ms: int


@dataclass(slots=True)
class RepoIndex:
    """What is known and was emitted about one repository.

    Attributes:
        finished: Finished attempts by (run_number, attempt).
        counted: The attempts the last emission was derived from.
        closed: Missing ranges of attempts closed as incomplete.
        revision: Of the last emission; 0 before the first. Grows with every emission.
        digest: Of the last emission's content; empty when there is none or it was a tombstone.
        refused: Digest of the last content that was no valid record.
        changes: How often this value changed.
    """

    repo_id: str
    finished: dict[tuple[int, int], Finished] = field(default_factory=dict)
    counted: list[tuple[int, int]] = field(default_factory=list)
    closed: dict[tuple[int, int], list[list[int]]] = field(default_factory=dict)
    revision: int = 0
    digest: str = ""
    refused: str = ""
    changes: int = 0

    def dump(self, epoch: int, checkpoint: int, waiting: int) -> bytes:
        """The value that one checkpoint of one owner stores; `waiting` finished attempts are not complete."""
        known = max((f.offset + 1 for f in self.finished.values()), default=0)
        ranked = known << _CHANGE_BITS | min(self.changes, (1 << _CHANGE_BITS) - 1)
        head = _INDEX.pack(VERSION, ranked, epoch, checkpoint, len(self.finished), waiting)
        body = orjson.dumps(
            {
                "repo_id": self.repo_id,
                "finished": [[f.facts.to_json(), f.offset, f.timestamp_ms] for f in self.finished.values()],
                "counted": self.counted,
                "closed": [[*k, ranges] for k, ranges in self.closed.items()],
                "revision": self.revision,
                "digest": self.digest,
                "refused": self.refused,
            }
        )
        return head + _packed(body)

    @classmethod
    def load(cls, value: bytes) -> RepoIndex:
        """The inverse of `dump`."""
        body = orjson.loads(_unpacked(value[_INDEX.size :]))
        found = [Finished(RunFacts.from_json(f), offset, stamp) for f, offset, stamp in body["finished"]]
        return cls(
            repo_id=body["repo_id"],
            finished={(f.facts.run_number, f.facts.attempt): f for f in found},
            counted=[(run, attempt) for run, attempt in body["counted"]],
            closed={(run, attempt): ranges for run, attempt, ranges in body["closed"]},
            revision=body["revision"],
            digest=body["digest"],
            refused=body["refused"],
            changes=rank(value) & (1 << _CHANGE_BITS) - 1,
        )


class IndexHead(NamedTuple):
    """The header of a stored index."""

    epoch: int
    checkpoint: int
    finished: int
    waiting: int


def index_head(value: bytes) -> IndexHead:
    """The header of a stored index, without loading it."""
    return IndexHead(*_INDEX.unpack_from(value)[2:])


class StoredGraph(NamedTuple):
    """A structural graph as it came: offset in `scan.graphs`, fingerprint header, message value."""

    offset: int
    fingerprint: bytes
    value: bytes

    def dump(self) -> bytes:
        """The value that is stored."""
        return _GRAPH.pack(VERSION, self.offset, len(self.fingerprint)) + self.fingerprint + self.value

    @classmethod
    def load(cls, stored: bytes) -> StoredGraph:
        """The inverse of `dump`."""
        _, offset, length = _GRAPH.unpack_from(stored)
        start = _GRAPH.size + length
        return cls(offset, stored[_GRAPH.size : start], stored[start:])


@dataclass(slots=True)
class Mark:
    """The checkpoint of one partition.

    Attributes:
        epoch: Drawn by each owner.
        checkpoint: Its number.
        lineage: Last checkpoint of each former owner that this one's state comes from, by epoch.
        next: Next offset to fold, by catalogue name of the topic.
        finished: Finished attempts in the values it covers.
        events: Events folded into the values it covers.
        unsent: Repositories whose last change may not have been emitted.
        topics: Identity of each source topic on the broker.
    """

    epoch: int = 0
    checkpoint: int = 0
    lineage: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)
    finished: int = 0
    events: int = 0
    unsent: list[str] = field(default_factory=list)
    topics: dict[str, str] = field(default_factory=dict)

    def dump(self) -> bytes:
        """The value that is stored."""
        body: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        ranked = sum(self.next.values()) << _CHANGE_BITS | self.checkpoint & (1 << _CHANGE_BITS) - 1
        return _RANK.pack(VERSION, ranked) + orjson.dumps(body)

    @classmethod
    def load(cls, value: bytes) -> Mark:
        """The inverse of `dump`."""
        return cls(**orjson.loads(value[_RANK.size :]))

    @classmethod
    def inherited(cls, marks: Iterable[Mark], epoch: int) -> Mark:
        """The first mark of a new owner, from those of all former ones.

        The values that two former owners wrote are both there, so what is folded is what either of them folded.
        """
        out = cls(epoch=epoch)
        unsent: set[str] = set()
        for m in marks:
            for former, checkpoint in [*m.lineage.items(), (str(m.epoch), m.checkpoint)]:
                out.lineage[former] = max(checkpoint, out.lineage.pop(former, 0))
            out.next = {t: max(m.next.get(t, 0), out.next.get(t, 0)) for t in m.next.keys() | out.next.keys()}
            out.finished, out.events = max(out.finished, m.finished), max(out.events, m.events)
            out.topics |= m.topics
            unsent.update(m.unsent)
        for oldest in list(out.lineage)[:-MAX_LINEAGE]:
            del out.lineage[oldest]
        out.unsent = sorted(unsent)
        return out

    def covers(self, head: IndexHead) -> bool:
        """Whether an index was stored by a checkpoint that this mark descends from."""
        return head.checkpoint <= self.lineage.get(str(head.epoch), -1)
