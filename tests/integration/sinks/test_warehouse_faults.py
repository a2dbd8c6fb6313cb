"""What happens to the warehouse sink in bad times: poison, a recreated topic, a torn log, a full disk, SIGKILL."""

from __future__ import annotations

import random
import threading

import duckdb
import pytest

from consumers.loop import Loop
from consumers.warehouse_sink import WarehouseSink
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import DeadLetter
from stratum_lab.contract.topics import DEAD_LETTERS, RUN_EVENTS, RUN_STATUS, full_name
from stratum_lab.errors import LogIdentityChanged
from stratum_lab.kafka.clients import admin
from stratum_lab.kafka.reader import read_topic
from stratum_lab.kafka.topics import ensure_topics, partition_counts
from stratum_lab.settings import Settings, WarehouseSettings
from stratum_lab.warehouse import Warehouse
from tests.support import sinks
from tests.support.kafka import wait_for
from tests.support.sinks import WAREHOUSE

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(300)]

ROUNDS = 8


def drain(settings: Settings) -> None:
    """Store everything the log holds, in this process and without a door."""
    sink = WarehouseSink(settings, serve=False)
    try:
        Loop(settings, sink, threading.Event(), drain=True).run()
    finally:
        sink.close()


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as con:
        return list(con.execute(query).fetchall())


def test_every_unreadable_message_becomes_one_dead_letter_and_the_rest_is_stored(kafka_settings: Settings) -> None:
    runs = sinks.recorded_runs()
    sinks.publish(kafka_settings, runs[:11])
    bad = {topic: sinks.poison(kafka_settings, topic, seed) for seed, topic in enumerate((RUN_EVENTS, RUN_STATUS))}
    sinks.publish(kafka_settings, runs[11:])
    for _ in range(2):  # the second time the letters come from their own topic
        drain(kafka_settings)
    codec = Codec()
    letters = [codec.decode(m.value, m.headers) for m in read_topic(kafka_settings, DEAD_LETTERS)]
    places = [(x.topic, x.partition, x.offset) for x in letters if isinstance(x, DeadLetter)]
    assert len(places) == len(set(places)) == sum(bad.values())
    stored = rows(kafka_settings, "SELECT topic, partition, \"offset\" FROM dead_letters WHERE stage = 'warehouse'")
    assert sorted(stored) == sorted(places)
    assert rows(kafka_settings, "SELECT state, count(*) FROM runs GROUP BY state") == [("finished", len(runs))]


def test_poison_among_the_dead_letters_ends_there(kafka_settings: Settings) -> None:
    count = sinks.poison(kafka_settings, DEAD_LETTERS, 3)
    for _ in range(2):
        drain(kafka_settings)
    assert len(list(read_topic(kafka_settings, DEAD_LETTERS))) == count
    assert rows(kafka_settings, "SELECT count(*) FROM dead_letters") == [(count,)]


def test_a_recreated_topic_is_refused_until_it_is_rebased(kafka_settings: Settings) -> None:
    runs = sinks.recorded_runs()
    sinks.publish(kafka_settings, runs[:5])
    drain(kafka_settings)
    full = full_name(kafka_settings.kafka.topic_prefix, RUN_EVENTS)
    client = admin(kafka_settings)
    client.delete_topics([full])[full].result()
    wait_for(lambda: full not in partition_counts(kafka_settings), "the topic is gone")
    ensure_topics(kafka_settings, [RUN_EVENTS])
    sinks.publish(kafka_settings, runs)
    with pytest.raises(LogIdentityChanged, match="was recreated") as caught:
        drain(kafka_settings)
    assert caught.value.remedy == f"stratum warehouse rebase {full}"
    warehouse = Warehouse(kafka_settings)
    warehouse.rebase([full])
    warehouse.close()
    drain(kafka_settings)
    assert rows(kafka_settings, "SELECT state, count(*) FROM runs GROUP BY state") == [("finished", len(runs))]
    assert rows(kafka_settings, "SELECT count(*) - count(DISTINCT (repo_id, seq)) FROM events") == [(0,)]


def test_offsets_beyond_the_log_are_refused(kafka_settings: Settings) -> None:
    sinks.publish(kafka_settings, sinks.recorded_runs()[:5])
    drain(kafka_settings)
    with duckdb.connect(str(kafka_settings.warehouse_path)) as con:
        con.execute("UPDATE sink_offsets SET next_offset = next_offset + 1000")
    with pytest.raises(LogIdentityChanged, match="ends at offset"):
        drain(kafka_settings)


def test_a_torn_write_ahead_log_rewinds_and_is_read_again(
    kafka_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = sinks.recorded_runs()
    sinks.publish(kafka_settings, runs[:11])
    sinks.catch_up(WAREHOUSE, kafka_settings)
    sinks.publish(kafka_settings, runs[11:])
    process = sinks.start(WAREHOUSE, kafka_settings)
    sinks.wait_until_stored(WAREHOUSE, kafka_settings, process)
    process.kill()
    process.wait()
    wal = kafka_settings.warehouse_path.with_name(kafka_settings.warehouse_path.name + ".wal")
    wal.write_bytes(wal.read_bytes()[: wal.stat().st_size // 3])
    capsys.readouterr()
    drain(kafka_settings)
    assert "rewound" in "".join(capsys.readouterr())
    assert WAREHOUSE.contents(kafka_settings) == WAREHOUSE.expected(kafka_settings)


def test_a_full_disk_pauses_the_sink_until_there_is_room(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 0

    monkeypatch.setattr("stratum_lab.warehouse.writer.shutil.disk_usage", lambda _: Usage)
    runs = sinks.recorded_runs()
    sinks.publish(kafka_settings, runs)
    settings = kafka_settings.model_copy(update={"warehouse": WarehouseSettings(batch_seconds=0.1)})
    sink = WarehouseSink(settings, serve=False)
    tried = threading.Event()
    flush = sink.flush

    def noted(*args: object) -> int:
        tried.set()
        return flush(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sink, "flush", noted)
    loop = Loop(settings, sink, threading.Event(), drain=True)
    worker = threading.Thread(target=loop.run)
    worker.start()
    assert tried.wait(60)
    assert not sink.offsets()
    Usage.free = 1 << 50
    worker.join(60)
    assert not worker.is_alive()
    sink.close()
    assert WAREHOUSE.contents(settings)[0] == WAREHOUSE.expected(settings)[0]


def test_sigkill_at_random_moments_changes_nothing(kafka_settings: Settings) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    runs = sinks.recorded_runs(batch_events=3)
    sinks.publish(kafka_settings, runs[:1])
    sinks.catch_up(WAREHOUSE, kafka_settings)
    left = runs[1:]
    for round_ in range(ROUNDS):
        process = sinks.start(WAREHOUSE, kafka_settings, STRATUM_WAREHOUSE__BATCH_SECONDS="0.01")
        take = len(left) // (ROUNDS - round_)
        sinks.publish(kafka_settings, left[:take])
        left = left[take:]
        alive = threading.Event()
        # Random time to live: the point of death is what is drawn, nothing is waited for.
        alive.wait(draw.uniform(0.5, 6.0))
        process.kill()
        process.wait()
    sinks.publish(kafka_settings, left)
    sinks.catch_up(WAREHOUSE, kafka_settings)
    assert WAREHOUSE.contents(kafka_settings) == WAREHOUSE.expected(kafka_settings)
