"""Building batches and states from lines or from hand-made events, for tests of the fold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from stratum_lab.contract.events import EventBatch, RunFinished, TierRange
from stratum_lab.contract.events.batch import build_batch
from stratum_lab.contract.events.lines import Event, parse_line
from stratum_lab.fold import AttemptState, RunFacts, RunStats, counted_stats, derive_record, fold_batch

FIXTURES = Path(__file__).parents[1] / "fixtures"
REPO = "0123456789ab"


def read_run(folder: Path) -> tuple[list[Event], dict[str, Any]]:
    """Events and metadata of one recorded result folder."""
    lines = (folder / "events_run_1.jsonl").read_bytes().splitlines()
    return [parse_line(line) for line in lines], json.loads((folder / "run_metadata_1.json").read_text())


def event(event_type: str, source: str | dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """One patcher event. `source` and `target` are node ids (agents) or whole nodes; other fields are payload."""
    line: dict[str, Any] = {"event_type": event_type}
    for key, value in (("source_node", source), ("target_node", fields.pop("target", None))):
        if value is not None:
            line[key] = node(value) if isinstance(value, str) else value
    for key in ("event_id", "timestamp_ns", "parent_event_id"):
        if key in fields:
            line[key] = fields.pop(key)
    line["payload"] = fields
    return line


def node(node_id: str, node_type: str = "agent", name: str | None = None) -> dict[str, str]:
    """A node of an event; the name defaults to the id."""
    return {"node_type": node_type, "node_id": node_id, "node_name": node_id if name is None else name}


def events_of(lines: Iterable[dict[str, Any]]) -> list[Event]:
    """The events as the importer reads them; ids and times are filled in by position."""
    out = []
    for n, line in enumerate(lines, 1):
        base = {
            "event_id": f"evt_{n:016x}",
            "timestamp_ns": n * 1_000_000,
            "run_id": "r" * 16,
            "repo_id": "https://x/y/z",
        }
        out.append(parse_line(json.dumps({**base, **line}).encode()))
    return out


def batches_of(
    events: Sequence[Event],
    cuts: Iterable[int] = (),
    *,
    repo_id: str = REPO,
    run_number: int = 1,
    attempt: int = 1,
    tier: int = 1,
    first_seq: int = 1,
) -> list[EventBatch]:
    """The events cut into batches at the given positions."""
    edges = [0, *sorted({c for c in cuts if 0 < c < len(events)}), len(events)]
    return [
        build_batch(
            list(events[a:b]),
            repo_id=repo_id,
            run_number=run_number,
            attempt=attempt,
            run_id="r" * 16,
            tier=tier,
            batch_seq=n,
            first_seq=first_seq + a,
        )
        for n, (a, b) in enumerate(pairwise(edges))
        if b > a
    ]


def state_of(events: Sequence[Event], cuts: Iterable[int] = (), **kwargs: Any) -> AttemptState:
    """The state after folding the events."""
    state = AttemptState()
    for batch in batches_of(events, cuts, **kwargs):
        assert fold_batch(state, batch).missing is None
    return state


def finished_of(events: Sequence[Event] | int, *, run_number: int = 1, attempt: int = 1, **fields: Any) -> RunFinished:
    """The end-of-run marker of an attempt with these events (or this many)."""
    count = events if isinstance(events, int) else len(events)
    tier = fields.pop("tier", 1)
    return RunFinished(
        **{
            "repo_id": REPO,
            "run_id": "r" * 16,
            "run_number": run_number,
            "attempt": attempt,
            "status": "SUCCESS",
            "tier": tier,
            "event_count": count,
            "batch_count": 1 if count else 0,
            "tiers": [TierRange(tier=tier, first_seq=1, last_seq=count)] if count else [],
            **fields,
        }
    )


def facts_of(events: Sequence[Event] | int, **fields: Any) -> RunFacts:
    """What a record needs of that marker."""
    return RunFacts.from_finished(finished_of(events, **fields))


def runs_of(*runs: Sequence[dict[str, Any]]) -> list[tuple[RunFacts, AttemptState]]:
    """Facts and states of hand-made runs 1, 2, ..."""
    folded = [events_of(lines) for lines in runs]
    return [(facts_of(events, run_number=n), state_of(events)) for n, events in enumerate(folded, 1)]


def record(*runs: Sequence[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    """The record of hand-made runs 1, 2, ...; `facts` are fields of every end-of-run marker."""
    given = runs_of(*runs)
    if facts:
        given = [(facts_of(f.event_count, run_number=f.run_number, **facts), s) for f, s in given]
    derived = derive_record(REPO, given, None)
    assert derived is not None
    return derived


def stats(*lines: dict[str, Any]) -> RunStats:
    """The statistics of one hand-made run."""
    events = events_of(lines)
    return counted_stats(state_of(events), facts_of(events))


def signals(rec: dict[str, Any], finding: str) -> tuple[int, str]:
    """Occurrences of a failure mode and the signals that its description names."""
    mode = next(m for m in rec["failure_modes"] if m["finding_id"] == finding)
    return mode["occurrences"], mode.get("failure_description", "").partition("signals: ")[2]


def baseline(rec: dict[str, Any], metric: str) -> dict[str, Any]:
    """The baseline of a metric."""
    found: dict[str, Any] = next(b for b in rec["monitoring_baselines"] if b["metric"] == metric)
    return found
