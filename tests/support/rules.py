"""Rules over hand-made models: what fired, by rule ID."""

from __future__ import annotations

from types import SimpleNamespace

from stratum_lab.scan.finding import Finding
from stratum_lab.scan.model import Model
from stratum_lab.scan.result import FileFacts, Scan
from stratum_lab.scan.rules import evaluate
from stratum_lab.scan.topology import build


def scan_of(model: Model, imported: dict[str, set[str]] | None = None) -> Scan:
    """A scan of a hand-made model with everything the rules fill in.

    Args:
        model: The model.
        imported: Dotted names its Python files import, by path.
    """
    model.settle()
    scan = Scan(FileFacts(), model, build(model) if model.agents else None)
    files = [SimpleNamespace(path=path, imported=found) for path, found in (imported or {}).items()]
    evaluate(scan, SimpleNamespace(modules=files))
    return scan


def fired(model: Model, imported: dict[str, set[str]] | None = None) -> dict[str, Finding]:
    """Findings of a hand-made model by rule ID."""
    return {finding.rule: finding for finding in scan_of(model, imported).findings}
