"""What a scan of each fixture repository must give: report and ping, kept in tests/fixtures/golden.

`python -m tests.support.golden` writes them again; the difference is then read in the commit.
"""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from stratum_lab.contract.events.ping import Ping
from stratum_lab.ping.attempt_facts import AttemptFacts
from stratum_lab.ping.build import complete, measured
from stratum_lab.report.text import report
from stratum_lab.scan.result import Scan
from stratum_lab.scan.rules.score import fix_impact
from stratum_lab.scan.scanner import scan_tree
from stratum_lab.scan.view import ScanView, view

FIXTURES = Path("tests/fixtures/scan")
GOLDEN = Path("tests/fixtures/golden")
_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Scanned(NamedTuple):
    """One fixture with what it gave."""

    scan: Scan
    ping: Ping
    view: ScanView


def fixtures() -> list[str]:
    """Fixture repositories; one kept in two states counts as two."""
    folders = [p for p in FIXTURES.iterdir() if p.is_dir()]
    states = [state for p in folders for state in (p / "before", p / "after") if state.is_dir()]
    whole = [p for p in folders if p not in {state.parent for state in states}]
    return sorted(p.relative_to(FIXTURES).as_posix() for p in (*whole, *states))


def golden(name: str, ending: str) -> Path:
    """The golden file of a fixture."""
    return GOLDEN / f"{name.replace('/', '-')}.{ending}"


@cache
def scanned(name: str) -> Scanned:
    """Scan a fixture in this process, with a fixed identity and time."""
    scan = scan_tree(FIXTURES / name)
    facts = AttemptFacts("0123abcd", _AT, 0.5, "0.0.0", scan.files)
    ping = complete(json.loads(json.dumps(measured(scan))), facts)
    return Scanned(scan, ping, view(scan, fix_impact(scan.findings)))


def shown(name: str) -> str:
    """The report of a fixture as text."""
    found = scanned(name)
    out = io.StringIO()
    Console(file=out, width=200, color_system=None).print(report(name, found.ping, found.view, None, full=True))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def document(name: str) -> dict[str, Any]:
    """The ping of a fixture."""
    return scanned(name).ping.to_json()


def main() -> None:
    """Write all golden files."""
    for name in fixtures():
        golden(name, "txt").write_text(shown(name))
        golden(name, "json").write_text(json.dumps(document(name), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
