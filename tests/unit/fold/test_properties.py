"""Batching, interleaving, duplicates, restarts and hash seeds never change a value or a byte."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_lab.contract.events import EventBatch
from stratum_lab.fold import (
    AttemptState,
    Folder,
    canonical_json,
    derive_record,
    derive_topology,
    dump_attempt,
    fold_batch,
    load_attempt,
    validate_record,
)
from tests.support.fold import REPO, batches_of, events_of, facts_of, finished_of, state_of
from tests.support.fold_streams import dense_stream, hostile_lines, streams

SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
Stream = list[dict[str, Any]]
seeds = st.integers(0, 10**6)
cuts = st.lists(st.integers(1, 59), max_size=8)


@settings(SLOW, max_examples=120)
@given(seeds, cuts, cuts)
def test_batch_boundaries_change_no_byte_of_the_snapshot(seed: int, one: list[int], other: list[int]) -> None:
    events = events_of(dense_stream(seed, 60))
    assert dump_attempt(state_of(events, one)) == dump_attempt(state_of(events, other))


@settings(SLOW, max_examples=120)
@given(seeds, cuts, st.integers(0, 60))
def test_a_restart_at_any_event_changes_no_byte(seed: int, where: list[int], restart: int) -> None:
    events = events_of(dense_stream(seed, 60))
    state = load_attempt(dump_attempt(state_of(events[:restart])))
    for batch in batches_of(events[restart:], where, first_seq=restart + 1):
        fold_batch(state, batch)
    assert dump_attempt(state) == dump_attempt(state_of(events))


@settings(SLOW, max_examples=120)
@given(seeds, st.lists(st.tuples(st.integers(0, 59), st.integers(1, 60)), max_size=12))
def test_repeated_and_overlapping_batches_count_once(seed: int, again: list[tuple[int, int]]) -> None:
    events = events_of(dense_stream(seed, 60))
    state, folded = AttemptState(), 0
    for start, length in again:
        for batch in batches_of(events[start : start + length], first_seq=start + 1):
            before = state.last_seq
            result = fold_batch(state, batch)
            if start > before:
                assert result == (0, 0, (before + 1, start))
            else:
                assert result.applied == max(0, batch.last_seq - before)
                assert result.applied + result.duplicates == batch.count
            folded += result.applied
    assert folded == state.last_seq
    assert dump_attempt(state) == dump_attempt(state_of(events[: state.last_seq]))


@settings(SLOW, max_examples=60)
@given(seeds, st.randoms(use_true_random=False))
def test_any_interleaving_of_repositories_and_runs_gives_the_same_results(seed: int, rng: random.Random) -> None:
    runs = [(repo, n, events_of(dense_stream(seed + n, 20 + n))) for repo in ("a" * 12, "b" * 12) for n in (1, 2, 10)]
    messages: list[Any] = []
    for repo, n, events in runs:
        messages += batches_of(events, cuts=(3, 9, 15), repo_id=repo, run_number=n)
        messages.append(finished_of(events, repo_id=repo, run_number=n))
    in_order, shuffled = Folder(), Folder()
    for message in messages:
        deliver(in_order, message)
    rng.shuffle(messages)
    for message in [*messages, *messages[::3]]:  # any order, some twice
        deliver(shuffled, message)
    expected, got = list(in_order.results()), list(shuffled.results())
    assert got == expected
    assert [canonical_json(r.record or {}) for r in got] == [canonical_json(r.record or {}) for r in expected]
    assert [[f.run_number for f in r.runs] for r in got] == [[1, 2, 10]] * 2


def deliver(folder: Folder, message: Any) -> None:
    if isinstance(message, EventBatch):
        folder.batch(message)
    else:
        folder.finished(message)


@settings(SLOW, max_examples=150)
@given(st.lists(hostile_lines(), max_size=12))
def test_nothing_that_a_valid_line_can_hold_stops_the_fold(lines: Stream) -> None:
    events = events_of(lines)
    state = state_of(events, cuts=(2, 5))
    assert dump_attempt(load_attempt(dump_attempt(state))) == dump_attempt(state)
    runs = [(facts_of(events), state)]
    record = derive_record(REPO, runs, None)
    assert record is not None and validate_record(record) == []
    assert canonical_json(record).encode()
    assert record["execution_metadata"]["total_events"] == len(lines)
    derive_topology(REPO, runs, None)


DEEP = "[" * 900 + "]" * 900
PAYLOADS = [
    '{"error_type":"\\ud800","node_id":"\\udfff"}',
    '{"error_type":NaN,"latency_ms":Infinity,"status":"error"}',
    '{"latency_ms":123456789012345678901234567890,"error_type":123456789012345678901234567890}',
    '{"latency_ms":true,"status":["error"],"active_node_stack":[[]]}',
    f'{{"error_type":{DEEP},"status":"error"}}',
    f'{{"error":{DEEP[300:-300]},"status":"error"}}',
    "[1,2]",
    "null",
    '"text"',
    "{broken",
    "{" * 5000,
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_payloads_that_are_no_plain_json_object_do_no_harm(payload: str) -> None:
    kinds = (
        "error.occurred",
        "agent.task_end",
        "delegation.completed",
        "llm.call_end",
        "tool.completed",
        "state.access",
    )
    events = [e._replace(payload=payload) for e in events_of({"event_type": k} for k in kinds)]
    state = load_attempt(dump_attempt(state_of(events)))
    record = derive_record(REPO, [(facts_of(events), state)], None)
    assert validate_record(record) == []
    assert canonical_json(record or {}).encode("utf-8")


@settings(SLOW, max_examples=30)
@given(streams(20))
def test_equal_states_are_told_by_equal_bytes(stream: Stream) -> None:
    events = events_of(stream)
    state, shorter = state_of(events), state_of(events[:-1])
    assert dump_attempt(state) == dump_attempt(state_of(events))
    assert not events or dump_attempt(state) != dump_attempt(shorter)


PROGRAM = """
from stratum_lab.fold import canonical_json, derive_record, derive_topology, dump_attempt
from tests.support.fold import REPO, events_of, facts_of, state_of
from tests.support.fold_streams import dense_stream
for seed in range(30):
    events = [events_of(dense_stream(seed + n, 50)) for n in range(3)]
    runs = [(facts_of(e, run_number=n), state_of(e)) for n, e in enumerate(events, 1)]
    print([dump_attempt(s) for _, s in runs], canonical_json(derive_record(REPO, runs, None)))
    print(derive_topology(REPO, runs, None))
"""


def test_the_hash_seed_of_the_process_changes_no_byte() -> None:
    root = Path(__file__).parents[3]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1 and len(outputs.pop()) > 10_000
