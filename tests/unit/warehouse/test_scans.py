"""Rows of scan jobs: every field of a ping, once per scan, nested as it was, whatever its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from stratum_lab.contract.events import Message, Ping, PingDocument, RepoIdentity, ScanStatus, StructuralGraph
from stratum_lab.contract.ping_fields import keys_of, top_level
from stratum_lab.settings import Settings
from stratum_lab.warehouse import Pending, Warehouse
from tests.support.messages import examples
from tests.support.pings import empty_scan, failed_scan, first_scan, rescan

PINGS = Path(__file__).parents[2] / "fixtures" / "pings"

PLAIN = {
    "string": "VARCHAR", "enum": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN",
    "list<string>": "VARCHAR[]", "list<int>": "BIGINT[]", "list<[string,string]>": "VARCHAR[][]",
    "object<string,int>": "MAP(VARCHAR, BIGINT)", "object<string,string|null>": "MAP(VARCHAR, VARCHAR)",
}  # fmt: skip


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(Settings(home=tmp_path))
    yield made
    made.close()


def put(warehouse: Warehouse, *messages: Message) -> None:
    pending = Pending()
    for message in messages:
        assert pending.scans.add(message)
    warehouse.write(pending, {})


def ask(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    return list(warehouse.con.execute(query).fetchall())


def ping(values: dict[str, Any], **fields: Any) -> Ping:
    return Ping.from_json(values | fields)


def document(name: str) -> PingDocument:
    text = (PINGS / f"{name}.json").read_text(encoding="utf-8")
    values = json.loads(text)
    return PingDocument(scan_id=values["scan_id"], schema_id=values.get("schema_id", int(name[6])), body=text)


def example(kind: type[Message], **fields: Any) -> Any:
    return examples()[kind.__name__].model_copy(update=fields)  # type: ignore[union-attr]


def column_type(name: str) -> str:
    field = top_level()[name]
    if name == "timestamp":
        return "TIMESTAMP"
    if field.type in PLAIN:
        return PLAIN[field.type]
    keys = ", ".join(f"{k.name.rsplit('.', 1)[-1]} {PLAIN[k.type]}" for k in keys_of(name))
    return f"STRUCT({keys})" if field.type == "object" else f"MAP(VARCHAR, STRUCT({keys}))"


def test_the_table_has_a_column_for_every_field_of_every_schema(warehouse: Warehouse) -> None:
    found = ask(warehouse, "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'pings'")
    columns = {name: kind.replace('"', "") for name, kind in found}
    assert columns.pop("original") == "VARCHAR"
    assert columns == {name: column_type(name) for name in top_level()}


def shown(value: Any) -> Any:
    """A stored value as JSON has it."""
    return value.isoformat(timespec="microseconds") + "+00:00" if hasattr(value, "isoformat") else value


@pytest.mark.parametrize(
    "values", [first_scan(), rescan(), empty_scan(), failed_scan()], ids=lambda v: v["scan_status"]
)
def test_every_value_of_a_ping_is_stored_as_it_was(warehouse: Warehouse, values: dict[str, Any]) -> None:
    put(warehouse, ping(values))
    cursor = warehouse.con.execute("FROM pings")
    row = dict(zip([c[0] for c in cursor.description], cursor.fetchone(), strict=True))
    assert json.loads(row.pop("original")) == values
    assert {name: shown(value) for name, value in row.items()} == {name: values.get(name) for name in top_level()}


@pytest.mark.parametrize("name", ["schema1", "schema2", "schema4", "schema5", "schema5-first-scan", "schema5-rescan"])
def test_pings_of_other_schemas_are_rows_with_their_text_untouched(warehouse: Warehouse, name: str) -> None:
    message = document(name)
    put(warehouse, message)
    values = json.loads(message.body)
    ((original, schema, rules),) = ask(warehouse, "SELECT original, schema_id, finding_rules FROM pings")
    assert (original, schema, rules) == (message.body, int(name[6]), values["finding_rules"])
    ((count, version, rescanned),) = ask(warehouse, "SELECT finding_count, version, is_rescan FROM pings_read")
    assert count == sum(values["finding_severities"].values())
    assert version == values.get("version", values.get("scanner_version"))
    assert rescanned == values.get("is_rescan", False)


def test_what_an_old_ping_did_not_record_is_null_in_the_view(warehouse: Warehouse) -> None:
    put(warehouse, document("schema1"))
    assert ask(warehouse, "SELECT scan_status, edge_density, external_sink_count FROM pings_read") == [(None,) * 3]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_of_one_scan_the_ping_emitted_first_stays_in_any_order(warehouse: Warehouse, order: tuple[int, ...]) -> None:
    times = ("2026-02-14T01:00:00.000000+00:00", "2026-02-14T02:00:00.000000+00:00", "2026-02-14T03:00:00.000000+00:00")
    made = [ping(first_scan(), timestamp=times[0], env_var_count=7), ping(failed_scan(), timestamp=times[1]),
            ping(first_scan(), timestamp=times[2], finding_rules=["ENV-001"])]  # fmt: skip
    for n in order:
        put(warehouse, made[n])
    assert ask(warehouse, "SELECT scan_id, env_var_count FROM pings") == [("1a2b3c4d", 7)]
    assert ask(warehouse, "SELECT count(*) FROM ping_findings") == [(4,)]
    assert ask(warehouse, "SELECT count(*) FROM ping_cooccurrence") == [(3,)]


def test_a_ping_twice_in_one_transaction_is_one_row(warehouse: Warehouse) -> None:
    put(warehouse, ping(first_scan()), ping(first_scan()), ping(first_scan(), scan_id="ffffffff"))
    assert ask(warehouse, "SELECT scan_id, count(*) FROM pings GROUP BY 1 ORDER BY 1") == [
        ("1a2b3c4d", 1),
        ("ffffffff", 1),
    ]


def test_findings_and_pairs_are_rows(warehouse: Warehouse) -> None:
    put(warehouse, ping(first_scan()), ping(failed_scan(), scan_id="ffffffff"))
    rows = ask(
        warehouse,
        "SELECT rule, base_rule, family, coverage_pct, original_severity, adjusted_severity"
        " FROM ping_findings ORDER BY 1",
    )
    assert rows == [
        ("CONTEXT-001", "CONTEXT-001", "CONTEXT", None, None, None),
        ("STRATUM-001", "STRATUM-001", "STRATUM", 50, "critical", "high"),
        ("STRATUM-BR01", "STRATUM-BR01", "STRATUM-BR", None, None, None),
        ("STRATUM-CR02", "STRATUM-CR02", "STRATUM-CR", None, None, None),
    ]
    assert ask(warehouse, "SELECT rule_a, rule_b FROM ping_cooccurrence ORDER BY ALL")[0] == (
        "STRATUM-001",
        "STRATUM-BR01",
    )


def test_sub_ids_have_their_base_rule_and_later_schemas_their_instances(warehouse: Warehouse) -> None:
    put(warehouse, document("schema5-rescan"))
    rows = ask(
        warehouse, "SELECT base_rule, family, instances, fix_impact FROM ping_findings WHERE rule = 'STRATUM-CR05.1'"
    )
    assert rows == [("STRATUM-CR05", "STRATUM-CR", 1, -4)]


def test_graphs_and_identities_are_replaced_by_what_comes_later_and_end_with_a_tombstone(warehouse: Warehouse) -> None:
    graph, identity = example(StructuralGraph), example(RepoIdentity)
    put(warehouse, graph, identity)
    put(
        warehouse,
        graph.model_copy(update={"commit": "b" * 40, "edges": []}),
        identity.model_copy(update={"commit": None}),
    )
    assert ask(warehouse, "SELECT commit_sha, node_count, edge_count, nodes[1].name FROM graphs") == [
        ("b" * 40, 1, 0, "Writer")
    ]
    assert ask(warehouse, "SELECT repo_id, commit_sha, display_name FROM private.identities") == [
        (identity.repo_id, None, "example/agents")
    ]
    pending = Pending()
    pending.scans.drop_graph(graph.repo_id)
    pending.scans.drop_identity(identity.repo_id)
    warehouse.write(pending, {})
    assert (
        ask(warehouse, "SELECT count(*) FROM graphs")
        == ask(warehouse, "SELECT count(*) FROM private.identities")
        == [(0,)]
    )


def test_a_graph_with_hostile_names_is_stored(warehouse: Warehouse) -> None:
    graph = example(StructuralGraph)
    name = "a'; DROP TABLE pings; --\x00\n\"é"
    put(warehouse, graph.model_copy(update={"nodes": [graph.nodes[0].model_copy(update={"name": name})]}))
    assert ask(warehouse, "SELECT nodes[1].name FROM graphs") == [(name,)]


def test_every_state_of_a_job_is_stored_once_and_the_latest_shown(warehouse: Warehouse) -> None:
    done = example(ScanStatus)
    states = [
        done.model_copy(update={"state": state, "at": done.at + timedelta(seconds=n), "status": None})
        for n, state in enumerate(("queued", "running"))
    ]
    put(warehouse, done.model_copy(update={"at": done.at + timedelta(seconds=5)}), *states)
    put(warehouse, states[0].model_copy(update={"at": done.at + timedelta(days=1)}), states[1])
    rows = ask(
        warehouse,
        "SELECT state, epoch(recorded_at - TIMESTAMP '2026-02-17 04:40:33.122638')::INT AS after"
        " FROM private.scan_status ORDER BY after",
    )
    assert rows == [("queued", 0), ("running", 1), ("done", 5)]
    assert ask(warehouse, "SELECT state, status FROM private.scan_jobs") == [("done", "partial")]
    assert ask(warehouse, "SELECT state, status, jobs FROM private.job_counts") == [("done", "partial", 1)]


@pytest.mark.parametrize(
    ("states", "latest"),
    [
        (["queued"], "queued"),
        (["queued", "running"], "running"),
        (["queued", "cancelled"], "cancelled"),
        (["queued", "running", "cancelled"], "cancelled"),
        (["queued", "running", "cancelled", "done"], "done"),
    ],
)
def test_the_latest_state_of_a_job_does_not_depend_on_order(
    warehouse: Warehouse, states: list[str], latest: str
) -> None:
    for state in reversed(states):
        put(warehouse, example(ScanStatus, state=state))
    assert ask(warehouse, "SELECT state FROM private.scan_jobs") == [(latest,)]


def test_a_retried_job_shows_its_highest_attempt(warehouse: Warehouse) -> None:
    put(warehouse, example(ScanStatus, attempt=1), example(ScanStatus, attempt=2, state="queued", status=None))
    assert ask(warehouse, "SELECT attempt, state FROM private.scan_jobs") == [(2, "queued")]


@pytest.mark.parametrize(
    "body",
    [
        '{"scan_id":"1a2b3c4d","x":"\\ud800"}',
        '{"scan_id":"1a2b3c4d","x":NaN}',
        "[]",
        '{"scan_id":"ffffffff"}',
        "{",
        '{"scan_id":"1a2b3c4d","x":' + "[" * 990 + "]" * 990 + "}",
    ],
    ids=["surrogate", "nan", "list", "other scan", "broken", "deep"],
)
def test_a_document_that_fits_no_row_is_refused_before_the_transaction(body: str) -> None:
    pending = Pending()
    with pytest.raises((ValueError, RecursionError)):
        pending.scans.add(PingDocument(scan_id="1a2b3c4d", schema_id=1, body=body))
    assert len(pending) == 0


def test_a_ping_that_is_no_json_is_refused_before_the_transaction() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Pending().scans.add(ping(first_scan()).model_copy(update={"edge_density": float("nan")}))


def test_odd_values_of_a_document_become_null_and_stay_in_its_text(warehouse: Warehouse) -> None:
    body = '{"scan_id":"1a2b3c4d","timestamp":"yesterday","agent_count":1e40,"finding_rules":["A","A"],'
    body += '"trust_crossings":[1]}'
    put(warehouse, PingDocument(scan_id="1a2b3c4d", schema_id=1, body=body))
    assert ask(warehouse, "SELECT timestamp, agent_count, trust_crossings, original FROM pings") == [
        (None, None, None, body)
    ]
    assert ask(warehouse, "SELECT rule FROM ping_findings") == [("A",)]


def fleet(warehouse: Warehouse) -> None:
    """Three repositories: one scanned again, one empty, one failed."""
    again = {"scan_id": "bbbbbbbb", "pre_scan_id": "1a2b3c4d"}
    other = {
        "scan_id": "cccccccc",
        "repo_hash": "c" * 16,
        "risk_score": 17,
        "graph_topology_metrics": first_scan()["graph_topology_metrics"] | {"hub_score": 0.04},
    }
    put(
        warehouse,
        ping(first_scan()),
        ping(rescan(), **again, finding_rules=["STRATUM-001", "STRATUM-BR01", "STRATUM-CR02"]),
        ping(first_scan(), **other),
        ping(empty_scan(), scan_id="dddddddd"),
        ping(
            failed_scan(),
            scan_id="eeeeeeee",
            is_rescan=True,
            prev_score=3,
            score_delta=None,
            resolved_count=None,
            new_count=None,
            pre_scan_id="cccccccc",
        ),
    )


def test_a_measured_rescan_replaces_the_scan_before_it_and_a_failed_one_does_not(warehouse: Warehouse) -> None:
    fleet(warehouse)
    assert ask(warehouse, "SELECT scan_id FROM current_pings ORDER BY 1") == [
        ("bbbbbbbb",),
        ("cccccccc",),
        ("dddddddd",),
    ]


def test_finding_rates_are_over_repositories_with_agents(warehouse: Warehouse) -> None:
    fleet(warehouse)
    rows = ask(warehouse, "SELECT framework, rule, affected, repositories, rate FROM finding_rates")
    assert rows[-1] == ("CrewAI", "CONTEXT-001", 1, 2, 0.5)
    assert rows[0] == ("CrewAI", "STRATUM-001", 2, 2, 1.0)


def test_views_of_crews_hubs_and_pairs_add_up(warehouse: Warehouse) -> None:
    fleet(warehouse)
    assert ask(warehouse, "SELECT crew_count, repositories, mean_density, clean_share FROM density_by_crews") == [
        (2, 2, 1.5, 0.5)
    ]
    assert ask(warehouse, "SELECT shape, repositories, mean_score FROM hub_and_mesh") == [
        ("hub_and_spoke", 1, 17.0),
        ("mesh", 1, 17.0),
    ]
    assert ask(warehouse, "SELECT rule_a, rule_b, repositories, rate FROM cooccurrence_rates LIMIT 1") == [
        ("STRATUM-001", "STRATUM-BR01", 2, 1.0)
    ]
    assert ask(warehouse, "SELECT provider_confidence, repositories FROM provider_tiers") == [
        ("detected", 2),
        ("unknown", 1),
    ]
    assert ask(warehouse, "SELECT scan_status, pings FROM scan_counts") == [("success", 3), ("empty", 1), ("failed", 1)]


def test_provider_concentration_counts_repositories_once(warehouse: Warehouse) -> None:
    put(
        warehouse,
        example(ScanStatus, scan_id="00000001", job_id="1" * 16, providers=["anthropic"]),
        example(
            ScanStatus,
            scan_id="00000002",
            job_id="2" * 16,
            providers=["anthropic", "openai"],
            at=example(ScanStatus).at + timedelta(days=1),
        ),
        example(ScanStatus, scan_id="00000003", job_id="3" * 16, repo_id="b" * 12, providers=["openai"]),
        example(ScanStatus, scan_id="00000004", job_id="4" * 16, repo_id="c" * 12, providers=[]),
        example(ScanStatus, scan_id="00000005", job_id="5" * 16, repo_id="d" * 12, status="failed"),
    )
    assert ask(warehouse, "FROM private.provider_concentration") == [("openai", 2, 1.0, 1), ("anthropic", 1, 0.5, 0)]


def test_the_open_schema_names_no_repository_and_needs_nothing_private(warehouse: Warehouse) -> None:
    fleet(warehouse)
    views = ask(warehouse, "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'")
    assert not [name for name, sql in views if "private" in sql]
    columns = ask(
        warehouse,
        "SELECT DISTINCT column_name FROM duckdb_columns() WHERE table_name LIKE 'ping%' AND schema_name = 'main'",
    )
    assert not {"repo_id", "source", "address", "display_name", "repo_url"} & {name for (name,) in columns}
    warehouse.con.execute("DROP SCHEMA private CASCADE")
    for name, _ in views:
        warehouse.con.execute(f"FROM {name}").fetchall()
