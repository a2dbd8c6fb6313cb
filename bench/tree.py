"""Result folders as the earlier batch implementation left them, of any size, for the import and the JSONL peers."""

from __future__ import annotations

import json
from pathlib import Path

from bench.inputs import NATURAL_RUNS_PER_REPO, THROUGHPUT_RUN_EVENTS, recorded_lines, repo_name

THROUGHPUT = "throughput"
NATURAL = "natural"


def make_tree(folder: Path, shape: str, events: int) -> int:
    """Write result folders, one per repository.

    Args:
        folder: Where; created.
        shape: THROUGHPUT (one run of 1,000 events each) or NATURAL (five runs each, as recorded).
        events: About how many events.

    Returns:
        Events written.
    """
    recorded = recorded_lines()
    runs, length = (1, THROUGHPUT_RUN_EVENTS) if shape == THROUGHPUT else (NATURAL_RUNS_PER_REPO, 0)
    written = repo = 0
    while written < events:
        name = repo_name(repo)
        path = folder / name
        path.mkdir(parents=True)
        for run in range(runs):
            lines = recorded[(repo + run) % len(recorded)]
            written += _write_run(path, name, run + 1, lines, length or len(lines), written)
        repo += 1
    return written


def _write_run(path: Path, name: str, number: int, lines: list[bytes], length: int, first_id: int) -> int:
    first = json.loads(lines[0])
    address = f"https://github.com/bench/{name}"
    ids = [json.loads(line)["event_id"].encode() for line in lines]
    old_address = first["repo_id"].encode()
    own = [line.replace(old_address, address.encode()) for line in lines]
    out = [
        own[i % len(lines)].replace(ids[i % len(lines)], f"evt_{first_id + i:016x}".encode(), 1) for i in range(length)
    ]
    (path / f"events_run_{number}.jsonl").write_bytes(b"\n".join(out) + b"\n")
    metadata = {
        "repo_url": address,
        "repo_full_name": f"bench/{name}",
        "run_number": number,
        "run_id": f"{first_id:016x}",
        "exit_code": 0,
        "status": "SUCCESS",
        "tier": 1,
        "events_file": f"events_run_{number}.jsonl",
        "event_count": length,
        "timestamp": "2026-02-18T02:18:36+00:00",
        "timeout_seconds": 300,
    }
    (path / f"run_metadata_{number}.json").write_text(json.dumps(metadata), encoding="utf-8")
    return length
