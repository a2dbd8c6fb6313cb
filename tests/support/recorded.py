"""Result folders for tests, made by hand or copied from the recorded runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

RUNS = Path(__file__).parents[1] / "fixtures" / "runs"
RUNS_OTHER = Path(__file__).parents[1] / "fixtures" / "runs_other"
URL = "https://github.com/example/agents"


def line(number: int, **fields: Any) -> bytes:
    """One valid line; fields given override or add (values are any JSON)."""
    event = {
        "event_id": f"evt_{number:016x}",
        "timestamp_ns": 1_771_302_788_850_961_960 + number,
        "run_id": "283afbc5e6ea44dc",
        "repo_id": URL,
        "framework": "auto",
        "event_type": "llm.call_start",
        "payload": {"n": number},
        "stack_depth": 0,
    }
    return json.dumps(event | fields).encode()


def metadata(**fields: Any) -> dict[str, Any]:
    """Metadata of a run as the predecessor wrote it; fields given override or add (values are any JSON)."""
    return {
        "repo_url": URL,
        "repo_full_name": "example/agents",
        "run_number": 1,
        "run_id": "bc756a9c5f9a4398",
        "exit_code": 0,
        "status": "SUCCESS",
        "tier": 1,
        "framework_detected": "crewai",
        "event_count": 3,
        "timestamp": "2026-02-17T04:40:33.122638+00:00",
        "timeout_seconds": 300,
        "model_name": "mistralai/Mistral-7B-Instruct-v0.3",
    } | fields


def result_folder(
    path: Path, lines: list[bytes] | bytes | None, meta: dict[str, Any] | bytes | None, run: int = 1
) -> Path:
    """Write one run into a result folder; None leaves a file out, bytes are written as they are."""
    path.mkdir(parents=True, exist_ok=True)
    if lines is not None:
        body = lines if isinstance(lines, bytes) else b"".join(one + b"\n" for one in lines)
        (path / f"events_run_{run}.jsonl").write_bytes(body)
    if meta is not None:
        body = meta if isinstance(meta, bytes) else json.dumps(meta | {"run_number": run}).encode()
        (path / f"run_metadata_{run}.json").write_bytes(body)
    return path


def copy_runs(to: Path, count: int | None = None) -> Path:
    """Copy recorded runs, so that a test may change them."""
    for folder in sorted(RUNS.iterdir())[:count]:
        shutil.copytree(folder, to / folder.name)
    return to
