"""What the changelog holds comes back as it was, and of two values the newer one stays."""

from __future__ import annotations

import random

import pytest

from stratum_lab.errors import IntegrityError
from stratum_lab.fold import AttemptState, dump_attempt
from streams import codecs
from streams.codecs import Attempt, Finished, Mark, RepoIndex, StoredGraph
from streams.letters import missing_ranges
from tests.support.fold import events_of, facts_of, state_of
from tests.support.streams import sample_events


def test_an_attempt_comes_back_as_it_was() -> None:
    state = state_of(events_of(sample_events(random.Random(1), 30)))
    back = Attempt.load(Attempt(state, 41, 17).dump())
    assert (dump_attempt(back.state), back.offset, back.held) == (dump_attempt(state), 41, 17)


def test_a_large_attempt_is_stored_compressed_and_comes_back() -> None:
    state = state_of(events_of(sample_events(random.Random(1), 4000)))
    stored = Attempt(state).dump()
    assert dump_attempt(Attempt.load(stored).state) == dump_attempt(state)


def test_an_index_comes_back_as_it_was() -> None:
    index = RepoIndex("0123456789ab", revision=7, digest="d", refused="r", changes=3)
    index.finished[2, 1] = Finished(facts_of(5, run_number=2), 40, 1_700_000_000_000)
    index.counted, index.closed = [(2, 1)], {(3, 1): [[1, 4]]}
    stored = index.dump(9, 12, 1)
    assert RepoIndex.load(stored) == index
    assert codecs.index_head(stored) == (9, 12, 1, 1)


def test_a_graph_and_a_mark_come_back_as_they_were() -> None:
    graph = StoredGraph(3, b"12345678", b"\x00body")
    assert StoredGraph.load(graph.dump()) == graph
    mark = Mark(epoch=5, checkpoint=2, next={"run.events": 9}, unsent=["0123456789ab"])
    assert Mark.load(mark.dump()) == mark


def test_of_two_values_of_a_key_the_one_with_more_events_stays() -> None:
    events = events_of(sample_events(random.Random(1), 20))
    less, more = Attempt(state_of(events[:8]), 50).dump(), Attempt(state_of(events), 40).dump()
    for order in ([less, more], [more, less]):
        stored: dict[bytes, bytes] = {}
        for value in order:
            codecs.merge(stored, b"A/x/1/1", value)
        assert stored == {b"A/x/1/1": more}


def test_a_value_that_remembers_skipped_batches_is_preferred() -> None:
    plain, holding = Attempt(AttemptState(), 1).dump(), Attempt(AttemptState(), 1, held=0).dump()
    stored: dict[bytes, bytes] = {}
    for value in (holding, plain):
        codecs.merge(stored, b"k", value)
    assert stored == {b"k": holding}


def test_a_value_of_another_version_is_refused() -> None:
    with pytest.raises(IntegrityError, match="version"):
        codecs.rank(b"\x09" + bytes(20))


def test_the_mark_of_a_new_owner_covers_what_either_of_two_former_owners_folded() -> None:
    marks = [
        Mark(epoch=1, checkpoint=4, next={"a": 10, "b": 2}, unsent=["x"]),
        Mark(epoch=2, checkpoint=1, lineage={"1": 3}, next={"a": 7, "b": 5}, unsent=["y"]),
    ]
    merged = Mark.inherited(marks, 3)
    assert merged.next == {"a": 10, "b": 5}
    assert merged.unsent == ["x", "y"]
    assert merged.covers(codecs.IndexHead(1, 4, 0, 0))
    assert not merged.covers(codecs.IndexHead(1, 5, 0, 0))
    assert not merged.covers(codecs.IndexHead(7, 1, 0, 0))


@pytest.mark.parametrize(
    ("present", "last", "missing"),
    [
        ([(1, 0)], 3, [[1, 3]]),
        ([(1, 3)], 3, []),
        ([(1, 2), (5, 6), (9, 9)], 10, [[3, 4], [7, 8], [10, 10]]),
        ([(4, 9), (1, 5)], 9, []),
        ([(1, 2), (8, 9)], 5, [[3, 5]]),
    ],
)
def test_missing_ranges_are_those_that_no_batch_covers(
    present: list[tuple[int, int]], last: int, missing: list[list[int]]
) -> None:
    assert missing_ranges(present, last) == missing
