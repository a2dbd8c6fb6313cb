"""The earlier ping a rescan is compared with, and the local history in which `stratum scan` finds it.

Workers find it in `scan.status`; the history is for the command line: one file per source in the user's own folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from stratum_lab.contract.events import ScanStatus
from stratum_lab.contract.ids import repo_id
from stratum_lab.files import write_whole


@dataclass(frozen=True, slots=True)
class PreviousPing:
    """What a rescan needs of the ping before it.

    Attributes:
        scan_id: Its scan_id.
        risk_score: Its score, copied unchanged whatever schema it used.
        finding_rules: Its rules.
        schema_id: Its schema, None when unknown.
        values: The whole ping where the history kept it, for reports; else empty.
    """

    scan_id: str
    risk_score: int
    finding_rules: frozenset[str]
    schema_id: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)  # Any: a ping is a JSON object

    @classmethod
    def of_ping(cls, values: Mapping[str, Any]) -> PreviousPing | None:
        """From a ping as JSON; None for a failed one, or for what is no ping."""
        score, rules, scan_id = values.get("risk_score"), values.get("finding_rules"), values.get("scan_id")
        if values.get("scan_status") == "failed" or type(score) is not int or not isinstance(rules, list):
            return None
        return cls(str(scan_id), score, frozenset(map(str, rules)), values.get("schema_id"), dict(values))

    @classmethod
    def of_status(cls, status: ScanStatus) -> PreviousPing | None:
        """From a final `scan.status` record; None for anything else than a scan that measured something."""
        if status.state != "done" or status.status in (None, "failed"):
            return None
        if status.risk_score is None or status.finding_rules is None:
            return None
        return cls(status.scan_id, status.risk_score, frozenset(status.finding_rules), status.schema_id)


def history_dir() -> Path:
    """The user's data folder for scans, outside any scanned project."""
    return user_data_path("stratum") / "scans"


class History:
    """Newest measured ping per source, one file each.

    Args:
        folder: Where; default: `history_dir`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or history_dir()

    def _path(self, source: str) -> Path:
        return self._folder / f"{repo_id(source)}.json"

    def latest(self, source: str) -> PreviousPing | None:
        """The newest ping of a source; None when there is none that can be read.

        Raises:
            ValueError: The source names no possible path.
        """
        try:
            values = json.loads(self._path(source).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError, UnicodeDecodeError):
            return None
        return PreviousPing.of_ping(values) if isinstance(values, dict) else None

    def keep(self, source: str, ping: Mapping[str, Any]) -> None:
        """Remember a ping; failed ones, and one whose scan_id is already the newest, change nothing.

        Raises:
            OSError: The folder cannot be written.
            ValueError: The source names no possible path.
        """
        fresh, known = PreviousPing.of_ping(ping), self.latest(source)
        if fresh is None or (known is not None and known.scan_id == fresh.scan_id):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(source), json.dumps(dict(ping), ensure_ascii=False).encode("utf-8"))
