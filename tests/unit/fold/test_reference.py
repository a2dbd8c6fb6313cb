"""The 22 recorded runs and ten composed repositories give the earlier builder's values, but for section 9."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from stratum_lab.contract.events.lines import Event
from stratum_lab.fold import AttemptState, RunFacts, derive_record, validate_record
from tests.support.fold import FIXTURES, facts_of, read_run, state_of

REFERENCE = json.loads((FIXTURES / "reference" / "records.json").read_text())
COMPOSED: dict[str, list[str]] = REFERENCE["composed"]
REPOSITORIES = {**{name: [name] for name in REFERENCE["records"] if name not in COMPOSED}, **COMPOSED}
META = ("status", "tier", "framework_detected", "model_name", "repo_full_name", "repo_url")


@cache
def recorded(folder: str) -> tuple[list[Event], dict[str, Any]]:
    return read_run(FIXTURES / "runs" / folder)


def facts(name: str, folder: str, run_number: int) -> RunFacts:
    events, meta = recorded(folder)
    fields = {k: meta[k] for k in META if k in meta}
    if name in COMPOSED:
        fields["repo_full_name"] = f"composed/{name.removeprefix('composed')}"
    return facts_of(events, run_number=run_number, **fields)


@cache
def runs_of(name: str) -> list[tuple[RunFacts, AttemptState]]:
    return [(facts(name, f, n), state_of(recorded(f)[0])) for n, f in enumerate(REPOSITORIES[name], 1)]


def record_of(name: str) -> dict[str, Any]:
    runs = runs_of(name)
    record = derive_record("0123456789ab", runs, None)
    assert record is not None
    return record


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Every place where a value of the reference is not ours; keys that only ours has (added ones) are left out."""
    if isinstance(theirs, dict):
        return [d for k, v in theirs.items() for d in differences(ours.get(k, "<missing>"), v, f"{path}.{k}")]
    if isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        return [d for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) for d in differences(a, b, f"{path}[{n}]")]
    return [] if ours == theirs and type(ours) is type(theirs) else [f"{path}: {ours!r} != {theirs!r}"]


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_record_equals_the_reference_but_for_the_deliberate_differences(name: str) -> None:
    ours, theirs = record_of(name), json.loads(json.dumps(REFERENCE["records"][name]))
    assert theirs["execution_metadata"].pop("frameworks_detected") == []  # D2
    for index in (0, 1, 4):  # D4, D5, D3; checked one by one below
        assert theirs["failure_modes"][index]["finding_id"] == ours["failure_modes"][index]["finding_id"]
    theirs["failure_modes"] = [m for n, m in enumerate(theirs["failure_modes"]) if n not in (0, 1, 4)]
    projected = {**ours, "failure_modes": [m for n, m in enumerate(ours["failure_modes"]) if n not in (0, 1, 4)]}
    assert differences(projected, theirs) == []
    assert len(ours) == 9 and ours.keys() == theirs.keys()


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_no_human_gate_differs_from_the_reference_by_the_runs_without_delegation(name: str) -> None:
    ours, theirs = record_of(name)["failure_modes"][0], REFERENCE["records"][name]["failure_modes"][0]
    stats = [state.tiers[f.tier] for f, state in runs_of(name)]
    ungated = sum(s.max_depth == 0 and not s.guarded for s in stats)
    assert theirs["occurrences"] == ours["occurrences"] + ungated
    assert ours["manifestation_observed"] is (ours["occurrences"] > 0)


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_swallowed_errors_count_once_where_the_reference_counts_them_twice(name: str) -> None:
    record = record_of(name)
    ours, theirs = record["failure_modes"][1], REFERENCE["records"][name]["failure_modes"][1]
    swallowed = sum(t["swallowed"] for t in record["error_propagation"])
    assert (ours["occurrences"], theirs["occurrences"]) == (swallowed, 2 * swallowed)
    if swallowed:
        assert ours["failure_description"] == f"Observed {swallowed} instances across signals: error_swallowed"


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_tool_failures_are_those_of_the_streams(name: str) -> None:
    ours, theirs = record_of(name)["failure_modes"][4], REFERENCE["records"][name]["failure_modes"][4]
    failing = sum(e.event_type == "tool.call_failure" for f in REPOSITORIES[name] for e in recorded(f)[0])
    assert (ours["occurrences"], theirs["occurrences"]) == (failing, 0)  # D3


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_frameworks_are_those_of_the_metadata(name: str) -> None:
    expected = {recorded(f)[1]["framework_detected"] for f in REPOSITORIES[name]} - {"unknown", ""}
    assert record_of(name)["execution_metadata"]["frameworks_detected"] == sorted(expected)


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_record_is_valid(name: str) -> None:
    assert validate_record(record_of(name)) == []


def test_thirty_two_repositories_are_compared() -> None:
    assert (len(REPOSITORIES) - len(COMPOSED), len(COMPOSED)) == (22, 10)
