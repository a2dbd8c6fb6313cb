"""One scan: files to project, project to model, model to graph and findings (finding_rules.md)."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

from stratum_lab.scan.capabilities import find_capabilities
from stratum_lab.scan.detect import detect
from stratum_lab.scan.result import FileFacts, Scan
from stratum_lab.scan.rules import evaluate
from stratum_lab.scan.source.limits import DEFAULT, Limits
from stratum_lab.scan.source.load import load
from stratum_lab.scan.source.project import Project
from stratum_lab.scan.topology import build


def scan_tree(root: Path, limits: Limits = DEFAULT, on_files: Callable[[FileFacts], None] | None = None) -> Scan:
    """Scan the tree at `root`; nothing in it is executed, followed out of it, or written.

    Args:
        root: A folder.
        limits: Caps on files, bytes and nesting.
        on_files: Called with the file facts as soon as they are known, before anything is analysed.

    Raises:
        stratum_lab.errors.StratumError: The tree is no folder, cannot be read or is over a limit that ends the scan.
    """
    collecting = gc.isenabled()
    gc.disable()  # syntax trees have no cycles; the collector would walk all of them again and again
    try:
        facts, project = load(root, limits)
        if on_files is not None:
            on_files(facts)
        return analyse(facts, project)
    finally:
        if collecting:
            gc.enable()


def analyse(facts: FileFacts, project: Project) -> Scan:
    """Everything after reading: model, capabilities, graph, findings. Without agents there is no graph."""
    model = detect(project)
    model.skipped = list(facts.skipped)
    find_capabilities(project, model)
    scan = Scan(facts, model)
    if model.agents:
        scan.graph = build(model)
        evaluate(scan, project)
    return scan
