"""Messages to rows of the small tables: runs, records with their parts, topology, dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from stratum_lab.contract.events import BehavioralRecord, DeadLetter, RunFinished, RunStarted, TopologyMetrics

Row = dict[str, Any]
"""Column name to value; Any because columns differ in type."""

_RENAMED = {"commit": "commit_sha"}


def _utc(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def run_row(message: RunStarted | RunFinished) -> Row:
    """Columns of `runs` that a message knows; what it leaves out is None."""
    row = {_RENAMED.get(k, k): _utc(v) for k, v in message.model_dump().items()}
    if isinstance(message, RunFinished):
        row["tiers"] = _json(row["tiers"])
    return row


def record_rows(message: BehavioralRecord) -> tuple[Row, list[Row], list[Row], list[Row]]:
    """Rows of `records`, `record_edges`, `record_findings` and `baselines` for one record.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: The text is no v6 record.
    """
    record = json.loads(message.record)
    meta, edges, nodes = record["execution_metadata"], record["edge_validation"], record["node_activation"]
    row: Row = {
        "repo_id": message.repo_id,
        "repo_full_name": record["repo_full_name"],
        "source_partition": message.source_partition,
        "source_offset": message.source_offset,
        "revision": message.revision,
        "schema_version": record["schema_version"],
        "total_runs": meta["total_runs"],
        "total_events": meta["total_events"],
        "success_rate": meta["success_rate"],
        "mean_duration_seconds": meta["mean_duration_seconds"],
        "model_name": meta.get("model_name"),
        "topology_hash": meta.get("topology_hash"),
        "frameworks": meta["frameworks_detected"],
        "statuses": meta["statuses"],
        "edges_total": edges["structural_edges_total"],
        "edges_activated": edges["structural_edges_activated"],
        "edges_dead": len(edges["dead_edges"]),
        "edges_emergent": len(record["emergent_edges"]),
        "match_rate": nodes["structural_prediction_match_rate"],
        "counted_runs": _json([r.model_dump() for r in message.runs]),
        "record": message.record,
    }
    for section in (
        "execution_metadata", "edge_validation", "emergent_edges", "node_activation", "error_propagation",
        "failure_modes", "monitoring_baselines",
    ):  # fmt: skip
        row[section] = _json(record[section])
    return row, _edges(message.repo_id, record), _findings(message.repo_id, record), _baselines(message.repo_id, record)


def _edges(repo_id: str, record: Any) -> list[Row]:
    dead = {d["edge_id"]: d for d in record["edge_validation"]["dead_edges"]}
    out = [
        {
            "repo_id": repo_id,
            "kind": "structural",
            "edge_id": edge_id,
            "source": e.get("source"),
            "target": e.get("target"),
            "edge_type": e.get("edge_type"),
            "runs_seen": e["traversal_count"],
            "rate": e["activation_rate"],
            "dead": e["never_activated"],
            "classification": None,
            "possible_reasons": dead[edge_id]["possible_reasons"] if edge_id in dead else None,
        }
        for edge_id, e in record["edge_validation"]["activation_rates"].items()
    ]
    out += [
        {
            "repo_id": repo_id,
            "kind": "emergent",
            "edge_id": None,
            "source": e["source"],
            "target": e["target"],
            "edge_type": e["edge_type"],
            "runs_seen": e["observed_in_runs"],
            "rate": e["observation_rate"],
            "dead": False,
            "classification": e["classification"],
            "possible_reasons": None,
        }
        for e in record["emergent_edges"]
    ]
    return out


def _findings(repo_id: str, record: Any) -> list[Row]:
    return [
        {
            "repo_id": repo_id,
            "finding_id": f["finding_id"],
            "finding_name": f["finding_name"],
            "failure_type": f["failure_type"],
            "manifested": f["manifestation_observed"],
            "occurrences": f["occurrences"],
            "failure_description": f.get("failure_description"),
        }
        for f in record["failure_modes"]
    ]


def _baselines(repo_id: str, record: Any) -> list[Row]:
    keys = (
        "metric", "finding_id", "observed_baseline", "observed_stddev", "suggested_threshold", "confidence",
        "sample_size",
    )  # fmt: skip
    return [{"repo_id": repo_id, **{k: b[k] for k in keys}} for b in record["monitoring_baselines"]]


def topology_rows(message: TopologyMetrics) -> list[Row]:
    """Rows of `topology`: one per graph that is known."""
    data = message.model_dump()
    graphs = {name: data.pop(name) for name in ("runtime", "structural", "difference")}
    return [{**data, "graph": name, **metrics} for name, metrics in graphs.items() if metrics is not None]


def dead_letter_row(message: DeadLetter) -> Row:
    """Row of `dead_letters`."""
    row = message.model_dump()
    row["message_key"] = row.pop("key")
    row["headers"] = _json([[h.key, None if h.value is None else h.value.hex()] for h in message.headers])
    return row
