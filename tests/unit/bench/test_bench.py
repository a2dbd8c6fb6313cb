"""The measurements measure what they say: inputs fold completely, layouts agree, targets are judged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench import jsonl, report, rows
from bench.inputs import Shape, natural, recorded, runs_of, throughput
from bench.ratios import compare
from bench.run import chosen, options
from bench.stats import Sample, Series
from bench.tree import NATURAL, THROUGHPUT, make_tree
from producers.recorded_run import RecordedRun, plan
from stratum_lab.contract.codec import Codec
from stratum_lab.contract.events import EventBatch
from stratum_lab.contract.events.batch import iter_events
from stratum_lab.fold import AttemptState, dump_attempt, fold_batch


@pytest.mark.parametrize("shape", [throughput(1, 1000), throughput(22, 3000), natural(30)], ids=lambda s: s.name)
def test_every_run_of_the_input_folds_to_its_end(shape: Shape) -> None:
    seen: set[tuple[str, int]] = set()
    for run in runs_of(shape):
        state = AttemptState()
        for batch in run.batches:
            assert fold_batch(state, batch).missing is None
        assert state.last_seq == run.finished.event_count
        seen.add((run.finished.repo_id, run.finished.run_number))
    assert len(seen) == shape.repos * shape.runs


def test_event_ids_are_unique_over_the_whole_input() -> None:
    ids = [e.event_id for run in runs_of(natural(50)) for b in run.batches for e in iter_events(b)]
    assert len(set(ids)) == len(ids)


def test_rows_and_columns_hold_the_same_events() -> None:
    codec = Codec()
    for run in runs_of(throughput(100, 2000)):
        for batch in run.batches:
            again = rows.to_batch(rows.decode(rows.encode(batch)))
            assert codec.encode(again) == codec.encode(batch)


def test_lines_fold_to_the_same_state_as_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "tree", NATURAL, 100)
    planned = plan([tmp_path / "tree"]).runs
    expected = [_folded(b for b in RecordedRun(run).stream() if isinstance(b, EventBatch)) for run in planned]
    monkeypatch.setattr("stratum_lab.fold.handlers.parse", jsonl.as_it_is)
    lines = [run.files.events.read_bytes() for run in planned if run.files.events is not None]
    assert [_folded([jsonl.read_batch(data, json.loads)]) for data in lines] == expected


def _folded(batches: Iterable[EventBatch]) -> bytes:
    state = AttemptState()
    for batch in batches:
        assert fold_batch(state, batch).missing is None
    return dump_attempt(state)


@pytest.mark.parametrize("shape", [THROUGHPUT, NATURAL])
def test_result_folders_are_what_the_importer_reads(tmp_path: Path, shape: str) -> None:
    written = make_tree(tmp_path / "tree", shape, 1500)
    planned = plan([tmp_path / "tree"])
    assert written >= 1500
    assert not planned.problems
    assert all(p.identity is not None for p in planned.runs)


def test_targets_are_judged_by_medians() -> None:
    replay = Series("b", "replay.1.e500", "replay")
    replay.samples = [Sample(100, 1.0, 0.5), Sample(90, 1.0, 0.5), Sample(10, 1.0, 0.5)]
    bare = Series("c", "bare.e500", "bare")
    bare.samples = [Sample(100, 1.0, 0.25)]
    by_base = {(c.label, c.base): c for c in compare({s.name: s for s in (replay, bare)})}
    ratio = by_base["replay / bare loop, 500 events a message", "wall"]
    assert ratio.value == pytest.approx(0.9)
    assert ratio.reached is True
    assert by_base["replay / bare loop, 500 events a message", "cpu"].reached is False


def test_the_report_shows_every_series() -> None:
    series = Series("e", "import.natural", "stratum run import, natural shape", samples=[Sample(1000, 2.0, 1.0)])
    result = {
        "date": "",
        "machine": {"cores": 1, "processor": "", "system": "", "python": "", "load_average": 0, "libraries": {}},
        "options": {"repeat": 1, "events": 1000},
        "inputs": [],
        "series": [series.to_json()],
        "comparisons": [],
    }
    for text in (report.text(result), report.markdown(result)):
        assert "500 events (500-500)" in text
        assert "1,000 events (1,000-1,000)" in text


@pytest.mark.parametrize("argv", [["--only", "x"], ["--only", ""], ["--sizes", "0"]], ids=" ".join)
def test_senseless_options_are_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        chosen(options(argv))


def test_recorded_runs_are_there() -> None:
    assert len(recorded()) >= 20
