"""Fields of group evaluation."""

from __future__ import annotations

from stratum_lab.scan.result import Scan


def has_eval_framework(scan: Scan) -> bool:
    """An evaluation framework is imported."""
    return bool(scan.model.evaluation)


def has_eval_conflict(scan: Scan) -> bool:
    """Judge and judged have one parent."""
    return any(f.rule == "EVAL-001" for f in scan.findings)
