"""Holes, late batches, poison, graphs and regressed state, one promise each."""

from __future__ import annotations

import json
import random

import pytest

from stratum_lab.contract.events import StructuralGraph
from stratum_lab.contract.topics import RUN_EVENTS, RUN_STATUS, SCAN_GRAPHS
from stratum_lab.errors import IntegrityError
from streams import codecs
from tests.support.fold import batches_of, events_of, finished_of
from tests.support.streams import (
    CODEC,
    NOW_MS,
    Lost,
    MemoryLog,
    MemoryOutlet,
    Raw,
    cold,
    deliver,
    finish,
    live,
    owner,
    partition,
    repo_name,
    run,
    sample_events,
    sample_graph,
)

REPO = repo_name(1)
EVENTS = events_of(sample_events(random.Random(1), 12))
BATCHES = batches_of(EVENTS, (4, 8), repo_id=REPO)
FINISHED = finished_of(EVENTS, repo_id=REPO, batch_count=3)


def log_of(*batches: int, finished: bool = True) -> MemoryLog:
    """A log with some of the three batches, and the end-of-run marker."""
    log = MemoryLog()
    for n in batches:
        log.add(RUN_EVENTS, BATCHES[n])
    if finished:
        log.add(RUN_STATUS, FINISHED)
    return log


def test_a_block_of_skipped_messages_is_read_before_the_one_that_shows_it() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    own = owner(log, outlet)
    run(deliver(own, [*log.messages[RUN_STATUS], log.messages[RUN_EVENTS][2]], log))
    assert log.reads == 1
    run(own.checkpoint())
    assert live(outlet.final()) == cold(log)


def test_skipped_last_messages_are_read_by_the_second_sweep() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    own = owner(log, outlet)
    run(deliver(own, log.messages[RUN_EVENTS][:2], log))
    run(own.sweep(log.ends()))
    assert log.reads == 0, "the messages may still be on their way"
    run(finish(own, log))
    assert live(outlet.final()) == cold(log)


def test_messages_delivered_again_change_nothing() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    own = owner(log, outlet)
    for _ in range(3):
        run(deliver(own, log.messages[RUN_EVENTS] + log.messages[RUN_STATUS], log))
    run(finish(own, log))
    assert len(outlet.records) == 1
    assert live(outlet.final()) == cold(log)


def test_an_end_of_run_before_its_batches_counts_when_they_come() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    own = owner(log, outlet)
    run(deliver(own, log.messages[RUN_STATUS], log))
    run(own.checkpoint())
    assert outlet.records == []
    run(deliver(own, log.messages[RUN_EVENTS], log))
    run(own.checkpoint())
    assert live(outlet.final()) == cold(log)


def test_a_batch_that_comes_after_all_fills_the_hole_and_what_was_held_back_is_read_again() -> None:
    log, outlet = log_of(0, 2, 1), MemoryOutlet()
    own = owner(log, outlet)
    run(deliver(own, log.messages[RUN_EVENTS] + log.messages[RUN_STATUS], log))
    assert log.reads == 0
    run(finish(own, log))
    assert live(outlet.final()) == cold(log) != {}


