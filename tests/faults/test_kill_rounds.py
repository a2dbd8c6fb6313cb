"""Twenty rounds of SIGKILL at the stream worker and the warehouse sink: 0 differences to a cold rebuild."""

from __future__ import annotations

import json
import random
import sys
import time

import duckdb
import pytest

from stratum_lab.contract.events import EventBatch
from stratum_lab.contract.topics import DEAD_LETTERS, REPO_RECORDS, REPO_TOPOLOGY, RUN_EVENTS, RUN_STATUS
from stratum_lab.errors import StratumError
from stratum_lab.kafka.reader import watermarks
from stratum_lab.kafka.topics import on_broker
from stratum_lab.settings import Settings, WarehouseSettings
from stratum_lab.warehouse.reader import open_warehouse
from stratum_lab.warehouse.serve import find_door
from tests.support.trial import (
    SOURCES,
    WORKER,
    Load,
    all_folded,
    cold_records,
    processes,
    soak,
    trial_settings,
    verify,
    wait_until,
)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

ROUNDS = int(soak(20, 60))
SINK = [sys.executable, "-m", "stratum_lab.cli", "worker", "warehouse"]
STORED = (RUN_EVENTS, RUN_STATUS, REPO_RECORDS, REPO_TOPOLOGY, DEAD_LETTERS)


def all_stored(settings: Settings) -> bool:
    """Whether the sink stored everything that its topics hold."""
    if find_door(settings) is None:
        return False  # reading the file itself would keep the sink from opening it
    try:
        with open_warehouse(settings) as warehouse:
            rows = warehouse.sql("SELECT topic, partition, next_offset FROM sink_offsets").rows()
        at = {(topic, number): offset for topic, number, offset in rows}
        for topic in STORED:
            full = on_broker(settings, topic)
            for number, (_, end) in watermarks(settings, full).items():
                if at.get((full, number), 0) < end:
                    return False
    except StratumError:
        return False
    return True


def test_twenty_rounds_of_sigkill_end_in_a_cold_rebuild(kafka_settings: Settings) -> None:
    settings = trial_settings(kafka_settings).model_copy(
        update={"warehouse": WarehouseSettings(port=0, batch_seconds=0.2)}
    )
    seed = 20
    rng = random.Random(seed)
    load = Load.drawn(rng, repos=20, batches=30, size=20)
    with processes(settings) as running:
        running.start("streams", WORKER)
        running.start("warehouse", SINK)
        producing = load.in_background(settings, ROUNDS * 2.5)
        killed = {"streams": 0, "warehouse": 0}
        for _ in range(ROUNDS):
            # Long enough between two kills that both sometimes get to work, short enough to hit every phase.
            time.sleep(rng.choice([0.3, 1.0, 2.5, 6.0]) * rng.uniform(0.6, 1.2))
            for name in rng.choice([["streams"], ["warehouse"], ["warehouse"], ["streams", "warehouse"]]):
                running.kill(name)
                killed[name] += 1
        producing.join()
        print(f"kill rounds, seed {seed}: {killed}; {verify(settings, running)}")
        wait_until("the sink stored everything", lambda: all_stored(settings), 60)
        running.stop("warehouse")
        running.stop("streams")
        assert all_folded(settings)
    batches = [m for topic, _, m in load.messages if topic == RUN_EVENTS and isinstance(m, EventBatch)]
    expected_events = sum(b.count for b in batches)
    poison = sum(isinstance(m, bytes) for topic, _, m in load.messages if topic in SOURCES)
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as warehouse:

        def one(sql: str) -> int:
            row = warehouse.execute(sql).fetchone()
            assert row is not None
            return int(row[0])

        assert one("SELECT count(*) FROM events") == expected_events
        assert (
            one("SELECT count(*) FROM (SELECT DISTINCT repo_id, run_number, attempt, seq FROM events)")
            == expected_events
        )
        stored = dict(warehouse.execute("SELECT repo_id, record::VARCHAR FROM records").fetchall())
        places = "SELECT DISTINCT topic, partition, \"offset\" FROM dead_letters WHERE stage = 'streams'"
        letters = one(f"SELECT count(*) FROM ({places})")
    assert {k: json.loads(v) for k, v in stored.items()} == {
        k: json.loads(v) for k, v in cold_records(settings).items()
    }
    assert letters == poison
