"""Rebuilding records from a real log: equal to a build without a broker, whatever lies in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from producers.importer import Options as ImportOptions
from producers.importer import Summary, run_import
from producers.recorded_run import plan as plan_runs
from producers.records_build import BuildSummary, build
from producers.replay import Options, ReplaySummary, replay
from producers.replay_warehouse import WarehouseTarget
from stratum_lab.cli.main import app
from stratum_lab.contract.codec import FP_HEADER, Codec
from stratum_lab.contract.events import BehavioralRecord, EventBatch, PingDocument, TopologyMetrics
from stratum_lab.contract.topics import (
    REPO_RECORDS,
    REPO_TOPOLOGY,
    RUN_EVENTS,
    RUN_STATUS,
    SCAN_GRAPHS,
    SCAN_IDENTITIES,
    SCAN_PINGS,
    full_name,
)
from stratum_lab.errors import BrokerUnavailable, UsageError
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import RawMessage, read_ranges, read_topic, watermarks
from stratum_lab.kafka.topics import ensure_topics
from stratum_lab.settings import Settings
from stratum_lab.warehouse import open_warehouse
from tests.support.recorded import RUNS, RUNS_OTHER
from tests.support.sinks import scan_messages

PINGS = Path(__file__).parents[2] / "fixtures" / "pings"

pytestmark = pytest.mark.integration


def import_runs(settings: Settings, *dirs: Path, **options: Any) -> None:
    run_import(
        settings,
        dirs,
        ImportOptions(**options),
        Summary(),
        start=lambda _: None,
        tick=lambda _: None,
        step=lambda: None,
    )


def replayed(settings: Settings, **options: Any) -> ReplaySummary:
    summary = ReplaySummary("r1")
    chosen = Options(**({"replay_id": "r1", "target": "none", "processes": 1} | options))
    replay(settings, chosen, summary, start=lambda _: None, advance=lambda _: None)
    return summary


def everything(settings: Settings, full: str) -> list[RawMessage]:
    ranges = {(full, p): marks for p, marks in watermarks(settings, full).items()}
    return list(read_ranges(settings, ranges, timeout_s=20))


def latest(found: list[RawMessage]) -> dict[bytes | None, Any]:
    newest = {m.key: m for m in found}
    return {k: Codec().decode(m.value, m.headers) for k, m in newest.items() if m.value is not None}


@pytest.fixture
def built(tmp_path: Path) -> dict[str, str]:
    """repo_id -> record text of the recorded runs, folded without a broker."""
    build(plan_runs([RUNS]), tmp_path / "records", BuildSummary(), processes=1, check=False, step=lambda: None)
    return {p.stem: p.read_text() for p in (tmp_path / "records").iterdir()}


@pytest.mark.parametrize("processes", [1, 2])
def test_the_shadow_topics_hold_what_a_build_without_a_broker_gives(
    kafka_settings: Settings, built: dict[str, str], processes: int
) -> None:
    import_runs(kafka_settings, RUNS, RUNS_OTHER, batch_events=7)
    summary = replayed(kafka_settings, target="shadow", processes=processes)
    assert (summary.total.records, summary.total.topologies, summary.total.open_runs) == (22, 22, 3)
    assert summary.processes == processes
    prefix = kafka_settings.kafka.topic_prefix
    shadow = everything(kafka_settings, f"{full_name(prefix, REPO_RECORDS)}.shadow.r1")
    records = latest(shadow)
    assert {r.repo_id: r.record + "\n" for r in records.values()} == built
    sources = {m.key: m.partition for m in read_topic(kafka_settings, RUN_EVENTS)}
    assert all(sources[m.key] == m.partition for m in shadow)
    topologies = latest(everything(kafka_settings, f"{full_name(prefix, REPO_TOPOLOGY)}.shadow.r1"))
    assert len(topologies) == 22
    assert all(isinstance(t, TopologyMetrics) for t in topologies.values())
    assert list(read_topic(kafka_settings, REPO_RECORDS)) == []


def test_how_many_partitions_are_read_at_once_changes_nothing(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_runs(kafka_settings, RUNS, batch_events=7)
    replayed(kafka_settings, promote=True, diff=True)
    for at_once in (1, 3):
        monkeypatch.setattr("producers.replay.AT_ONCE", at_once)
        total = replayed(kafka_settings, diff=True).total
        assert (total.records, total.topologies, total.differences) == (22, 22, [])


def test_duplicates_change_nothing(kafka_settings: Settings) -> None:
    import_runs(kafka_settings, RUNS)
    assert len(replayed(kafka_settings, promote=True, diff=True).total.differences) == 44
    import_runs(kafka_settings, RUNS, force=True, batch_events=5)
    assert replayed(kafka_settings, diff=True).total.differences == []


def test_promote_writes_what_differs_and_deletes_what_nothing_supports(
    kafka_settings: Settings, built: dict[str, str]
) -> None:
    import_runs(kafka_settings, RUNS)
    replayed(kafka_settings, promote=True, diff=True)
    live = latest(list(read_topic(kafka_settings, REPO_RECORDS)))
    wrong = next(iter(live.values()))
    assert isinstance(wrong, BehavioralRecord)
    damaged = json.loads(wrong.record)
    damaged["execution_metadata"]["total_events"] += 1
    ghost = wrong.model_copy(update={"repo_id": "f" * 12})
    with Producer(kafka_settings) as producer:
        changed = wrong.model_copy(update={"record": json.dumps(damaged), "revision": 7})
        for message in (changed, ghost):
            producer.send(REPO_RECORDS, message.repo_id, message, partition=wrong.source_partition)
    found = replayed(kafka_settings, diff=True).total.differences
    assert sorted((d.kind, d.repo_id, d.path) for d in found) == [
        ("changed", wrong.repo_id, "$.record.execution_metadata.total_events"),
        ("extra", "f" * 12, "$"),
    ]
    summary = replayed(kafka_settings, promote=True, diff=True)
    assert (summary.total.promoted, summary.total.tombstones) == (1, 1)
    assert replayed(kafka_settings, diff=True).total.differences == []
    after = latest(list(read_topic(kafka_settings, REPO_RECORDS)))
    assert {r.repo_id: r.record + "\n" for r in after.values()} == built
    assert after[wrong.repo_id.encode()].revision == 8


def test_live_values_that_rest_on_later_input_are_left_alone(kafka_settings: Settings) -> None:
    import_runs(kafka_settings, RUNS)
    replayed(kafka_settings, promote=True, diff=True)
    one = next(iter(latest(list(read_topic(kafka_settings, REPO_RECORDS))).values()))
    later = one.model_copy(update={"source_offset": 10_000, "record": "{}"})
    with Producer(kafka_settings) as producer:
        producer.send(REPO_RECORDS, later.repo_id, later, partition=later.source_partition)
    summary = replayed(kafka_settings, promote=True, diff=True)
    assert (summary.total.newer, summary.total.promoted, summary.total.differences) == (1, 0, [])


def test_poison_messages_are_counted_and_skipped(kafka_settings: Settings) -> None:
    import_runs(kafka_settings, RUNS)
    full = full_name(kafka_settings.kafka.topic_prefix, RUN_EVENTS)
    with Producer(kafka_settings) as producer:
        for partition in range(kafka_settings.kafka.partitions):
            producer.send_raw(full, "x", b"\x01junk", (), partition=partition)
            producer.send_raw(full, "x", b"\x00\xff\xff\xff\xffjunk", (), partition=partition)
            producer.send_raw(full, "x", b"\x00\x00\x00\x00\x01x", [(FP_HEADER, b"12345678")], partition=partition)
            producer.send_raw(full, "x", None, (), partition=partition)
    summary = replayed(kafka_settings)
    n = kafka_settings.kafka.partitions
    assert summary.total.poison == {"bad_magic": n, "unknown_schema": 2 * n, "empty": n}
    assert summary.total.records == 22


def test_a_finished_run_with_a_hole_is_named_and_left_out(kafka_settings: Settings) -> None:
    import_runs(kafka_settings, RUNS, batch_events=5)
    other = kafka_settings.model_copy(
        update={
            "kafka": kafka_settings.kafka.model_copy(
                update={"topic_prefix": kafka_settings.kafka.topic_prefix + "holes."}
            )
        }
    )
    ensure_topics(other)
    prefix = kafka_settings.kafka.topic_prefix
    dropped: tuple[str, int, int] | None = None
    with Producer(other) as producer:
        for name in (RUN_EVENTS, RUN_STATUS):
            for m in read_topic(kafka_settings, name):
                message = Codec().decode(m.value, m.headers)
                if dropped is None and isinstance(message, EventBatch) and message.batch_seq == 1:
                    dropped = (message.repo_id, message.first_seq, message.last_seq)
                    continue
                producer.send_raw(
                    m.topic.replace(prefix, prefix + "holes.", 1), m.key, m.value, m.headers, partition=m.partition
                )
    assert dropped is not None
    summary = replayed(other)
    assert summary.total.records == 21
    (run,) = summary.total.incomplete
    assert (run.repo_id, run.missing[0]) == (dropped[0], dropped[1:])


def test_a_new_warehouse_holds_every_event_once_and_every_record(
    kafka_settings: Settings, built: dict[str, str], tmp_path: Path
) -> None:
    import_runs(kafka_settings, RUNS, RUNS_OTHER)
    import_runs(kafka_settings, RUNS, force=True, batch_events=5)
    file = tmp_path / "new" / "warehouse.duckdb"
    summary = replayed(kafka_settings, target="warehouse", warehouse=file, processes=4)
    assert summary.processes == 1
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    at = kafka_settings.model_copy(update={"warehouse": kafka_settings.warehouse.model_copy(update={"path": file})})
    with open_warehouse(at) as warehouse:
        counted = warehouse.sql(
            "SELECT count(*), count(DISTINCT (repo_id, run_number, attempt, seq)) FROM events"
        ).rows()
        assert counted == [(566, 566)]
        assert warehouse.sql("SELECT count(*) FROM runs").rows() == [(25,)]
        assert {r[0] for r in warehouse.sql("SELECT repo_id FROM records").rows()} == set(built)
        assert warehouse.sql("SELECT count(*) FROM topology").rows() == [(22,)]
    with pytest.raises(UsageError, match="there already"):
        replayed(kafka_settings, target="warehouse", warehouse=file)


def test_a_new_warehouse_holds_what_scans_left(kafka_settings: Settings, tmp_path: Path) -> None:
    left = [m for n in range(5) for m in scan_messages(f"{n}" * 12)]
    text = (PINGS / "schema1.json").read_text(encoding="utf-8")
    with Producer(kafka_settings) as producer:
        for topic, key, message in [*left, *left]:
            producer.send(topic, key, message)
        producer.send(SCAN_PINGS, "k", PingDocument(scan_id="1a2b3c4d", schema_id=1, body=text))
        producer.send(SCAN_PINGS, "k", PingDocument(scan_id="1a2b3c4e", schema_id=1, body="no ping"))
        producer.flush()
        for topic in (SCAN_GRAPHS, SCAN_IDENTITIES):
            full = full_name(kafka_settings.kafka.topic_prefix, topic)
            for m in everything(kafka_settings, full):
                if m.key == b"4" * 12:
                    producer.send_raw(full, "4" * 12, None, [], partition=m.partition)
                    break
    file = tmp_path / "warehouse.duckdb"
    summary = replayed(kafka_settings, target="warehouse", warehouse=file)
    assert summary.total.poison == {"invalid": 1}
    at = kafka_settings.model_copy(update={"warehouse": kafka_settings.warehouse.model_copy(update={"path": file})})
    with open_warehouse(at) as warehouse:
        assert warehouse.sql("SELECT count(*) FROM pings").rows() == [(6,)]
        assert warehouse.sql("SELECT original FROM pings WHERE schema_id = 1").rows() == [(text,)]
        assert warehouse.sql("SELECT count(*) FROM graphs").rows() == [(4,)]
        assert warehouse.sql("SELECT count(*) FROM private.identities").rows() == [(4,)]
        assert warehouse.sql("SELECT state, count(*) FROM private.scan_status GROUP BY 1 ORDER BY 1").rows() == [
            ("done", 5),
            ("queued", 5),
        ]


def test_a_replay_that_fails_leaves_no_warehouse(
    kafka_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_runs(kafka_settings, RUNS)
    file = tmp_path / "new" / "warehouse.duckdb"

    def fails(self: Any, message: Any) -> None:
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(WarehouseTarget, "derived", fails)
    with pytest.raises(BrokerUnavailable):
        replayed(kafka_settings, target="warehouse", warehouse=file)
    assert list(file.parent.iterdir()) == []


def test_the_command_exits_1_on_differences_and_0_after_promotion(kafka_settings: Settings) -> None:
    import_runs(kafka_settings, RUNS)
    env = {
        "STRATUM_BROKER__BOOTSTRAP": kafka_settings.broker.bootstrap,
        "STRATUM_KAFKA__TOPIC_PREFIX": kafka_settings.kafka.topic_prefix,
        "STRATUM_HOME": str(kafka_settings.home),
    }

    def run(*args: str) -> Any:
        return CliRunner().invoke(app, ["replay", "records", "--processes", "1", *args], env=env)

    first = run("--no-write", "--diff", "--json")
    assert first.exit_code == 1
    document = json.loads(first.stdout)["replay"]
    assert (document["records"], len(document["differences"])) == (22, 44)
    assert document["differences"][0]["kind"] == "missing"
    assert run("--no-write", "--promote").exit_code == 0
    assert run("--no-write", "--diff").exit_code == 0
    assert run("--id", "../x").exit_code == 2
