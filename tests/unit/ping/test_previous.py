"""The local history: newest measured ping per source, outside of what is scanned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stratum_lab.contract.events import ScanStatus
from stratum_lab.ping.previous import History, PreviousPing, history_dir
from tests.support.messages import examples
from tests.support.pings import empty_scan, failed_scan, first_scan

SOURCE = "https://github.com/example/agents"


def test_a_ping_is_found_again_for_its_source_alone(tmp_path: Path) -> None:
    History(tmp_path).keep(SOURCE, first_scan())
    found = History(tmp_path).latest(SOURCE + ".git")
    assert found is not None
    assert (found.scan_id, found.risk_score, found.schema_id) == ("1a2b3c4d", 17, 3)
    assert found.finding_rules == set(first_scan()["finding_rules"])
    assert found.values == first_scan()
    assert History(tmp_path).latest("https://github.com/example/other") is None


def test_failed_scans_are_not_remembered_and_empty_ones_are(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.keep(SOURCE, empty_scan())
    history.keep(SOURCE, failed_scan() | {"scan_id": "ffffffff"})
    found = history.latest(SOURCE)
    assert found is not None
    assert (found.scan_id, found.risk_score) == ("1a2b3c4d", 0)


def test_the_first_ping_of_a_scan_stays(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.keep(SOURCE, first_scan())
    history.keep(SOURCE, first_scan() | {"risk_score": 99})
    found = history.latest(SOURCE)
    assert found is not None
    assert found.risk_score == 17


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"risk_score": "x"}', "\udcff"], ids=range(6))
def test_a_damaged_history_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    history = History(tmp_path)
    history.keep(SOURCE, first_scan())
    (file,) = tmp_path.iterdir()
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert history.latest(SOURCE) is None


def test_the_history_stands_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert history_dir() == tmp_path / "stratum" / "scans"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in history_dir().parents


@pytest.mark.parametrize(
    "fields",
    [{"state": "running"}, {"status": "failed"}, {"status": None}, {"risk_score": None}, {"finding_rules": None}],
    ids=str,
)
def test_a_job_that_measured_nothing_is_no_previous_scan(fields: dict[str, Any]) -> None:
    status = examples()["ScanStatus"]
    assert isinstance(status, ScanStatus)
    assert PreviousPing.of_status(status) is not None
    assert PreviousPing.of_status(status.model_copy(update=fields)) is None
