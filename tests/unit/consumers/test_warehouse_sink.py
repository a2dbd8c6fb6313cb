"""What decodes and still cannot be stored is refused by itself, not with its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.warehouse_sink import WarehouseSink
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import Message
from stratum_lab.contract.topics import REPO_RECORDS, RUN_EVENTS, RUN_STATUS, full_name
from stratum_lab.errors import DecodeError
from stratum_lab.kafka.consumer import RawMessage
from stratum_lab.settings import Settings
from tests.support.sinks import recorded_runs, records_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def sink(settings: Settings) -> Iterator[WarehouseSink]:
    made = WarehouseSink(settings, serve=False)
    yield made
    made.close()


def raw(settings: Settings, topic: str, message: Message) -> RawMessage:
    encoded = Codec().encode(message)
    full = full_name(settings.kafka.topic_prefix, topic)
    return RawMessage(full, 0, 0, b"k", encoded.value, list(encoded.headers), 0)


def test_a_tier_that_fits_no_column_is_refused(settings: Settings, sink: WarehouseSink) -> None:
    run = recorded_runs()[0]
    for topic, message in (
        (RUN_EVENTS, replace(run.batches[0], tier=999)),
        (RUN_EVENTS, replace(run.batches[0], first_seq=2**63 - 2)),
        (RUN_STATUS, run.finished.model_copy(update={"tier": -1})),
    ):
        with pytest.raises(DecodeError) as caught:
            sink.add(raw(settings, topic, message))
        assert caught.value.reason == "invalid"
    sink.add(raw(settings, RUN_EVENTS, run.batches[0]))
    sink.flush({})
    assert sink.settle().rows > 0


@pytest.mark.parametrize("text", ["[]", "{}", "not json", '{"schema_version": "v6"}'])
def test_a_record_that_is_no_v6_record_is_refused(settings: Settings, sink: WarehouseSink, text: str) -> None:
    record = records_of(recorded_runs()[:1])[0]
    with pytest.raises(DecodeError):
        sink.add(raw(settings, REPO_RECORDS, record.model_copy(update={"record": text})))
    sink.add(raw(settings, REPO_RECORDS, record))
    assert sink.size() == 1


def test_a_message_of_another_topic_is_refused(settings: Settings, sink: WarehouseSink) -> None:
    with pytest.raises(DecodeError) as caught:
        sink.add(raw(settings, RUN_EVENTS, recorded_runs()[0].finished))
    assert caught.value.reason == "unexpected_message"
