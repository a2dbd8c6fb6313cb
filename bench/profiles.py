"""`--profile`: where the time goes in the parts that are ours, one more pass each under cProfile."""

from __future__ import annotations

import io
import pstats
from pathlib import Path

from bench.context import Bench, run_child, with_prefix
from bench.live import fold_live
from bench.peers import tree
from bench.tree import THROUGHPUT

_LINES = 40


def profile(bench: Bench) -> str:
    """Profile the measured parts; cProfile slows everything, so only shares mean something."""
    out: list[str] = []
    shapes = bench.options.shapes()[-2:]
    for shape in shapes:
        if "a" in bench.options.parts:
            path = bench.work / f"live.{shape.name}.prof"
            fold_live(bench.input(shape), path)
            out.append(_top(path, f"live path, {shape.label}"))
        if "b" in bench.options.parts:
            path = bench.work / f"replay.{shape.name}.prof"
            run_child(bench, "bench.replay", bench.input(shape).settings, "1", profile=path)
            out.append(_top(path, f"replay, {shape.label}"))
        if "d" in bench.options.parts:
            number = bench.options.events if shape.run_events else bench.options.natural_runs
            path = bench.work / f"writer.{shape.name}.prof"
            run_child(bench, "bench.warehouse", bench.settings, "writer", shape.name, str(number), profile=path)
            out.append(_top(path, f"warehouse writer, {shape.label}"))
    if "e" in bench.options.parts:
        path = bench.work / "import.prof"
        settings = with_prefix(bench.settings, f"{bench.settings.kafka.topic_prefix}profile.")
        run_child(bench, "bench.importing", settings, "import", str(tree(bench, THROUGHPUT)), profile=path)
        out.append(_top(path, "import, throughput shape"))
    return "\n".join(out)


def _top(path: Path, title: str) -> str:
    said = io.StringIO()
    stats = pstats.Stats(str(path), stream=said).strip_dirs()
    stats.sort_stats("tottime").print_stats(_LINES)
    stats.sort_stats("cumulative").print_stats(_LINES)
    return f"=== {title}\n{said.getvalue()}"
