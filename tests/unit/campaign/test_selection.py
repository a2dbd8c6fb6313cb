"""Selection: every row of the table, the factor, and the order of cutting, de-duplicating and spreading."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from stratum_lab.campaign.features import read_features
from stratum_lab.campaign.selection import Candidate, Options, breakdown, score, select, selection_hash
from stratum_lab.campaign.selection_input import in_order, listed, mode_of, scored_candidates
from stratum_lab.errors import UsageError

FLEET = Path(__file__).parents[2] / "fixtures" / "fleet" / "repo_features.jsonl"
URL = "https://example.org/o/r"


def row(**fields: Any) -> dict[str, Any]:
    return {"repo_url": URL, **fields}


@pytest.mark.parametrize(
    ("fields", "points"),
    [
        ({"imports": ["langchain_openai"]}, {"framework": 10}),
        ({"nodes": [{"node_type": "agent", "name": "x"}]}, {"framework": 10}),
        (
            {"nodes": [{"type": "tool", "name": "CrewAI kickoff"}]},
            {"framework": 10, "tool_nodes": 1, "no_agents": -5, "tools": 15},
        ),
        ({"has_entry_point": True}, {"entry_point": 5}),
        ({"files": ["main.py", "requirements.txt"]}, {"entry_point": 5, "requirements": 5}),
        ({"nodes": [{"node_type": "agent"}] * 2}, {"framework": 10, "agent_nodes": 3, "agents": 11}),
        ({"python_file_count": 19}, {"few_files": 3}),
        ({"python_file_count": 0}, {}),
        ({"python_file_count": 30}, {}),
        ({"python_file_count": 31}, {"many_files": -3}),
        ({"python_file_count": 51}, {"many_files": -5}),
        ({"edges": [{"edge_type": "delegates_to"}] * 3}, {"delegation_edges": 6, "delegation": 12}),
        ({"edges": [{"edge_type": "delegates_to"}] * 9}, {"delegation_edges": 10, "delegation": 12}),
        ({"tool_count": 9}, {"tool_nodes": 5, "tools": 15}),
        ({"imports": ["fastapi"]}, {"server_import": -10}),
        ({"imports": ["serper", "tavily", "exa", "bing", "brave"]}, {}),
        ({"imports": ["serper", "tavily", "exa", "bing", "brave", "jina"]}, {"search_apis": -5}),
        ({"primary_framework": "AutoGen"}, {"framework": 10, "primary_framework": 10}),
        ({"primary_framework": "LangChain"}, {"framework": 10}),
        ({"agent_count": 6}, {"framework": 10, "agent_nodes": 3, "agents": 8, "crew_size": 8}),
        ({"agent_count": 5}, {"framework": 10, "agent_nodes": 3, "agents": 11, "crew_size": 8}),
        ({"agent_count": 21}, {"framework": 10, "agent_nodes": 3, "many_agents": -5}),
        ({"agent_count": 0}, {"no_agents": -5}),
        ({"has_lockfile": True}, {"lockfile": 5}),
        ({"providers": ["OpenAI", "x"]}, {"openai": 5}),
        ({"providers": ["anthropic"]}, {"other_provider": -3}),
        ({"framework_versions": {"crewai": "1.0"}}, {"versions": 2}),
        ({"frameworks": ["streamlit"]}, {"server_framework": -10}),
        ({"is_fork": True}, {"fork": -15}),
        ({"data_store_count": 1}, {"data_stores": 10}),
        ({"patterns": ["routing"]}, {"routing": 8}),
        ({"has_error_handling": True}, {"error_handling": 5}),
        ({"has_guardrails": True}, {}),
    ],
)
def test_each_row_of_the_table_gives_its_points(fields: dict[str, Any], points: dict[str, int]) -> None:
    assert breakdown(read_features(row(**fields))) == points


def test_cross_component_repositories_count_seventeen_tenths_rounded_half_up() -> None:
    features = read_features(row(tool_count=1, has_guardrails=True, python_file_count=3, framework_versions=["x"]))
    assert sum(breakdown(features).values()) == 1 + 15 + 3 + 2
    assert score(features) == 35.7
    assert not read_features(row(tool_count=9)).cross_component


def test_the_selection_hash_is_that_of_framework_and_three_counts() -> None:
    features = read_features(row(primary_framework="CrewAI", agent_count=3, tool_count=2, data_store_count=1))
    assert selection_hash(features) == hashlib.md5(b"crewai:3:2:1", usedforsecurity=False).hexdigest()[:8]


def candidates(*rows: dict[str, Any]) -> list[Candidate]:
    lines = [json.dumps({"repo_url": f"https://example.org/o/r{n}", **r}) for n, r in enumerate(rows)]
    return scored_candidates(lines, "list")


def names(chosen: list[Candidate]) -> list[str]:
    return [c.url.rpartition("/")[2] for c in chosen]


def test_forks_are_dropped_unless_asked_for() -> None:
    pool = candidates({"agent_count": 3, "is_fork": True}, {"agent_count": 0})
    assert names(select(pool, Options()).chosen) == ["r1"]
    assert names(select(pool, Options(forks=True)).chosen) == ["r0", "r1"]


def test_the_minimum_score_comes_before_the_spread_and_the_cut_last() -> None:
    crew, chain = {"primary_framework": "CrewAI"}, {"primary_framework": "LangChain"}
    pool = candidates(
        {**crew, "agent_count": 4, "has_lockfile": True},
        {**crew, "agent_count": 4},
        {**chain, "agent_count": 4},
        {**chain, "agent_count": 0},
    )
    spread = select(pool, Options(topology_diversity=True, min_score=0.0))
    assert names(spread.chosen) == ["r0", "r2", "r3", "r1"]
    assert spread.distinct_topologies == 3
    cut = select(pool, Options(topology_diversity=True, min_score=20.0, top=2))
    assert names(cut.chosen) == ["r0", "r2"]
    assert cut.dropped == {"score": 1, "cut": 1}
    assert cut.share(2) == 1.0


def test_deduplication_keeps_the_best_of_equals() -> None:
    pool = candidates({"agent_count": 4}, {"agent_count": 4, "has_lockfile": True}, {"agent_count": 5})
    assert names(select(pool, Options(deduplicate=True)).chosen) == ["r1", "r2"]


def test_the_order_of_the_input_changes_nothing() -> None:
    lines = FLEET.read_text().splitlines()
    expected = [c.line() for c in select(scored_candidates(lines, "fleet"), Options(topology_diversity=True)).chosen]
    random.Random(3).shuffle(lines)
    assert [
        c.line() for c in select(scored_candidates(lines, "fleet"), Options(topology_diversity=True)).chosen
    ] == expected
    assert len(expected) == 40


def test_a_repository_listed_twice_counts_once_with_its_best_line() -> None:
    lines = [json.dumps(row(agent_count=0)), json.dumps(row(agent_count=4))]
    chosen = select(scored_candidates(lines, "list"), Options()).chosen
    assert [(c.url, c.score) for c in chosen] == [(URL, 32.0)]


def test_real_scan_results_are_scored_as_they_are() -> None:
    lines = FLEET.read_text().splitlines()
    assert mode_of(lines) == "scored"
    by_url = {c.url: c for c in scored_candidates(lines, "fleet")}
    first = json.loads(lines[0])
    expected = read_features(first)
    assert by_url[first["repo_url"]].score == score(expected)
    assert expected.agents == first["agent_count"]
    assert expected.guards == int(first["has_guardrails"])


def test_a_plain_list_keeps_its_order_and_has_no_scores() -> None:
    lines = ["https://example.org/o/b", "9\thttps://example.org/o/a", "https://example.org/o/b.git"]
    assert mode_of(lines) == "list"
    assert [c.line() for c in in_order(listed(lines, "list"))] == [
        "0\thttps://example.org/o/b",
        "0\thttps://example.org/o/a",
    ]


def test_lines_that_are_no_scan_results_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        scored_candidates(['{"agent_count": 3}', "[]", json.dumps(row()), "{"], "list")
    assert [part.split(": ")[0] for part in caught.value.message.split("\n")[1:]] == ["list:1", "list:2", "list:4"]


@pytest.mark.parametrize("value", [None, "many", [], {}, 10**30, -1, True, float("nan")])
def test_values_of_other_types_are_no_counts(value: Any) -> None:
    features = read_features(row(agent_count=value, tool_count=value, imports=value, nodes=value, edges=value))
    assert isinstance(score(features), float)
