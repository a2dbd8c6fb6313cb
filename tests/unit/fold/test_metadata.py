"""Execution metadata (2.1) and the topology hash (section 8)."""

from __future__ import annotations

from tests.support.fold import (
    REPO,
    event,
    record,
)


def test_metadata_of_the_runs() -> None:
    lines = [event("no.such_type"), event("patcher.status")]
    rec = record(lines, lines, status="RECOVERED_FROM_TIMEOUT", duration_seconds=1.005, framework_detected="unknown",
                 framework="crewai", model_name="m", repo_full_name="o/n")  # fmt: skip
    assert rec["repo_full_name"] == "o/n"
    meta = rec["execution_metadata"]
    assert meta.pop("topology_hash")
    assert meta == {
        "total_runs": 2,
        "total_events": 4,
        "success_rate": 0.0,
        "mean_duration_seconds": 1.0,
        "frameworks_detected": ["crewai"],
        "statuses": ["RECOVERED_FROM_TIMEOUT"] * 2,
        "model_name": "m",
        "model_tier": "weak",
    }


def test_metadata_lists_every_framework_that_matched() -> None:
    rec = record(
        [event("patcher.status")], frameworks_matched=["langgraph", "crewai", "unknown"], framework_detected="x"
    )
    assert rec["execution_metadata"]["frameworks_detected"] == ["crewai", "langgraph"]
    assert rec["repo_full_name"] == REPO


def test_the_topology_hash_knows_shapes_not_names() -> None:
    def shape(a: str, b: str, tool: str) -> str:
        lines = [
            event("agent.task_start", a),
            event("agent.task_start", b, parent_node_id=a, input_source=a),
            event("tool.invoked", b, tool_node_id=tool),
        ]
        return str(record(lines)["execution_metadata"]["topology_hash"])

    assert shape("x", "y", "t") == shape("p", "q", "r")
    assert shape("x", "x", "t") != shape("x", "y", "t")
    assert len(shape("x", "y", "t")) == 12
