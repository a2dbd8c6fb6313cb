"""(c) The same fold fed by others, on the same topics in the same run: bare loop, quixstreams, JSON lines."""

from __future__ import annotations

from pathlib import Path

from bench.context import Bench, run_child, sample_of
from bench.tree import NATURAL, THROUGHPUT, make_tree

TREE_SHARE = 5
"""Result folders hold this many times fewer events than the topics; they are large."""

JSONL = (("json", "fold"), ("orjson", "fold"), ("json", "records"))


def measure(bench: Bench) -> None:
    """Every peer on every shape, one after the other, so that a noisy minute hits all of them."""
    trees = {shape: tree(bench, shape) for shape in (THROUGHPUT, NATURAL)}
    for _ in range(bench.options.repeat):
        for shape in bench.options.shapes():
            data = bench.input(shape)
            result = run_child(bench, "bench.bare", data.settings)
            bench.record("c", f"bare.{shape.name}", f"bare loop, {shape.label}", sample_of(result["from_first"]))
            label = f"bare loop from the call on, {shape.label}"
            bench.record("c", f"bare_call.{shape.name}", label, sample_of(result["from_call"]))
            for variant in ("reload", "cached"):
                result = run_child(bench, "bench.quix", data.settings, str(data.runs), variant)
                label = f"quixstreams with state ({variant}), {shape.label}"
                bench.record("c", f"quix.{variant}.{shape.name}", label, sample_of(result))
        for name, folder in trees.items():
            for parser, extent in JSONL:
                result = run_child(bench, "bench.jsonl", bench.settings, str(folder), parser, extent)
                label = f"JSON lines, {parser}.loads + {extent}, {name} shape"
                bench.record("c", f"jsonl.{parser}.{extent}.{name}", label, sample_of(result))


def tree(bench: Bench, shape: str) -> Path:
    """Result folders of a shape, written at the first call."""
    folder = bench.work / f"tree-{shape}"
    if not folder.is_dir():
        events = make_tree(folder, shape, bench.options.events // TREE_SHARE)
        bench.say(f"wrote {events:,} events as result folders, {shape} shape")
    return folder
