"""The peer with state: quixstreams with the product's codec, fold and outputs, on the same topics.

State of every run in RocksDB with a changelog, offsets committed every second, record and topology produced when a run
is complete. Two variants: `reload` reads the state from the store for each message, as its documentation shows;
`cached` keeps the live objects in memory and only writes to the store, as Faust's memory tables do.
Measured from the first message at hand until everything is folded and derived, in one process.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
import uuid
from typing import Any

from quixstreams import Application
from quixstreams.models import TopicConfig

from bench.stats import Sample
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import BehavioralRecord, EventBatch, RunFinished
from stratum_lab.contract.events.record import CountedRun
from stratum_lab.contract.topics import (
    MAX_MESSAGE_BYTES,
    REPO_RECORDS,
    REPO_TOPOLOGY,
    RUN_EVENTS,
    RUN_STATUS,
    full_name,
)
from stratum_lab.fold import (
    AttemptState,
    RunFacts,
    canonical_json,
    choose_runs,
    derive_record,
    derive_topology,
    dump_attempt,
    fold_batch,
    is_complete,
    load_attempt,
)
from stratum_lab.settings import Settings, load

COMMIT_INTERVAL_S = 1.0
_EXPECT = ("EventBatch", "RunFinished")
_FACTS = "facts"


class Repository:
    """One repository while a message of it is processed."""

    def __init__(self, store: Any) -> None:  # Any: quixstreams' State
        self.store = store
        self.attempts: dict[str, AttemptState] = {}
        self.facts: dict[str, RunFacts] = {}
        raw = store.get_bytes(_FACTS)
        for data in json.loads(raw) if raw else ():
            facts = RunFacts.from_json(data)
            self.facts[_name(facts)] = facts

    def attempt(self, name: str) -> AttemptState:
        """The state of an attempt, from memory, else from the store."""
        state = self.attempts.get(name)
        if state is None:
            raw = self.store.get_bytes(name)
            state = self.attempts[name] = load_attempt(raw) if raw else AttemptState()
        return state


def _name(of: EventBatch | RunFacts | RunFinished) -> str:
    return f"{of.run_number}.{of.attempt}"


class Fold:
    """The processing function and what it keeps.

    Args:
        runs: End-of-run markers in the input; when all are derived the application stops.
        cached: Whether live objects outlive a message.
    """

    def __init__(self, runs: int, cached: bool) -> None:
        self._codec = Codec()
        self._left = runs
        self._cache: dict[bytes, Repository] | None = {} if cached else None
        self.app: Application | None = None
        self.events = 0
        self.began = self.cpu = 0.0
        self.sample: Sample | None = None

    def process(self, value: bytes, key: bytes, _: int, headers: Any, store: Any) -> list[tuple[bytes, bytes]]:
        """One message; gives record and topology when a run is complete. Any: quixstreams' own types."""
        if not self.began:
            self.began, self.cpu = time.perf_counter(), time.process_time()
        message = self._codec.decode_for_fold(value, headers, _EXPECT)
        repo = self._repository(key, store)
        if isinstance(message, EventBatch):
            name = _name(message)
            state = repo.attempt(name)
            folded = fold_batch(state, message)
            if folded.missing is not None:
                raise RuntimeError(f"hole before {key!r} {message.first_seq}: {folded.missing}")
            self.events += folded.applied
            store.set_bytes(name, dump_attempt(state))
        else:
            assert isinstance(message, RunFinished)
            name = _name(message)
            repo.facts[name] = RunFacts.from_finished(message)
            store.set_bytes(_FACTS, json.dumps([f.to_json() for f in repo.facts.values()]).encode())
        if name not in repo.facts or not is_complete(repo.attempt(name), repo.facts[name]):
            return []
        out = self._derive(key.decode(), repo)
        self._left -= 1
        if not self._left:
            self.sample = Sample(self.events, time.perf_counter() - self.began, time.process_time() - self.cpu)
            assert self.app is not None
            self.app.stop()
        return [out]

    def _repository(self, key: bytes, store: Any) -> Repository:
        if self._cache is None:
            return Repository(store)
        repo = self._cache.get(key)
        if repo is None:
            repo = self._cache[key] = Repository(store)
        repo.store = store
        return repo

    def _derive(self, repo_id: str, repo: Repository) -> tuple[bytes, bytes]:
        chosen = choose_runs(repo.facts.values(), lambda f: is_complete(repo.attempt(_name(f)), f))
        runs = [(f, repo.attempt(_name(f))) for f in chosen]
        record = derive_record(repo_id, runs, None)
        assert record is not None
        place: dict[str, Any] = {"revision": len(runs), "source_partition": 0, "source_offset": len(runs)}
        message = BehavioralRecord(
            repo_id=repo_id,
            repo_full_name=chosen[-1].repo_full_name or repo_id,
            runs=[CountedRun(run_number=f.run_number, attempt=f.attempt, event_count=f.event_count) for f in chosen],
            record=canonical_json(record),
            **place,
        )
        topology = derive_topology(repo_id, runs, None, **place)
        return self._codec.encode(message).value, self._codec.encode(topology).value


def consume(settings: Settings, runs: int, cached: bool) -> Sample:
    """Fold, derive and produce everything the topics hold."""
    prefix, mark = settings.kafka.topic_prefix, f"{settings.kafka.topic_prefix}quix{uuid.uuid4().hex[:8]}"
    fold = Fold(runs, cached)
    with tempfile.TemporaryDirectory(prefix="stratum-bench-quix-") as folder:
        app = fold.app = Application(
            broker_address=settings.broker.bootstrap,
            consumer_group=mark,
            auto_offset_reset="earliest",
            commit_interval=COMMIT_INTERVAL_S,
            state_dir=folder,
            loglevel="WARNING",
            consumer_extra_config={"fetch.queue.backoff.ms": 10, "fetch.message.max.bytes": 4 * 1024 * 1024},
            producer_extra_config={
                "compression.type": settings.kafka.compression,
                "linger.ms": 20,
                "message.max.bytes": MAX_MESSAGE_BYTES,
            },
        )
        config = TopicConfig(num_partitions=settings.kafka.partitions, replication_factor=1)

        def topic(name: str) -> Any:
            return app.topic(name, value_deserializer="bytes", value_serializer="bytes", config=config)

        events = app.dataframe(topic(full_name(prefix, RUN_EVENTS)))
        status = app.dataframe(topic(full_name(prefix, RUN_STATUS)))
        both = events.concat(status).apply(fold.process, stateful=True, metadata=True, expand=True)
        both.apply(lambda out: out[0]).to_topic(topic(f"{mark}.{REPO_RECORDS}"))
        both.apply(lambda out: out[1]).to_topic(topic(f"{mark}.{REPO_TOPOLOGY}"))
        app.run()
    assert fold.sample is not None, "stopped before everything was folded"
    return fold.sample


def main() -> int:
    """Measure once and print the sample; arguments: number of runs, `reload` or `cached`."""
    gc.disable()  # as in bare.py
    sample = consume(load(), int(sys.argv[1]), sys.argv[2] == "cached")
    print(json.dumps({"units": sample.units, "wall_s": sample.wall_s, "cpu_s": sample.cpu_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
