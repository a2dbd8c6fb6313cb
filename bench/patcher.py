"""(g) The patcher: what it adds to an interpreter's start, to a model call and per event, beside two peers.

Start: `python -c pass` in an environment without libraries, with and without the patcher, taken in turns. Model call:
the openai client on an in-process transport, in one environment; plain, patched, and with the instrumentations of
OpenInference and OpenTelemetry, whose spans go to the SDK's batching processor and an exporter that drops them, while
the patcher writes its file. Each repetition is a process of its own; its value is the median of its calls.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from bench.context import Bench
from bench.stats import Sample
from tests.support.patcher.program import BARE, patched_python, plain_python

LINE: Final = "peers-openai"
STARTS: Final = 60
CALLS: Final = 2_000
EVENTS: Final = 20_000
SCRIPTS: Final = Path(__file__).parent / "patched"


def measure(bench: Bench) -> None:
    """All three, in turns, so that a slow minute of the machine meets every variant."""
    events = bench.work / "patched.jsonl"
    watched = {"STRATUM_EVENTS_FILE": str(events), "STRATUM_RUN_ID": "bench", "STRATUM_REPO_ID": "bench"}
    watched |= {"STRATUM_EVENTS_MAX_BYTES": str(1 << 40)}
    plain, patched = plain_python(LINE), patched_python(LINE)
    for _ in range(bench.options.repeat):
        _starts(bench, watched)
        for name, label, python, given, kind in (
            ("call.plain", "openai call, nothing loaded", plain, {}, ""),
            ("call.patcher", "openai call, patched", patched, watched, ""),
            ("call.openinference", "openai call, OpenInference", plain, {}, "openinference"),
            ("call.opentelemetry", "openai call, OpenTelemetry", plain, {}, "opentelemetry"),
        ):
            told = _run([str(python), str(SCRIPTS / "call.py"), str(CALLS), *([kind] if kind else [])], given)
            notes = {"spans": told["spans"]} if kind else {}
            _record(bench, name, label, "calls", told["calls"], told["median_us"] * 1e-6, **notes)
        told = _run([str(patched), str(SCRIPTS / "event.py"), str(EVENTS)], watched)
        _record(bench, "event.write", "event, encoded and written", "events", EVENTS, told["median_us"] * 1e-6)
        events.unlink(missing_ok=True)


def _starts(bench: Bench, watched: dict[str, str]) -> None:
    """Median start of an interpreter with and without the patcher, by turns."""
    variants: dict[str, tuple[Path, dict[str, str], list[float]]] = {
        "none": (plain_python(BARE), {}, []),
        "patcher": (patched_python(BARE), watched, []),
    }
    for _ in range(STARTS):
        for python, given, times in variants.values():
            begun = time.perf_counter()
            subprocess.run([str(python), "-c", "pass"], env=_environment(given), check=True)
            times.append(time.perf_counter() - begun)
    for name, (_, _, times) in variants.items():
        label = "interpreter start, patched" if name == "patcher" else "interpreter start, no patcher"
        _record(bench, f"start.{name}", label, "starts", STARTS, statistics.median(times))


def _record(bench: Bench, name: str, label: str, unit: str, units: int, median_s: float, **notes: Any) -> None:
    """A repetition whose time for one unit is the median of its units; of processor time nothing is known."""
    bench.record("g", name, label, Sample(units, units * median_s, 0.0), unit, **notes)


def _run(argv: list[str], given: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(argv, env=_environment(given), check=True, capture_output=True, text=True)
    # Any: whatever the script measures.
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _environment(given: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRATUM_", "PYTHON", "OTEL_"))}
    return kept | given
