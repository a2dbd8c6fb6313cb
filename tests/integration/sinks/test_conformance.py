"""The conformance suite: every sink survives these, and holds afterwards what the log holds."""

from __future__ import annotations

import signal

import pytest

from stratum_lab.settings import Settings
from tests.support import sinks
from tests.support.sinks import CASES, DIED, FAULT_POINTS, SinkCase

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ALL = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@ALL
def test_it_stores_the_log_and_stops_in_time(case: SinkCase, kafka_settings: Settings) -> None:
    runs = sinks.recorded_runs()
    sinks.publish(kafka_settings, runs, sinks.records_of(runs))
    sinks.catch_up(case, kafka_settings)
    assert case.contents(kafka_settings) == case.expected(kafka_settings)


@ALL
@pytest.mark.parametrize("point", FAULT_POINTS)
def test_death_at_any_point_changes_nothing(case: SinkCase, point: str, kafka_settings: Settings) -> None:
    runs = sinks.recorded_runs()
    records = sinks.records_of(runs)
    sinks.publish(kafka_settings, runs[:11], records[:11])
    dying = sinks.start(case, kafka_settings, STRATUM_FAULTS=f"{point}:1")
    assert dying.wait(60) == DIED, sinks.log_of(case, kafka_settings)
    sinks.publish(kafka_settings, runs[11:], records[11:])
    sinks.catch_up(case, kafka_settings)
    assert case.contents(kafka_settings) == case.expected(kafka_settings)


@ALL
def test_messages_that_come_twice_change_nothing(case: SinkCase, kafka_settings: Settings) -> None:
    runs = sinks.recorded_runs()[:5]
    records = sinks.records_of(runs)
    sinks.publish(kafka_settings, runs, records)
    sinks.publish(kafka_settings, runs, records)
    sinks.catch_up(case, kafka_settings)
    sinks.publish(kafka_settings, runs, records)
    sinks.catch_up(case, kafka_settings)
    assert case.contents(kafka_settings) == case.expected(kafka_settings)


@ALL
def test_a_second_one_ends_at_once_and_names_the_first(case: SinkCase, kafka_settings: Settings) -> None:
    runs = sinks.recorded_runs()[:2]
    sinks.publish(kafka_settings, runs, sinks.records_of(runs))
    with sinks.running(case, kafka_settings) as first:
        sinks.wait_until_stored(case, kafka_settings, first)
        second = sinks.start(case, kafka_settings)
        assert second.wait(30) == 75
        assert f"process {first.pid} " in sinks.log_of(case, kafka_settings)
        assert first.poll() is None


@ALL
def test_an_interrupt_is_graceful(case: SinkCase, kafka_settings: Settings) -> None:
    runs = sinks.recorded_runs()[:2]
    sinks.publish(kafka_settings, runs, sinks.records_of(runs))
    process = sinks.start(case, kafka_settings)
    sinks.wait_until_stored(case, kafka_settings, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert case.contents(kafka_settings) == case.expected(kafka_settings)
