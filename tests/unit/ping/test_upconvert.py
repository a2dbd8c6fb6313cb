"""Pings of schemas 1 to 5 read as schema 3: nothing is invented, and what was not recorded says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stratum_lab.contract.ping_fields import SCHEMA_IDS, live
from stratum_lab.errors import DecodeError
from stratum_lab.ping.schemas import schema_of
from stratum_lab.ping.upconvert import NOT_RECORDED, parse, read
from tests.support.pings import failed_scan, first_scan, rescan

PINGS = Path(__file__).parents[2] / "fixtures" / "pings"
FIRST = {field.name for field in live(3) if not field.conditional}


def golden(name: str) -> dict[str, Any]:
    return parse((PINGS / f"{name}.json").read_bytes())


@pytest.mark.parametrize("path", sorted(PINGS.glob("*.json")), ids=lambda p: p.stem)
def test_every_stored_ping_is_read_with_exactly_the_fields_of_schema_3(path: Path) -> None:
    ping = read(parse(path.read_bytes()))
    rescans = {field.name for field in live(3) if field.conditional}
    assert set(ping.values) == (FIRST | rescans if ping.values["is_rescan"] else FIRST)
    assert ping.original == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("schema", SCHEMA_IDS)
def test_the_schema_of_a_stored_ping_is_found(schema: int) -> None:
    assert schema_of(golden(f"schema{schema}")) == schema
    assert read(golden(f"schema{schema}")).schema == schema


@pytest.mark.parametrize("make", [first_scan, rescan, failed_scan], ids=lambda make: make.__name__)
def test_a_ping_of_schema_3_is_read_as_it_is(make: Any) -> None:
    ping = read(make())
    assert ping.values == make()
    assert ping.beyond == {}


def test_schema_2_is_told_from_schema_1_by_any_of_its_fields() -> None:
    bare = golden("schema1")
    assert schema_of(bare) == 1
    for name in ("finding_coverages", "severity_downgrades", "crews_clean", "crews_with_findings"):
        assert schema_of(bare | {name: {}}) == 2


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("schema1", {"scan_status", "repo_hash", "graph_node_count", "crew_size_distribution", "finding_coverages"}),
        ("schema2", {"scan_status", "repo_hash", "graph_node_count", "crew_size_distribution", "provider_confidence"}),
    ],
)
def test_what_an_old_ping_does_not_say_is_not_recorded(name: str, missing: set[str]) -> None:
    values = read(golden(name)).values
    assert all(values[field] is NOT_RECORDED for field in missing)
    # The first scan differs between the two in these rows alone.
    assert ("crews_clean" in golden(name)) == (values["crews_clean"] is not NOT_RECORDED)


@pytest.mark.parametrize("name", ["schema1", "schema2"])
def test_what_follows_exactly_is_filled(name: str) -> None:
    values = read(golden(name)).values
    wanted = first_scan()
    for field in ("finding_count", "finding_rule_count", "has_any_guardrails", "is_rescan"):
        assert values[field] == wanted[field]
    ratios = ("findings_per_agent", "findings_per_crew", "guardrails_per_agent", "external_exposure_ratio")
    assert {k: values["normalized_features"][k] for k in ratios} == {
        k: wanted["normalized_features"][k] for k in ratios
    }
    assert values["normalized_features"]["tools_per_agent"] is NOT_RECORDED
    assert values["schema_id"] == int(name[-1])


def test_graph_ratios_are_filled_when_an_old_ping_happens_to_have_the_counts() -> None:
    wanted = first_scan()
    extra = ("graph_node_count", "graph_edge_count", "graph_node_type_distribution")
    values = read(golden("schema1") | {name: wanted[name] for name in extra}).values
    assert values["edge_density"] == wanted["edge_density"]
    assert values["external_sink_count"] == wanted["external_sink_count"]
    assert values["graph_topology_metrics"]["avg_degree"] == wanted["graph_topology_metrics"]["avg_degree"]
    assert values["graph_topology_metrics"]["diameter"] is NOT_RECORDED


def test_display_state_and_fleet_counts_of_schema_2_are_dropped() -> None:
    ping = read(golden("schema2"))
    assert "progress_card_shown" not in ping.values | ping.beyond
    assert "provider_confidence_breakdown" not in ping.values | ping.beyond
    assert ping.values["provider_confidence"] is NOT_RECORDED


def test_renamed_and_removed_fields_of_schema_5_are_found_under_their_new_names() -> None:
    ping = read(golden("schema5"))
    assert ping.values["version"] == golden("schema5")["scanner_version"]
    assert ping.values["finding_count"] == golden("schema5")["finding_rule_count"]
    assert ping.beyond["frameworks"] == ["CrewAI", "LangChain"]


def test_an_old_rescan_has_its_group_and_no_scan_it_names() -> None:
    values = read(golden("schema1-rescan")).values
    assert values["prev_score"] == 17
    assert values["pre_scan_id"] is NOT_RECORDED


def test_a_value_that_was_not_recorded_is_no_condition_and_no_null() -> None:
    assert NOT_RECORDED is not None
    with pytest.raises(TypeError, match="not recorded"):
        bool(NOT_RECORDED)


def test_unknown_fields_of_a_later_schema_are_kept_apart() -> None:
    ping = read(first_scan() | {"schema_id": 6, "tc_count": 3})
    assert ping.schema == 6
    assert ping.beyond == {"tc_count": 3}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"scan_id": 3},
        {"scan_id": "1a2b3c4d", "schema_id": "3"},
        {"scan_id": "1a2b3c4d", "schema_id": 0},
        {"scan_id": "1a2b3c4d", "agent_count": "many"},
        {"scan_id": "1a2b3c4d", "agent_count": 2**70},
        {"scan_id": "1a2b3c4d", "trust_crossings": []},
    ],
    ids=str,
)
def test_what_has_not_the_form_of_a_ping_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        read(values)
    assert caught.value.reason == "invalid"


@pytest.mark.parametrize("text", ["", "[]", "{", "3", '"x"', "[" * 5000, b"\xff\xfe{"], ids=range(7))
def test_text_that_is_no_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        parse(text)
    assert caught.value.reason == "invalid"
