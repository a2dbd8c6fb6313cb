"""EventBatches to one Arrow table: dictionary columns stay dictionaries, nothing is turned into rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from stratum_lab.contract.events import EventBatch


class Slice(NamedTuple):
    """Events start <= index < stop of a batch; all of them for a batch that was not stored before."""

    batch: EventBatch
    start: int
    stop: int


class _Dictionary:
    """One dictionary for many batches. Values are hashable (strings or node tuples)."""

    def __init__(self) -> None:
        self.index: dict[Any, int] = {}

    def remap(self, values: Iterable[Any]) -> list[int | None]:
        """Global index of each value of a batch; the None at the end answers index -1, the absent field."""
        index = self.index
        out: list[int | None] = [index.setdefault(v, len(index)) for v in values]
        out.append(None)
        return out


_INDEXED = ("event_type", "emitter_run_id", "repo_url", "framework", "edge_type")


ABSENT_AS_NULL = (
    "SELECT * REPLACE (nullif(payload, '') AS payload, nullif(parent_event_id, '') AS parent_event_id,"
    " nullif(stack_depth, -1) AS stack_depth)"
)
"""How the rows are read from the table of `events_table`, which keeps the batch's marks of absence."""
ODD_JSON_AS_TEXT = ABSENT_AS_NULL.replace(
    "nullif(payload, '') AS payload",
    "CASE WHEN payload = '' THEN NULL WHEN json_valid(payload) THEN payload ELSE to_json(payload) END AS payload,"
    " CASE WHEN extra IS NULL OR json_valid(extra::VARCHAR) THEN extra::VARCHAR"
    " ELSE to_json(extra::VARCHAR) END AS extra",
)
"""The same for rows whose JSON DuckDB does not take (a lone surrogate): it is kept as a JSON string of the text."""

LATEST_NS = 9_214_646_400_000_000_000
"""Time stamps beyond this (the year 2262, 1677 when negative) cannot be shown and are stored as null."""


def _times(stamps: list[int]) -> Any:
    if stamps and not -LATEST_NS <= min(stamps) <= max(stamps) <= LATEST_NS:
        shown = [s if -LATEST_NS <= s <= LATEST_NS else None for s in stamps]
        return pa.array(shown, pa.int64()).cast(pa.timestamp("ns"))
    return pa.array(stamps, pa.int64()).cast(pa.timestamp("ns"))


def events_table(slices: Iterable[Slice]) -> Any:
    """The rows of table `events`, as a pyarrow Table (untyped library) with that table's columns.

    The columns of ABSENT_AS_NULL hold '' and -1 where the event has no such field: DuckDB turns them into nulls faster.
    """
    strings, nodes, repos = _Dictionary(), _Dictionary(), _Dictionary()
    indexed: dict[str, list[int | None]] = {name: [] for name in _INDEXED}
    source: list[int | None] = []
    target: list[int | None] = []
    repo: list[int | None] = []
    runs: list[int] = []
    attempts: list[int] = []
    tiers: list[int] = []
    seqs: list[int] = []
    event_ids: list[str] = []
    stamps: list[int] = []
    parents: list[str] = []
    depths: list[int] = []
    payloads: list[str] = []
    extras: dict[int, str] = {}
    for b, start, stop in slices:
        n = stop - start
        whole = n == b.count
        of = strings.remap(b.strings).__getitem__
        for name in _INDEXED:
            column = getattr(b, name)
            indexed[name].extend(map(of, column if whole else column[start:stop]))
        of = nodes.remap((x["node_id"], x["node_type"], x["node_name"]) for x in b.nodes).__getitem__
        source.extend(map(of, b.source_node if whole else b.source_node[start:stop]))
        target.extend(map(of, b.target_node if whole else b.target_node[start:stop]))
        repo.extend(repos.remap((b.repo_id,))[:1] * n)
        runs.extend((b.run_number,) * n)
        attempts.extend((b.attempt,) * n)
        tiers.extend((b.tier,) * n)
        seqs.extend(range(b.first_seq + start, b.first_seq + stop))
        event_ids.extend(b.event_id if whole else b.event_id[start:stop])
        stamps.extend(b.timestamp_ns if whole else b.timestamp_ns[start:stop])
        parents.extend(b.parent_event_id if whole else b.parent_event_id[start:stop])
        depths.extend(b.stack_depth if whole else b.stack_depth[start:stop])
        payloads.extend(b.payload if whole else b.payload[start:stop])
        for e in b.extra:
            if start <= e["index"] < stop:
                extras[len(seqs) - stop + e["index"]] = e["json"]

    def dictionary(indices: Any, values: list[str | None]) -> Any:
        return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))

    def node_columns(prefix: str, indices: list[int | None]) -> dict[str, Any]:
        # The three parts of a node share one index column; null parts sit in the dictionary.
        shared = pa.array(indices, pa.int32())
        parts = ("id", "type", "name")
        return {f"{prefix}_node_{p}": dictionary(shared, [n[i] for n in nodes.index]) for i, p in enumerate(parts)}

    words = list(strings.index)
    extra = pa.array([extras.get(i) for i in range(len(seqs))], pa.string()) if extras else pa.nulls(len(seqs))
    text = {name: dictionary(pa.array(values, pa.int32()), list(words)) for name, values in indexed.items()}
    return pa.table(
        {
            "repo_id": dictionary(pa.array(repo, pa.int32()), list(repos.index)),
            "run_number": pa.array(runs, pa.int32()),
            "attempt": pa.array(attempts, pa.int32()),
            "seq": pa.array(seqs, pa.int64()),
            "tier": pa.array(tiers, pa.int8()),
            "event_id": pa.array(event_ids, pa.string()),
            "ts": _times(stamps),
            "event_type": text["event_type"],
            "framework": text["framework"],
            **node_columns("source", source),
            **node_columns("target", target),
            "edge_type": text["edge_type"],
            "parent_event_id": pa.array(parents, pa.string()),
            "stack_depth": pa.array(depths, pa.int32()),
            "emitter_run_id": text["emitter_run_id"],
            "repo_url": text["repo_url"],
            "payload": pa.array(payloads, pa.string()),
            "extra": extra,
        }
    )