def test_held_back_batches_are_remembered_by_the_next_owner() -> None:
    log, outlet = log_of(0, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    log.add(RUN_EVENTS, BATCHES[1])
    run(finish(owner(log, outlet), log))
    assert live(outlet.final()) == cold(log) != {}


def closed(log: MemoryLog, outlet: MemoryOutlet, *, later_s: float = 601) -> None:
    """Sweep after the time for stragglers is over."""
    run(finish(owner(log, outlet, now_s=NOW_MS / 1000 + later_s), log))


def test_a_run_with_holes_is_closed_after_its_time_with_one_dead_letter_that_names_them() -> None:
    log, outlet = log_of(0, 2), MemoryOutlet()
    closed(log, outlet, later_s=599)
    assert outlet.letters == []
    closed(log, outlet)
    closed(log, outlet)
    assert [(x.reason, x.repo_id, x.run_number, x.attempt) for x in outlet.letters] == [("gap", REPO, 1, 1)]
    assert json.loads(outlet.letters[0].detail or "") == {"missing": [[5, 8]], "event_count": 12}
    assert outlet.records == []


def test_a_closed_run_counts_when_its_missing_batches_come_after_all() -> None:
    log, outlet = log_of(0, 2), MemoryOutlet()
    closed(log, outlet)
    log.add(RUN_EVENTS, BATCHES[1])
    closed(log, outlet)
    assert live(outlet.final()) == cold(log) != {}
    assert len(outlet.letters) == 1


def test_a_run_without_any_batch_is_closed_with_its_whole_range() -> None:
    log, outlet = log_of(), MemoryOutlet()
    closed(log, outlet)
    assert json.loads(outlet.letters[0].detail or "")["missing"] == [[1, 12]]


def test_a_partition_with_unread_messages_closes_nothing() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    own = owner(log, outlet, now_s=NOW_MS / 1000 + 601)
    run(deliver(own, log.messages[RUN_STATUS], log))
    run(own.checkpoint())
    run(own.sweep(log.ends()))
    assert outlet.letters == []


def test_an_attempt_the_host_ended_is_not_reported_as_a_gap() -> None:
    log, outlet = MemoryLog(), MemoryOutlet()
    log.add(RUN_STATUS, finished_of(EVENTS, repo_id=REPO, status="INFRA_ERROR"))
    closed(log, outlet)
    assert outlet.letters == []


def test_a_graph_that_comes_later_derives_the_record_again() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    own = owner(log, outlet)
    run(finish(own, log))
    first = outlet.final()[REPO]
    log.add(SCAN_GRAPHS, sample_graph(random.Random(3), REPO))
    run(finish(own, log))
    assert live(outlet.final()) == cold(log)
    assert outlet.final()[REPO].revision > first.revision
    assert outlet.final()[REPO].record != first.record


def test_a_graph_that_is_deleted_derives_the_record_without_it() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    without = outlet.final()[REPO].record
    log.add(SCAN_GRAPHS, sample_graph(random.Random(3), REPO))
    run(finish(owner(log, outlet), log))
    log.append(SCAN_GRAPHS, REPO, None)
    run(finish(owner(log, outlet), log))
    assert outlet.final()[REPO].record == without


def test_offsets_that_compaction_removed_cost_one_read_not_one_each() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    for n in range(50):
        encoded = CODEC.encode(StructuralGraph(repo_id=repo_name(n), nodes=[], edges=[]))
        log.append(SCAN_GRAPHS, repo_name(n), encoded.value, encoded.headers, skip=3)
    own = owner(log, outlet)
    run(deliver(own, log.messages[SCAN_GRAPHS], log))
    assert log.reads == 1
    run(finish(own, log))
    assert live(outlet.final()) == cold(log)


POISON = {
    "garbage": (b"\x07garbage", "bad_magic"),
    "unknown schema": (b"\x00\x00\x00\xff\xff", "unknown_schema"),
    "cut off": (CODEC.encode(BATCHES[0]).value[:50], "garbage"),
    "trailing": (CODEC.encode(BATCHES[0]).value + b"\x00", "trailing_bytes"),
    "empty": (b"", "empty"),
    "no value": (None, "empty"),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_one_dead_letter_with_its_coordinates_and_its_neighbours_live(name: str) -> None:
    value, reason = POISON[name]
    log, outlet = log_of(0, finished=False), MemoryOutlet()
    log.append(RUN_EVENTS, REPO, value)
    for n in (1, 2):
        log.add(RUN_EVENTS, BATCHES[n])
    log.add(RUN_STATUS, FINISHED)
    run(finish(owner(log, outlet), log))
    run(finish(owner(log, outlet), log))
    assert [(x.topic, x.partition, x.offset, x.reason, x.stage) for x in outlet.letters] == [
        (RUN_EVENTS, 0, 1, reason, "streams")
    ]
    assert live(outlet.final()) == cold(log) != {}


def test_a_message_about_another_repository_than_its_key_is_a_dead_letter() -> None:
    log, outlet = MemoryLog(), MemoryOutlet()
    encoded = CODEC.encode(BATCHES[0])
    log.append(RUN_EVENTS, repo_name(9), encoded.value, encoded.headers)
    run(finish(owner(log, outlet), log))
    assert [x.reason for x in outlet.letters] == ["foreign_key"]


def test_a_repo_id_that_is_no_name_is_a_dead_letter() -> None:
    log, outlet = MemoryLog(), MemoryOutlet()
    log.add(RUN_STATUS, finished_of(0, repo_id="../../etc"))
    log.append(SCAN_GRAPHS, "../../etc", None)
    run(finish(owner(log, outlet), log))
    assert [x.reason for x in outlet.letters] == ["bad_repo_id", "bad_repo_id"]


def test_state_that_went_back_is_folded_again_from_the_start_and_nothing_less_is_emitted() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    key = codecs.attempt_key((REPO, 1, 1))
    outlet.changelog = [(k, v) for k, v in outlet.changelog if k != key]
    run(finish(owner(log, outlet), log))
    assert len(outlet.records) == 1
    assert live(outlet.final()) == cold(log)


def test_a_log_that_lost_what_was_emitted_from_it_stops_the_worker() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    key = codecs.attempt_key((REPO, 1, 1))
    outlet.changelog = [(k, v) for k, v in outlet.changelog if k != key]
    log.messages[RUN_EVENTS] = log.messages[RUN_EVENTS][1:]
    with pytest.raises(IntegrityError):
        run(finish(owner(log, outlet), log, sweeps=6))


def test_nothing_is_durable_before_its_record_is_acknowledged() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet(fenced=True)
    own = owner(log, outlet)
    run(deliver(own, log.messages[RUN_EVENTS] + log.messages[RUN_STATUS], log))
    with pytest.raises(Lost):
        run(own.checkpoint())
    assert own.durable == {}
    outlet.fenced = False
    run(finish(owner(log, outlet), log))
    assert live(outlet.final()) == cold(log)


def test_a_retry_with_a_better_attempt_replaces_the_run() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    for batch in batches_of(EVENTS[:6], repo_id=REPO, attempt=2):
        log.add(RUN_EVENTS, batch)
    log.add(RUN_STATUS, finished_of(EVENTS[:6], repo_id=REPO, attempt=2))
    run(finish(owner(log, outlet), log))
    assert live(outlet.final())[REPO][1] == [(1, 2)]
    assert live(outlet.final()) == cold(log)


def test_a_repository_whose_only_run_no_longer_counts_is_deleted() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    log.add(RUN_STATUS, FINISHED.model_copy(update={"status": "INFRA_ERROR"}))
    run(finish(owner(log, outlet), log))
    assert outlet.record_keys == [REPO, REPO]
    assert outlet.records[-1] is None


def test_a_message_for_a_partition_of_somebody_else_is_left_alone() -> None:
    log, outlet = log_of(0), MemoryOutlet()
    own = owner(log, outlet)
    own.disown([0])
    assert own.take(Raw(RUN_EVENTS, 0, b"", b"", (), 0), 0)
    run(own.checkpoint())
    assert outlet.changelog == []


def test_a_run_whose_statistics_fit_no_message_is_a_dead_letter_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    other = repo_name(2)
    log.add(RUN_STATUS, finished_of(0, repo_id=other))
    own = owner(log, outlet)
    run(deliver(own, log.messages[RUN_EVENTS][:2], log))
    monkeypatch.setattr("streams.partition.STATE_BYTES", 50)
    run(own.checkpoint())
    run(finish(own, log))
    closed(log, outlet)
    assert [(x.reason, x.repo_id) for x in outlet.letters] == [("state_too_large", REPO)]
    assert outlet.final().keys() == {other}


def test_a_record_that_fits_no_message_is_a_dead_letter_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.derivation.MAX_MESSAGE_BYTES", 100)
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    run(finish(owner(log, outlet), log))
    assert [x.reason for x in outlet.letters] == ["invalid_record"]
    assert outlet.records == []


def test_a_record_that_is_not_valid_never_goes_downstream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.derivation.validate_record", lambda _: ["a rate outside 0..1"])
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    assert [(x.reason, x.detail) for x in outlet.letters] == [("invalid_record", "a rate outside 0..1")]
    assert outlet.records == []
    assert outlet.topologies == {}


def test_messages_deleted_before_they_were_folded_are_noticed() -> None:
    log, outlet = log_of(0, finished=False), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    assert partition(log, outlet).lost == {}
    log.messages[RUN_EVENTS] = [log.messages[RUN_EVENTS][0]._replace(offset=7)]
    assert partition(log, outlet).lost == {RUN_EVENTS: 1}


def test_while_others_are_delivered_a_waiting_partition_is_not_read_too_soon() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    own = owner(log, outlet)
    for _ in range(6):
        run(deliver(own, log.messages[RUN_STATUS], log))
        run(own.sweep(log.ends()))
    assert log.reads == 0
    run(deliver(own, log.messages[RUN_STATUS], log))
    run(own.sweep(log.ends()))
    assert log.reads == 1


def test_a_new_owner_commits_what_a_former_one_made_durable_and_did_not_commit() -> None:
    log, outlet = log_of(0, 1, 2), MemoryOutlet()
    run(finish(owner(log, outlet), log))
    second = owner(log, outlet)
    run(second.checkpoint())
    assert second.durable == log.ends()
