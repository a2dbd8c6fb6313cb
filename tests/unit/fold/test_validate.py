"""Every violation of section 5 is named, and all of them at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from stratum_lab.fold import non_trivial_edge_validation, validate_record
from tests.support.fold import event, record

A, B = "crewai:A:a.py:1", "crewai:B:a.py:2"
HOP = [event("delegation.initiated", A, target=B), event("error.occurred", A, error_type="X"), event("file.read", B)]
VALID = record(HOP, [*HOP, event("agent.task_start", A, input_source="x")], HOP)
Record = dict[str, Any]


def put(path: str, value: Any) -> Callable[[Record], None]:
    """An edit that sets one place of a record; the last part may be an index."""

    def edit(rec: Record) -> None:
        *parents, last = path.split(".")
        place: Any = rec
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = value

    return edit


def drop(path: str) -> Callable[[Record], None]:
    def edit(rec: Record) -> None:
        *parents, last = path.split(".")
        place: Any = rec
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        del place[int(last) if isinstance(place, list) else last]

    return edit


EDITS = {
    "a missing key": (drop("emergent_edges"), "key emergent_edges is missing"),
    "an extra key": (put("repo_hash", "x"), "key repo_hash is not one of the nine"),
    "another version": (put("schema_version", "v5"), "schema_version is 'v5'"),
    "a section of another type": (put("node_activation", []), "node_activation is a list"),
    "a trace without its source": (drop("error_propagation.0.error_source_node"), "error_source_node is missing"),
    "a path that is no list": (
        put("error_propagation.0.actual_observed_path", "x"),
        "actual_observed_path is not a list",
    ),
    "a missing path": (
        drop("error_propagation.1.structural_predicted_path"),
        "structural_predicted_path is not a list",
    ),
    "a stop that is no text": (put("error_propagation.0.stop_mechanism", None), "stop_mechanism is not a string"),
    "an impact that is no object": (
        put("error_propagation.0.downstream_impact", 1),
        "downstream_impact is not an object",
    ),
    "an impact without a count": (drop("error_propagation.0.downstream_impact.cascade_depth"), "cascade_depth is None"),
    "edges that do not add up": (put("edge_validation.structural_edges_activated", 5), "5 activated + 0 dead edges"),
    "too few activation rates": (put("edge_validation.activation_rates", {}), "0 activation_rates for 1"),
    "an activation rate above 1": (
        put("edge_validation.activation_rates.e1.activation_rate", 1.1),
        "is 1.1, expected a rate",
    ),
    "a success rate below 0": (put("execution_metadata.success_rate", -0.1), "success_rate is -0.1"),
    "an observation rate that is no number": (
        put("emergent_edges.0.observation_rate", None),
        "observation_rate is None",
    ),
    "a match rate that is no number": (
        put("node_activation.structural_prediction_match_rate", float("nan")),
        "match_rate is nan",
    ),
    "a rate baseline above 1": (put("monitoring_baselines.1.observed_baseline", 2), "observed_baseline is 2"),
    "overlapping node lists": (put("node_activation.conditional", [A]), "is in always_active and in conditional"),
    "an unsorted node list": (put("node_activation.always_active", [B, A]), "always_active is not sorted"),
    "statuses that are not the runs": (put("execution_metadata.statuses", ["SUCCESS"]), "3 runs, but statuses"),
    "four failure modes": (drop("failure_modes.4"), "failure_modes are ['STRAT-DC-001'"),
    "failure modes out of order": (put("failure_modes.0.finding_id", "STRAT-SI-001"), "expected ['STRAT-DC-001'"),
    "manifestation without occurrences": (
        put("failure_modes.1.manifestation_observed", True),
        "True with 0 occurrences",
    ),
    "occurrences without manifestation": (put("failure_modes.1.occurrences", 2), "False with 2 occurrences"),
    "an emergent edge that is structural": (
        put("emergent_edges.0", {"source": A, "target": B, "observation_rate": 0.3}),
        "is structural",
    ),
    "a baseline of no run": (put("monitoring_baselines.0.sample_size", 0), "sample_size is 0"),
    "a negative deviation": (put("monitoring_baselines.0.observed_stddev", -1.0), "observed_stddev is -1.0"),
    "another confidence": (put("monitoring_baselines.0.confidence", "low"), "confidence is 'low' with 3 values"),
    "an empty section": (put("execution_metadata", {}), "success_rate is None"),
    "empty edges": (put("edge_validation", {}), "None activated"),
    "empty nodes": (put("node_activation", {}), "node_activation.never_active is not a list"),
}


@pytest.mark.parametrize("name", EDITS)
def test_each_violation_is_named(name: str) -> None:
    edit, expected = EDITS[name]
    rec = copy.deepcopy(VALID)
    edit(rec)
    problems = validate_record(rec)
    assert any(expected in p for p in problems), problems


def test_all_problems_are_reported_not_only_the_first() -> None:
    rec = copy.deepcopy(VALID)
    for name in ("another version", "a success rate below 0", "a negative deviation", "an extra key"):
        EDITS[name][0](rec)
    assert len(validate_record(rec)) == 4


def test_the_untouched_record_is_valid() -> None:
    assert validate_record(VALID) == []
    assert len(VALID["emergent_edges"]) == 1 and VALID["error_propagation"]


@pytest.mark.parametrize("value", [None, [], "text", {}, {"edge_validation": {"activation_rates": {"e1": 3}}},
                                   {"emergent_edges": [1], "error_propagation": [2], "failure_modes": [3],
                                    "monitoring_baselines": [4]}])  # fmt: skip
def test_what_is_no_record_at_all_is_refused_without_failing(value: Any) -> None:
    assert validate_record(value)


def test_non_trivial_means_an_activated_edge_between_two_nodes() -> None:
    assert non_trivial_edge_validation(VALID)
    assert not non_trivial_edge_validation(record([event("delegation.initiated", A, target=A)]))
