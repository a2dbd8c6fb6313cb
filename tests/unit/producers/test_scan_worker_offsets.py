"""What a scan worker commits: only what is contiguous, whatever the order in which jobs end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producers.scan_worker_offsets import Offsets

A, B = ("jobs", 0), ("jobs", 1)


def test_an_offset_is_committed_when_everything_below_is_through() -> None:
    offsets = Offsets()
    for n in (5, 6, 7):
        assert offsets.take(A, n)
    offsets.through(A, 6)
    assert offsets.committable() == {}
    offsets.through(A, 5)
    assert offsets.committable() == {A: 7}
    offsets.committed({A: 7})
    assert offsets.committable() == {}
    assert offsets.waiting() == 1


def test_a_job_read_again_is_known() -> None:
    offsets = Offsets()
    assert offsets.take(A, 5)
    assert not offsets.take(A, 5)
    offsets.through(A, 5)
    assert not offsets.take(A, 5)
    assert offsets.take(A, 6)


def test_partitions_that_went_away_are_forgotten_and_late_results_change_nothing() -> None:
    offsets = Offsets()
    offsets.take(A, 1)
    offsets.take(B, 1)
    offsets.keep_only({B})
    offsets.through(A, 1)
    offsets.through(B, 1)
    assert offsets.committable() == {B: 2}
    assert offsets.take(A, 1)
    offsets.forget([A])
    assert offsets.committable({A}) == {}


def test_holes_in_the_log_hold_nothing_up() -> None:
    offsets = Offsets()
    for n in (3, 9):
        offsets.take(A, n)
        offsets.through(A, n)
    assert offsets.committable() == {A: 10}


@given(st.permutations(range(12)), st.integers(0, 12))
def test_what_is_committed_is_the_end_of_the_longest_finished_run(order: list[int], number: int) -> None:
    offsets = Offsets()
    for n in range(12):
        offsets.take(A, n)
    ended = set(order[:number])
    for n in order[:number]:
        offsets.through(A, n)
    expected = next(n for n in range(13) if n not in ended)
    assert offsets.committable() == ({A: expected} if expected else {})
