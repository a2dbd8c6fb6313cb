"""Entry: options, the broker, the measurements in order, the table, and the result file.

Exit code 0 when everything was measured, whether or not a target is reached; the table says which were.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import importing, layouts, live, patcher, peers, profiles, replay, report, scan, warehouse
from bench.broker import broker
from bench.context import SIZES, Bench, Options
from bench.inputs import ROOT
from bench.ratios import compare
from bench.stats import machine
from stratum_lab.errors import StratumError
from stratum_lab.observe import logs
from stratum_lab.settings import LogSettings, load

RESULTS = ROOT / "bench" / "results"
DOCS = ROOT / "docs" / "bench.md"

EVENTS, NATURAL_RUNS, REPEAT = 1_000_000, 50_000, 3
QUICK_SHARE = 20
"""`--quick` measures this many times fewer events, once."""

PARTS: dict[str, tuple[Callable[[Bench], None], ...]] = {
    "a": (layouts.measure, live.measure),
    "b": (replay.measure,),
    "c": (peers.measure,),
    "d": (warehouse.measure,),
    "e": (importing.measure,),
    "f": (scan.measure,),
    "g": (patcher.measure,),
}
WITHOUT_BROKER = frozenset("fg")


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small input, one repetition: a smoke test, no result")
    parser.add_argument("--only", default=",".join(PARTS), help="letters of the measurements, as in a,c (default: all)")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="events per message")
    parser.add_argument("--events", type=int, help=f"events of the throughput shape (default {EVENTS:,})")
    parser.add_argument("--repos", type=int, help="repositories instead: 1,000 events each")
    parser.add_argument("--natural-runs", type=int, help=f"runs of the natural shape (default {NATURAL_RUNS:,})")
    parser.add_argument("--repeat", type=int, help=f"repetitions; medians are shown (default {REPEAT})")
    parser.add_argument(
        "--profile", action="store_true", help="one more pass under cProfile, written beside the result"
    )
    parser.add_argument(
        "--docs", type=Path, nargs="+", metavar="FILE", help="write docs/bench.md from result files and end"
    )
    return parser.parse_args(argv)


def chosen(args: argparse.Namespace) -> Options:
    """What the command line asks for.

    Raises:
        SystemExit: A letter or number makes no sense.
    """
    parts = "".join(p.strip() for p in args.only.split(","))
    sizes = tuple(sorted({int(s) for s in args.sizes.split(",")}))
    unknown = set(parts) - PARTS.keys()
    if unknown or not parts or not sizes or min(sizes) < 1:
        raise SystemExit(f"--only takes letters of {','.join(PARTS)}, --sizes positive numbers")
    share = QUICK_SHARE if args.quick else 1
    events = args.events or (args.repos or EVENTS // 1000 // share) * 1000
    return Options(
        parts=parts,
        sizes=sizes,
        events=events,
        natural_runs=args.natural_runs or max(50, NATURAL_RUNS * events // EVENTS),
        repeat=args.repeat or (1 if args.quick else REPEAT),
        profile=args.profile,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for; returns the exit code."""
    args = options(sys.argv[1:] if argv is None else argv)
    if args.docs is not None:
        results = [json.loads(path.read_text(encoding="utf-8")) for path in args.docs]
        DOCS.write_text(report.markdown(*results), encoding="utf-8")
        _say(f"wrote {DOCS}")
        return 0
    logs.configure(LogSettings(level="warning"))
    facts, began = machine(), datetime.now(UTC)
    try:
        wanted = chosen(args)
        needed = set(wanted.parts) - WITHOUT_BROKER
        started = broker(f"bench{uuid.uuid4().hex[:8]}.") if needed else nullcontext(load())
        with started as settings, tempfile.TemporaryDirectory() as folder:
            bench = Bench(settings, wanted, Path(folder), _say)
            for part, steps in PARTS.items():
                if part in bench.options.parts:
                    _say(report.PARTS[part])
                    for measure in steps:
                        measure(bench)
            result = _result(bench, facts, began)
            profiled = profiles.profile(bench) if bench.options.profile else None
    except StratumError as exc:
        _say(str(exc))
        return exc.exit_code
    print(report.text(result))
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{began:%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _say(f"wrote {path}")
    if profiled is not None:
        path.with_suffix(".profile.txt").write_text(profiled, encoding="utf-8")
        _say(f"wrote {path.with_suffix('.profile.txt')}")
    return 0


def _result(bench: Bench, facts: dict[str, Any], began: datetime) -> dict[str, Any]:
    return {
        "date": f"{began:%Y-%m-%d %H:%M} UTC",
        "machine": facts,
        "options": asdict(bench.options),
        "inputs": [
            {
                "shape": p.shape.name,
                "layout": p.layout,
                "events": p.events,
                "messages": p.messages,
                "runs": p.runs,
                "repositories": p.shape.repos,
                "bytes_per_event": round(p.value_bytes / p.events),
            }
            for p in bench.inputs()
        ],
        "series": [s.to_json() for s in bench.results.values()],
        "comparisons": [c.to_json() for c in compare(bench.results)],
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
