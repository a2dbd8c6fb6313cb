"""Regulation labels of uncontrolled paths, by the table in regulations.json (finding_rules.md D4)."""

from __future__ import annotations

from collections.abc import Iterable

from stratum_lab.scan.graph import DataPath
from stratum_lab.scan.rules.facts import table


def labels(paths: Iterable[DataPath]) -> list[str]:
    """Sorted distinct labels that some uncontrolled paths trigger."""
    found = {
        row["label"]
        for path in paths
        for row in table("regulations.json")
        if path.sensitivity in row["sensitivity"]
        and (path.external or not row["external"])
        and (not row["missing"] or path.missing.intersection(row["missing"]))
    }
    return sorted(found)
