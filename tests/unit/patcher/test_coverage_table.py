"""The coverage table: what counts, what differs from the committed one, and how pages show it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.patcher import coverage
from tests.support.patcher.coverage import BEGIN, END, Recorder, differences, hooks_of, merged, page, rendered
from tests.support.patcher.hook_trace import VARIABLE

CALLS = {"llm.call_start": ["openai.post"], "llm.call_end": ["openai.post"]}


def test_only_what_a_passing_test_produced_counts() -> None:
    recorder = Recorder()
    recorder.note("openai-3", {"llm.call_start": {"openai.post"}})
    recorder.settle(passed=False)
    recorder.note("openai-3", {"llm.call_end": {"openai.post"}})
    recorder.note("openai-3", {"llm.call_end": {"openai.stream"}})
    recorder.settle(passed=True)
    assert recorder.cells == {"openai-3": {"llm.call_end": ["openai.post", "openai.stream"]}}


def test_programs_outside_the_framework_lines_do_not_count() -> None:
    recorder = Recorder()
    recorder.note("bare", {"file.read": {"files.open"}})
    recorder.settle(passed=True)
    assert recorder.cells == {}


def test_what_was_produced_and_not_claimed_is_a_difference() -> None:
    assert differences({"openai-3": CALLS}, {"openai-3": {}}, whole=False) == [
        "openai-3: llm.call_end is produced and not in the table",
        "openai-3: llm.call_start is produced and not in the table",
    ]


def test_what_was_claimed_and_not_produced_is_a_difference_once_every_test_ran() -> None:
    assert differences({}, {"openai-3": CALLS}, whole=False) == []
    assert differences({}, {"openai-3": CALLS}, whole=True) == [
        "openai-3: llm.call_end is claimed and not tested",
        "openai-3: llm.call_start is claimed and not tested",
    ]


def test_a_cell_names_the_hooks_and_needs_both_ends_of_a_pair() -> None:
    halves = {"tool.invoked": ["openai.post"]}
    table = rendered({"openai-3": CALLS | halves}).splitlines()
    assert len(table) == 3
    assert table[2].startswith("| openai-3 | 3.52.0 | `openai.post` |")
    assert table[2].count("openai.post") == 1


def test_tables_are_merged_in_the_order_of_the_lines() -> None:
    some, more = {"openai-3": {"llm.call_end": ["a"]}}, {"openai-1": {}, "openai-3": {"llm.call_end": ["b"]}}
    made = merged(some, more)
    assert made == {"openai-1": {}, "openai-3": {"llm.call_end": ["a", "b"]}}
    assert list(made) == ["openai-1", "openai-3"]


def test_a_session_that_traces_hooks_hands_over_what_it_produced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    recorder.note("openai-3", {"llm.call_end": {"openai.post"}})
    recorder.settle(passed=True)
    monkeypatch.setattr(coverage, "RECORDER", recorder)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "made.json"))
    coverage.finish()
    assert json.loads((tmp_path / "made.json").read_text()) == {"openai-3": {"llm.call_end": ["openai.post"]}}


def test_a_page_gets_the_table_between_its_marks() -> None:
    text = page(f"before\n{BEGIN}\nold\n{END}\nafter\n", {"openai-3": CALLS})
    assert text.startswith(f"before\n{BEGIN}\n| line |")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert page(text, {"openai-3": CALLS}) == text


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the marks"):
        page("nothing", {})


def test_a_hook_that_was_applied_names_itself_and_others_their_module(tmp_path: Path) -> None:
    trace = tmp_path / "hooks.txt"
    trace.write_text("evt_1 openai openai.post\nevt_2 langgraph_runs llm.call_end\n")
    assert hooks_of(trace, ["openai.post"]) == {"evt_1": "openai.post", "evt_2": "langgraph_runs"}
    assert hooks_of(tmp_path / "none.txt", []) == {}
