"""(f) The scanner: a tree of real Python files, beside `ast.parse` alone on the same files, each on one core.

The files are those of this environment's installed packages, chosen by the hash of their path, so that they are of
every kind. Measured is `scan_tree`: walk, hash, parse, model, graph, findings; and a loop that reads and parses each
file and drops its tree. The larger tree is ten copies of the files under other folders: the cost of a file should not
grow. Each runs in a process of its own; its peak memory includes the interpreter and every import.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import resource
import shutil
import site
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.context import Bench, run_child, sample_of
from bench.stats import Sample

FILES: Final = 2_000
COPIES: Final = 10
_FILE_BYTES: Final = 1 << 20


def measure(bench: Bench) -> None:
    """Both trees, the scanner and the plain loop."""
    small, large = (tree(bench.work, FILES, copies) for copies in (1, COPIES))
    for _ in range(bench.options.repeat):
        for how, folder, name, label in (
            ("parse", small, f"parse.{FILES}", f"ast.parse alone, {FILES:,} files"),
            ("scan", small, f"scan.{FILES}", f"scan_tree, {FILES:,} files"),
            ("scan", large, f"scan.{FILES * COPIES}", f"scan_tree, {FILES * COPIES:,} files"),
        ):
            result = run_child(bench, "bench.scan", bench.settings, how, str(folder))
            bench.record("f", name, label, sample_of(result), "files", **result["notes"])


def sources(number: int) -> list[Path]:
    """That many Python files of the installed packages, the same ones for the same packages."""
    root = Path(site.getsitepackages()[0])
    found = [path for path in root.rglob("*.py") if path.stat().st_size <= _FILE_BYTES]
    found.sort(key=lambda path: hashlib.sha256(path.relative_to(root).as_posix().encode()).digest())
    return found[:number]


def tree(work: Path, number: int, copies: int) -> Path:
    """A folder with the files, `copies` times; made once."""
    folder = work / f"scan.{number * copies}"
    root = Path(site.getsitepackages()[0])
    if not folder.exists():
        for path in sources(number):
            for copy in range(copies):
                target = folder / f"part{copy}" / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    return folder


def scan(folder: Path) -> tuple[int, dict[str, Any]]:
    """Scan the tree; returns the number of candidates and further facts."""
    # Imported here, so that the plain loop's memory is its own.
    from stratum_lab.scan.scanner import scan_tree
    from stratum_lab.scan.source.limits import DEFAULT

    done = scan_tree(folder, replace(DEFAULT, candidate_files=1 << 20, candidate_bytes=1 << 40))
    return done.files.python_file_count, {"agents": len(done.model.agents), "errors": done.files.parser_errors}


def parse(folder: Path) -> tuple[int, dict[str, Any]]:
    """Read and parse each file; returns their number."""
    paths = sorted(folder.rglob("*.py"))
    errors = 0
    for path in paths:
        try:
            ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            errors += 1
    return len(paths), {"errors": errors}


def once(work: Callable[[Path], tuple[int, dict[str, Any]]], folder: Path) -> tuple[Sample, dict[str, Any]]:
    """One measurement on one core, with the peak memory in its notes."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    wall, cpu = time.perf_counter(), time.process_time()
    units, notes = work(folder)
    sample = Sample(units, time.perf_counter() - wall, time.process_time() - cpu)
    return sample, {"peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, **notes}


def main() -> int:
    """Measure once and print the sample; arguments: `scan` or `parse`, folder."""
    warnings.simplefilter("ignore")
    sample, notes = once(scan if sys.argv[1] == "scan" else parse, Path(sys.argv[2]))
    print(json.dumps({"units": sample.units, "wall_s": sample.wall_s, "cpu_s": sample.cpu_s, "notes": notes}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
