"""The incremental fold against a brute-force reading of the definitions, on random streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_lab.contract.events.lines import Event, parse_line
from stratum_lab.fold import (
    AttemptState,
    counted_stats,
    derive_record,
    derive_topology,
    dump_attempt,
    fold_batch,
    load_attempt,
    validate_record,
)
from stratum_lab.fold.state import BY_TRAVERSAL
from tests.support.fold import FIXTURES, REPO, batches_of, events_of, facts_of, state_of
from tests.support.fold_oracle import Ev, missing, record_of
from tests.support.fold_streams import dense_stream, streams

SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
Stream = list[dict[str, Any]]


def compare(runs: list[Stream], statuses: Sequence[str]) -> None:
    events = [events_of(run) for run in runs]
    facts = [facts_of(e, run_number=n, status=statuses[n - 1], duration_seconds=n / 3) for n, e in enumerate(events, 1)]
    folded = [(f, reloaded(e)) for f, e in zip(facts, events, strict=True)]
    record = derive_record(REPO, folded, None)
    assert record == record_of(REPO, list(zip(facts, events, strict=True)))
    assert validate_record(record) == []


def reloaded(events: Sequence[Event]) -> AttemptState:
    """Fold in batches, with a snapshot written and read after each."""
    state = AttemptState()
    for batch in batches_of(events, cuts=(1, 2, 7, 20)):
        fold_batch(state, batch)
        state = load_attempt(dump_attempt(state))
    return state


@settings(SLOW, max_examples=60)
@given(st.lists(streams(12), min_size=1, max_size=3))
def test_any_stream_gives_the_record_of_the_definitions(runs: list[Stream]) -> None:
    compare(runs, ("SUCCESS", "CRASH", "TIER2_SUCCESS"))


@pytest.mark.parametrize("block", range(10))
def test_dense_streams_give_the_record_of_the_definitions(block: int) -> None:
    for seed in range(block * 40, block * 40 + 40):
        compare([dense_stream(1000 * seed + n, 8 + seed % 40) for n in range(1 + seed % 4)], ("SUCCESS", "CRASH") * 2)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("runs*/*/events_run_1.jsonl")), ids=lambda p: p.parent.name)
def test_recorded_streams_give_the_record_of_the_definitions(path: Path) -> None:
    events = [parse_line(line) for line in path.read_bytes().splitlines()]
    facts = facts_of(events)
    assert derive_record(REPO, [(facts, reloaded(events))], None) == record_of(REPO, [(facts, events)])


def test_late_streams_show_branches_that_the_reference_misses() -> None:
    branches = 0
    for path in FIXTURES.glob("runs_other/*/events_run_1.jsonl"):
        state = reloaded([parse_line(line) for line in path.read_bytes().splitlines()])
        branches += sum(bool(bits & BY_TRAVERSAL) for bits in state.tiers[1].edges.values())
    assert branches == 2  # D13


@settings(SLOW, max_examples=60)
@given(streams())
def test_edges_without_an_end_are_counted_not_recorded(run: Stream) -> None:
    events = events_of(run)
    runs = [(facts_of(events), state_of(events))]
    assert derive_topology(REPO, runs, None).edges_missing_endpoint == missing([Ev(e) for e in events])
    assert all(s and t for s, t, _ in counted_stats(runs[0][1], runs[0][0]).edges)
