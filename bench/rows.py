"""The layout that was not chosen: one Avro record per event. It exists here only, to be compared with the columns.

Fields and values are those of EventBatch; nodes are records in place, absent fields are null.
"""

from __future__ import annotations

import io
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from stratum_lab.contract.codec import HEADER, MAGIC
from stratum_lab.contract.events import EventBatch
from stratum_lab.contract.events.batch import build_batch, iter_events
from stratum_lab.contract.events.lines import Event, Node

ROW_SCHEMA_ID = 9_001
_NULL_STRING = ["null", "string"]

SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "RowBatch",
        "namespace": "lab.stratum.bench",
        "fields": [
            {"name": "repo_id", "type": "string"},
            {"name": "run_number", "type": "int"},
            {"name": "attempt", "type": "int"},
            {"name": "run_id", "type": "string"},
            {"name": "tier", "type": "int"},
            {"name": "batch_seq", "type": "int"},
            {"name": "first_seq", "type": "long"},
            {
                "name": "events",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Row",
                        "fields": [
                            {"name": "event_id", "type": "string"},
                            {"name": "timestamp_ns", "type": "long"},
                            {"name": "run_id", "type": "string"},
                            {"name": "repo_url", "type": "string"},
                            {"name": "framework", "type": _NULL_STRING},
                            {"name": "event_type", "type": "string"},
                            {
                                "name": "source_node",
                                "type": [
                                    "null",
                                    {
                                        "type": "record",
                                        "name": "RowNode",
                                        "fields": [
                                            {"name": "node_id", "type": _NULL_STRING},
                                            {"name": "node_type", "type": _NULL_STRING},
                                            {"name": "node_name", "type": _NULL_STRING},
                                        ],
                                    },
                                ],
                            },
                            {"name": "target_node", "type": ["null", "RowNode"]},
                            {"name": "edge_type", "type": _NULL_STRING},
                            {"name": "parent_event_id", "type": _NULL_STRING},
                            {"name": "stack_depth", "type": ["null", "int"]},
                            {"name": "payload", "type": "string"},
                            {"name": "extra", "type": "string"},
                        ],
                    },
                },
            },
        ],
    }
)


def encode(batch: EventBatch) -> bytes:
    """The same batch as rows, with the same framing."""
    rows = []
    for event in iter_events(batch):
        row = event._asdict()
        for end in ("source_node", "target_node"):
            node: Node | None = row[end]
            row[end] = None if node is None else node._asdict()
        rows.append(row)
    out = io.BytesIO()
    out.write(HEADER.pack(MAGIC, ROW_SCHEMA_ID))
    head = {
        name: getattr(batch, name)
        for name in ("repo_id", "run_number", "attempt", "run_id", "tier", "batch_seq", "first_seq")
    }
    schemaless_writer(out, SCHEMA, {**head, "events": rows})
    return out.getvalue()


def decode(value: bytes) -> dict[str, Any]:
    """Rows as fastavro gives them, the least any reader of rows pays."""
    body = io.BytesIO(value)
    body.seek(HEADER.size)
    # Any: a generic Avro record.
    fields: dict[str, Any] = schemaless_reader(body, SCHEMA, None)  # type: ignore[assignment]
    return fields


def to_batch(fields: dict[str, Any]) -> EventBatch:
    """Rows as the fold takes them."""
    events = [Event(*_row(r)) for r in fields["events"]]
    head = {name: value for name, value in fields.items() if name != "events"}
    return build_batch(events, **head)


def _row(row: dict[str, Any]) -> list[Any]:
    for end in ("source_node", "target_node"):
        node = row[end]
        if node is not None:
            row[end] = Node(*node.values())
    return list(row.values())
