"""The scanning process: bounds itself, scans one tree, and sends what it found to its parent, frame by frame.

It trusts its parent and nothing it reads. Whatever ends it, the parent writes the ping.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from stratum_lab.ping.frames import EXIT_MEMORY, EXIT_TREE, MAX_SKIPPED, Order, write_frame
from stratum_lab.scan.source.limits import TreeError

if TYPE_CHECKING:
    from stratum_lab.scan.result import FileFacts

_PR_SET_PDEATHSIG: Final = 1
_RECURSION: Final = 6_000
"""Frames: syntax trees nest by up to the limit on nesting, with a few frames a level."""
_CPU_GRACE: Final = 5
_FILES: Final = 1024
"""Open files: a folder for every level of the deepest tree that is walked, and some."""
_STACK: Final = 64 << 20
"""Bytes of stack: what recurses through C code as deep as syntax may nest needs more than the usual 8 MiB."""


def bound(order: Order) -> None:
    """Give up what a scan does not need: memory, processor time, files to write, core dumps, life without a parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != order.parent:  # it died before the line above
            os._exit(1)
    seconds = int(order.limits.timeout_seconds) + _CPU_GRACE
    for what, wanted in (
        (resource.RLIMIT_AS, order.limits.memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_STACK, _STACK),
    ):
        _, hard = resource.getrlimit(what)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(what, (value, value))
    sys.setrecursionlimit(_RECURSION)


def _sender(out: BinaryIO) -> Callable[[FileFacts], None]:
    """Sends the facts about the files."""

    def on_files(facts: FileFacts) -> None:
        values: dict[str, Any] = asdict(facts)
        values["skipped"] = values["skipped"][:MAX_SKIPPED]
        write_frame(out, "files", values)

    return on_files


# Both import under the limits, so that a limit too small for the program itself shows as what it is.


def read(order: Order, out: BinaryIO) -> None:
    """Hash and count the files, and send that."""
    from stratum_lab.scan.source.load import content_facts

    _sender(out)(content_facts(Path(order.root), order.limits))


def scan(order: Order, out: BinaryIO) -> None:
    """Scan and send everything."""
    from stratum_lab.ping.build import measured
    from stratum_lab.scan.rules.score import fix_impact
    from stratum_lab.scan.scanner import scan_tree
    from stratum_lab.scan.structure import structural_graph
    from stratum_lab.scan.view import view

    done = scan_tree(Path(order.root), order.limits, _sender(out))
    write_frame(out, "measured", measured(done))
    write_frame(out, "view", view(done, fix_impact(done.findings)).model_dump(mode="json"))
    if order.repo_id is not None:
        graph = structural_graph(done.model, done.graph, order.repo_id, order.commit)
        write_frame(out, "graph", graph.model_dump(mode="json"))


def run(order: Order, out: BinaryIO) -> int:
    """Do what was ordered; returns the exit code."""
    try:
        (read if order.files_only else scan)(order, out)
    except TreeError as exc:
        write_frame(out, "tree_error", {"reason": exc.reason, "message": exc.message})
        return EXIT_TREE
    write_frame(out, "end", {})
    return 0


def main() -> int:
    """Entry point: the order stands in the first argument, frames go to standard output."""
    order = Order.of_json(json.loads(sys.argv[1]))
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing but frames may reach the parent's pipe
    bound(order)
    gc.disable()  # this process ends soon; one collection over all syntax trees costs a quarter of the scan
    try:
        return run(order, out)
    except MemoryError:
        return EXIT_MEMORY


if __name__ == "__main__":
    sys.stderr.flush()
    code = main()
    os._exit(code)  # the frames are flushed; taking a large heap apart would cost time and memory
