"""One recorded run as batches, dead letters and marker."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers import recorded_run
from producers.recorded_run import Identity, Plan, RecordedRun, plan
from stratum_lab.contract.events import DeadLetter, EventBatch, RunFinished
from stratum_lab.contract.events.batch import iter_events
from stratum_lab.contract.events.lines import MAX_LINE_BYTES
from stratum_lab.contract.ids import repo_id
from tests.support.recorded import RUNS, RUNS_OTHER, URL, line, metadata, result_folder


class Read:
    """Everything one run gives."""

    def __init__(self, planned: Plan, index: int = 0, batch_events: int = 500) -> None:
        self.run = RecordedRun(planned.runs[index], batch_events=batch_events)
        messages = list(self.run.stream())
        self.batches = [m for m in messages if isinstance(m, EventBatch)]
        self.letters = [m for m in messages if isinstance(m, DeadLetter)]
        self.finished = self.run.finished()
        self.problems = [p.what for p in self.run.problems]

    @property
    def event_ids(self) -> list[str]:
        return [e for b in self.batches for e in b.event_id]


def test_a_run_gives_its_events_in_order_and_a_marker(tmp_path: Path) -> None:
    result_folder(tmp_path, [line(n) for n in range(3)], metadata())
    (tmp_path / "status.json").write_text('{"status": "SUCCESS"}')
    read = Read(plan([tmp_path]), batch_events=2)
    assert [(b.first_seq, b.count, b.batch_seq) for b in read.batches] == [(1, 2, 0), (3, 1, 1)]
    assert read.problems == []
    assert isinstance(read.finished, RunFinished)
    assert read.finished.repo_id == repo_id(URL)
    assert (read.finished.event_count, read.finished.batch_count) == (3, 2)
    assert [(t.tier, t.first_seq, t.last_seq) for t in read.finished.tiers] == [(1, 1, 3)]
    assert read.finished.status_json == '{"status": "SUCCESS"}'
    assert {b.run_id for b in read.batches} == {"bc756a9c5f9a4398"}


def test_the_recorded_runs_are_read_without_a_problem() -> None:
    planned = plan([RUNS])
    assert len(planned.runs) == 22
    for index, one in enumerate(planned.runs):
        read = Read(planned, index)
        assert read.problems == []
        assert read.finished is not None
        source = (one.files.folder / "events_run_1.jsonl").read_bytes().splitlines()
        assert read.event_ids == [json.loads(text)["event_id"] for text in source]


def test_the_folder_names_of_the_recorded_runs_are_their_repo_ids() -> None:
    assert all(p.identity is not None and p.identity.repo_id == p.files.folder.name for p in plan([RUNS]).runs)


def test_a_run_without_metadata_stays_open_and_is_named() -> None:
    planned = plan([RUNS_OTHER])
    assert len(planned.runs) == 3
    for index in range(3):
        read = Read(planned, index)
        assert read.finished is None
        assert read.run.is_open
        assert {(b.tier, b.attempt, b.run_number) for b in read.batches} == {(0, 1, 1)}
        assert any("stays open" in p for p in read.problems)


def test_metadata_without_events_is_a_finished_run_without_events(tmp_path: Path) -> None:
    result_folder(tmp_path, None, metadata(status="DEPENDENCY_FAILURE", reason="clone_failed"))
    read = Read(plan([tmp_path]))
    assert read.batches == []
    assert read.finished is not None
    assert (read.finished.event_count, read.finished.batch_count, read.finished.tiers) == (0, 0, [])


BAD_LINES: list[Any] = [
    pytest.param(b"", "empty", id="empty"),
    pytest.param(b"{", "not_json", id="truncated"),
    pytest.param(b"[1]", "not_object", id="no object"),
    pytest.param(b'{"event_id": "\xff"}', "not_utf8", id="not utf-8"),
    pytest.param(b"{}", "missing_field", id="no fields"),
    pytest.param(line(1, timestamp_ns="now"), "bad_field", id="bad field"),
    pytest.param(b"x" * (MAX_LINE_BYTES + 1), "too_long", id="too long"),
    pytest.param(b"\x00\x01\x02", "not_json", id="binary"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_a_bad_line_costs_one_line(tmp_path: Path, bad: bytes, reason: str) -> None:
    result_folder(tmp_path / "folder", [line(1), bad, line(2)], metadata())
    read = Read(plan([tmp_path]))
    assert read.event_ids == ["evt_0000000000000001", "evt_0000000000000002"]
    (letter,) = read.letters
    assert (letter.source_file, letter.source_line) == ("folder/events_run_1.jsonl", 2)
    assert (letter.reason, letter.body, letter.body_length) == (reason, bad, len(bad))
    assert (letter.repo_id, letter.run_number, letter.attempt) == (repo_id(URL), 1, 1)
    assert read.finished is not None
    assert read.finished.event_count == 2
    assert read.problems == ["1 malformed lines"]


def test_a_50_mb_line_costs_one_line_and_little_memory(tmp_path: Path) -> None:
    folder = result_folder(tmp_path, [line(1)], metadata())
    with (folder / "events_run_1.jsonl").open("ab") as file:
        for _ in range(50):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + line(2) + b"\n")
    read = Read(plan([tmp_path]))
    assert len(read.event_ids) == 2
    assert (read.letters[0].reason, read.letters[0].body_length) == ("too_long", 50 << 20)
    assert len(read.letters[0].body or b"") == 256 * 1024


@pytest.mark.parametrize("body", [b"", b"\x00" * 100, b"\xff\xfe" * 50], ids=["empty", "zeros", "utf-16"])
def test_a_file_without_a_valid_line_and_metadata_is_named(tmp_path: Path, body: bytes) -> None:
    result_folder(tmp_path, body, None)
    planned = plan([tmp_path])
    assert planned.runs[0].identity is None
    read = Read(planned)
    assert (read.batches, read.finished) == ([], None)
    assert any("whose run this is" in p for p in read.problems)


def test_an_empty_events_file_with_metadata_is_a_run_of_no_events(tmp_path: Path) -> None:
    result_folder(tmp_path, b"", metadata())
    read = Read(plan([tmp_path]))
    assert read.finished is not None
    assert (read.finished.event_count, read.problems) == (0, [])


def test_events_beyond_the_limit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_run, "MAX_RUN_EVENTS", 5)
    result_folder(tmp_path, [line(n) for n in range(8)], metadata(events_dropped=10))
    read = Read(plan([tmp_path]), batch_events=2)
    assert read.finished is not None
    assert (read.finished.event_count, read.finished.events_dropped) == (5, 13)
    assert any("3 events beyond" in p for p in read.problems)


def test_bytes_beyond_the_limit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_run, "MAX_RUN_BYTES", len(line(1)) * 3)
    result_folder(tmp_path, [line(n) for n in range(1, 6)], metadata())
    read = Read(plan([tmp_path]))
    assert read.finished is not None
    assert (read.finished.event_count, read.finished.events_dropped) == (3, 2)


def test_malformed_lines_beyond_the_limit_are_only_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_run, "MAX_DEAD_LETTERS", 2)
    result_folder(tmp_path, [b"{", b"{", b"{", line(1)], metadata())
    read = Read(plan([tmp_path]))
    assert len(read.letters) == 2
    assert "3 malformed lines; only the first 2 are kept" in read.problems


def test_unknown_event_types_and_fields_are_carried_through(tmp_path: Path) -> None:
    result_folder(tmp_path, [line(1, event_type="weather.changed", mood="fine")], metadata())
    (event,) = iter_events(Read(plan([tmp_path])).batches[0])
    assert event.event_type == "weather.changed"
    assert json.loads(event.extra) == {"mood": "fine"}


def test_what_the_line_says_about_order_and_identity_is_not_believed(tmp_path: Path) -> None:
    forged = line(1, seq=99, run_number=7, attempt=3, repo_id="https://github.com/other/repo")
    result_folder(tmp_path, [line(1), forged], metadata())
    (batch,) = Read(plan([tmp_path])).batches
    assert (batch.repo_id, batch.run_number, batch.attempt) == (repo_id(URL), 1, 1)
    assert (batch.first_seq, batch.count) == (1, 2)


def test_the_same_run_twice_with_equal_content_is_read_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        result_folder(tmp_path / name, [line(1)], metadata())
    planned = plan([tmp_path])
    assert (len(planned.runs), planned.twice, planned.problems) == (1, 1, [])


def test_of_two_different_runs_with_one_identity_the_second_is_refused(tmp_path: Path) -> None:
    result_folder(tmp_path / "a", [line(1)], metadata())
    result_folder(tmp_path / "b", [line(2)], metadata())
    planned = plan([tmp_path])
    assert [p.files.folder.name for p in planned.runs] == ["a"]
    assert "differs from the one in" in planned.problems[0].what


def test_attempts_of_one_run_are_different_runs(tmp_path: Path) -> None:
    result_folder(tmp_path / "a", [line(1)], metadata(attempt=1))
    result_folder(tmp_path / "b", [line(2)], metadata(attempt=2))
    assert [p.identity for p in plan([tmp_path]).runs] == [Identity(repo_id(URL), 1, 1), Identity(repo_id(URL), 1, 2)]


def test_an_events_file_that_cannot_be_opened_leaves_the_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = result_folder(tmp_path, [line(1)], metadata())
    opened = Path.open

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == "events_run_1.jsonl":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    planned = plan([folder])
    assert planned.runs == []
    assert "Permission denied" in planned.problems[0].what


@given(st.lists(st.binary(max_size=60), max_size=6), st.integers(1, 4))
def test_any_bytes_give_dense_sequence_numbers(chunks: list[bytes], batch_events: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        mixed = [part for n, chunk in enumerate(chunks) for part in (chunk, line(n))]
        result_folder(Path(name), b"\n".join(mixed), metadata())
        read = Read(plan([Path(name)]), batch_events=batch_events)
        seqs = [s for b in read.batches for s in range(b.first_seq, b.last_seq + 1)]
        assert seqs == list(range(1, len(seqs) + 1))
        assert read.finished is not None
        assert read.finished.event_count == len(seqs) >= len(chunks)
