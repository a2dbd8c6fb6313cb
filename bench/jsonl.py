"""The batch build that streaming replaces: read JSON lines, fold them, no broker and no Avro.

The fastest fair form we found: each line is parsed once, its payload goes to the fold as the object it is (our fold
takes text and parses only what it needs), and only the columns that the fold reads are built. `parser` is `json` (the
standard library, the yardstick of the targets) or `orjson`; with `records` it derives record and topology too.
Files are read once before the clock starts, so the disk is not measured.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from bench.stats import Sample
from stratum_lab.contract.events import EventBatch, RunFinished
from stratum_lab.fold import (
    AttemptState,
    RunFacts,
    canonical_json,
    derive_record,
    derive_topology,
    fold_batch,
    handlers,
)

_PARSERS: dict[str, Callable[[bytes], Any]] = {"json": json.loads, "orjson": orjson.loads}
_NODE_KEYS = ("node_id", "node_type", "node_name")


def as_it_is(payload: Any) -> Any:
    """Stands in for the fold's payload parser: what comes is parsed already. Any: open JSON."""
    return payload if type(payload) is dict else {}


def read_batch(data: bytes, loads: Callable[[bytes], Any]) -> EventBatch:
    """The lines of one run as one batch, with what the fold reads."""
    strings: dict[str, int] = {}
    nodes: dict[tuple[Any, ...], int] = {}
    types, ids, stamps, parents = list[int](), list[str](), list[int](), list[str]()
    source, target = list[int](), list[int]()
    payloads: list[Any] = []  # parsed payloads stand where text is expected, see `as_it_is`
    for line in data.split(b"\n"):
        if not line:
            continue
        o = loads(line)
        types.append(strings.setdefault(o["event_type"], len(strings)))
        ids.append(o["event_id"])
        stamps.append(o["timestamp_ns"])
        parents.append(o.get("parent_event_id") or "")
        for name, column in (("source_node", source), ("target_node", target)):
            node = o.get(name)
            column.append(nodes.setdefault(tuple(map(node.get, _NODE_KEYS)), len(nodes)) if node else -1)
        payloads.append(o.get("payload"))
    return EventBatch(
        repo_id="",
        run_number=1,
        attempt=1,
        run_id="",
        tier=1,
        batch_seq=0,
        first_seq=1,
        count=len(types),
        strings=list(strings),
        nodes=[dict(zip(_NODE_KEYS, n, strict=True)) for n in nodes],
        event_id=ids,
        timestamp_ns=stamps,
        event_type=types,
        emitter_run_id=[],
        repo_url=[],
        framework=[],
        source_node=source,
        target_node=target,
        edge_type=[],
        parent_event_id=parents,
        stack_depth=[],
        payload=payloads,
        extra=[],
    )


def build(folder: Path, parser: str, records: bool) -> Sample:
    """Fold every run of the result folders."""
    loads = _PARSERS[parser]
    vars(handlers)["parse"] = as_it_is  # our fold parses text; here it is handed objects
    repos = [
        [(f.read_bytes(), m.read_bytes()) for f, m in _runs(path)] for path in sorted(folder.iterdir()) if path.is_dir()
    ]
    events = 0
    wall, cpu = time.perf_counter(), time.process_time()
    for runs in repos:
        folded: list[tuple[RunFacts, AttemptState]] = []
        for data, metadata in runs:
            state = AttemptState()
            batch = read_batch(data, loads)
            events += fold_batch(state, batch).applied
            if records:
                folded.append((_facts(loads(metadata), batch.count), state))
        if records:
            record = derive_record("0" * 12, folded, None)
            assert record is not None
            canonical_json(record)
            derive_topology("0" * 12, folded, None, revision=1, source_partition=0, source_offset=0)
    return Sample(events, time.perf_counter() - wall, time.process_time() - cpu)


def _runs(path: Path) -> list[tuple[Path, Path]]:
    return [
        (f, path / f"run_metadata_{f.stem.rpartition('_')[2]}.json") for f in sorted(path.glob("events_run_*.jsonl"))
    ]


def _facts(metadata: dict[str, Any], events: int) -> RunFacts:
    return RunFacts.from_finished(
        RunFinished(
            repo_id="0" * 12,
            repo_full_name=metadata["repo_full_name"],
            run_number=metadata["run_number"],
            run_id=metadata["run_id"],
            status=metadata["status"],
            tier=metadata["tier"],
            event_count=events,
            batch_count=1,
        )
    )


def main() -> int:
    """Measure once and print the sample; arguments: folder, `json` or `orjson`, `fold` or `records`."""
    gc.disable()  # as in bare.py
    sample = build(Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "records")
    print(json.dumps({"units": sample.units, "wall_s": sample.wall_s, "cpu_s": sample.cpu_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
