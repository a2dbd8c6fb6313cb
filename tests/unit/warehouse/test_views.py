"""The views on the 22 recorded runs, with their records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stratum_lab.settings import Settings
from stratum_lab.warehouse import Pending, Stored, Warehouse
from stratum_lab.warehouse.docs import PAGE, page
from stratum_lab.warehouse.rows import record_rows
from tests.support.sinks import recorded_runs, records_of


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    made = Warehouse(Settings(home=tmp_path_factory.mktemp("home")))
    runs = recorded_runs()
    pending = Pending()
    for run in runs:
        pending.add_run(run.finished)
        for b in run.batches:
            pending.add_batch(b)
    for r in records_of(runs):
        pending.add_record(r)
    made.write(pending, {("t", 0): Stored(1, "id")})
    yield made
    made.close()


def ask(warehouse: Warehouse, query: str) -> list[tuple[object, ...]]:
    return list(warehouse.con.execute(query).fetchall())


def test_outcomes_count_every_latest_attempt(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT outcome, runs FROM outcome_counts") == [("PARTIAL_SUCCESS", 12), ("SUCCESS", 10)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RUNTIME_ERROR", "CRASH"),
        ("MAX_RETRIES_EXCEEDED", "CRASH"),
        ("TIER2_FAILED", "CRASH"),
        ("NO_EVENTS", "INSTRUMENTATION_FAILURE"),
        ("NO_ENTRY_POINT", "ENTRY_POINT_FAILURE"),
        ("SERVER_BASED", "ENTRY_POINT_FAILURE"),
        ("UNRESOLVABLE_IMPORT", "DEPENDENCY_FAILURE"),
        ("CLONE_FAILED", "DEPENDENCY_FAILURE"),
        ("TIMEOUT_NO_EVENTS", "TIMEOUT"),
        ("TIER2_PARTIAL", "TIER2_SUCCESS"),
        ("MODEL_FAILURE", "MODEL_FAILURE"),
    ],
)
def test_old_statuses_are_mapped(tmp_path: Path, old: str, new: str) -> None:
    made = Warehouse(Settings(home=tmp_path))
    pending = Pending()
    pending.add_run(recorded_runs()[0].finished.model_copy(update={"status": old}))
    made.write(pending, {})
    assert ask(made, "SELECT status, outcome FROM run_outcomes") == [(old, new)]
    made.close()


def test_findings_have_their_prevalence(warehouse: Warehouse) -> None:
    found = ask(warehouse, "SELECT finding_id, repositories_affected, repositories, prevalence FROM findings_overview")
    assert len(found) == 5
    assert all(repositories == 22 for _, _, repositories, _ in found)
    direct = {
        f["finding_id"]: sum(
            g["manifested"]
            for r in records_of(recorded_runs())
            for g in record_rows(r)[2]
            if g["finding_id"] == f["finding_id"]
        )
        for f in record_rows(records_of(recorded_runs())[0])[2]
    }
    assert {finding: affected for finding, affected, _, _ in found} == direct


def test_edges_agree_with_the_records(warehouse: Warehouse) -> None:
    totals = ask(
        warehouse, "SELECT sum(edges_total), sum(edges_activated), sum(edges_dead), sum(edges_emergent) FROM records"
    )
    found = ask(
        warehouse,
        "SELECT sum(edges) FILTER (kind = 'structural'), sum(activated) FILTER (kind = 'structural'),"
        " sum(dead), coalesce(sum(edges) FILTER (kind = 'emergent'), 0) FROM edge_activation",
    )
    assert found == totals


def test_yield_is_told_per_run(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT yield, count(*) FROM behavioral_yield GROUP BY 1 ORDER BY 1") == [
        ("FULL_BEHAVIORAL", 8),
        ("LLM_ONLY", 14),
    ]


def test_event_counts_are_those_of_the_files(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT sum(events)::INT FROM event_counts") == [
        (sum(b.count for run in recorded_runs() for b in run.batches),)
    ]


def test_model_calls_add_up(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT sum(started)::INT, sum(ended)::INT FROM llm_calls") == [(54, 54)]


def test_errors_are_told_by_type(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT error_type, events FROM errors_by_type LIMIT 1") == [("ModuleNotFoundError", 5)]


def test_baselines_cover_every_repository(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT repositories FROM baseline_overview WHERE metric = 'max_delegation_depth'") == [(22,)]


def test_nothing_is_a_problem(warehouse: Warehouse) -> None:
    assert ask(warehouse, "FROM open_problems") == []


def test_freshness_names_the_topic(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT topic, messages FROM freshness") == [("t", 1)]


def test_an_older_record_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    made = Warehouse(Settings(home=tmp_path))
    record = records_of(recorded_runs())[0]
    for offset, revision in ((5, 2), (5, 1), (4, 9), (6, 1)):
        pending = Pending()
        pending.add_record(record.model_copy(update={"source_offset": offset, "revision": revision}))
        made.write(pending, {})
    assert ask(made, "SELECT source_offset, revision FROM records") == [(6, 1)]
    assert ask(made, "SELECT count(*) FROM record_findings") == [(5,)]
    pending = Pending()
    pending.add_record(record)
    pending.drop_record(record.repo_id)
    made.write(pending, {})
    for table in ("records", "record_findings", "record_edges", "baselines"):
        assert ask(made, f"SELECT count(*) FROM {table}") == [(0,)]
    made.close()


def test_every_table_view_and_column_has_a_comment(warehouse: Warehouse) -> None:
    assert ask(warehouse, "SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL") == []
    assert ask(warehouse, "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND comment IS NULL") == []
    assert (
        ask(
            warehouse,
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
            " AND table_name IN (SELECT table_name FROM duckdb_tables())",
        )
        == []
    )


def test_the_page_of_the_warehouse_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
