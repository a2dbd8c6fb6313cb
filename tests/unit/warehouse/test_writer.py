"""The writer on recorded runs: every event once, whatever comes twice, late or in part."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from stratum_lab.contract.events import EventBatch, RunFinished, RunStarted
from stratum_lab.contract.events.batch import BatchBuilder, iter_events
from stratum_lab.contract.events.dead_letter import DeadLetter
from stratum_lab.contract.events.lines import Event, parse_line
from stratum_lab.errors import Busy, DestinationFull, IntegrityError
from stratum_lab.settings import Settings
from stratum_lab.warehouse.pending import Pending
from stratum_lab.warehouse.writer import Stored, Warehouse

RUNS = Path(__file__).parents[2] / "fixtures" / "runs"


def recorded(folder: str = "054ccbae67e4") -> list[Event]:
    return [parse_line(line) for line in (RUNS / folder / "events_run_1.jsonl").read_bytes().splitlines()]


def batches(events: list[Event], size: int, repo_id: str = "a" * 12, run: int = 1) -> list[EventBatch]:
    builder = BatchBuilder(repo_id, run, 1, "r" * 16, 1, max_events=size)
    out = [b for e in events if (b := builder.add(e))]
    last = builder.flush()
    return [*out, last] if last else out


def finished(count: int, repo_id: str = "a" * 12, run: int = 1) -> RunFinished:
    return RunFinished(
        repo_id=repo_id, run_number=run, run_id="r" * 16, status="SUCCESS", event_count=count, batch_count=1, tier=1
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    made = Warehouse(settings)
    yield made
    made.close()


def put(warehouse: Warehouse, *messages: EventBatch | RunStarted | RunFinished, offset: int = 1) -> None:
    pending = Pending()
    for m in messages:
        if isinstance(m, EventBatch):
            pending.add_batch(m)
        else:
            pending.add_run(m)
    warehouse.write(pending, {("run.events", 0): Stored(offset, "id")})


def run_state(warehouse: Warehouse) -> tuple[str, int, list[list[int]]]:
    state, stored, missing = warehouse.con.execute("SELECT state, events_stored, missing_ranges FROM runs").fetchone()
    return state, stored, json.loads(missing)


def test_rows_hold_what_the_events_held(warehouse: Warehouse) -> None:
    events = recorded()
    put(warehouse, *batches(events, 7))
    rows = warehouse.con.execute(
        "SELECT event_id, epoch_ns(ts), event_type, framework, source_node_id, source_node_type, source_node_name,"
        " parent_event_id, stack_depth, emitter_run_id, repo_url, payload, seq FROM events ORDER BY seq"
    ).fetchall()
    expected = [
        (
            e.event_id, e.timestamp_ns, e.event_type, e.framework,
            *(tuple(e.source_node) if e.source_node else (None, None, None)),
            e.parent_event_id, e.stack_depth, e.run_id, e.repo_url, e.payload or None, i,
        )
        for i, e in enumerate(events, 1)
    ]  # fmt: skip
    assert rows == expected


@pytest.mark.parametrize("size", [1, 3, 500])
def test_a_batch_that_comes_again_adds_nothing(warehouse: Warehouse, size: int) -> None:
    events = recorded()
    for _ in range(2):
        put(warehouse, *batches(events, size))
    put(warehouse, *batches(events, size), *batches(events, size))
    assert warehouse.con.execute("SELECT count(*), count(DISTINCT seq) FROM events").fetchone() == (len(events),) * 2


def test_overlapping_batches_add_only_what_is_new(warehouse: Warehouse) -> None:
    events = recorded()
    put(warehouse, batches(events, 10)[1])
    put(warehouse, *batches(events, 7))
    found = warehouse.con.execute("SELECT seq, event_id FROM events ORDER BY seq").fetchall()
    assert found == [(i, e.event_id) for i, e in enumerate(events, 1)]


def test_a_hole_is_named_and_closes_when_its_batch_comes_late(settings: Settings) -> None:
    events = recorded()[:25]
    parts = batches(events, 5)
    first = Warehouse(settings)
    put(first, finished(25))
    assert run_state(first) == ("incomplete", 0, [[1, 25]])
    put(first, parts[0], parts[2], parts[4])
    assert run_state(first) == ("incomplete", 15, [[6, 10], [16, 20]])
    first.close()
    again = Warehouse(settings)
    put(again, parts[3])
    assert run_state(again) == ("incomplete", 20, [[6, 10]])
    put(again, parts[1])
    assert run_state(again) == ("finished", 25, [])
    again.close()


def test_a_run_without_an_end_stays_open(warehouse: Warehouse) -> None:
    put(warehouse, *batches(recorded(), 500))
    assert run_state(warehouse)[0] == "open"


def test_start_and_end_of_a_run_fill_one_row(warehouse: Warehouse) -> None:
    put(warehouse, RunStarted(repo_id="a" * 12, run_number=1, run_id="r" * 16, limits='{"x":1}'))
    put(warehouse, finished(0))
    assert warehouse.con.execute("SELECT limits, status, state FROM runs").fetchall() == [
        ('{"x":1}', "SUCCESS", "finished")
    ]


def test_more_runs_than_memory_holds_are_still_stored_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratum_lab.warehouse.writer.KNOWN_RUNS", 2)
    warehouse = Warehouse(settings)
    events = recorded()[:6]
    for _ in range(2):
        for run in range(1, 7):
            put(warehouse, *batches(events, 4, run=run))
    assert warehouse.con.execute("SELECT count(*) FROM events").fetchone() == (36,)
    warehouse.close()


def test_offsets_and_rows_are_stored_together(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    put(warehouse, *batches(recorded(), 500), offset=42)
    warehouse.close()
    again = Warehouse(settings)
    assert again.offsets() == {("run.events", 0): Stored(42, "id")}
    again.close()


def test_an_owner_that_was_replaced_writes_nothing(settings: Settings) -> None:
    old = Warehouse(settings)
    new = Warehouse(settings)
    with pytest.raises(Busy, match="replaced by epoch 2"):
        put(old, *batches(recorded(), 500), offset=7)
    assert new.offsets() == {}
    assert new.con.execute("SELECT count(*) FROM events").fetchone() == (0,)
    put(new, *batches(recorded(), 500))
    old.close()
    new.close()


def test_a_newer_database_is_refused(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    warehouse.con.execute("INSERT INTO schema_migrations VALUES (999, 'later')")
    warehouse.close()
    with pytest.raises(IntegrityError, match="schema version 999"):
        Warehouse(settings)


def test_a_broken_log_is_put_aside_and_the_checkpoint_opens(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    parts = batches(recorded(), 5)
    put(warehouse, parts[0], offset=1)
    warehouse.checkpoint()
    put(warehouse, parts[1], offset=2)
    file = settings.warehouse_path
    saved = file.read_bytes(), file.with_name(file.name + ".wal").read_bytes()
    warehouse.close()
    wal = bytearray(saved[1])
    wal[len(wal) // 2] ^= 0xFF
    file.write_bytes(saved[0])
    file.with_name(file.name + ".wal").write_bytes(wal)
    again = Warehouse(settings)
    assert again.offsets()["run.events", 0].next_offset == 1
    assert again.con.execute("SELECT count(*) FROM events").fetchone() == (5,)
    assert list(file.parent.glob("*.wal.corrupt-*"))
    again.close()


def test_a_damaged_file_is_refused_with_the_rebuild_command(settings: Settings) -> None:
    Warehouse(settings).close()
    data = bytearray(settings.warehouse_path.read_bytes())
    data[:4096] = bytes(4096)
    settings.warehouse_path.write_bytes(data)
    with pytest.raises(IntegrityError) as caught:
        Warehouse(settings)
    assert caught.value.remedy == "stratum warehouse rebuild"


def test_a_dead_letter_is_stored_once_per_place_and_stage(warehouse: Warehouse) -> None:
    def letter(stage: str) -> DeadLetter:
        return DeadLetter.from_message(
            topic="t",
            partition=0,
            offset=5,
            key=None,
            value=b"x",
            headers=[("h", b"\x00")],
            stage=stage,
            reason="garbage",
        )

    for _ in range(2):
        pending = Pending()
        for stage in ("warehouse", "warehouse", "streams"):
            pending.add_dead_letter(letter(stage))
        warehouse.write(pending, {})
    assert warehouse.con.execute("SELECT stage, headers FROM dead_letters ORDER BY 1").fetchall() == [
        ("streams", '[["h","00"]]'),
        ("warehouse", '[["h","00"]]'),
    ]


def test_columnar_batches_and_their_rows_agree() -> None:
    events = recorded()
    assert [e for b in batches(events, 9) for e in iter_events(b)] == events


def test_what_the_columns_cannot_hold_is_kept_beside_them(warehouse: Warehouse) -> None:
    lines = [
        b'{"event_id":"e%d","timestamp_ns":1,"run_id":"r","repo_id":"u","event_type":"t"%s}' % (i, more)
        for i, more in enumerate([b"", b',"odd":1', b"", b"", b',"stack_depth":-4', b""])
    ]
    parts = batches([parse_line(line) for line in lines], 6)
    put(warehouse, *batches([parse_line(line) for line in lines], 2)[1:2])
    put(warehouse, *parts)
    assert warehouse.con.execute("SELECT seq, extra, payload, stack_depth FROM events ORDER BY seq").fetchall() == [
        (1, None, None, None),
        (2, '{"odd":1}', None, None),
        (3, None, None, None),
        (4, None, None, None),
        (5, '{"stack_depth":-4}', None, None),
        (6, None, None, None),
    ]


def test_a_file_that_cannot_grow_pauses_and_goes_on_when_it_can(settings: Settings) -> None:
    """A size limit of the process is the full disk that every machine can have."""
    warehouse = Warehouse(settings)
    put(warehouse, *batches(recorded(), 5, run=1), offset=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(p.stat().st_size for p in settings.home.iterdir())
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, hard))
        with pytest.raises(DestinationFull):
            for run in range(2, 60):
                put(warehouse, *batches(recorded(), 5, run=run), offset=run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    if warehouse.con is None:
        warehouse.open()
    stored = warehouse.offsets()["run.events", 0].next_offset
    assert stored < 60
    for run in range(stored, 60):
        put(warehouse, *batches(recorded(), 5, run=run), offset=run)
    found = warehouse.con.execute("SELECT count(*), count(DISTINCT (run_number, seq)) FROM events").fetchone()
    assert found == (59 * len(recorded()),) * 2
    warehouse.close()


def test_hostile_events_are_stored_and_harm_nobody(warehouse: Warehouse) -> None:
    lines = [
        b'{"event_id":"a","timestamp_ns":1,"run_id":"r","repo_id":"u","event_type":"t","payload":{"k":"v"}}',
        b'{"event_id":"b","timestamp_ns":-9223372036854775808,"run_id":"r","repo_id":"u","event_type":"t"}',
        b'{"event_id":"c","timestamp_ns":9223372036854775807,"run_id":"r","repo_id":"u","event_type":"t",'
        b'"payload":{"lone":"\\ud800","nul":"\\u0000"},"odd":"\\udfff"}',
        b'{"event_id":"d","timestamp_ns":4294967296000000000,"run_id":"r","repo_id":"u","event_type":"t"}',
    ]
    put(warehouse, *batches([parse_line(line) for line in lines], 9))
    found = warehouse.con.execute(
        "SELECT event_id, ts::VARCHAR, payload->>'$', extra IS NOT NULL FROM events ORDER BY seq"
    ).fetchall()
    assert found == [
        ("a", "1970-01-01 00:00:00.000000001", '{"k":"v"}', False),
        ("b", None, None, False),
        ("c", None, '{"lone":"\\ud800","nul":"\\u0000"}', True),
        ("d", "2106-02-07 06:28:16", None, False),
    ]


def test_metadata_that_is_no_json_is_kept_as_text(warehouse: Warehouse) -> None:
    put(warehouse, RunStarted(repo_id="a" * 12, run_number=1, run_id="r", limits="not json"))
    assert warehouse.con.execute("SELECT limits FROM runs").fetchone() == ('"not json"',)
