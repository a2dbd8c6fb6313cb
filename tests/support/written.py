"""Trees written from texts and scanned, with the fields of their ping by dotted name."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from stratum_lab.ping.build import measured
from stratum_lab.scan.result import Scan
from stratum_lab.scan.scanner import scan_tree

AGENT = "from crewai import Agent\na = Agent(role='r', goal='g', backstory='b')\n"
Files = dict[str, str]


def scan_of(root: Path, files: Files) -> Scan:
    """The scan of a tree that holds these texts by path."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).removeprefix("\n"), encoding="utf-8")
    return scan_tree(root)


def fields_of(scan: Scan, names: list[str]) -> dict[str, Any]:
    """Fields of the ping of a scan; "field.key" is a key inside an object field."""
    values = measured(scan)
    found = {}
    for name in names:
        field, _, key = name.partition(".")
        found[name] = values[field][key] if key else values[field]
    return found
