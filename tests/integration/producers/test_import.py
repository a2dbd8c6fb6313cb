"""Importing recorded runs into a real log."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from producers import importer
from producers.importer import Options, Summary, run_import
from stratum_lab.cli.main import app
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import DeadLetter, EventBatch, Message, RunFinished, RunStarted
from stratum_lab.contract.ids import repo_id
from stratum_lab.contract.topics import DEAD_LETTERS, RUN_EVENTS, RUN_STATUS
from stratum_lab.errors import BrokerUnavailable
from stratum_lab.kafka.producer import Producer
from stratum_lab.kafka.reader import read_topic
from stratum_lab.settings import BrokerSettings, KafkaSettings, Settings
from tests.support.recorded import RUNS, RUNS_OTHER, URL, copy_runs, line, metadata, result_folder

pytestmark = pytest.mark.integration


def imported(settings: Settings, *dirs: Path, **options: Any) -> Summary:
    summary = Summary()
    run_import(
        settings, dirs, Options(**options), summary, start=lambda _: None, tick=lambda _: None, step=lambda: None
    )
    return summary


def messages(settings: Settings, topic: str) -> list[Message]:
    return [Codec().decode(m.value, m.headers) for m in read_topic(settings, topic)]


def counts(settings: Settings) -> dict[str, int]:
    return {t: sum(1 for _ in read_topic(settings, t)) for t in (RUN_EVENTS, RUN_STATUS, DEAD_LETTERS)}


def test_the_recorded_runs_arrive_complete_under_their_key(kafka_settings: Settings) -> None:
    summary = imported(kafka_settings, RUNS)
    assert (summary.runs, summary.events, summary.problems) == (22, 495, [])
    raw = list(read_topic(kafka_settings, RUN_EVENTS)) + list(read_topic(kafka_settings, RUN_STATUS))
    place: dict[bytes | None, set[int]] = {}
    for m in raw:
        message = Codec().decode(m.value, m.headers)
        assert isinstance(message, EventBatch | RunFinished)
        assert m.key == message.repo_id.encode()
        place.setdefault(m.key, set()).add(m.partition)
    assert len(place) == 22
    assert {len(p) for p in place.values()} == {1}  # both topics put a key into the same partition
    finished = [m for m in messages(kafka_settings, RUN_STATUS) if isinstance(m, RunFinished)]
    held = Counter[str]()
    for batch in messages(kafka_settings, RUN_EVENTS):
        assert isinstance(batch, EventBatch)
        held[batch.repo_id] += batch.count
    assert {f.repo_id: f.event_count for f in finished} == held
    assert all(f.status_json for f in finished)


def test_importing_twice_changes_nothing(kafka_settings: Settings, tmp_path: Path) -> None:
    copied = copy_runs(tmp_path / "in")
    with (next(iter(sorted(copied.iterdir()))) / "events_run_1.jsonl").open("ab") as file:
        file.write(b"garbage\n")
    first = imported(kafka_settings, copied, RUNS_OTHER)
    before = counts(kafka_settings)
    again = imported(kafka_settings, copied, RUNS_OTHER)
    assert counts(kafka_settings) == before
    assert (first.runs, first.dead_letters, first.open_runs) == (25, 1, 3)
    assert (again.runs, again.events, again.already_there, again.open_runs) == (0, 0, 25, 3)


def test_force_publishes_the_same_numbers_again(kafka_settings: Settings) -> None:
    imported(kafka_settings, RUNS)
    assert imported(kafka_settings, RUNS, force=True).runs == 22
    seen = Counter(
        (b.repo_id, b.first_seq, b.count) for b in messages(kafka_settings, RUN_EVENTS) if isinstance(b, EventBatch)
    )
    assert set(seen.values()) == {2}


def test_a_dry_run_publishes_nothing(kafka_settings: Settings) -> None:
    summary = imported(kafka_settings, RUNS, dry_run=True)
    assert (summary.runs, summary.events) == (22, 495)
    assert set(counts(kafka_settings).values()) == {0}


def test_a_malformed_line_becomes_a_dead_letter_with_file_and_line(kafka_settings: Settings, tmp_path: Path) -> None:
    result_folder(tmp_path / "folder", [line(1), b"\x00\xff", line(2)], metadata())
    summary = imported(kafka_settings, tmp_path)
    assert (summary.events, summary.dead_letters, len(summary.problems)) == (2, 1, 1)
    (letter,) = messages(kafka_settings, DEAD_LETTERS)
    assert isinstance(letter, DeadLetter)
    assert (letter.source_file, letter.source_line, letter.body) == ("folder/events_run_1.jsonl", 2, b"\x00\xff")
    assert letter.topic is None


def test_a_run_without_metadata_stays_open_under_the_lines_address(kafka_settings: Settings) -> None:
    imported(kafka_settings, RUNS_OTHER)
    markers = messages(kafka_settings, RUN_STATUS)
    assert len(markers) == 3
    assert all(isinstance(m, RunStarted) for m in markers)
    assert {
        (b.attempt, b.tier, b.run_number) for b in messages(kafka_settings, RUN_EVENTS) if isinstance(b, EventBatch)
    } == {(1, 0, 1)}


def test_metadata_that_comes_later_makes_a_further_attempt(kafka_settings: Settings, tmp_path: Path) -> None:
    result_folder(tmp_path, [line(1), line(2)], None)
    imported(kafka_settings, tmp_path)
    result_folder(tmp_path, None, metadata())
    assert imported(kafka_settings, tmp_path).runs == 1
    assert imported(kafka_settings, tmp_path).already_there == 1
    finished = [m for m in messages(kafka_settings, RUN_STATUS) if isinstance(m, RunFinished)]
    assert [(f.attempt, f.tier, f.event_count) for f in finished] == [(2, 1, 2)]


def test_other_content_under_a_known_identity_is_refused(kafka_settings: Settings, tmp_path: Path) -> None:
    result_folder(tmp_path, [line(1)], metadata())
    imported(kafka_settings, tmp_path)
    before = counts(kafka_settings)
    result_folder(tmp_path, [line(1), line(2)], metadata())
    for force in (False, True):
        summary = imported(kafka_settings, tmp_path, force=force)
        assert (summary.runs, summary.refused) == (0, 1)
        assert "other content" in summary.problems[0].what
    assert counts(kafka_settings) == before


def test_a_run_that_a_runner_published_is_not_published_again(kafka_settings: Settings, tmp_path: Path) -> None:
    result_folder(tmp_path, [line(1)], metadata())
    live = RunFinished(
        repo_id=repo_id(URL),
        run_number=1,
        attempt=1,
        run_id=metadata()["run_id"],
        status="SUCCESS",
        event_count=1,
        batch_count=1,
    )
    with Producer(kafka_settings) as producer:
        producer.send(RUN_STATUS, live.repo_id, live)
    assert imported(kafka_settings, tmp_path).already_there == 1
    result_folder(tmp_path, [line(1)], metadata(run_id="f" * 16))
    assert imported(kafka_settings, tmp_path).refused == 1


def test_files_of_another_run_than_the_one_a_runner_began_are_refused(kafka_settings: Settings, tmp_path: Path) -> None:
    result_folder(tmp_path, [line(1)], metadata())
    fields = {"repo_id": repo_id(URL), "run_number": 1, "attempt": 1}
    with Producer(kafka_settings) as producer:
        producer.send(RUN_STATUS, repo_id(URL), RunStarted(**fields, run_id="f" * 16))
    assert imported(kafka_settings, tmp_path).refused == 1
    with Producer(kafka_settings) as producer:
        producer.send(RUN_STATUS, repo_id(URL), RunStarted(**fields, run_id=metadata()["run_id"]))
    assert imported(kafka_settings, tmp_path).runs == 1


def test_a_crash_never_leaves_a_finished_run_without_its_batches(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "_HELD_RUNS", 5)
    stop_at = 12
    added = importer.Importer.add

    def dies(self: Any, planned: Any, tick: Any) -> None:
        nonlocal stop_at
        stop_at -= 1
        if stop_at == 0:
            raise RuntimeError("killed")
        added(self, planned, tick)

    monkeypatch.setattr(importer.Importer, "add", dies)
    with pytest.raises(RuntimeError):
        imported(kafka_settings, RUNS)
    monkeypatch.undo()
    held = {b.repo_id for b in messages(kafka_settings, RUN_EVENTS) if isinstance(b, EventBatch)}
    done = {m.repo_id for m in messages(kafka_settings, RUN_STATUS) if isinstance(m, RunFinished)}
    assert len(done) == 10
    assert done <= held
    rest = imported(kafka_settings, RUNS)
    assert (rest.runs, rest.already_there) == (12, 10)


def test_an_interrupt_finishes_what_was_read_and_says_so(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, calls = importer.Importer.add, 0

    def interrupted(self: Any, planned: Any, tick: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        added(self, planned, tick)

    monkeypatch.setattr(importer.Importer, "add", interrupted)
    summary = imported(kafka_settings, RUNS)
    assert (summary.interrupted, summary.runs) == (True, 3)
    assert counts(kafka_settings)[RUN_STATUS] == 3


def test_a_broker_that_is_away_is_a_clear_error(tmp_path: Path) -> None:
    away = Settings(
        home=tmp_path,
        broker=BrokerSettings(bootstrap="127.0.0.1:1"),
        kafka=KafkaSettings(request_timeout_s=1.0),
    )
    with pytest.raises(BrokerUnavailable):
        imported(away, RUNS)


def test_the_command_prints_one_document_and_exits_by_what_it_found(kafka_settings: Settings) -> None:
    env = {
        "STRATUM_BROKER__BOOTSTRAP": kafka_settings.broker.bootstrap,
        "STRATUM_KAFKA__TOPIC_PREFIX": kafka_settings.kafka.topic_prefix,
        "STRATUM_KAFKA__PARTITIONS": str(kafka_settings.kafka.partitions),
        "STRATUM_HOME": str(kafka_settings.home),
    }
    good = CliRunner().invoke(app, ["run", "import", str(RUNS), "--json"], env=env)
    assert good.exit_code == 0
    assert json.loads(good.stdout)["import"]["runs"] == 22
    bad = CliRunner().invoke(app, ["run", "import", str(RUNS_OTHER)], env=env)
    assert bad.exit_code == 1
    assert bad.stderr.count("stays open") == 3
    away = CliRunner().invoke(
        app,
        ["run", "import", str(RUNS), "--json"],
        env=env | {"STRATUM_BROKER__BOOTSTRAP": "127.0.0.1:1", "STRATUM_KAFKA__REQUEST_TIMEOUT_S": "1"},
    )
    assert away.exit_code == 75
    assert json.loads(away.stdout)["error"]["kind"] == "broker_unavailable"
